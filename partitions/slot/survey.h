/* SPDX-License-Identifier: Apache-2.0 */
/* What a target already holds of an image, before anything is changed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "partitions/slot/scratch.h"

/* A set of leaves: one bit each. */
struct leaf_set {
	uint8_t *bits;
	uint64_t count;
};

static inline bool leaf_set_has(const struct leaf_set *s, uint64_t leaf)
{
	return (s->bits[leaf / 8] >> (leaf % 8) & 1) != 0;
}

struct slot_survey {
	uint64_t image_size;
	bool whole; /* every leaf is right, also the first: nothing need be written */
	/* Leaves to be written: those that are wrong, and always leaf 0, whose head will be zeroed. */
	struct leaf_set wanted;
	uint64_t wanted_count;
	uint64_t wanted_bytes;
	/*
	 * XXH3-64 of each 4096-byte block of the target, by block number, for
	 * blocks of wanted leaves that could be read; 0 elsewhere and for block 0.
	 * Empty when it was not asked for.
	 */
	struct scratch blocks;
	size_t settled; /* of `blocks`, while they are filled */
};

struct slot_survey_request {
	const char *path; /* of the target's part; opened read-only */
	uint64_t image_size;
	enum hash_alg leaf_alg;
	const uint8_t *leaves; /* of the image that is to be written */
	bool with_blocks;
	/*
	 * The source costs nothing to read: where none of a few leaves is right
	 * (scan_sample), all count as wanted, and the target is not read through.
	 */
	bool sample;
	int scratch_dir;
};

/*
 * Reads the target once, around the page cache. A target that is smaller than the
 * image is E_SLOT; places that cannot be read count as wrong (up to 16, then
 * E_IO). slot_survey_free.
 */
int slot_survey(const struct slot_survey_request *r, struct slot_survey *out, struct err *e);
void slot_survey_free(struct slot_survey *s);
