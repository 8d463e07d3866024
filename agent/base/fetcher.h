/* SPDX-License-Identifier: Apache-2.0 */
/* A fetcher of small named files, and a source of objects: how steps hand content on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/base/reader.h"

/* What a server said identifies the version of a file that the caller holds; "" = none. */
struct fetch_tag {
	char text[192];
};

/*
 * Gets whole small files by name ("3.root.json"). Nothing that it returns is
 * trusted. Filled in by who makes it; functions get `ctx`.
 */
struct fetcher {
	void *ctx;
	/*
	 * Reads `name` into `out` (emptied first), whose limit is the cap while
	 * receiving: E_SIZE beyond it. E_NOTFOUND only when the place says that
	 * it has no such file (HTTP 404 or 403); E_NET, E_TLS, E_TIMEOUT, E_IO …
	 *
	 * `tag` may be NULL. Else it holds on entry the tag of the version that
	 * the caller has, and on success that of the version returned. When the
	 * place says that the version did not change, *unchanged is true and
	 * `out` is empty; *unchanged is false otherwise (NULL when tag is NULL).
	 */
	int (*get)(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
		struct buf *out, struct err *e);
};

/* Opens objects (leaves, full, pieces) by hash for reading at any place. */
struct object_source {
	void *ctx;
	/* The reader is the caller's (reader_close). Its bytes are not trusted. E_NOTFOUND, E_NET … */
	int (*open)(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length, struct reader *out,
		struct err *e);
	/*
	 * Optional (may be NULL): does it have these bytes of the object, as far as it
	 * knows without asking anybody? E_NOTFOUND, E_SIZE: no, so that a plan that
	 * needs them is not begun. 0 promises nothing.
	 */
	int (*holds)(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
		const struct byte_range *ranges, size_t count, struct err *e);
};
