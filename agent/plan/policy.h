/* SPDX-License-Identifier: Apache-2.0 */
/* May this release go onto this device now? Design 4.3 and 10. Pure: values in, verdict out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/manifest.h"

#define POLICY_DEFER_MAX (INT64_C(30) * 86400) /* `pawl defer` is bounded by it, seconds */

enum policy_auto { POLICY_SECURITY, POLICY_ALL, POLICY_NOTIFY, POLICY_OFF };

struct policy_part {
	char image[PLAN_NAME_SIZE]; /* image name that the target slot has a place for */
	uint64_t size; /* bytes of that place; 0 = not known yet, not judged */
};

/* The device, as plain values. */
struct policy_device {
	const char *product;
	const char *channel;
	const char *compatible;
	uint64_t installed_release; /* what runs now; 0 = unknown */
	uint64_t release_floor; /* highest ever committed, or the image's backstop */
	uint64_t epoch_floor;
	const struct policy_part *parts;
	size_t part_count;
	bool zstd; /* can this build decompress zstd? */
	uint8_t seed[16];
	int64_t time; /* T */
};

/* What is said about this release beside its manifest. */
struct policy_release {
	bool held;
	bool revoked;
	bool failed_before;
	unsigned cap; /* percent */
	bool by_hand; /* `install`: rollout, cap, auto and defer are ignored */
	bool retry_failed; /* a person said so */
	bool local_bundle; /* no channel is demanded: looked up as a release */
};

struct policy_user {
	enum policy_auto automatic;
	int64_t deferred_until; /* 0 = not */
};

enum policy_verdict {
	POLICY_INSTALL,
	POLICY_CURRENT, /* the device has it already */
	POLICY_WAIT, /* allowed, but not now: see `why` and `not_before` */
	POLICY_TELL, /* allowed, and a person must ask for it */
};

struct policy_answer {
	enum policy_verdict verdict;
	int64_t not_before; /* WAIT: seconds, 0 = not known */
	bool repair; /* the very release of the floor while an older one runs */
	char why[160];
};

/*
 * 0 and an answer, or -1 when the release must not be installed: E_POLICY
 * (product, channel), E_COMPAT (compatible, min_from, image names, sizes,
 * encoding), E_ROLLBACK (release, epoch), E_HELD (held, revoked), E_FAILED.
 * Order as in design 4.3. Every security check is a MUST.
 */
int policy_judge(const struct manifest *m, const struct policy_device *d,
	const struct policy_release *r, const struct policy_user *u, struct policy_answer *out,
	struct err *e);

/*
 * The device's place 0..9999 in a rollout: first 8 bytes, big-endian, of
 * SHA-256(seed ‖ salt), mod 10000 (design 10).
 */
int policy_rollout_place(const uint8_t seed[16], const char *salt, unsigned *place, struct err *e);
