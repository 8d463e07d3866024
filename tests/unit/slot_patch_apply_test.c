/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/patch_apply: leaves out of frames, just those that are needed, in small memory. */
#include "tests/unit/slot_patch_maker.h"

#ifdef CONFIG_ZSTD

#define OLD (8u * LEAF)

/* One operation of a random kind and length, from a random place now and then. */
static void random_op(struct maker *m, uint32_t longest, uint32_t room)
{
	uint32_t length = 1 + maker_random(m, longest < room ? longest : room);
	uint32_t kind = maker_random(m, 8);

	if (maker_random(m, 3) == 0 || length > m->old_size - m->old_at)
		maker_move(m, maker_random(m, m->old_size - length + 1));
	if (kind < 4)
		maker_copy(m, length);
	else if (kind < 6)
		maker_change(m, length);
	else if (kind < 7)
		maker_insert(m, length);
	else
		maker_zero(m, length);
}

/* Frames that end anywhere, and operations of up to `longest` bytes, up to `size`. */
static void random_frames(struct maker *m, uint32_t longest, uint32_t size)
{
	while (m->image_size < size) {
		uint32_t end = m->image_size + 1 + maker_random(m, LEAF);
		end = end < size ? end : size;
		while (m->image_size < end)
			random_op(m, longest, end - m->image_size);
		maker_frame(m);
	}
}

/* A frame for each leaf; the last leaf is short. */
static struct maker *with_frame_per_leaf(void)
{
	struct maker *m = maker_new(OLD);

	for (uint32_t leaf = 0; leaf < 6; leaf++) {
		maker_move(m, leaf * LEAF / 2 + 77);
		maker_copy(m, leaf < 5 ? LEAF - 1000 : 3096);
		maker_insert(m, 500 + leaf * 10);
		maker_change(m, 500 - leaf * 10);
		maker_frame(m);
	}
	return m;
}

static void opened(struct maker *m)
{
	struct err e = {0};

	if (maker_open(m, &e) < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
}

static void frames_of_any_shape_give_the_image(void **state)
{
	static const uint32_t longest[] = {30, 5000, LEAF, 3 * LEAF};

	(void)state;
	for (size_t i = 0; i < sizeof(longest) / sizeof(longest[0]); i++) {
		struct maker *m = maker_new(OLD);
		random_frames(m, longest[i], longest[i] < 100 ? LEAF : 4 * LEAF + 8192);
		opened(m);
		for (uint64_t leaf = 0; leaf < m->want.count; leaf++)
			maker_leaf_is_right(m, leaf, false);
		assert_int_equal(m->reads, m->table.count);
		assert_int_equal(m->stats.bytes_fetched, m->table.stored_total);
		maker_free(m);
	}
}

static void operations_of_one_byte_give_the_image(void **state)
{
	struct maker *m = maker_new(OLD);

	(void)state;
	for (uint32_t i = 0; m->image_size < 12288; i++) {
		maker_move(m, i % 2 ? OLD - 1 : 0);
		random_op(m, 1, 1);
		if (i % 4096 == 4095)
			maker_frame(m);
	}
	opened(m);
	maker_leaf_is_right(m, 0, false);
	maker_free(m);
}

/* Frames that give one byte each: a leaf spans them all. */
static void frames_of_one_byte_give_the_image(void **state)
{
	struct maker *m = maker_new(OLD);

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		maker_move(m, i * 1000);
		maker_copy(m, 1);
		maker_frame(m);
	}
	maker_copy(m, 4096 - 40);
	maker_frame(m);
	opened(m);
	maker_leaf_is_right(m, 0, false);
	assert_int_equal(m->reads, 41);
	maker_free(m);
}

static void only_frames_of_wanted_leaves_are_read(void **state)
{
	struct maker *m = with_frame_per_leaf();
	const struct slot_patch_table *t = &m->table;

	(void)state;
	maker_want_all(m);
	m->want.bits[0] = 1u << 1 | 1u << 2 | 1u << 5;
	opened(m);
	assert_int_equal(m->expected_count, 2);
	assert_int_equal(m->expected[0].offset, t->offset[1]);
	assert_int_equal(m->expected[0].length, t->stored[1] + t->stored[2]);
	assert_int_equal(m->expected[1].offset, t->offset[5]);
	assert_int_equal(m->expected[1].length, t->stored[5]);
	maker_leaf_is_right(m, 1, false);
	maker_leaf_is_right(m, 2, false);
	maker_leaf_is_right(m, 5, false);
	assert_int_equal(m->reads, 3);
	assert_int_equal(m->bytes_read, (uint64_t)t->stored[1] + t->stored[2] + t->stored[5]);
	assert_int_equal(m->stats.bytes_fetched, m->bytes_read);
	/* Copied and added bytes of the three. */
	assert_int_equal(m->stats.from_seed,
		2 * (LEAF - 1000) + 3096 + (500 - 10) + (500 - 20) + (500 - 50));
	maker_free(m);
}

/* What is passed over in a frame is not read from the old image, and moves its place all the same. */
static void holes_inside_of_a_frame_are_passed_over(void **state)
{
	struct maker *m = maker_new(OLD);

	(void)state;
	while (m->image_size < 4 * LEAF)
		random_op(m, 20000, 4 * LEAF - m->image_size);
	maker_frame(m);
	opened(m);
	maker_leaf_is_right(m, 1, false);
	assert_true(m->stats.from_seed <= LEAF);
	maker_leaf_is_right(m, 3, false);
	assert_int_equal(m->reads, 1);
	/* Asked for what lies before: from the frame that is there. */
	maker_leaf_is_right(m, 0, false);
	maker_leaf_is_right(m, 3, false);
	assert_int_equal(m->reads, 1);
	maker_free(m);
}

static void a_wrong_hash_is_fetched_once_more(void **state)
{
	struct maker *m = with_frame_per_leaf();

	(void)state;
	opened(m);
	m->flip_times = 1;
	maker_leaf_is_right(m, 0, false);
	assert_int_equal(m->reads, 2);
	m->flip_times = 2;
	maker_leaf_fails(m, 1, E_HASH, "patch frame 1");
	assert_int_equal(m->reads, 4);
	maker_leaf_is_right(m, 1, false);
	maker_free(m);
}

static void a_lost_connection_is_told_and_nothing_is_kept_of_it(void **state)
{
	struct maker *m = with_frame_per_leaf();

	(void)state;
	opened(m);
	maker_leaf_is_right(m, 0, false);
	m->fail_read = 2;
	maker_leaf_fails(m, 1, E_NET, "connection lost");
	maker_leaf_is_right(m, 1, false);
	maker_free(m);
}

static void again_reads_patch_and_old_image_again(void **state)
{
	struct maker *m = with_frame_per_leaf();
	struct err e = {0};
	int rc;

	(void)state;
	opened(m);
	m->old[LEAF + 100] ^= 0xff; /* leaf 2 is copied from there */
	maker_write_old(m);
	uint8_t *out = maker_fill(m, 2, false, &rc, &e);
	assert_int_equal(rc, 0);
	assert_memory_not_equal(out, m->image + 2 * LEAF, LEAF);
	free(out);
	m->old[LEAF + 100] ^= 0xff;
	maker_write_old(m);
	assert_int_equal(m->reads, 1);
	maker_leaf_is_right(m, 2, true);
	assert_int_equal(m->reads, 2);
	maker_free(m);
}

static void a_patch_of_another_image_is_refused(void **state)
{
	struct maker *m = with_frame_per_leaf();
	struct err e = {0};

	(void)state;
	m->image_size += 4096;
	assert_int_equal(maker_open(m, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(m->reads, 0);
	assert_null(m->source.fill);
	maker_free(m);
}

static void an_old_image_that_is_too_small_or_missing_is_refused(void **state)
{
	struct maker *m = with_frame_per_leaf();
	struct err e = {0};

	(void)state;
	assert_int_equal(truncate(m->old_path, OLD - 4096), 0);
	assert_int_equal(maker_open(m, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, m->old_path));
	unlink(m->old_path);
	assert_int_equal(maker_open(m, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_null(m->source.fill);
	maker_free(m);
}

/* A partition is mostly larger than its image. */
static void an_old_partition_may_be_larger_than_its_image(void **state)
{
	struct maker *m = with_frame_per_leaf();

	(void)state;
	assert_int_equal(truncate(m->old_path, OLD + 1000 * 4096), 0);
	opened(m);
	for (uint64_t leaf = 0; leaf < m->want.count; leaf++)
		maker_leaf_is_right(m, leaf, false);
	maker_free(m);
}

static long anonymous_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %ld kB", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

/* The largest frames that there can be, of literals that do not compress. */
static void the_largest_frames_need_less_than_4_mib(void **state)
{
	struct maker *m = maker_new(OLD);
	size_t len = LEAF;
	uint8_t *out = malloc(len);
	struct err e = {0};

	(void)state;
	assert_non_null(out);
	for (unsigned i = 0; i < 3; i++) {
		maker_copy(m, LEAF / 2);
		maker_insert(m, 3 * LEAF + LEAF / 2);
		maker_frame(m);
		assert_true(m->raw_len > SLOT_PATCH_RAW_MAX - LEAF);
	}
	memset(out, 1, len);
	maker_want_all(m);
	long before = anonymous_kib();
	long most = 0;
	opened(m);
	for (uint64_t leaf = 0; leaf < m->want.count; leaf++) {
		assert_int_equal(m->source.fill(m->source.ctx, leaf, false, out, len, &e), 0);
		assert_memory_equal(out, m->image + leaf * LEAF, len);
		long now = anonymous_kib() - before;
		most = now > most ? now : most;
	}
	free(out);
	if (before > 0 && most >= 4096)
		fail_msg("%ld KiB", most);
	maker_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_any_shape_give_the_image),
		cmocka_unit_test(operations_of_one_byte_give_the_image),
		cmocka_unit_test(frames_of_one_byte_give_the_image),
		cmocka_unit_test(only_frames_of_wanted_leaves_are_read),
		cmocka_unit_test(holes_inside_of_a_frame_are_passed_over),
		cmocka_unit_test(a_wrong_hash_is_fetched_once_more),
		cmocka_unit_test(a_lost_connection_is_told_and_nothing_is_kept_of_it),
		cmocka_unit_test(again_reads_patch_and_old_image_again),
		cmocka_unit_test(a_patch_of_another_image_is_refused),
		cmocka_unit_test(an_old_image_that_is_too_small_or_missing_is_refused),
		cmocka_unit_test(an_old_partition_may_be_larger_than_its_image),
		cmocka_unit_test(the_largest_frames_need_less_than_4_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

/* Without zstd there are no patches: opening one says so. */
#include "partitions/slot/patch_apply.h"

static void a_build_without_zstd_has_no_patches(void **state)
{
	uint32_t one = 4096;
	uint64_t zero = 0;
	struct slot_patch_table t = {.image_size = 4096,
		.old_size = 4096,
		.count = 1,
		.output = &one,
		.stored = &one,
		.raw = &one,
		.offset = &zero,
		.at = &zero};
	struct slot_image image = {.name = "rootfs",
		.size = 4096,
		.way = SLOT_WAY_PATCH,
		.patching = {.table = &t, .old_path = "/dev/null"}};
	struct slot_stats stats = {0};
	struct leaf_source source;
	struct err e = {0};

	(void)state;
	assert_int_equal(patch_source_open(&image, NULL, &stats, &source, &e), -1);
	assert_int_equal(e.code, E_COMPAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_build_without_zstd_has_no_patches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
