/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata documents: reading the form of each role. Knows nothing of who may sign them. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/trust/client.h"
#include "agent/trust/hashes.h"

#define ROLE_VERSION_MAX (INT64_C(1) << 53)
#define ROLE_LENGTH_MAX  (INT64_C(1) << 53)

enum role_kind { ROLE_ROOT, ROLE_TIMESTAMP, ROLE_SNAPSHOT, ROLE_TARGETS, ROLE_KIND_COUNT };

/* Name of a top-level role ("root") and the size at which reading stops. */
const char *role_name(enum role_kind kind);
size_t role_cap(enum role_kind kind);

/* One document of good form. Zero-initialise; `doc` is NULL where there is none. */
struct role {
	json_t *doc; /* {signed, signatures} as received */
	const json_t *body; /* its "signed" */
	uint64_t version;
	int64_t expires;
	int64_t issued; /* x-issued, 0 where absent */
};

/*
 * Reads a document and checks all that its role requires of its form: type,
 * specification version, version, expiry, and each field that is used later.
 * E_JSON, E_META. `sha512_is_enough`: targets need not have SHA-256.
 */
int role_parse(enum role_kind kind, const char *where, const struct buf *bytes,
	bool sha512_is_enough, struct role *out, struct err *e);
void role_free(struct role *r);

static inline void cleanup_role(struct role *r)
{
	role_free(r);
}
#define AUTO_ROLE __attribute__((cleanup(cleanup_role)))

/* Moves a document, freeing what was in `to`. */
void role_move(struct role *to, struct role *from);

/* What timestamp and snapshot say about another file. */
struct role_meta {
	uint64_t version;
	bool has_length;
	uint64_t length;
	bool has_hashes;
	struct hashes hashes;
};

/* The entry "<file>" of `meta`. E_META when missing or malformed. */
int role_find_meta(const struct role *r, const char *file, struct role_meta *out, struct err *e);

/* Has the content the listed length and hashes (where they are listed)? E_SIZE, E_HASH. */
int role_check_meta(
	const struct role_meta *m, const struct buf *bytes, const char *where, struct err *e);

/* One entry of `targets`. E_META. */
int role_read_target(const json_t *entry, const char *path, bool sha512_is_enough,
	struct trust_target *out, struct err *e);
