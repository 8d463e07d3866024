/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published metadata, TUF 1.0 as docs/formats.md says: read, edited in
 * memory, then signed and written in the one order that is safe (roles_commit).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/hash.h"
#include "agent/base/json.h"
#include "publisher/keys.h"
#include "publisher/publisher.h"

#define ROLES_SPEC_VERSION   "1.0.31"
#define ROLES_ROOT_KEYS      3
#define ROLES_ROOT_THRESHOLD 2
#define ROLES_WARN_DAYS      90 /* refresh tells when root, targets or releases have less */
#define ROLES_DAY            86400

/* What the agent reads at most (docs/formats.md). */
#define ROLES_ROOT_MAX      (256 * 1024)
#define ROLES_TIMESTAMP_MAX (32 * 1024)
#define ROLES_SNAPSHOT_MAX  (64 * 1024)
#define ROLES_TARGETS_MAX   (1024 * 1024)

enum role { ROLE_ROOT, ROLE_TARGETS, ROLE_RELEASES, ROLE_SNAPSHOT, ROLE_TIMESTAMP, ROLE_COUNT };

/* What is fixed of each role. */
struct role_info {
	const char *name; /* "releases" */
	const char *type; /* "_type": "targets" */
	const char *signer; /* role of root.json whose keys sign it; also the name in `expiry` */
	const char *expiry; /* key of pawl-repo.json's "expiry" */
	size_t max; /* bytes that the agent reads at most */
	bool issued; /* carries x-issued */
};
extern const struct role_info roles_info[ROLE_COUNT];

struct roles {
	json_t *file[ROLE_COUNT]; /* {signatures, signed}; `signed` is edited in place */
	bool changed[ROLE_COUNT]; /* to be signed anew with the next version */
	json_t *old_root; /* `signed` of the published root; NULL for a new repository */
	char resumed
		[KEYS_NAME_SIZE]; /* key whose interrupted rotation change_begin finished, or "" */
};

/* Frees everything; safe on a zeroed struct. */
void roles_free(struct roles *r);
#define AUTO_ROLES __attribute__((cleanup(roles_free)))

/* Reads what is published: the newest root, timestamp and what it leads to. */
int roles_load(struct publisher *p, struct roles *out, struct err *e);

/* Reads one metadata file of public/metadata ("7.root.json"); new reference. `raw` may be NULL. */
int roles_read_file(int metadata_dir, const char *name, size_t max, json_t **out, struct buf *raw,
	struct err *e);

/* The `signed` part, borrowed. */
json_t *roles_signed(const struct roles *r, enum role role);
int64_t roles_version(const struct roles *r, enum role role);

/* Seconds at which a role expires; 0 when it cannot be read. */
int64_t roles_expires(const struct roles *r, enum role role);

/* The file's name in public/metadata at a version: "3.targets.json", "timestamp.json". */
void roles_file_name(enum role role, int64_t version, char *out, size_t size);

/*
 * How many distinct keys of `signer` (a role of the root whose `signed` part is
 * given) made a valid signature on `file`.
 */
int roles_count_signatures(
	const json_t *root, const char *signer, const json_t *file, unsigned *count, struct err *e);

/* The threshold of a role of a root, 0 when there is no such role. */
unsigned roles_threshold(const json_t *root, const char *signer);

/* Its keyids, borrowed array (NULL when there is no such role). */
json_t *roles_keyids(const json_t *root, const char *signer);

/* --- Editing (roles_edit.c) --- */

/* Fills an empty repository's roles at version 0, to be committed as version 1. */
int roles_make_new(struct roles *r, const struct keys_entry root_keys[ROLES_ROOT_KEYS],
	const struct keys_entry *release, const struct keys_entry *online, struct err *e);

/*
 * In the root: `keyid_out` (NULL = none) gives way to `in` (NULL = none) in one
 * role ("root", "targets"; "timestamp" stands for snapshot too).
 */
int roles_replace_key(struct roles *r, const char *signer, const char *keyid_out,
	const struct keys_entry *in, struct err *e);

/* A target of role targets or releases, borrowed; NULL when it is not listed. */
json_t *roles_find_target(const struct roles *r, enum role role, const char *path);

/* Lists a target; what `custom.revoked` says is kept. */
int roles_set_target(struct roles *r, enum role role, const char *path, uint64_t length,
	const char *sha256_hex, uint64_t release, const char *version, struct err *e);

/* Adds a manifest's hash to `custom.revoked` of every channel of a product, sorted, once. */
int roles_revoke_manifest(
	struct roles *r, const char *product, const char *sha256_hex, struct err *e);

/* Calls `each` for every channel target of a product (NULL = all); path is "product/channel.json". */
int roles_each_channel(const struct roles *r, const char *product,
	int (*each)(void *ctx, const char *path, json_t *target, struct err *e), void *ctx,
	struct err *e);

/* Release number in a target's custom, 0 when there is none. */
uint64_t roles_target_release(const json_t *target);
const char *roles_target_hash(const json_t *target);

/* --- Signing and writing (roles_sign.c, roles_commit.c) --- */

/*
 * Signs one role's file in memory: next version, expiry, x-issued. Root: by the
 * thresholds of the old and of the new root.
 */
int roles_sign(struct publisher *p, struct roles *r, enum role role, struct err *e);

/*
 * Signs and writes what changed, and whatever an interrupted run or a new root
 * left with too few valid signatures. Everything is signed before anything is
 * written; then targets, releases, snapshot (not yet referred to), root, and
 * timestamp last. *wrote says whether there was anything to do.
 */
int roles_commit(struct publisher *p, struct roles *r, bool *wrote, struct err *e);
