/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching: where each part of a new image comes from, before anything is fetched.
 * The result is exact as long as target and seeds stay as they were read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"
#include "partitions/slot/scratch.h"
#include "partitions/slot/seed.h"
#include "partitions/slot/survey.h"

/* Places of struct slot_match: these two, or seed number << 60 | offset in the seed. */
#define SLOT_PLACE_DATA       UINT64_MAX
#define SLOT_PLACE_TARGET     (UINT64_MAX - 1) /* the same place of the target slot */
#define SLOT_PLACE_SEED_SHIFT 60

struct slot_match_request {
	const struct slot_index *index;
	const struct slot_frames *frames; /* NULL: not known yet */
	const struct slot_survey *survey;
	struct slot_seed *const *seeds;
	size_t seed_count; /* at most SLOT_SEEDS_MAX */
	int scratch_dir;
};

struct slot_match {
	/* uint64_t for each non-zero entry, in order; SLOT_PLACE_DATA where no leaf is wanted */
	struct scratch place;
	unsigned generations; /* of which something is needed: 0 … generations − 1 at most */
	/* Only with frames: */
	uint8_t *need; /* a bit for each frame of the whole table: is it needed? */
	uint64_t frames_needed;
	uint64_t data_bytes; /* of `data` that will be fetched, without joined gaps */
	/* In any case: bytes of the wanted leaves, by where they come from. */
	uint64_t from_target;
	uint64_t from_seed[SLOT_SEEDS_MAX];
	uint64_t from_data;
	uint64_t zeros;
};

/*
 * Entries that touch no wanted leaf need nothing. E_META for tables that do not belong
 * together (slot_frames_check), E_NOMEM, E_SPACE, E_IO (scratch). slot_match_free.
 */
int slot_match_make(const struct slot_match_request *r, struct slot_match *out, struct err *e);

/*
 * The frames that a match needs, once r->frames is known; the rest of the request is that
 * of the match. The table must have the match's generations. E_META, E_NOMEM.
 */
int slot_match_find_frames(
	const struct slot_match_request *r, struct slot_match *match, struct err *e);
void slot_match_free(struct slot_match *m);
