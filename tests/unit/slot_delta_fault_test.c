/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: a delta on media that fail, at every single read and write: what
 * cannot be read of old content is fetched; what cannot be written ends the install
 * with the head still zero, and the next one goes on from there.
 */
#include "tests/unit/slot_delta_rig.h"

#include <errno.h>

#include "agent/base/file.h"

#define SIZE   (6u * LEAF + SLOT_BLOCK_SIZE)
#define LEAVES 7u

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);

/* Writes come from a second thread, one at a time. */
static struct {
	unsigned reads;
	unsigned writes;
	unsigned fail_read; /* the number (from 1) of the one that fails; 0 = none */
	unsigned fail_write;
} medium;

int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	if (__atomic_add_fetch(&medium.writes, 1, __ATOMIC_SEQ_CST) == medium.fail_write)
		return err_sys(e, E_IO, EIO, "writing at byte %llu", (unsigned long long)offset);
	return __real_file_pwrite_full(fd, data, len, offset, e);
}

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	if (__atomic_add_fetch(&medium.reads, 1, __ATOMIC_SEQ_CST) == medium.fail_read)
		return err_sys(e, E_IO, EIO, "reading at byte %llu", (unsigned long long)offset);
	return __real_file_pread_full(fd, data, len, offset, e);
}

/* Old content in the target and in a seed, the rest in `data`. */
static struct delta_rig *rig_with_old(void)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);

	delta_add_seed(d, 0, d->rig->content, SIZE);
	delta_match(d, LEAF / 2, 4 * LEAF, delta_seed_place(0, LEAF / 2));
	for (uint64_t leaf = 1; leaf < LEAVES - 1; leaf++) {
		uint64_t at = leaf * LEAF + LEAF / 2;
		rig_write_at(d->rig, at, d->rig->content + at, LEAF / 2);
		delta_match(d, at, at + LEAF / 2, SLOT_PLACE_TARGET);
	}
	memset(&medium, 0, sizeof(medium));
	return d;
}

/* Reads and writes up to the read-back, which is the same for every way. */
static int write_only(struct delta_rig *d, struct slot_stats *stats, struct err *e)
{
	struct slot_target *t = rig_open(d->rig);
	int rc = slot_spoil(t, e);

	if (rc == 0)
		rc = slot_write(t, 0, &d->rig->image, NULL, stats, e);
	slot_close_target(t);
	return rc;
}

static void old_content_that_cannot_be_read_is_fetched(void **state)
{
	struct delta_rig *d = rig_with_old();
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(write_only(d, &stats, &e), 0);
	unsigned count = medium.reads;
	uint64_t fetched = stats.bytes_fetched;
	uint64_t from_old = stats.from_seed + stats.from_target;
	unsigned lost = 0;
	assert_true(count > 10);
	delta_rig_free(d);
	/* The first read is that of the head; it may not fail. */
	for (unsigned i = 2; i <= count; i++) {
		d = rig_with_old();
		medium.fail_read = i;
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(stats.leaves_again, 0);
		assert_true(stats.bytes_fetched >= fetched);
		lost += stats.from_seed + stats.from_target < from_old;
		delta_rig_free(d);
	}
	assert_true(lost >= 5);
}

static void a_write_that_fails_leaves_the_head_zero_and_the_rest_goes_on(void **state)
{
	struct delta_rig *d = rig_with_old();
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	assert_int_equal(write_only(d, &stats, &e), 0);
	unsigned count = medium.writes;
	assert_int_equal(count, 3); /* the head; leaves 1 and 2; leaves 4 to 6 */
	delta_rig_free(d);
	for (unsigned i = 2; i <= count; i++) {
		d = rig_with_old();
		medium.fail_write = i;
		assert_int_equal(rig_install(d->rig, &stats, &e), -1);
		assert_int_equal(e.code, E_IO);
		assert_non_null(strstr(e.text, "writing at byte"));
		assert_non_null(strstr(e.text, d->rig->part.path));
		medium.fail_write = 0;
		assert_true(rig_head_is_spoiled(d->rig));
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		delta_rig_free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_content_that_cannot_be_read_is_fetched),
		cmocka_unit_test(a_write_that_fails_leaves_the_head_zero_and_the_rest_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
