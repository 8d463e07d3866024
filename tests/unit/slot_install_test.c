/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot: a whole install, its resume, and content that is not what was signed. */
#include "tests/unit/slot_rig.h"

/* Three pieces, the last one short, the last leaf one block. */
#define SIZE (2u * PIECE + 5u * LEAF + SLOT_BLOCK_SIZE)

static const enum slot_encoding encodings[] = RIG_ENCODINGS;
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static void installs_every_encoding_and_leaves_the_tail_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		for (int alg = 0; alg < HASH_ALG_COUNT; alg++) {
			struct rig *r = rig_new(SIZE, encodings[i], (enum hash_alg)alg);
			struct slot_stats stats = {0};
			struct err e = {0};
			rig_write_at(r, SIZE, "tail", 4);
			assert_int_equal(rig_install(r, &stats, &e), 0);
			assert_true(rig_target_is_whole(r));
			size_t len;
			uint8_t *data = rig_target(r, &len);
			assert_int_equal(len, SIZE + 8192);
			assert_memory_equal(data + SIZE, "tail\0\0\0", 8);
			free(data);
			assert_int_equal(stats.leaves_kept, 0);
			assert_int_equal(stats.leaves_written, slot_leaf_count(SIZE));
			assert_int_equal(stats.bytes_written, SIZE);
			assert_int_equal(stats.bytes_fetched, r->pieces.stored_total);
			assert_int_equal(
				slot_check(r->part.path, SIZE, r->image.leaf_alg, r->leaves, &e),
				0);
			rig_free(r);
		}
	}
}

static void installs_images_of_one_block_and_of_one_leaf(void **state)
{
	static const uint64_t sizes[] = {
		SLOT_BLOCK_SIZE, LEAF, LEAF + SLOT_BLOCK_SIZE, PIECE, PIECE + LEAF};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rig *r = rig_new(sizes[i], SLOT_ZLIB, HASH_SHA256);
		struct slot_stats stats;
		struct err e = {0};
		assert_int_equal(rig_install(r, &stats, &e), 0);
		assert_true(rig_target_is_whole(r));
		rig_free(r);
	}
}

static void leaf0_is_written_by_finish_only(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_target *t = rig_open(r);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &r->image, NULL, &stats, &e), 0);
	assert_true(rig_head_is_spoiled(r));
	assert_false(rig_leaf_written(r, 0));
	assert_true(rig_leaf_written(r, 1));
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	assert_true(rig_leaf_written(r, 0));
	slot_close_target(t);
	rig_free(r);
}

static void nothing_is_written_before_the_heads_are_zeroed(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	struct slot_target *t = rig_open(r);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_write(t, 0, &r->image, NULL, &stats, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_int_equal(r->reads, 0);
	assert_false(rig_leaf_written(r, 1));
	slot_close_target(t);
	rig_free(r);
}

static void finish_refuses_while_a_part_is_not_written(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	struct slot_target *t = rig_open(r);
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_finish(t, NULL, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	slot_close_target(t);
	rig_free(r);
}

static void what_is_right_already_is_neither_fetched_nor_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct slot_stats stats;
		struct err e = {0};
		assert_int_equal(rig_install(r, &stats, &e), 0);
		rig_forget(r);
		/* Once more: only the piece (or leaf) with the zeroed head. */
		assert_int_equal(rig_install(r, &stats, &e), 0);
		uint64_t head = encodings[i] == SLOT_NONE ? LEAF : r->pieces.stored[0];
		assert_int_equal(r->bytes_read, head);
		assert_int_equal(stats.bytes_fetched, head);
		assert_int_equal(stats.leaves_written, 1);
		assert_int_equal(stats.leaves_kept, slot_leaf_count(SIZE) - 1);
		assert_true(rig_target_is_whole(r));
		rig_free(r);
	}
}

static void resume_fetches_only_what_the_cut_left(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct slot_stats stats;
		struct err e = {0};
		r->fail_at = r->pieces.offset[2]; /* the third piece */
		assert_int_equal(rig_install(r, &stats, &e), -1);
		assert_int_equal(e.code, E_NET);
		assert_true(rig_head_is_spoiled(r));
		assert_true(rig_leaf_written(r, 2 * SLOT_LEAVES_A_PIECE - 1));
		rig_forget(r);
		r->fail_at = 0;
		rig_use_expect(r);
		assert_int_equal(rig_install(r, &stats, &e), 0);
		uint64_t head = encodings[i] == SLOT_NONE ? LEAF : r->pieces.stored[0];
		assert_int_equal(r->bytes_read, head + r->pieces.stored[2]);
		assert_int_equal(r->expected_count, 2);
		assert_int_equal(r->expected[0].offset, 0);
		assert_int_equal(r->expected[0].length, head);
		assert_int_equal(r->expected[1].offset, r->pieces.offset[2]);
		assert_int_equal(r->expected[1].length, r->pieces.stored[2]);
		assert_false(r->unexpected);
		assert_true(rig_target_is_whole(r));
		rig_free(r);
	}
}

static void plain_pieces_fetch_single_leaves_and_announce_them(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	static const uint64_t wrong[] = {3, 4, 17, 37};
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(rig_install(r, &stats, &e), 0);
	for (size_t i = 0; i < 4; i++)
		rig_write_at(r, wrong[i] * LEAF + 99, "\xff\x01", 2);
	rig_forget(r);
	rig_use_expect(r);
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_int_equal(r->bytes_read, 4 * LEAF + SLOT_BLOCK_SIZE);
	assert_int_equal(r->expected_count, 4);
	assert_int_equal(r->expected[1].offset, 3 * LEAF);
	assert_int_equal(r->expected[1].length, 2 * LEAF);
	assert_int_equal(r->expected[3].length, SLOT_BLOCK_SIZE);
	assert_false(r->unexpected);
	assert_int_equal(stats.leaves_written, 5);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

static void one_wrong_leaf_of_a_packed_piece_is_written_alone(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(rig_install(r, &stats, &e), 0);
	rig_write_at(r, 20 * LEAF, "\xff\x01", 2);
	rig_forget(r);
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_int_equal(stats.bytes_written, 2 * LEAF);
	assert_int_equal(r->bytes_read, (uint64_t)r->pieces.stored[0] + r->pieces.stored[1]);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

/*
 * Flips one byte of `full` for good: E_HASH that names it. Nothing of the bad piece is
 * written, or where pieces are plain nothing of the bad leaf.
 */
static void expect_flip_refused(enum slot_encoding encoding, uint32_t piece, bool last)
{
	struct rig *r = rig_new(SIZE, encoding, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};
	uint64_t leaf = (uint64_t)piece * SLOT_LEAVES_A_PIECE;

	r->flip_at = r->pieces.offset[piece] + (last ? r->pieces.stored[piece] - 1 : 0);
	r->flip_times = 1000;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_HASH);
	assert_non_null(strstr(e.text, "rootfs"));
	assert_non_null(strstr(e.text, "leaf "));
	assert_non_null(strstr(e.text, "source"));
	assert_int_equal(r->flip_times, 998); /* tried exactly twice */
	assert_true(rig_head_is_spoiled(r));
	bool at_end = encoding == SLOT_NONE && last;
	assert_int_equal(rig_leaf_written(r, leaf), at_end && piece > 0);
	assert_false(rig_leaf_written(
		r, at_end ? leaf + (slot_piece_length(SIZE, piece) - 1) / LEAF : leaf + 1));
	if (piece > 0)
		assert_true(rig_leaf_written(r, leaf - 1));
	rig_free(r);
}

static void a_flipped_byte_in_any_piece_is_refused_and_not_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		for (uint32_t piece = 0; piece < 3; piece++) {
			expect_flip_refused(encodings[i], piece, false);
			expect_flip_refused(encodings[i], piece, true);
		}
	}
}

static void content_that_is_wrong_once_is_fetched_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct slot_stats stats;
		struct err e = {0};
		r->flip_at = r->pieces.offset[1];
		r->flip_times = 1;
		assert_int_equal(rig_install(r, &stats, &e), 0);
		assert_true(rig_target_is_whole(r));
		assert_int_equal(r->bytes_read, r->pieces.stored_total + r->pieces.stored[1]);
		rig_free(r);
	}
}

/* A piece table that fits its `full`, but not the signed leaves: the leaf list is the trust. */
static void a_consistent_table_cannot_replace_a_signed_leaf(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct slot_stats stats;
		struct err e = {0};
		r->content[20 * LEAF + 5] ^= 1; /* then packed: all piece hashes are right */
		rig_pack(r);
		assert_int_equal(rig_install(r, &stats, &e), -1);
		assert_int_equal(e.code, E_HASH);
		assert_non_null(strstr(e.text, "leaf 20"));
		assert_true(rig_head_is_spoiled(r));
		assert_false(rig_leaf_written(r, 20));
		assert_true(rig_leaf_written(r, 15));
		rig_free(r);
	}
}

static void a_source_that_is_too_short_is_refused(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	r->pieces.stored_total--; /* the reader ends one byte early */
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_true(rig_head_is_spoiled(r));
	rig_free(r);
}

static void tables_of_another_image_are_refused(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	r->pieces.image_size += SLOT_BLOCK_SIZE;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_META);
	r->pieces.image_size -= SLOT_BLOCK_SIZE;
	r->pieces.stored[1]--; /* a plain piece is as long as what it covers */
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(r->reads, 0);
	assert_true(rig_head_is_spoiled(r));
	rig_free(r);
}

static void an_image_larger_than_its_part_is_refused_by_write_too(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	uint64_t less = SIZE - SLOT_BLOCK_SIZE;
	struct slot_target *t = NULL;
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	rig_make_target(r, less);
	assert_int_equal(slot_open_target(&r->part, &less, 1, NULL, 0, &t, &e), 0);
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &r->image, NULL, &stats, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	size_t len;
	free(rig_target(r, &len));
	assert_int_equal(len, less); /* nothing after the end */
	slot_close_target(t);
	rig_free(r);
}

struct seen {
	uint64_t done;
	uint64_t total;
	unsigned calls;
};

static void see(void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	struct seen *s = ctx;

	(void)fetched;
	assert_string_equal(image, "rootfs");
	assert_true(done >= s->done && done <= total);
	*s = (struct seen){.done = done, .total = total, .calls = s->calls + 1};
}

static void progress_rises_and_ends_at_the_size(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_target *t = rig_open(r);
	struct seen seen = {0};
	struct slot_progress progress = {.ctx = &seen, .report = see};
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &r->image, &progress, &stats, &e), 0);
	assert_int_equal(seen.done, SIZE);
	assert_int_equal(seen.total, SIZE);
	assert_true(seen.calls >= 3);
	slot_close_target(t);
	rig_free(r);
}

static void check_names_the_first_wrong_leaf(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(rig_install(r, &stats, &e), 0);
	rig_write_at(r, 9 * LEAF, "\xff\x01", 2);
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), -1);
	assert_int_equal(e.code, E_HASH);
	assert_non_null(strstr(e.text, "leaf 9"));
	assert_non_null(strstr(e.text, r->part.path));
	rig_make_target(r, SIZE - SLOT_BLOCK_SIZE);
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(installs_every_encoding_and_leaves_the_tail_alone),
		cmocka_unit_test(installs_images_of_one_block_and_of_one_leaf),
		cmocka_unit_test(leaf0_is_written_by_finish_only),
		cmocka_unit_test(nothing_is_written_before_the_heads_are_zeroed),
		cmocka_unit_test(finish_refuses_while_a_part_is_not_written),
		cmocka_unit_test(what_is_right_already_is_neither_fetched_nor_written),
		cmocka_unit_test(resume_fetches_only_what_the_cut_left),
		cmocka_unit_test(plain_pieces_fetch_single_leaves_and_announce_them),
		cmocka_unit_test(one_wrong_leaf_of_a_packed_piece_is_written_alone),
		cmocka_unit_test(a_flipped_byte_in_any_piece_is_refused_and_not_written),
		cmocka_unit_test(content_that_is_wrong_once_is_fetched_again),
		cmocka_unit_test(a_consistent_table_cannot_replace_a_signed_leaf),
		cmocka_unit_test(a_source_that_is_too_short_is_refused),
		cmocka_unit_test(tables_of_another_image_are_refused),
		cmocka_unit_test(an_image_larger_than_its_part_is_refused_by_write_too),
		cmocka_unit_test(progress_rises_and_ends_at_the_size),
		cmocka_unit_test(check_names_the_first_wrong_leaf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
