/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot: an image by delta: every source gives its part, and nothing is fetched that is there. */
#include "tests/unit/slot_delta_rig.h"

#define SIZE (9u * LEAF + 3u * SLOT_BLOCK_SIZE)

static const enum slot_encoding encodings[] = RIG_ENCODINGS;
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static void install_all_data(enum slot_encoding encoding, bool content_defined, unsigned gens)
{
	struct delta_rig *d = delta_rig_new(SIZE, encoding, content_defined, gens);
	struct slot_stats stats;
	struct err e = {0};

	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_written + stats.leaves_kept, slot_leaf_count(SIZE));
	assert_int_equal(stats.leaves_kept, 1); /* the one of zeros */
	assert_int_equal(stats.bytes_fetched, d->bytes_read);
	assert_int_equal(stats.from_seed + stats.from_target + stats.leaves_again, 0);
	/* Each stream from front to back: no frame twice. */
	assert_int_equal(delta_most_reads(d), 1);
	assert_int_equal(d->bytes_read, d->frames.stored_total);
	assert_int_equal(d->expects, 1);
	assert_false(d->unexpected);
	delta_rig_free(d);
}

static void data_alone_gives_the_whole_image(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		install_all_data(encodings[i], false, 1);
		install_all_data(encodings[i], false, 3);
		install_all_data(encodings[i], true, 2);
	}
}

static void sixteen_generations_are_read_from_front_to_back(void **state)
{
	(void)state;
	install_all_data(SLOT_ZLIB, false, 16);
	install_all_data(SLOT_ZLIB, true, 16);
}

/* The old image is the new one but for a few blocks, and lies elsewhere. */
static struct delta_rig *rig_with_seed(bool content_defined, uint64_t shift)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, content_defined, 2);
	uint8_t *old = calloc(1, SIZE + shift + SLOT_BLOCK_SIZE);

	assert_non_null(old);
	memcpy(old + shift, d->rig->content, SIZE);
	delta_add_seed(d, 0, old, SIZE + shift + SLOT_BLOCK_SIZE - shift % SLOT_BLOCK_SIZE);
	free(old);
	delta_match(d, 0, SIZE, delta_seed_place(0, shift));
	delta_need(d, 0, slot_leaf_count(SIZE));
	return d;
}

static void a_seed_gives_everything_and_nothing_is_fetched(void **state)
{
	static const uint64_t shifts[] = {0, 3 * SLOT_BLOCK_SIZE, 777};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct delta_rig *d = rig_with_seed(i % 2 != 0, shifts[i / 2]);
		struct slot_stats stats;
		struct err e = {0};
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(d->reads, 0);
		assert_int_equal(stats.bytes_fetched, 0);
		assert_int_equal(stats.leaves_again, 0);
		assert_int_equal(stats.from_target, 0);
		assert_true(stats.from_seed > SIZE / 2 && stats.from_seed < SIZE);
		delta_rig_free(d);
	}
}

static void entries_that_follow_each_other_are_read_at_once(void **state)
{
	struct delta_rig *d = rig_with_seed(false, 0);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	/* Each 16th block is zero and ends a run: at most 5 runs in a leaf of 64 blocks. */
	assert_true(seeds_do.reads > 0 && seeds_do.reads <= 5 * slot_leaf_count(SIZE));
	delta_rig_free(d);
}

static void two_seeds_and_data_are_put_together(void **state)
{
	struct delta_rig *d = rig_with_seed(false, SLOT_BLOCK_SIZE);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	delta_add_seed(d, 1, d->rig->content + 4 * LEAF, 2 * LEAF);
	delta_match(d, 4 * LEAF, 6 * LEAF, delta_seed_place(1, 0));
	delta_match(d, LEAF + 3 * SLOT_BLOCK_SIZE, LEAF + 9 * SLOT_BLOCK_SIZE, SLOT_PLACE_DATA);
	delta_need(d, 0, slot_leaf_count(SIZE));
	/* The first seed holds nothing of what the second one gives. */
	memset(d->seed_content[0] + 4 * LEAF + SLOT_BLOCK_SIZE, 0xee, 2 * LEAF);
	delta_write_seed(d, 0);
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(delta_most_reads(d), 1);
	assert_true(d->reads >= 1 && d->reads <= 2); /* one frame of each generation */
	assert_int_equal(stats.leaves_again, 0);
	assert_false(d->unexpected);
	delta_rig_free(d);
}

/* An older release in the target: the same places, but for one block of each leaf. */
static void the_target_gives_what_it_holds_before_it_is_overwritten(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	struct slot_stats stats;
	struct err e = {0};
	uint8_t other[SLOT_BLOCK_SIZE];

	(void)state;
	memset(other, 0x5a, sizeof(other));
	rig_write_at(d->rig, 0, d->rig->content, SIZE);
	delta_match(d, SLOT_BLOCK_SIZE, SIZE, SLOT_PLACE_TARGET);
	for (uint64_t leaf = 0; leaf < slot_leaf_count(SIZE); leaf++) {
		uint64_t at = leaf * LEAF + 2 * SLOT_BLOCK_SIZE;
		rig_write_at(d->rig, at, other, sizeof(other));
		delta_match(d, at, at + 1, SLOT_PLACE_DATA);
	}
	delta_need(d, 0, slot_leaf_count(SIZE));
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_kept, 0);
	assert_int_equal(stats.leaves_again, 0);
	assert_true(stats.from_target > SIZE / 2);
	assert_int_equal(stats.from_seed, 0);
	assert_false(d->unexpected);
	delta_rig_free(d);
}

/* Without a survey: what is right is found; its entries and frames are left alone. */
static void right_leaves_are_kept_and_their_frames_not_read(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, true, 1);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	rig_write_at(d->rig, LEAF, d->rig->content + LEAF, 6 * LEAF); /* leaves 1 to 6 */
	delta_need(d, 7, 10);
	d->match.need[0] |= 1; /* leaf 0 */
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_kept, 6);
	assert_int_equal(stats.bytes_written, SIZE - 6 * LEAF);
	assert_true(d->reads < d->frames.count);
	assert_int_equal(delta_most_reads(d), 1);
	delta_rig_free(d);
}

/* The survey's word counts: what it does not want is not even looked at. */
static void a_survey_says_what_is_written(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	uint8_t bits[2] = {0};
	struct slot_survey survey = {
		.image_size = SIZE, .wanted = {.bits = bits, .count = slot_leaf_count(SIZE)}};
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	rig_write_at(d->rig, 0, d->rig->content, SIZE);
	bits[0] = 1u << 5; /* leaf 0 is wanted although it is not said */
	d->rig->image.survey = &survey;
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_kept, slot_leaf_count(SIZE) - 2);
	assert_int_equal(stats.leaves_written, 2);
	assert_int_equal(stats.bytes_written, 2 * LEAF);

	survey.image_size += SLOT_BLOCK_SIZE;
	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	survey.image_size = SIZE;
	survey.wanted.count--;
	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_true(rig_head_is_spoiled(d->rig));
	delta_rig_free(d);
}

static void readers_of_their_own_are_told_their_own_ranges(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 3);
	struct delta_rig other = {.fail_read = 0};
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	other.frames = d->frames;
	other.data = d->data;
	d->rig->image.delta.data[1].ctx = &other;
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(d->expects, 2); /* 0 and 2; the others have no frames */
	assert_int_equal(other.expects, 1);
	assert_false(other.unexpected);
	assert_int_equal(other.expected[0].offset, d->frames.offset[d->frames.first[1]]);
	assert_int_equal(other.bytes_read + d->bytes_read, d->frames.stored_total);
	delta_rig_free(d);
}

struct seen {
	uint64_t done;
	uint64_t fetched;
	unsigned full; /* how often done = total */
	bool fell;
};

static void note(void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	struct seen *s = ctx;

	assert_string_equal(image, "rootfs");
	assert_int_equal(total, SIZE);
	s->fell = s->fell || done < s->done || fetched < s->fetched;
	s->full += done == total;
	s->done = done;
	s->fetched = fetched;
}

static void progress_rises_and_ends_at_the_size(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	struct seen seen = {0};
	struct slot_progress progress = {.ctx = &seen, .report = note};
	struct slot_stats stats;
	struct err e = {0};
	struct slot_target *t = rig_open(d->rig);

	(void)state;
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &d->rig->image, &progress, &stats, &e), 0);
	assert_false(seen.fell);
	assert_int_equal(seen.full, 1);
	assert_int_equal(seen.done, SIZE);
	assert_int_equal(seen.fetched, d->bytes_read);
	assert_true(rig_head_is_spoiled(d->rig));
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	slot_close_target(t);
	assert_true(rig_target_is_whole(d->rig));
	delta_rig_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_alone_gives_the_whole_image),
		cmocka_unit_test(sixteen_generations_are_read_from_front_to_back),
		cmocka_unit_test(a_seed_gives_everything_and_nothing_is_fetched),
		cmocka_unit_test(entries_that_follow_each_other_are_read_at_once),
		cmocka_unit_test(two_seeds_and_data_are_put_together),
		cmocka_unit_test(the_target_gives_what_it_holds_before_it_is_overwritten),
		cmocka_unit_test(right_leaves_are_kept_and_their_frames_not_read),
		cmocka_unit_test(a_survey_says_what_is_written),
		cmocka_unit_test(readers_of_their_own_are_told_their_own_ranges),
		cmocka_unit_test(progress_rises_and_ends_at_the_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
