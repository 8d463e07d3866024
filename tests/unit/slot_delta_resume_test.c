/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: surveyed, matched and written as the agent does it. What the match
 * says is exactly what is fetched; and after a cut at any place nothing that was
 * written and verified is fetched again.
 */
#include "tests/unit/slot_delta_rig.h"

#define SIZE   (7u * LEAF + 5u * SLOT_BLOCK_SIZE)
#define LEAVES 8u

/* One attempt with a survey and a match of its own. */
static int attempt(struct delta_rig *d, struct slot_stats *stats, struct err *e)
{
	struct slot_image *image = &d->rig->image;
	struct slot_survey survey = {0};
	struct slot_survey_request look = {.path = d->rig->part.path,
		.image_size = SIZE,
		.leaf_alg = image->leaf_alg,
		.leaves = image->leaves,
		.with_blocks = !d->content_defined,
		.scratch_dir = -1};

	assert_int_equal(slot_survey(&look, &survey, e), 0);
	struct slot_match_request request = {.index = &d->index,
		.frames = &d->frames,
		.survey = &survey,
		.seeds = d->seed,
		.seed_count = image->delta.seed_count,
		.scratch_dir = -1};
	slot_match_free(&d->match);
	assert_int_equal(slot_match_make(&request, &d->match, e), 0);
	image->survey = &survey;
	int rc = rig_install(d->rig, stats, e);
	image->survey = NULL;
	slot_survey_free(&survey);
	return rc;
}

/* A step of a small generator: the same old images in every run. */
static uint32_t roll(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* The old image: the new one with some stretches elsewhere, some others, some lost. */
static void make_old(const struct delta_rig *d, uint32_t seed, uint8_t *old)
{
	uint32_t x = seed * 2654435761u + 99;

	memcpy(old, d->rig->content, SIZE);
	for (unsigned i = 0; i < 12; i++) {
		uint64_t to = roll(&x) % (SIZE / SLOT_BLOCK_SIZE) * SLOT_BLOCK_SIZE;
		uint64_t len = roll(&x) % 40 * SLOT_BLOCK_SIZE;
		uint64_t from = roll(&x) % (SIZE / SLOT_BLOCK_SIZE) * SLOT_BLOCK_SIZE;
		if (to + len > SIZE || from + len > SIZE)
			continue;
		if (i % 3 == 0)
			rig_fill(old + to, len, roll(&x));
		else
			memmove(old + to, d->rig->content + from, len);
	}
}

static struct delta_rig *rig_with_old(bool content_defined, unsigned generations, uint32_t seed)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, content_defined, generations);
	uint8_t *old = malloc(SIZE);

	assert_non_null(old);
	make_old(d, seed, old);
	if (seed % 3 != 0) {
		/* The seed's own index has other lengths than the new image's; blocks serve both. */
		delta_add_seed(d, 0, old, SIZE);
	}
	make_old(d, seed + 1000, old);
	if (seed % 2 == 0)
		rig_write_at(d->rig, 0, old, SIZE);
	free(old);
	delta_forget(d);
	return d;
}

static void what_the_match_says_is_what_is_fetched(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 8; seed++) {
		struct delta_rig *d = rig_with_old(seed % 4 == 3, seed % 5 + 1, seed);
		struct slot_stats stats;
		struct err e = {0};
		assert_int_equal(attempt(d, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(stats.bytes_fetched, d->match.data_bytes);
		assert_int_equal(d->bytes_read, d->match.data_bytes);
		assert_int_equal(stats.from_target, d->match.from_target);
		assert_int_equal(stats.from_seed, d->match.from_seed[0] + d->match.from_seed[1]);
		assert_int_equal(stats.leaves_again, 0);
		assert_false(d->unexpected);
		assert_true(delta_most_reads(d) <= 1);
		delta_rig_free(d);
	}
}

static uint64_t right_leaves(const struct delta_rig *d)
{
	uint64_t right = 0;

	for (uint64_t leaf = 1; leaf < LEAVES; leaf++)
		right += rig_leaf_written(d->rig, leaf);
	return right;
}

/* Frames that were read more than once, of one generation; the first one serves leaf 0, which comes last. */
static unsigned read_again(const struct delta_rig *d, unsigned g)
{
	unsigned again = 0;

	for (uint32_t i = d->frames.first[g] + 1; i < d->frames.first[g + 1]; i++) {
		assert_true(d->frame_reads[i] <= 2);
		again += d->frame_reads[i] > 1;
	}
	return again;
}

/* A cut at the nth read of data: false when there are not so many. */
static bool cut_and_resume(bool content_defined, unsigned generations, uint32_t seed, unsigned nth)
{
	struct delta_rig *d = rig_with_old(content_defined, generations, seed);
	uint64_t before = right_leaves(d);
	struct slot_stats first;
	struct slot_stats second;
	struct err e = {0};

	d->fail_read = nth;
	bool cut = attempt(d, &first, &e) < 0;
	if (cut) {
		assert_int_equal(e.code, E_NET);
		assert_true(rig_head_is_spoiled(d->rig));
		uint64_t right = right_leaves(d);
		assert_true(right >= before);
		/* Everything that was verified was written. */
		assert_int_equal(first.bytes_written % SLOT_BLOCK_SIZE, 0);
		d->fail_read = 0;
		assert_int_equal(attempt(d, &second, &e), 0);
		assert_int_equal(second.leaves_kept, right);
		/* One leaf was lost. Of a stream it needs one frame, or the end of one and the next. */
		for (unsigned g = 0; g < generations; g++)
			assert_true(read_again(d, g) <= (generations > 1 ? 2 : 1));
		assert_int_equal(second.bytes_fetched, d->match.data_bytes);
	}
	assert_true(rig_target_is_whole(d->rig));
	delta_rig_free(d);
	return cut;
}

static void a_cut_costs_at_most_what_one_leaf_needs(void **state)
{
	static const struct {
		bool content_defined;
		unsigned generations;
		uint32_t seed;
	} cases[] = {{false, 1, 3}, {false, 4, 0}, {true, 2, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned cuts = 0;
		while (cut_and_resume(
			cases[i].content_defined, cases[i].generations, cases[i].seed, cuts + 1))
			cuts++;
		assert_true(cuts >= 2);
	}
}

/* With one stream and nothing old, leaf n needs frames up to n: what was complete is on the medium. */
static void what_was_verified_before_a_cut_is_written(void **state)
{
	(void)state;
	for (unsigned nth = 2; nth <= 6; nth++) {
		struct delta_rig *d = delta_rig_new(SIZE, SLOT_NONE, false, 1);
		assert_true(nth <= d->frames.count);
		struct slot_stats stats;
		struct err e = {0};
		d->fail_read = nth;
		assert_int_equal(attempt(d, &stats, &e), -1);
		assert_int_equal(e.code, E_NET);
		uint32_t failed = nth - 1; /* frames come in order */
		struct slot_walk w = {0};
		struct slot_entry entry = {0};
		while (slot_index_next(&d->index, &w, &entry) &&
			(entry.zero || entry.at < d->frames.at[failed]))
			continue;
		for (uint64_t leaf = 1; leaf < entry.offset / LEAF; leaf++)
			assert_true(rig_leaf_written(d->rig, leaf));
		delta_rig_free(d);
	}
}

/* The seed was read and matched; then the running system writes to it. */
static void a_seed_that_changes_after_the_match_is_noticed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
		struct slot_stats stats;
		struct err e = {0};
		delta_add_seed(d, 0, d->rig->content, SIZE);
		/* Every 10th block of what the seed's tables know is other content now. */
		for (uint64_t at = 0; at < SIZE; at += 10 * SLOT_BLOCK_SIZE)
			d->seed_content[0][at + (i ? 4095 : 0)] ^= 4;
		delta_write_seed(d, 0);
		assert_int_equal(attempt(d, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(stats.leaves_again, 0);
		assert_int_equal(d->match.data_bytes, 0);
		assert_true(stats.bytes_fetched > 0);
		assert_true(delta_most_reads(d) <= 1);
		assert_true(stats.from_seed < d->match.from_seed[0]);
		delta_rig_free(d);
	}
}

static void an_attempt_over_a_whole_image_fetches_the_head_only(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(attempt(d, &stats, &e), 0);
	delta_forget(d);
	assert_int_equal(attempt(d, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_written, 1);
	assert_int_equal(d->reads, 1); /* block 0 was zeroed; the others of leaf 0 are in place */
	assert_int_equal(d->bytes_read, d->frames.stored[0]);
	delta_rig_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_match_says_is_what_is_fetched),
		cmocka_unit_test(a_cut_costs_at_most_what_one_leaf_needs),
		cmocka_unit_test(what_was_verified_before_a_cut_is_written),
		cmocka_unit_test(a_seed_that_changes_after_the_match_is_noticed),
		cmocka_unit_test(an_attempt_over_a_whole_image_fetches_the_head_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
