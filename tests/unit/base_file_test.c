/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/file: whole reads and writes, and files that are either old or new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/file.h"

static char path[64];
static int dir = -1;
static struct err e;
static ino_t flushed[8]; /* what fsync was called for, in order */
static size_t flushed_count;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && flushed_count < sizeof(flushed) / sizeof(flushed[0]))
		flushed[flushed_count++] = st.st_ino;
	return __real_fsync(fd);
}

static int removal_fails; /* with this error */

int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags)
{
	if (removal_fails) {
		errno = removal_fails;
		return -1;
	}
	return __real_unlinkat(at, name, flags);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/pawl-file-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	return file_open_dir(path, &dir, &e);
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"a", "b", "link", "pipe", ".a.new", "lock"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir, names[i], 0);
	unlinkat(dir, "sub", AT_REMOVEDIR);
	close(dir);
	return rmdir(path);
}

static void expect_content(const char *name, const char *want)
{
	AUTO_BUF struct buf b = buf_make(100);

	assert_int_equal(file_read(dir, name, &b, &e), 0);
	assert_string_equal(buf_text(&b), want);
}

static void replace_makes_and_replaces(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_replace(dir, "a", "one", 3, 0640, &e), 0);
	expect_content("a", "one");
	assert_int_equal(file_replace(dir, "a", "two!", 4, 0600, &e), 0);
	expect_content("a", "two!");
	assert_int_equal(fstatat(dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(faccessat(dir, ".a.new", F_OK, 0), -1);
}

/* What a power cut left of an earlier try is no obstacle, even when it is a link to elsewhere. */
static void replace_survives_a_left_over(void **state)
{
	(void)state;
	assert_int_equal(file_replace(dir, "b", "kept", 4, 0600, &e), 0);
	assert_int_equal(symlinkat("b", dir, ".a.new"), 0);
	assert_int_equal(file_replace(dir, "a", "new", 3, 0600, &e), 0);
	expect_content("a", "new");
	expect_content("b", "kept");
}

/* Copy-on-write file systems need room even to remove. */
static void a_removal_that_finds_no_room_says_so(void **state)
{
	(void)state;
	removal_fails = ENOSPC;
	assert_int_equal(file_replace(dir, "a", "new", 3, 0600, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_int_equal(file_remove(dir, "a", &e), -1);
	assert_int_equal(e.code, E_SPACE);
	removal_fails = EIO;
	assert_int_equal(file_remove(dir, "a", &e), -1);
	assert_int_equal(e.code, E_IO);
	removal_fails = 0;
}

static void replace_takes_plain_names_only(void **state)
{
	(void)state;
	assert_int_equal(file_replace(dir, "../a", "x", 1, 0600, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_int_equal(file_replace(dir, "sub/a", "x", 1, 0600, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
}

static void replace_that_fails_leaves_the_old_content(void **state)
{
	(void)state;
	/* A folder in the place of the file: the rename fails. */
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(file_replace(dir, "sub", "x", 1, 0600, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(e.sys, EISDIR);
	assert_int_equal(faccessat(dir, ".sub.new", F_OK, 0), -1);
}

static void read_keeps_to_the_limit(void **state)
{
	AUTO_BUF struct buf b = buf_make(4);

	(void)state;
	assert_int_equal(buf_add_text(&b, "old", &e), 0);
	assert_int_equal(file_replace(dir, "a", "12345", 5, 0600, &e), 0);
	assert_int_equal(file_read(dir, "a", &b, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_string_equal(buf_text(&b), "old");
	assert_int_equal(file_replace(dir, "a", "1234", 4, 0600, &e), 0);
	assert_int_equal(file_read(dir, "a", &b, &e), 0);
	assert_string_equal(buf_text(&b), "1234");
}

static void read_takes_regular_files_only(void **state)
{
	AUTO_BUF struct buf b = buf_make(100);

	(void)state;
	assert_int_equal(file_read(dir, "a", &b, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_int_equal(file_replace(dir, "a", "x", 1, 0600, &e), 0);
	assert_int_equal(symlinkat("a", dir, "link"), 0);
	assert_int_equal(file_read(dir, "link", &b, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(file_read(dir, "sub", &b, &e), -1);
	assert_int_equal(e.code, E_IO);
	/* Without O_NONBLOCK this would wait for a writer for ever. */
	assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
	alarm(10);
	assert_int_equal(file_read(dir, "pipe", &b, &e), -1);
	alarm(0);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(b.len, 0);
}

static void remove_of_nothing_is_success(void **state)
{
	(void)state;
	assert_int_equal(file_remove(dir, "a", &e), 0);
	assert_int_equal(file_replace(dir, "a", "x", 1, 0600, &e), 0);
	assert_int_equal(file_remove(dir, "a", &e), 0);
	assert_int_equal(faccessat(dir, "a", F_OK, 0), -1);
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(file_remove(dir, "sub", &e), -1);
	assert_int_equal(e.code, E_IO);
}

static void reads_and_writes_at_a_place_are_whole(void **state)
{
	char data[8] = {0};

	(void)state;
	AUTO_CLOSE int fd = openat(dir, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_pwrite_full(fd, "abcdef", 6, 2, &e), 0);
	assert_int_equal(file_pread_full(fd, data, 6, 2, &e), 0);
	assert_string_equal(data, "abcdef");
	assert_int_equal(file_pread_full(fd, data, 7, 2, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "byte 8"));
	assert_int_equal(file_sync(fd, &e), 0);
}

static void a_full_device_is_named_as_such(void **state)
{
	(void)state;
	AUTO_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, "x", 1, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_int_equal(file_code_of(EDQUOT), E_SPACE);
	assert_int_equal(file_code_of(EFBIG), E_SPACE);
	assert_int_equal(file_code_of(EIO), E_IO);
	assert_int_equal(file_pwrite_full(fd, "x", 1, 5, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_non_null(strstr(e.text, "byte 5"));
}

static void write_goes_on_after_short_counts(void **state)
{
	static char big[1 << 20];
	static char got[1 << 20];
	int ends[2];
	size_t done = 0;

	(void)state;
	memset(big, 'w', sizeof(big));
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		_exit(file_write_full(ends[1], big, sizeof(big), &e) == 0 ? 0 : 1);
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], got + done, 1000)) > 0; done += (size_t)n)
		;
	close(ends[0]);
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(done, sizeof(big));
	assert_memory_equal(got, big, sizeof(big));
}

static void a_lock_is_had_by_one_at_a_time(void **state)
{
	int first = -1;
	int second = -1;

	(void)state;
	assert_int_equal(file_lock(dir, "lock", 0, &first, &e), 0);
	assert_int_equal(file_lock(dir, "lock", 0, &second, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_int_equal(second, -1);
	assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
	close(first);
	assert_int_equal(file_lock(dir, "lock", 0, &second, &e), 0);
	close(second);
	assert_int_equal(symlinkat("b", dir, "link"), 0);
	assert_int_equal(file_lock(dir, "link", 0, &second, &e), -1);
	assert_int_equal(e.code, E_IO);
}

static void folders_are_made_with_their_parents(void **state)
{
	char deep[128];
	struct stat st;
	int fd = -1;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/sub", path);
	assert_int_equal(file_make_path(deep, 0700, &e), 0);
	assert_int_equal(file_make_path(deep, 0700, &e), 0);
	assert_int_equal(file_make_path("", 0700, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	assert_int_equal(file_make_dir(dir, "sub", &fd, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(fd);
	assert_int_equal(file_replace(dir, "a", "x", 1, 0600, &e), 0);
	assert_int_equal(file_make_dir(dir, "a", &fd, &e), -1);
	assert_int_equal(e.code, E_IO);
	snprintf(deep, sizeof(deep), "%s/a/b", path);
	assert_int_equal(file_make_path(deep, 0700, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(file_open_dir("/nonexistent", &fd, &e), -1);
	assert_int_equal(e.code, E_IO);
}

static void join_puts_one_slash(void **state)
{
	char out[12];

	(void)state;
	assert_int_equal(file_join(out, sizeof(out), "/", "/etc", &e), 0);
	assert_string_equal(out, "/etc");
	assert_int_equal(file_join(out, sizeof(out), "/a/", "b", &e), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(file_join(out, sizeof(out), "/a", "//b", &e), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(file_join(out, sizeof(out), "/12345", "6789", &e), 0);
	assert_int_equal(file_join(out, sizeof(out), "/12345", "67890", &e), -1);
	assert_int_equal(e.code, E_CONFIG);
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

/* Else a cut of power takes a new folder with all the flushed files in it. */
static void a_new_folder_is_flushed_into_the_one_above(void **state)
{
	char deep[100];
	struct stat top, sub;
	int fd = -1;

	(void)state;
	assert_int_equal(fstat(dir, &top), 0);
	flushed_count = 0;
	assert_int_equal(file_make_dir(dir, "sub", &fd, &e), 0);
	close(fd);
	assert_int_equal(flushed_count, 1);
	assert_true(flushed[0] == top.st_ino);
	snprintf(deep, sizeof(deep), "%s/sub/one/two", path);
	flushed_count = 0;
	assert_int_equal(file_make_path(deep, 0700, &e), 0);
	assert_int_equal(fstatat(dir, "sub", &sub, 0), 0);
	assert_int_equal(flushed_count, 2);
	assert_true(flushed[0] == sub.st_ino);
	assert_int_equal(fstatat(dir, "sub/one", &sub, 0), 0);
	assert_true(flushed[1] == sub.st_ino);
	unlinkat(dir, "sub/one/two", AT_REMOVEDIR);
	unlinkat(dir, "sub/one", AT_REMOVEDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(replace_makes_and_replaces),
		WITH_DIR(replace_survives_a_left_over),
		WITH_DIR(a_removal_that_finds_no_room_says_so),
		WITH_DIR(replace_takes_plain_names_only),
		WITH_DIR(replace_that_fails_leaves_the_old_content),
		WITH_DIR(read_keeps_to_the_limit),
		WITH_DIR(read_takes_regular_files_only),
		WITH_DIR(remove_of_nothing_is_success),
		WITH_DIR(reads_and_writes_at_a_place_are_whole),
		WITH_DIR(a_full_device_is_named_as_such),
		WITH_DIR(write_goes_on_after_short_counts),
		WITH_DIR(a_lock_is_had_by_one_at_a_time),
		WITH_DIR(folders_are_made_with_their_parents),
		WITH_DIR(a_new_folder_is_flushed_into_the_one_above),
		WITH_DIR(join_puts_one_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
