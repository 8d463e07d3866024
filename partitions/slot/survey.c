/* SPDX-License-Identifier: Apache-2.0 */
/* What a target already holds of an image. */
#include "partitions/slot/survey.h"

#include <stdlib.h>

#include "agent/base/must.h"
#include "partitions/slot/device.h"
#include "partitions/slot/index.h"
#include "partitions/slot/scan.h"

#define READ_ERRORS_MAX 16u

static void want(struct slot_survey *s, uint64_t leaf)
{
	s->wanted.bits[leaf / 8] |= (uint8_t)(1u << leaf % 8);
	s->wanted_count++;
	s->wanted_bytes += slot_leaf_length(s->image_size, leaf);
}

static int note_leaf(
	void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE], struct err *e)
{
	struct slot_survey *s = ctx;

	(void)digest, (void)e;
	if (!MUST("slot.survey-leaf", right))
		s->whole = false;
	if (!right || leaf == 0)
		want(s, leaf);
	return 0;
}

/* The blocks of a leaf that will be written over: some of them may be right all the same. */
static int note_blocks(
	void *ctx, uint64_t leaf, bool right, const uint8_t *data, size_t len, struct err *e)
{
	struct slot_survey *s = ctx;
	uint64_t *hash = (uint64_t *)s->blocks.data + leaf * (SLOT_LEAF_SIZE / SLOT_BLOCK_SIZE);
	size_t end = (size_t)(leaf + 1) * (SLOT_LEAF_SIZE / SLOT_BLOCK_SIZE) * sizeof(*hash);

	(void)e;
	if (right && leaf != 0)
		return 0;
	for (size_t at = 0; at < len; at += SLOT_BLOCK_SIZE, hash++)
		*hash = slot_match_hash(data + at, SLOT_BLOCK_SIZE);
	if (leaf == 0)
		*(uint64_t *)s->blocks.data = 0; /* the head will be zeroed */
	scratch_settle_behind(&s->blocks, &s->settled, end);
	return 0;
}

/* Reads the target through, unless a sample of it says that this is not worth it. */
static int look(const struct slot_survey_request *r, struct slot_survey *s, const struct scan *scan,
	struct err *e)
{
	bool any = true;

	if (r->sample && scan_sample(scan, &any, e) < 0)
		return -1;
	if (any)
		return scan_leaves(scan, e);
	s->whole = false;
	for (uint64_t leaf = 0; leaf < s->wanted.count; leaf++)
		want(s, leaf);
	return 0;
}

static int allocate(const struct slot_survey_request *r, struct slot_survey *s, struct err *e)
{
	s->wanted.count = slot_leaf_count(r->image_size);
	s->wanted.bits = calloc((size_t)(s->wanted.count + 7) / 8, 1);
	if (!s->wanted.bits)
		return err_set(e, E_NOMEM, "no memory for the leaves of %s", r->path);
	size_t blocks = (size_t)(r->image_size / SLOT_BLOCK_SIZE);
	if (!r->with_blocks)
		return 0;
	return scratch_get(r->scratch_dir, blocks * sizeof(uint64_t), &s->blocks, e);
}

int slot_survey(const struct slot_survey_request *r, struct slot_survey *out, struct err *e)
{
	AUTO_DEVICE struct device d = {.fd = -1};
	__attribute__((cleanup(slot_survey_free))) struct slot_survey s = {
		.image_size = r->image_size, .whole = true};
	struct scan scan = {.device = &d,
		.image_size = r->image_size,
		.alg = r->leaf_alg,
		.leaves = r->leaves,
		.read_errors = READ_ERRORS_MAX,
		.ctx = &s,
		.bytes = r->with_blocks ? note_blocks : NULL,
		.leaf = note_leaf};

	if (!slot_image_size_ok(r->image_size))
		return err_set(e, E_META, "an image of %llu bytes cannot be",
			(unsigned long long)r->image_size);
	if (device_open_read(r->path, &d, e) < 0)
		return -1;
	if (!MUST("slot.survey-size", d.size >= r->image_size))
		return err_set(e, E_SLOT, "%s has %llu bytes, the image %llu", r->path,
			(unsigned long long)d.size, (unsigned long long)r->image_size);
	if (allocate(r, &s, e) < 0 || look(r, &s, &scan, e) < 0)
		return -1;
	scratch_settle(&s.blocks, 0, s.blocks.size);
	*out = s;
	s = (struct slot_survey){0};
	return 0;
}

void slot_survey_free(struct slot_survey *s)
{
	free(s->wanted.bits);
	scratch_free(&s->blocks);
	*s = (struct slot_survey){0};
}
