/* SPDX-License-Identifier: Apache-2.0 */
/* Which leaves must be written: as a survey found, or by looking here. */
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/scan.h"
#include "partitions/slot/writer.h"

/* A medium with more unreadable places than this is not worth writing to. */
#define READ_ERRORS_MAX 16

static void want(struct write_job *j, uint64_t leaf)
{
	j->want.bits[leaf / 8] |= (uint8_t)(1u << (leaf % 8));
}

static void keep(struct write_job *j, uint64_t leaf)
{
	j->stats->leaves_kept++;
	j->done += slot_leaf_length(j->image->size, leaf);
	if (leaf % SLOT_LEAVES_A_PIECE == 0)
		write_report(j);
}

/* For scan_leaves: what is wrong in the target is wanted. */
static int note_leaf(
	void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE], struct err *e)
{
	struct write_job *j = ctx;

	(void)digest, (void)e;
	if (right)
		keep(j, leaf);
	else
		want(j, leaf);
	return 0;
}

static int take_survey(struct write_job *j, struct err *e)
{
	const struct slot_survey *s = j->image->survey;

	if (!MUST("slot.survey-of-image",
		    s->image_size == j->image->size && s->wanted.count == j->want.count))
		return err_set(
			e, E_INTERNAL, "image %s: the survey is of another image", j->image->name);
	for (uint64_t leaf = 1; leaf < j->want.count; leaf++) {
		if (leaf_set_has(&s->wanted, leaf))
			want(j, leaf);
		else
			keep(j, leaf);
	}
	return 0;
}

/*
 * Without a survey the target itself says what is missing: no record of progress is kept
 * that could be wrong. For `full` alone a few leaves are looked at first: hashing all of
 * a target that holds nothing of the image would cost a sixth of the install.
 */
static int look(struct write_job *j, struct err *e)
{
	struct scan s = {.device = &j->part->device,
		.image_size = j->image->size,
		.alg = j->image->leaf_alg,
		.leaves = j->image->leaves,
		.first = 1,
		.read_errors = READ_ERRORS_MAX,
		.ctx = j,
		.leaf = note_leaf};
	bool any = true;

	if (j->image->way == SLOT_WAY_FULL && scan_sample(&s, &any, e) < 0)
		return -1;
	if (any)
		return scan_leaves(&s, e);
	for (uint64_t leaf = 1; leaf < j->want.count; leaf++)
		want(j, leaf);
	return 0;
}

int write_find_wanted(struct write_job *j, struct err *e)
{
	j->want.count = slot_leaf_count(j->image->size);
	j->want.bits = calloc((size_t)(j->want.count / 8) + 1, 1);
	if (!j->want.bits)
		return err_set(e, E_NOMEM, "no memory for a set of %llu leaves",
			(unsigned long long)j->want.count);
	want(j, 0); /* its head was zeroed */
	return j->image->survey ? take_survey(j, e) : look(j, e);
}
