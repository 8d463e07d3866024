/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TUF client: the only code that decides what may be installed.
 * Source: The Update Framework specification 1.0.33, section 5; docs/formats.md
 * for Pawl's signed extras (x-issued, x-hold, x-cap, custom.revoked).
 *
 * It gets bytes through a struct fetcher and keeps what it verified, as
 * received, in a folder: root.json, timestamp.json, snapshot.json, targets.json,
 * delegated roles percent-encoded; roots/N.root.json and cache/ in subfolders.
 * It opens no socket and knows no URL. Names that it asks a fetcher for are
 * percent-encoded where a role's name needs it ("1.%2Fodd.json"): the fetcher
 * must not encode them again.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/base/hash.h"

#define TRUST_ROOT_MAX        (256 * 1024)
#define TRUST_TIMESTAMP_MAX   (32 * 1024)
#define TRUST_SNAPSHOT_MAX    (64 * 1024)
#define TRUST_TARGETS_MAX     (1024 * 1024)
#define TRUST_ROOTS_A_RUN     64
#define TRUST_TARGET_PATH_MAX 256

/* What differs between the agent, a bundle, and the conformance client. Plain values. */
struct trust_options {
	const uint8_t *image_root; /* bytes of the root.json that the image carries; borrowed */
	size_t image_root_len;
	uint64_t root_floor; /* root version in the image's backstop, 0 = none */
	int store; /* descriptor of the folder, borrowed; -1 = scratch set, nothing kept */
	int64_t now; /* wall clock, seconds */
	bool clock_synchronised;
	int64_t time_floor; /* design 4.4; 0 = none */
	/*
	 * A local file that root installs (design 4.3): expiry of timestamp and
	 * snapshot is ignored; expired targets or final root are accepted and
	 * reported in the facts, or refused when offline_expiry_refuse.
	 */
	bool offline;
	bool offline_expiry_refuse;
	/* Follow every delegation as the specification says; else only the role "releases". */
	bool open_delegations;
	/* A target may have SHA-512 instead of SHA-256 (conformance). */
	bool sha512_is_enough;
};

/* What is known after trust_refresh or trust_load_stored. */
struct trust_facts {
	int64_t time; /* T, at which expiry was judged */
	bool freshness_known; /* false: the clock was not synchronised */
	int64_t time_floor; /* the floor to persist; never lower than the option's */
	uint64_t root_version;
	uint64_t timestamp_version;
	uint64_t snapshot_version;
	uint64_t targets_version;
	int64_t root_expires;
	int64_t timestamp_expires;
	int64_t targets_expires;
	int64_t targets_issued; /* x-issued of targets, 0 where absent */
	bool expired_accepted; /* offline only: targets or final root were expired */
	bool unchanged; /* the server said that timestamp did not change */
	unsigned new_roots; /* successor roots accepted in this run */
};

/* One target file, as signed. `custom` is borrowed from the trust object; may be NULL. */
struct trust_target {
	uint64_t length;
	bool has_sha256; /* always, but for sha512_is_enough */
	uint8_t sha256[HASH_SIZE];
	bool has_sha512; /* conformance: checked by trust_check_target when signed */
	uint8_t sha512[64];
	const json_t *custom;
};

struct trust;

/*
 * Loads and verifies the trusted root: the image's, then stored roots that form
 * a verified chain from it. *out is the caller's (trust_free). E_TRUST when the
 * image's root is unusable; a broken stored chain is ignored beyond its last
 * good link.
 */
int trust_open(const struct trust_options *o, struct trust **out, struct err *e);
void trust_free(struct trust *t);
static inline void cleanup_trust(struct trust **t)
{
	trust_free(*t);
}
#define AUTO_TRUST __attribute__((cleanup(cleanup_trust)))

/*
 * Root, timestamp, snapshot, targets, in that order, each stored only after all
 * its checks (spec 5.3 to 5.6; design 4.3). E_SIG, E_THRESHOLD, E_ROLLBACK,
 * E_EXPIRED, E_MIX, E_HASH, E_SIZE, E_JSON, E_META, or the fetcher's error. On
 * failure what is stored is a verified older set.
 */
int trust_refresh(struct trust *t, const struct fetcher *metadata, struct err *e);

/*
 * The stored set without any fetching, verified again; expiry is not judged.
 * E_NOTFOUND where there is none or it is not whole (an interrupted refresh);
 * holds of a stored timestamp count even then. E_ROLLBACK below root_floor.
 */
int trust_load_stored(struct trust *t, struct err *e);

/* After one of the two above. */
void trust_get_facts(const struct trust *t, struct trust_facts *out);

/*
 * Looks a target up by its path ("demo/stable.json", "demo/releases/7.json"),
 * fetching the delegated role when it is needed (`metadata` may be NULL after
 * trust_load_stored). E_NOTFOUND where no trusted role lists it; errors as above.
 * `custom` stays valid until the next trust_refresh, trust_load_stored or trust_free.
 */
int trust_find_target(struct trust *t, const struct fetcher *metadata, const char *path,
	struct trust_target *out, struct err *e);

/* Do these bytes have the signed length and hashes? E_SIZE, E_HASH. */
int trust_check_target(
	const struct trust_target *target, const void *data, size_t len, struct err *e);

/*
 * The name of the target's file in the repository, below targets/: the hash goes
 * before the last part ("demo/<hash>.stable.json"; spec 6.2). Appends to `out`.
 */
int trust_target_file(
	const struct trust_target *target, const char *path, struct buf *out, struct err *e);

/* Is the release on hold by timestamp's x-hold? */
bool trust_is_held(const struct trust *t, const char *product, uint64_t release);

/* x-cap of "product/channel" in percent, 100 where there is none. */
unsigned trust_cap(const struct trust *t, const char *product, const char *channel);

/* Is the manifest's hash in custom.revoked of any target that is loaded? */
bool trust_is_revoked(const struct trust *t, const uint8_t manifest[HASH_SIZE]);

/* Calls `each` for every revoked manifest hash that is loaded; stops at its first -1. */
int trust_each_revoked(const struct trust *t,
	int (*each)(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e), void *ctx,
	struct err *e);

/* The bytes of the root that is trusted now, appended to `out`: where a scratch set starts. */
int trust_get_root(const struct trust *t, struct buf *out, struct err *e);

/*
 * Keeps the roots that a scratch set verified in `store` (design 4.3, last
 * sentence). Where they changed the keys of timestamp or snapshot, the stored
 * ones are forgotten, as in trust_refresh.
 */
int trust_keep_roots(const struct trust *t, int store, struct err *e);
