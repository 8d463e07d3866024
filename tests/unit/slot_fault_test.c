/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot on a medium that fails: EIO and ENOSPC at every single read,
 * write and flush, and silent corruption. Whatever happens before the end, the
 * head stays zero. Linked with --wrap for the three functions below.
 */
#include "tests/unit/slot_rig.h"

#include <errno.h>
#include <pthread.h>

#include "agent/base/file.h"

/* One piece and three leaves, the last one a block. */
#define SIZE (PIECE + 2u * LEAF + SLOT_BLOCK_SIZE)

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_sync(int fd, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_sync(int fd, struct err *e);

enum call { CALL_WRITE, CALL_READ, CALL_SYNC, CALL_KINDS };

/* What the medium does wrong; writes come from a second thread, one at a time. */
static struct {
	unsigned seen[CALL_KINDS];
	enum call kind;
	unsigned at; /* the call (from 1) that fails; 0 = none */
	unsigned last; /* and all up to this one */
	int sys; /* its errno */
	uint64_t corrupt; /* this byte is changed ... */
	unsigned corrupt_writes; /* ... in as many writes */
	unsigned corrupt_reads; /* ... or reads */
	bool differently; /* and each time otherwise */
	unsigned skip_reads; /* after this many reads that include it */
	bool refuse_big; /* EINVAL for more than a block, until O_DIRECT is off */
	unsigned unflushed; /* writes since the last flush */
	unsigned early; /* of them when the head was written, with anything but zeros */
	size_t head_len; /* of that write; 0 = there was none */
} medium;

static bool fails(enum call kind)
{
	unsigned number = __atomic_add_fetch(&medium.seen[kind], 1, __ATOMIC_SEQ_CST);

	return medium.at != 0 && kind == medium.kind && number >= medium.at &&
	       number <= (medium.last ? medium.last : medium.at);
}

static int failure(const char *what, uint64_t offset, struct err *e)
{
	return err_sys(e, medium.sys == ENOSPC ? E_SPACE : E_IO, medium.sys, "%s at byte %llu",
		what, (unsigned long long)offset);
}

static bool includes(uint64_t offset, size_t len)
{
	return medium.corrupt >= offset && medium.corrupt < offset + len;
}

/* What a power cut could mix with the head that makes a system of the slot. */
static void note_write(const void *data, size_t len, uint64_t offset)
{
	static const uint8_t zeros[SLOT_BLOCK_SIZE];

	if (offset == 0 && memcmp(data, zeros, SLOT_BLOCK_SIZE) != 0) {
		medium.early = medium.unflushed;
		medium.head_len = len;
	}
	medium.unflushed++;
}

static bool is_direct(int fd)
{
	return (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
}

int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	if (medium.refuse_big && is_direct(fd) && len > SLOT_BLOCK_SIZE)
		return err_sys(e, E_IO, EINVAL, "writing at byte %llu", (unsigned long long)offset);
	if (fails(CALL_WRITE))
		return failure("writing", offset, e);
	note_write(data, len, offset);
	if (medium.corrupt_writes == 0 || !includes(offset, len))
		return __real_file_pwrite_full(fd, data, len, offset, e);
	medium.corrupt_writes--;
	uint8_t *copy = aligned_alloc(SLOT_BLOCK_SIZE, len);
	assert_non_null(copy);
	memcpy(copy, data, len);
	copy[medium.corrupt - offset] ^= 8;
	int rc = __real_file_pwrite_full(fd, copy, len, offset, e);
	free(copy);
	return rc;
}

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	if (fails(CALL_READ))
		return failure("reading", offset, e);
	int rc = __real_file_pread_full(fd, data, len, offset, e);
	if (rc == 0 && includes(offset, len) && medium.corrupt_reads > 0) {
		if (medium.skip_reads > 0) {
			medium.skip_reads--;
			return 0;
		}
		unsigned mask = medium.differently ? 1u << medium.corrupt_reads : 8;
		((uint8_t *)data)[medium.corrupt - offset] ^= (uint8_t)mask;
		medium.corrupt_reads--;
	}
	return rc;
}

int __wrap_file_sync(int fd, struct err *e)
{
	if (fails(CALL_SYNC))
		return failure("fsync", 0, e);
	medium.unflushed = 0;
	return __real_file_sync(fd, e);
}

static void heal(void)
{
	memset(&medium, 0, sizeof(medium));
}

/* How many calls of each kind a good install makes. */
static void count_calls(unsigned counts[CALL_KINDS])
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	heal();
	assert_int_equal(rig_install(r, &stats, &e), 0);
	memcpy(counts, medium.seen, sizeof(medium.seen));
	rig_free(r);
}

/* An install in which one call fails. Afterwards the same install on the healed medium works. */
static void expect_failure(enum call kind, unsigned at, int sys, enum err_code code)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	rig_write_at(r, 0, "an old system's head", 20);
	heal();
	medium.kind = kind;
	medium.at = at;
	medium.sys = sys;
	if (rig_install(r, &stats, &e) == 0)
		fail_msg("call %u of kind %d failed and nobody noticed", at, (int)kind);
	assert_int_equal(e.code, code);
	assert_int_equal(e.sys, sys);
	assert_non_null(strstr(e.text, r->part.path));
	if (kind != CALL_SYNC)
		assert_non_null(
			strstr(e.text, kind == CALL_READ ? "reading at byte" : "writing at byte"));
	heal();
	/* The very first write is the zeroing of the head itself. */
	if (kind != CALL_WRITE || at > 1)
		assert_true(rig_head_is_spoiled(r));
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

static void an_error_at_every_write_leaves_the_head_zero(void **state)
{
	unsigned counts[CALL_KINDS];

	(void)state;
	count_calls(counts);
	assert_true(counts[CALL_WRITE] >= 5);
	for (unsigned i = 1; i <= counts[CALL_WRITE]; i++) {
		expect_failure(CALL_WRITE, i, EIO, E_IO);
		expect_failure(CALL_WRITE, i, ENOSPC, E_SPACE);
	}
}

static void an_error_at_every_flush_leaves_the_head_zero(void **state)
{
	unsigned counts[CALL_KINDS];

	(void)state;
	count_calls(counts);
	assert_int_equal(counts[CALL_SYNC], 4); /* head, leaves, rest of leaf 0, head */
	for (unsigned i = 1; i <= counts[CALL_SYNC]; i++)
		expect_failure(CALL_SYNC, i, EIO, E_IO);
}

/* Read 1 looks at the head, then come the reads of the resume, then those of the read-back. */
static void an_error_at_every_read_of_the_readback_leaves_the_head_zero(void **state)
{
	unsigned counts[CALL_KINDS];

	(void)state;
	count_calls(counts);
	unsigned scan = (counts[CALL_READ] - 2) / 2;
	expect_failure(CALL_READ, 1, EIO, E_IO);
	for (unsigned i = 2 + scan; i <= counts[CALL_READ]; i++)
		expect_failure(CALL_READ, i, EIO, E_IO);
}

/* What cannot be read while looking for right leaves is simply written. */
static void an_unreadable_place_of_the_old_content_is_written_over(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	assert_int_equal(rig_install(r, &stats, &e), 0);
	heal();
	medium.kind = CALL_READ;
	medium.at = 3; /* the second 1 MiB: then leaf by leaf, the first of which fails as well */
	medium.last = 4;
	medium.sys = EIO;
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_int_equal(stats.leaves_written, 2);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

static void a_medium_that_reads_nothing_is_given_up(void **state)
{
	struct rig *r = rig_new(2 * PIECE, SLOT_NONE, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	medium.kind = CALL_READ;
	medium.at = 2;
	medium.last = 1000;
	medium.sys = EIO;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_true(medium.seen[CALL_READ] < 30);
	assert_int_equal(medium.seen[CALL_WRITE], 1);
	heal();
	assert_true(rig_head_is_spoiled(r));
	rig_free(r);
}

/* One byte changes on its way to the medium. */
static void expect_writing_blamed(uint64_t at, const char *where)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	heal();
	medium.corrupt = at;
	medium.corrupt_writes = 1;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_READBACK);
	assert_non_null(strstr(e.text, r->part.path));
	assert_non_null(strstr(e.text, where));
	assert_non_null(strstr(e.text, "writing is to blame"));
	heal();
	if (at >= SLOT_BLOCK_SIZE)
		assert_true(rig_head_is_spoiled(r));
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

static void silent_corruption_of_a_write_is_found(void **state)
{
	(void)state;
	expect_writing_blamed(100, "byte 0"); /* of the zeroing */
	expect_writing_blamed(LEAF, "bytes 262144 to 524288 (leaf 1)");
	expect_writing_blamed(PIECE + LEAF + 7, "(leaf 17)");
	expect_writing_blamed(SIZE - 1, "(leaf 18)");
}

static void corruption_of_leaf_0_zeroes_the_head_again(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	medium.corrupt = 5000; /* behind the head, so only the write of leaf 0 has it */
	medium.corrupt_writes = 1;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_READBACK);
	assert_non_null(strstr(e.text, "(leaf 0)"));
	assert_non_null(strstr(e.text, "writing is to blame"));
	heal();
	assert_true(rig_head_is_spoiled(r));
	rig_free(r);
}

static void a_wrong_reading_is_told_from_a_wrong_write(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	medium.corrupt = 3 * LEAF + 1;
	medium.skip_reads = 1; /* the look for right leaves */
	medium.corrupt_reads = 1;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_READBACK);
	assert_non_null(strstr(e.text, "(leaf 3)"));
	assert_non_null(strstr(e.text, "reading is to blame (a second reading was right)"));
	heal();
	assert_true(rig_head_is_spoiled(r));
	medium.corrupt = 3 * LEAF + 1;
	medium.skip_reads = 1;
	medium.corrupt_reads = 2;
	medium.differently = true;
	assert_int_equal(rig_install(r, &stats, &e), -1);
	assert_int_equal(e.code, E_READBACK);
	assert_non_null(strstr(e.text, "two readings differ"));
	heal();
	rig_free(r);
}

static void check_tells_a_wrong_reading_from_wrong_content(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	assert_int_equal(rig_install(r, &stats, &e), 0);
	medium.corrupt = LEAF;
	medium.corrupt_reads = 1;
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), -1);
	assert_int_equal(e.code, E_READBACK);
	assert_non_null(strstr(e.text, "reading is to blame"));
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), 0);
	medium.kind = CALL_READ;
	medium.at = medium.seen[CALL_READ] + 2;
	medium.sys = EIO;
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "reading at byte 1048576"));
	heal();
	rig_free(r);
}

static void where_o_direct_is_refused_the_page_cache_serves(void **state)
{
	struct rig *r = rig_new(6 * PIECE, SLOT_NONE, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	medium.refuse_big = true;
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_true(rig_target_is_whole(r));
	heal();
	rig_free(r);
}

static void the_head_is_written_alone_behind_everything_else(void **state)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	assert_int_equal(rig_install(r, &stats, &e), 0);
	assert_int_equal(medium.head_len, SLOT_BLOCK_SIZE);
	assert_int_equal(medium.early, 0);
	assert_int_equal(medium.unflushed, 0);
	assert_true(rig_target_is_whole(r));
	rig_free(r);
}

/* With two images an error at the second's leaf 0 takes the first's away again. */
static void a_late_error_zeroes_the_heads_of_all_parts(void **state)
{
	struct rig *a = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	struct rig *b = rig_new(SIZE, SLOT_NONE, HASH_SHA256);
	struct slot_part parts[] = {a->part, b->part};
	uint64_t needed[] = {SIZE, SIZE};
	struct slot_target *t = NULL;
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	heal();
	assert_int_equal(slot_open_target(parts, needed, 2, NULL, 0, &t, &e), 0);
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &a->image, NULL, &stats, &e), 0);
	assert_int_equal(slot_write(t, 1, &b->image, NULL, &stats, &e), 0);
	medium.kind = CALL_WRITE;
	medium.at = medium.seen[CALL_WRITE] + 4;
	medium.sys = EIO;
	assert_int_equal(slot_finish(t, NULL, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, b->part.path));
	heal();
	assert_true(rig_head_is_spoiled(a));
	assert_true(rig_head_is_spoiled(b));
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	assert_true(rig_target_is_whole(a));
	assert_true(rig_target_is_whole(b));
	slot_close_target(t);
	rig_free(a);
	rig_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_at_every_write_leaves_the_head_zero),
		cmocka_unit_test(an_error_at_every_flush_leaves_the_head_zero),
		cmocka_unit_test(an_error_at_every_read_of_the_readback_leaves_the_head_zero),
		cmocka_unit_test(an_unreadable_place_of_the_old_content_is_written_over),
		cmocka_unit_test(a_medium_that_reads_nothing_is_given_up),
		cmocka_unit_test(silent_corruption_of_a_write_is_found),
		cmocka_unit_test(corruption_of_leaf_0_zeroes_the_head_again),
		cmocka_unit_test(a_wrong_reading_is_told_from_a_wrong_write),
		cmocka_unit_test(check_tells_a_wrong_reading_from_wrong_content),
		cmocka_unit_test(where_o_direct_is_refused_the_page_cache_serves),
		cmocka_unit_test(the_head_is_written_alone_behind_everything_else),
		cmocka_unit_test(a_late_error_zeroes_the_heads_of_all_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
