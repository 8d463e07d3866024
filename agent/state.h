/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: what the agent must know across reboots. Written only by state_store. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/plan/plan.h"
#include "agent/poll/backoff.h"
#include "agent/way.h"
#include "hooks/health.h"

#define STATE_FAILED_MAX  32 /* oldest are dropped */
#define STATE_REVOKED_MAX 256
#define STATE_FILE_MAX    (128 * 1024)

/* What is known of a slot's content. Only COMMITTED was ever proved healthy. */
enum state_slot_status {
	STATE_SLOT_UNKNOWN, /* factory, or state was lost */
	STATE_SLOT_WRITING, /* do not boot, do not trust */
	STATE_SLOT_WRITTEN, /* whole and read back, not yet proved */
	STATE_SLOT_COMMITTED,
	STATE_SLOT_FAILED,
};

struct state_slot {
	enum state_slot_status status;
	uint64_t release;
	uint64_t epoch;
	char version[PLAN_VERSION_SIZE];
	uint8_t manifest[HASH_SIZE];
	int64_t support_end;
	struct plan_image images[PLAN_IMAGES_MAX]; /* name … leaves, and index */
	size_t image_count;
};

enum state_txn_phase {
	STATE_TXN_NONE,
	STATE_TXN_WRITING, /* the target is being written */
	STATE_TXN_WRITTEN, /* whole, not activated */
	STATE_TXN_ACTIVATED, /* set-trial was or may have been done */
	STATE_TXN_FAILED, /* health refused it; the way back is under way */
};

struct state_txn {
	uint64_t number; /* rises with every transaction */
	enum state_txn_phase phase;
	char target; /* slot */
	uint64_t release;
	uint8_t manifest[HASH_SIZE];
	enum err_code why; /* FAILED: the reason */
	char why_text[160];
	int64_t started;
	bool from_bundle;
	bool by_hand;
};

/* What the offer that waits would take, as far as a poll or a check has looked. */
struct state_offer_plan {
	bool made;
	struct way_sum sum;
};

struct state_failed {
	uint8_t manifest[HASH_SIZE];
	uint64_t release;
	enum err_code why;
	char why_text[160];
	int64_t when;
};

struct state {
	/* Floors (design 4.5): never lowered, never below the image's backstop. */
	uint64_t release_floor;
	uint64_t epoch_floor;
	int64_t time_floor;

	struct state_slot slots[2];
	struct state_txn txn;
	struct state_failed failed[STATE_FAILED_MAX];
	size_t failed_count;
	uint8_t revoked[STATE_REVOKED_MAX][HASH_SIZE];
	size_t revoked_count;

	/* Budget: attempts of the release that is being installed, counted before they start. */
	uint8_t attempt_manifest[HASH_SIZE];
	uint32_t attempts;
	uint32_t health_runs; /* of the present trial */

	struct backoff backoff;
	int64_t last_poll;
	enum err_code last_poll_rc;
	int64_t deferred_until;

	/* The offer that waits, for status: release 0 = none. */
	struct plan offer;
	char offer_why[160];
	int64_t offer_not_before;
	struct state_offer_plan offer_plan;

	struct health_baseline baseline;
	char baseline_slot; /* the committed slot it was taken on */

	uint8_t seed[16];
	char pseudonym[33];
	uint32_t journal_epoch;
	uint64_t journal_seq;
	uint8_t journal_head[HASH_SIZE];
	uint64_t boot_counter;
	char boot_id[40]; /* kernel's boot id of the boot that was counted last */
	char boot_slot; /* what that boot was */
	bool boot_trial;
	bool provisioned;
};

/* The image's lower bounds: /usr/share/pawl/backstop.json. All zero when the image has none. */
struct backstop {
	bool present;
	int64_t build_time;
	uint64_t epoch;
	uint64_t root_version;
	uint64_t release;
	char product[PLAN_NAME_SIZE];
};

/* Reads backstop.json; a missing file is success with present = false. E_STATE when malformed. */
int backstop_load(const char *path, struct backstop *out, struct err *e);

/*
 * Reads state.json below `dir`, up to three times when the medium fails. *lost: it was
 * missing or unusable and *out holds the backstop's floors, a new seed and pseudonym
 * (`e` says why; for a first start E_NOTFOUND). Floors are raised to the backstop, lost
 * or not; only release and epoch of an image on trial wait for its commit. -1 only for
 * E_NOMEM (also too many open files) or when no random numbers can be had.
 */
int state_load(int dir, const struct backstop *b, struct state *out, bool *lost, struct err *e);

/* Replaces state.json durably (commit point: its rename). E_IO, E_SPACE. */
int state_store(int dir, const struct state *s, struct err *e);

/* Slot record of 'A' or 'B'. */
struct state_slot *state_slot_of(struct state *s, char slot);

/* Failed releases: lookup by manifest hash (NULL = none), remembering (oldest goes). */
const struct state_failed *state_find_failed(
	const struct state *s, const uint8_t manifest[HASH_SIZE]);
void state_add_failed(struct state *s, const struct state_failed *f);
void state_forget_failed(struct state *s, const uint8_t manifest[HASH_SIZE]);

/* Withdrawn manifests. */
bool state_is_revoked(const struct state *s, const uint8_t manifest[HASH_SIZE]);
void state_add_revoked(struct state *s, const uint8_t manifest[HASH_SIZE]);

const char *state_slot_status_name(enum state_slot_status s);
const char *state_txn_phase_name(enum state_txn_phase p);
