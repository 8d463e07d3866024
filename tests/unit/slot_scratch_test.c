/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big arrays: zero, without a name, fully allocated before they are used, and out of our memory
 * when they are settled. Linked with --wrap for openat and posix_fallocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/slot/scratch.h"

#define BIG (8u << 20)

int __wrap_openat64(int dir, const char *name, int flags, ...);
int __wrap_openat(int dir, const char *name, int flags, ...);
int __wrap_posix_fallocate64(int fd, off_t from, off_t len);
int __wrap_posix_fallocate(int fd, off_t from, off_t len);

/* What the file system cannot do. */
static struct {
	bool no_tmpfile;
	int fallocate; /* what posix_fallocate says */
	unsigned taken; /* names that exist already */
	unsigned named; /* files that were made under a name */
} fs;

/* Both names of the functions are wrapped: glibc uses the long ones, musl the short ones. */
int __wrap_openat64(int dir, const char *name, int flags, ...)
{
	if ((flags & O_TMPFILE) == O_TMPFILE && fs.no_tmpfile) {
		errno = EOPNOTSUPP;
		return -1;
	}
	if (flags & O_EXCL) {
		if (fs.taken > 0) {
			fs.taken--;
			errno = EEXIST;
			return -1;
		}
		fs.named++;
	}
	return (int)syscall(SYS_openat, dir, name, flags, 0600);
}

int __wrap_openat(int dir, const char *name, int flags, ...)
{
	return __wrap_openat64(dir, name, flags);
}

int __wrap_posix_fallocate64(int fd, off_t from, off_t len)
{
	if (fs.fallocate != 0)
		return fs.fallocate;
	return fallocate(fd, 0, from, len) == 0 ? 0 : errno;
}

int __wrap_posix_fallocate(int fd, off_t from, off_t len)
{
	return __wrap_posix_fallocate64(fd, from, len);
}

static char folder[64];
static int dir = -1;

static int make_folder(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&fs, 0, sizeof(fs));
	snprintf(folder, sizeof(folder), "/tmp/pawl-scratch-XXXXXX");
	return mkdtemp(folder) && file_open_dir(folder, &dir, &e) == 0 ? 0 : -1;
}

/* Fails when a file was left, which is a test of its own after each. */
static int remove_folder(void **state)
{
	(void)state;
	close(dir);
	return rmdir(folder);
}

static void expect_usable(size_t size)
{
	AUTO_SCRATCH struct scratch s = {0};
	struct err e = {0};

	if (scratch_get(dir, size, &s, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(s.size, size);
	uint8_t *data = s.data;
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(data[i], 0);
		data[i] = (uint8_t)(i % 251);
	}
	scratch_settle(&s, 0, size);
	scratch_settle(&s, size / 2, SIZE_MAX);
	scratch_settle(&s, size, 1);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(data[i], i % 251);
}

static void small_and_large_ones_are_zero_and_keep_their_content(void **state)
{
	(void)state;
	expect_usable(1);
	expect_usable(SCRATCH_MEMORY_MAX);
	expect_usable(SCRATCH_MEMORY_MAX + 1);
	expect_usable(3 * SCRATCH_MEMORY_MAX + 4097);
	assert_int_equal(fs.named, 0);
}

static void nothing_is_nothing(void **state)
{
	struct scratch s = {.size = 5};
	struct err e = {0};

	(void)state;
	assert_int_equal(scratch_get(dir, 0, &s, &e), 0);
	assert_null(s.data);
	assert_int_equal(s.size, 0);
	scratch_settle(&s, 0, 1);
	scratch_free(&s);
}

static void a_file_system_without_o_tmpfile_serves_as_well(void **state)
{
	(void)state;
	fs.no_tmpfile = true;
	fs.taken = 3;
	expect_usable(2 * SCRATCH_MEMORY_MAX);
	assert_int_equal(fs.named, 1);
}

static void a_file_system_without_fallocate_serves_as_well(void **state)
{
	(void)state;
	fs.fallocate = EOPNOTSUPP;
	expect_usable(2 * SCRATCH_MEMORY_MAX + 100);
}

static void a_full_disk_is_an_error_before_anything_is_mapped(void **state)
{
	struct scratch s = {0};
	struct err e = {0};

	(void)state;
	fs.fallocate = ENOSPC;
	assert_int_equal(scratch_get(dir, 2 * SCRATCH_MEMORY_MAX, &s, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_non_null(strstr(e.text, "2097152 bytes"));
	assert_null(s.data);
	assert_int_equal(scratch_get(dir, SCRATCH_MEMORY_MAX, &s, &e), 0);
	scratch_free(&s);
}

static void a_folder_that_is_none_is_an_error(void **state)
{
	struct scratch s = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(scratch_get(-1, 2 * SCRATCH_MEMORY_MAX, &s, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_null(s.data);
}

/* All bytes have their place on the medium before the first is written. */
static void the_file_is_allocated_for_real(void **state)
{
	struct scratch s = {0};
	struct stat st;
	char path[64];
	char line[256];
	bool found = false;
	struct err e = {0};

	(void)state;
	assert_int_equal(scratch_get(dir, BIG, &s, &e), 0);
	FILE *maps = fopen("/proc/self/maps", "r");
	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps))
		found = strtoull(line, NULL, 16) == (uintptr_t)s.data;
	fclose(maps);
	assert_true(found);
	unsigned long end = strtoul(strchr(line, '-') + 1, NULL, 16);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		(unsigned long)(uintptr_t)s.data, end);
	/* Where following such a link is not allowed, nothing can be said. */
	if (stat(path, &st) == 0) {
		assert_int_equal(st.st_nlink, 0);
		assert_true((uint64_t)st.st_blocks * 512 >= BIG);
	}
	assert_non_null(strstr(line, "rw-s"));
	scratch_free(&s);
}

/* KiB of mapped files that are in our memory. */
static unsigned long resident_file_kib(void)
{
	AUTO_BUF struct buf status = buf_make(1u << 16);
	unsigned long sum = 0;
	struct err e = {0};

	assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", &status, &e), 0);
	const char *file = strstr(buf_text(&status), "RssFile:");
	const char *shmem = strstr(buf_text(&status), "RssShmem:");
	sum += file ? strtoul(file + strlen("RssFile:"), NULL, 10) : 0;
	sum += shmem ? strtoul(shmem + strlen("RssShmem:"), NULL, 10) : 0;
	return sum;
}

static void what_is_settled_leaves_our_memory(void **state)
{
	AUTO_SCRATCH struct scratch s = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(scratch_get(dir, BIG, &s, &e), 0);
	memset(s.data, 1, BIG);
	unsigned long before = resident_file_kib();
	scratch_settle(&s, 0, BIG);
	unsigned long after = resident_file_kib();
	if (before < after + 7 * 1024)
		fail_msg("%lu KiB before, %lu after", before, after);
	assert_int_equal(((uint8_t *)s.data)[BIG - 1], 1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(small_and_large_ones_are_zero_and_keep_their_content),
		IN_FOLDER(nothing_is_nothing),
		IN_FOLDER(a_file_system_without_o_tmpfile_serves_as_well),
		IN_FOLDER(a_file_system_without_fallocate_serves_as_well),
		IN_FOLDER(a_full_disk_is_an_error_before_anything_is_mapped),
		IN_FOLDER(a_folder_that_is_none_is_an_error),
		IN_FOLDER(the_file_is_allocated_for_real),
		IN_FOLDER(what_is_settled_leaves_our_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
