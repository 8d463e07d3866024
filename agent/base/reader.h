/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of bytes at an offset: how one step hands content to another without knowing it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct byte_range {
	uint64_t offset;
	uint64_t length;
};

/*
 * An object that can be read at any place (an HTTP object, a member of a
 * bundle, a file). Filled in by who makes it; every function gets `ctx`.
 * Nothing that it returns is trusted: the caller hashes it.
 */
struct reader {
	void *ctx;
	/*
	 * Optional (may be NULL): says beforehand which ranges will be read,
	 * ascending and not overlapping, so that a network reader asks for just
	 * these. A later read elsewhere must still work.
	 */
	int (*expect)(void *ctx, const struct byte_range *ranges, size_t count, struct err *e);
	/* Reads exactly `len` bytes at `offset`, or fails: E_NET, E_TIMEOUT, E_SIZE, E_IO … */
	int (*read)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	/* Frees ctx; may be NULL. */
	void (*close)(void *ctx);
};

static inline void reader_close(struct reader *r)
{
	if (r->close)
		r->close(r->ctx);
	*r = (struct reader){0};
}
