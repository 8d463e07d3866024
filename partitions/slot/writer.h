/* SPDX-License-Identifier: Apache-2.0 */
/* One call of slot_write from the inside: what its files share. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/leaf_source.h"
#include "partitions/slot/slot.h"
#include "partitions/slot/survey.h"
#include "partitions/slot/target.h"

/* Leaves that are written at once, to places that are multiples of that: flash likes 1 MiB. */
#define LEAVES_A_RUN 4

struct write_job {
	struct target_part *part;
	const struct slot_image *image;
	const struct slot_progress *progress;
	struct slot_stats *stats;
	struct leaf_set want; /* its own */
	uint64_t done; /* bytes of the image that are settled */
};

void write_report(const struct write_job *j);

/* Fills j->want, and counts what is right already. write_wanted_free. */
int write_find_wanted(struct write_job *j, struct err *e);

/* The digest that a leaf has, whatever the source. E_HASH names leaf, byte and source. */
int write_check_digest(const struct slot_image *image, uint64_t leaf,
	const uint8_t digest[HASH_SIZE], struct err *e);

/* Hashes a leaf, and write_check_digest. */
int write_verify_leaf(
	const struct slot_image *image, uint64_t leaf, const uint8_t *data, struct err *e);

/* A verified leaf 0 is kept in memory for slot_finish. */
int write_keep_leaf0(struct write_job *j, const uint8_t *data, struct err *e);

/* Out of `full`, piece by piece. */
int write_from_pieces(struct write_job *j, struct err *e);

/* Out of anything else, leaf by leaf; what was verified is written also when a later leaf fails. */
int write_from_leaves(struct write_job *j, const struct leaf_source *source, struct err *e);
