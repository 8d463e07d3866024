/* SPDX-License-Identifier: Apache-2.0 */
/* What a target holds: right leaves, wrong ones with their blocks, places that cannot be read. */
#include "tests/unit/slot_match_rig.h"

#include <errno.h>

#define BLOCKS_A_LEAF (LEAF / BLOCK)
#define SIZE          (9u * LEAF + 3 * BLOCK) /* the tenth leaf is short; three reads of 1 MiB */

int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);

/* Bytes [from, to) of the medium cannot be read. */
static uint64_t bad_from;
static uint64_t bad_to;
static unsigned reads;

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	__atomic_add_fetch(&reads, 1, __ATOMIC_SEQ_CST);
	if (offset < bad_to && offset + len > bad_from)
		return err_sys(e, E_IO, EIO, "reading at byte %llu", (unsigned long long)offset);
	return __real_file_pread_full(fd, data, len, offset, e);
}

struct world {
	struct files files;
	uint8_t *content; /* of the image, and of the target at first */
	uint8_t leaves[160 * HASH_SIZE];
	struct slot_survey_request request;
};

static void world_open(struct world *w, uint64_t size)
{
	struct err e = {0};

	bad_from = bad_to = 0;
	reads = 0;
	files_open(&w->files);
	w->content = rig_new_content(size, 1);
	for (uint64_t i = 0; i < slot_leaf_count(size); i++)
		assert_int_equal(hash_bytes(HASH_SHA256, w->content + i * LEAF,
					 slot_leaf_length(size, i), w->leaves + i * HASH_SIZE, &e),
			0);
	w->request = (struct slot_survey_request){.path = files_add(&w->files, w->content, size),
		.image_size = size,
		.leaf_alg = HASH_SHA256,
		.leaves = w->leaves,
		.with_blocks = true,
		.scratch_dir = w->files.fd};
}

static void world_close(struct world *w)
{
	free(w->content);
	files_close(&w->files);
}

static struct slot_survey survey(struct world *w)
{
	struct slot_survey s;
	struct err e = {0};

	if (slot_survey(&w->request, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static const uint64_t *blocks(const struct slot_survey *s)
{
	return s->blocks.data;
}

/* Of the target as it is now, `content` given: every block of a wanted leaf but block 0. */
static void expect_blocks(const struct slot_survey *s, const uint8_t *content)
{
	for (uint64_t b = 0; b < s->image_size / BLOCK; b++) {
		uint64_t want = leaf_set_has(&s->wanted, b / BLOCKS_A_LEAF) && b > 0
					? slot_match_hash(content + b * BLOCK, BLOCK)
					: 0;
		if (blocks(s)[b] != want)
			fail_msg("block %llu has another hash", (unsigned long long)b);
	}
}

static void a_whole_image_is_whole_and_its_first_leaf_is_wanted_all_the_same(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, SIZE);
	struct slot_survey s = survey(&w);
	assert_true(s.whole);
	assert_int_equal(s.wanted.count, 10);
	assert_true(leaf_set_has(&s.wanted, 0));
	for (uint64_t i = 1; i < 10; i++)
		assert_false(leaf_set_has(&s.wanted, i));
	assert_int_equal(s.wanted_count, 1);
	assert_int_equal(s.wanted_bytes, LEAF);
	assert_int_equal(s.blocks.size, SIZE / BLOCK * 8);
	expect_blocks(&s, w.content);
	slot_survey_free(&s);
	assert_int_equal(reads, 3); /* once, in large reads */
	world_close(&w);
}

/* Over other content: a target of noughts, and an image of 33 MiB. */
static void world_open_sampled(struct world *w, uint64_t size, const char **other)
{
	uint8_t *noughts = calloc(1, size);

	assert_non_null(noughts);
	world_open(w, size);
	w->request.with_blocks = false;
	w->request.sample = true;
	*other = files_add(&w->files, noughts, size);
	free(noughts);
}

static void a_sample_without_a_right_leaf_takes_all_as_wanted(void **state)
{
	const uint64_t size = 132 * (uint64_t)LEAF;
	const char *other;
	struct world w;

	(void)state;
	world_open_sampled(&w, size, &other);
	w.request.path = other;
	struct slot_survey s = survey(&w);
	assert_false(s.whole);
	assert_int_equal(s.wanted_count, 132);
	assert_int_equal(s.wanted_bytes, size);
	assert_int_equal(reads, 32); /* not all of it */
	slot_survey_free(&s);
	world_close(&w);
}

static void a_sample_with_a_right_leaf_is_followed_by_a_look_at_all(void **state)
{
	const char *other;
	struct world w;

	(void)state;
	world_open_sampled(&w, 132 * (uint64_t)LEAF, &other);
	struct slot_survey s = survey(&w);
	assert_true(s.whole);
	assert_int_equal(s.wanted_count, 1);
	slot_survey_free(&s);
	world_close(&w);
}

static void wrong_leaves_are_wanted_and_their_blocks_hashed(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, SIZE);
	w.content[4 * LEAF + 17] ^= 1;
	w.content[SIZE - 1] ^= 1;
	files_change(w.request.path, 0, w.content, SIZE);
	struct slot_survey s = survey(&w);
	assert_false(s.whole);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(leaf_set_has(&s.wanted, i), i == 0 || i == 4 || i == 9);
	assert_int_equal(s.wanted_count, 3);
	assert_int_equal(s.wanted_bytes, 2 * LEAF + 3 * BLOCK);
	expect_blocks(&s, w.content);
	slot_survey_free(&s);
	world_close(&w);
}

static void one_wrong_byte_in_any_leaf_is_not_whole(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		struct world w;
		world_open(&w, SIZE);
		w.content[i * LEAF + 5] ^= 0x10;
		files_change(w.request.path, i * LEAF, w.content + i * LEAF, 8);
		struct slot_survey s = survey(&w);
		assert_false(s.whole);
		assert_true(leaf_set_has(&s.wanted, i));
		slot_survey_free(&s);
		world_close(&w);
	}
}

static void without_blocks_none_are_hashed(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, SIZE);
	w.request.with_blocks = false;
	memset(w.content, 0, SIZE);
	files_change(w.request.path, 0, w.content, SIZE);
	struct slot_survey s = survey(&w);
	assert_int_equal(s.wanted_count, 10);
	assert_int_equal(s.wanted_bytes, SIZE);
	assert_null(s.blocks.data);
	assert_int_equal(s.blocks.size, 0);
	slot_survey_free(&s);
	world_close(&w);
}

static void a_place_that_cannot_be_read_is_wrong_and_has_no_blocks(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, SIZE);
	bad_from = 5 * LEAF + 3 * BLOCK;
	bad_to = bad_from + 512;
	struct slot_survey s = survey(&w);
	assert_false(s.whole);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(leaf_set_has(&s.wanted, i), i == 0 || i == 5);
	for (uint64_t b = 0; b < BLOCKS_A_LEAF; b++)
		assert_true(blocks(&s)[5 * BLOCKS_A_LEAF + b] == 0);
	assert_true(blocks(&s)[1] == slot_match_hash(w.content + BLOCK, BLOCK));
	slot_survey_free(&s);
	world_close(&w);
}

static void sixteen_places_may_be_unreadable_but_not_seventeen(void **state)
{
	struct world w;
	struct slot_survey s = {.wanted_count = 77};
	struct err e = {0};

	(void)state;
	world_open(&w, 30 * LEAF);
	bad_from = 3 * LEAF;
	bad_to = bad_from + 16 * LEAF;
	s = survey(&w);
	assert_int_equal(s.wanted_count, 17);
	slot_survey_free(&s);
	bad_to++;
	s.wanted_count = 77;
	assert_int_equal(slot_survey(&w.request, &s, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, w.request.path));
	assert_int_equal(s.wanted_count, 77);
	world_close(&w);
}

static void a_target_that_is_too_small_or_missing_is_refused(void **state)
{
	struct world w;
	struct slot_survey s;
	struct err e = {0};

	(void)state;
	world_open(&w, SIZE);
	assert_int_equal(truncate(w.request.path, SIZE - BLOCK), 0);
	assert_int_equal(slot_survey(&w.request, &s, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "the image 2371584"));
	assert_int_equal(reads, 0);
	w.request.path = "/nonexistent/slot";
	assert_int_equal(slot_survey(&w.request, &s, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	w.request.image_size = SIZE + 1;
	assert_int_equal(slot_survey(&w.request, &s, &e), -1);
	assert_int_equal(e.code, E_META);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_image_is_whole_and_its_first_leaf_is_wanted_all_the_same),
		cmocka_unit_test(a_sample_without_a_right_leaf_takes_all_as_wanted),
		cmocka_unit_test(a_sample_with_a_right_leaf_is_followed_by_a_look_at_all),
		cmocka_unit_test(wrong_leaves_are_wanted_and_their_blocks_hashed),
		cmocka_unit_test(one_wrong_byte_in_any_leaf_is_not_whole),
		cmocka_unit_test(without_blocks_none_are_hashed),
		cmocka_unit_test(a_place_that_cannot_be_read_is_wrong_and_has_no_blocks),
		cmocka_unit_test(sixteen_places_may_be_unreadable_but_not_seventeen),
		cmocka_unit_test(a_target_that_is_too_small_or_missing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
