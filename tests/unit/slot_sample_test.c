/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: before a full install over other content the target is sampled, not
 * hashed; but whatever an attempt that was cut has written is found.
 * Linked with --wrap for the function below.
 */
#include "tests/unit/slot_rig.h"

#include <errno.h>

#include "agent/base/file.h"
#include "partitions/slot/scan.h"

#define SIZE   (134u * LEAF + SLOT_BLOCK_SIZE)
#define LEAVES 135u
#define SAMPLE 32u

int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);

/* What was read of the target, leaf by leaf. */
static struct {
	unsigned reads[LEAVES];
	unsigned fail_leaf; /* cannot be read; 0 = none */
} medium;

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	for (uint64_t at = offset; at < offset + len; at += LEAF) {
		if (at / LEAF < LEAVES)
			__atomic_add_fetch(&medium.reads[at / LEAF], 1, __ATOMIC_SEQ_CST);
		if (medium.fail_leaf && at / LEAF == medium.fail_leaf)
			return err_sys(e, E_IO, EIO, "reading");
	}
	return __real_file_pread_full(fd, data, len, offset, e);
}

static unsigned leaves_read(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < LEAVES; i++)
		n += medium.reads[i] > 0;
	return n;
}

static struct rig *rig_over_other_content(void)
{
	struct rig *r = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	uint8_t *other = malloc(LEAF);

	assert_non_null(other);
	memset(other, 0xa5, LEAF);
	for (uint64_t leaf = 0; leaf < LEAVES; leaf++)
		rig_write_at(r, leaf * LEAF, other, LEAF);
	free(other);
	memset(&medium, 0, sizeof(medium));
	return r;
}

static bool sample(struct rig *r)
{
	AUTO_DEVICE struct device d = {.fd = -1};
	struct err e = {0};
	bool any = false;

	assert_int_equal(device_open_read(r->part.path, &d, &e), 0);
	struct scan s = {.device = &d,
		.image_size = r->image.size,
		.alg = r->image.leaf_alg,
		.leaves = r->leaves,
		.first = 1};
	memset(medium.reads, 0, sizeof(medium.reads));
	assert_int_equal(scan_sample(&s, &any, &e), 0);
	return any;
}

static void a_sample_has_the_first_leaves_the_last_and_some_between(void **state)
{
	struct rig *r = rig_over_other_content();
	unsigned gap = 0;

	(void)state;
	assert_false(sample(r));
	assert_int_equal(leaves_read(), SAMPLE);
	for (unsigned i = 1; i <= 8; i++)
		assert_int_equal(medium.reads[i], 1);
	assert_int_equal(medium.reads[LEAVES - 1], 1);
	for (unsigned i = 1; i < LEAVES; i++) {
		gap = medium.reads[i] ? 0 : gap + 1;
		assert_true(gap < 6);
	}
	rig_free(r);
}

static void one_right_leaf_of_the_sample_is_enough(void **state)
{
	static const unsigned leaves[] = {1, 2, 8, LEAVES - 1};
	struct rig *r = rig_over_other_content();
	uint8_t *other = malloc(LEAF);

	(void)state;
	assert_non_null(other);
	memset(other, 0xa5, LEAF);
	for (unsigned i = 0; i < 4; i++) {
		size_t len = slot_leaf_length(SIZE, leaves[i]);
		rig_write_at(r, leaves[i] * LEAF, r->content + leaves[i] * LEAF, len);
		assert_true(sample(r));
		rig_write_at(r, leaves[i] * LEAF, other, len);
	}
	assert_false(sample(r));
	medium.fail_leaf = 5; /* nobody knows what is there: better look at all */
	assert_true(sample(r));
	free(other);
	rig_free(r);
}

static void other_content_is_not_hashed_before_it_is_overwritten(void **state)
{
	struct rig *r = rig_over_other_content();
	struct slot_stats stats;
	struct err e = {0};
	struct slot_target *t = rig_open(r);

	(void)state;
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &r->image, NULL, &stats, &e), 0);
	assert_int_equal(leaves_read(), SAMPLE);
	assert_int_equal(stats.leaves_written, LEAVES);
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	assert_int_equal(leaves_read(), LEAVES - 1); /* the read-back spares none */
	slot_close_target(t);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

/* Cut after the first run, and late: everything that was written is kept. */
static void nothing_that_was_written_is_fetched_again(void **state)
{
	static const uint64_t cuts[] = {PIECE, 20 * LEAF, 100 * LEAF};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct rig *r = rig_over_other_content();
		struct slot_stats stats;
		struct err e = {0};
		r->fail_at = cuts[i];
		assert_int_equal(rig_install(r, &stats, &e), -1);
		uint64_t written = stats.bytes_written / LEAF;
		assert_true(written > 0);
		rig_forget(r);
		r->fail_at = 0;
		assert_int_equal(rig_install(r, &stats, &e), 0);
		assert_int_equal(stats.leaves_kept, written);
		assert_int_equal(r->bytes_read, SIZE - written * LEAF);
		assert_true(rig_target_is_whole(r));
		rig_free(r);
	}
}

static void a_small_image_is_looked_at_whole(void **state)
{
	struct rig *r = rig_new(20 * LEAF, SLOT_NONE, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	memset(&medium, 0, sizeof(medium));
	rig_write_at(r, 17 * LEAF, r->content + 17 * LEAF, LEAF);
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_int_equal(stats.leaves_kept, 1);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_has_the_first_leaves_the_last_and_some_between),
		cmocka_unit_test(one_right_leaf_of_the_sample_is_enough),
		cmocka_unit_test(other_content_is_not_hashed_before_it_is_overwritten),
		cmocka_unit_test(nothing_that_was_written_is_fetched_again),
		cmocka_unit_test(a_small_image_is_looked_at_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
