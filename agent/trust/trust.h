/* SPDX-License-Identifier: Apache-2.0 */
/* The client's inside: what its source files share, and nobody else includes. */
#pragma once

#include "agent/trust/client.h"
#include "agent/trust/keyring.h"
#include "agent/trust/role.h"
#include "agent/trust/store.h"

#define TRUST_DELEGATED_MAX 32 /* delegated roles that one lookup visits, and that stay loaded */

/* A delegated role that was verified for some delegation; it is verified again for each other. */
struct trust_delegated {
	char *name;
	struct role role;
};

/* A successor root of this run, for trust_keep_roots. */
struct trust_new_root {
	uint64_t version;
	struct buf bytes;
};

struct trust {
	struct trust_options o; /* image_root is not used after trust_open */
	struct store store;
	struct keyring rings[ROLE_KIND_COUNT]; /* of the current root */
	struct keyring retired[ROLE_KIND_COUNT]; /* keys of older roots, for E_KEY_REVOKED */
	struct role root;
	struct buf root_bytes;
	struct role timestamp;
	struct role snapshot;
	struct role targets;
	struct trust_delegated delegated[TRUST_DELEGATED_MAX];
	size_t delegated_count;
	struct trust_new_root new_roots[TRUST_ROOTS_A_RUN];
	unsigned new_root_count;
	bool online_rotated; /* a new root of this run changed timestamp or snapshot keys */
	int64_t time; /* T */
	bool judges_expiry; /* false after trust_load_stored */
	bool expired_accepted; /* offline */
	bool unchanged;
};

/* --- root.c --- */

/* The image's root, then the stored chain. E_TRUST. */
int root_load(struct trust *t, struct err *e);

/* Successor roots from the fetcher, each stored; then the floor and the expiry of the last one. */
int root_refresh(struct trust *t, const struct fetcher *metadata, struct err *e);

/* E_ROLLBACK when the root is below the version that the image's backstop demands. */
int root_check_floor(const struct trust *t, struct err *e);

/* --- time.c --- */

/* T at the start of a run: the floor or the clock, whichever is later. */
void time_start(struct trust *t);

/*
 * T after timestamp and targets are known: what they say may make it later.
 * Only x-issued of targets raises the floor that is kept.
 */
int time_advance(struct trust *t, struct err *e);

/* Is a role good at T? E_EXPIRED, or accepted as the offline options say. */
int time_check(
	struct trust *t, enum role_kind kind, int64_t expires, const char *where, struct err *e);

/* --- listed.c: files that another file lists with version, length and hashes --- */

struct listed {
	enum role_kind kind;
	const char *role; /* name, not encoded */
	bool is_delegated;
	const struct keyring *ring;
	const struct keyring *retired; /* may be NULL */
	struct role_meta meta;
};

/* The stored one, if it verifies and is the one that is listed. */
bool listed_is_stored(const struct trust *t, const struct listed *l, struct role *out);

/* Fetches and verifies all but expiry. E_MIX for another generation; else as trust_refresh. */
int listed_fetch(const struct trust *t, const struct fetcher *metadata, const struct listed *l,
	struct buf *bytes, struct role *out, struct err *e);

/* --- refresh.c --- */

/* The place of a top-level role in what `by` lists. E_META. */
int refresh_list(const struct trust *t, enum role_kind kind, const struct role *by,
	struct listed *out, struct err *e);

/* --- client.c --- */

/* A stored top-level role, verified against the current root; false where there is none. */
bool client_read_stored(
	const struct trust *t, enum role_kind kind, struct buf *bytes, struct role *out);

/* Forgets all but the roots, before a run. */
void client_clear(struct trust *t);
