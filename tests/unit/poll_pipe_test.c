/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/bundle_pipe: a bundle out of a pipe serves right bytes forward, or says why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/poll/bundle.h"
#include "agent/poll/bundle_pipe.h"
#include "tests/unit/poll_tar.h"

#define OBJECT2 "objects/bb/" HEX2
#define HEX3    "cc33333333333333333333333333333333333333333333333333333333333333"
#define OBJECT3 "objects/cc/" HEX3
#define LARGE   (BUNDLE_KEEP_MAX + 1000)
#define HEAD    OBJECT2 ".head"

static char folder[64];
static int folder_fd;

/* Free bytes that the folder says it has (--wrap, either name); 0 = plenty. */
static uint64_t room;
int __wrap_fstatvfs(int fd, struct statvfs *f);
int __wrap_fstatvfs64(int fd, struct statvfs *f);
int __wrap_fstatvfs(int fd, struct statvfs *f)
{
	(void)fd;
	*f = (struct statvfs){.f_frsize = 512, .f_bavail = (room ? room : 1u << 30) / 512};
	return 0;
}
int __wrap_fstatvfs64(int fd, struct statvfs *f)
{
	return __wrap_fstatvfs(fd, f);
}

/* Nobody waits for two minutes (--wrap). */
static bool is_silent;
int __real_poll(struct pollfd *f, nfds_t n, int ms);
int __wrap_poll(struct pollfd *f, nfds_t n, int ms);
int __wrap_poll(struct pollfd *f, nfds_t n, int ms)
{
	return __real_poll(f, n, is_silent ? 0 : ms);
}

/* A process that feeds `len` bytes in odd portions. */
struct feed {
	pid_t pid;
	int fd;
};

static struct feed feed_start(const struct tar *t, size_t len, bool hold)
{
	struct feed f;
	int pair[2];

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	f.pid = fork();
	assert_true(f.pid >= 0);
	if (f.pid == 0) {
		size_t at = 0;
		close(pair[0]);
		for (size_t n = 1; at < len; n = n * 5 % 9973) {
			ssize_t done = write(pair[1], t->data + at, n < len - at ? n : len - at);
			if (done < 0)
				_exit(0);
			at += (size_t)done;
		}
		while (hold)
			pause();
		_exit(0);
	}
	close(pair[1]);
	f.fd = pair[0];
	return f;
}

static void feed_stop(struct feed *f)
{
	close(f->fd);
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
}

static void tar_end(struct tar *t)
{
	grow(t, 10240);
}

static int open_feed(const struct feed *f, struct bundle **b, struct err *e)
{
	*b = NULL;
	*e = (struct err){0};
	return bundle_open_stream(f->fd, folder_fd, "standard input", b, e);
}

static int open_object(
	struct bundle *b, const char *hex, uint64_t length, struct reader *r, struct err *e)
{
	struct object_source s = bundle_objects(b);
	uint8_t sha[HASH_SIZE];

	*r = (struct reader){0};
	*e = (struct err){0};
	assert_int_equal(hash_from_hex(hex, sha, e), 0);
	return s.open(s.ctx, sha, length, r, e);
}

static void want_object(struct bundle *b, const char *hex, uint64_t length, struct reader *r)
{
	struct err e;

	if (open_object(b, hex, length, r, &e) < 0)
		fail_msg("%s", e.text);
}

static void want_bytes(struct reader *r, const char *name, uint64_t offset, size_t len)
{
	uint8_t *got = malloc(len);
	struct err e = {0};

	assert_non_null(got);
	if (r->read(r->ctx, offset, got, len, &e) < 0)
		fail_msg("%s", e.text);
	assert_bytes(name, (size_t)offset, got, len);
	free(got);
}

static void want_failure(struct reader *r, uint64_t offset, enum err_code code, const char *word)
{
	uint8_t got[16] = {0};
	struct err e = {0};

	assert_int_equal(r->read(r->ctx, offset, got, sizeof(got), &e), -1);
	if (e.code != code || !strstr(e.text, word))
		fail_msg("wanted %s with \"%s\", got %s: %s", err_name(code), word,
			err_name(e.code), e.text);
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], 0);
}

static void want_nothing_left(void)
{
	char command[128];

	snprintf(command, sizeof(command), "%s/bundle.spool", folder);
	assert_int_equal(access(command, F_OK), -1);
}

static void get_small(const struct fetcher *f, const char *name)
{
	AUTO_BUF struct buf out = buf_make(100);
	struct err e = {0};

	assert_int_equal(f->get(f->ctx, name, NULL, NULL, &out, &e), 0);
	assert_string_equal(buf_text(&out), "content");
}

/* --- What is accepted --------------------------------------------------------------------- */

static void serves_tables_at_any_time_and_content_as_it_comes(void **state)
{
	struct tar t = good_start();
	struct reader table;
	struct reader full;
	struct bundle *b;
	struct err e;

	(void)state;
	add_bytes(&t, OBJECT, 5000);
	add_bytes(&t, OBJECT2, 700);
	add_bytes(&t, OBJECT3, LARGE);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	if (open_feed(&f, &b, &e) < 0)
		fail_msg("%s", e.text);
	struct fetcher metadata = bundle_metadata(b);
	get_small(&metadata, "timestamp.json");
	want_object(b, HEX3, LARGE, &full);
	/* Passed on the way, and kept. */
	want_object(b, HEX1, 5000, &table);
	want_bytes(&table, OBJECT, 4000, 1000);
	want_bytes(&table, OBJECT, 0, 5000);
	reader_close(&table);
	for (uint64_t at = 0; at < LARGE; at += 100000)
		want_bytes(&full, OBJECT3, at, LARGE - at < 100000 ? (size_t)(LARGE - at) : 100000);
	reader_close(&full);
	want_object(b, HEX2, 700, &table);
	want_bytes(&table, OBJECT2, 10, 20);
	reader_close(&table);
	get_small(&metadata, "1.root.json");
	struct fetcher targets = bundle_targets(b);
	get_small(&targets, "demo/releases/" HEX1 ".7.json");
	want_nothing_left();
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void what_is_not_read_of_an_object_is_passed_over(void **state)
{
	struct tar t = good_start();
	struct reader r;
	struct reader late;
	struct bundle *b;
	struct err e;

	(void)state;
	add_bytes(&t, OBJECT, LARGE);
	add_bytes(&t, OBJECT2, LARGE + 5);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	want_object(b, HEX1, LARGE, &r);
	want_bytes(&r, OBJECT, 5, 100);
	want_bytes(&r, OBJECT, 200000, 100);
	want_object(b, HEX2, LARGE + 5, &late);
	want_bytes(&late, OBJECT2, 0, 100);
	want_failure(&r, 300000, E_IO, "cannot be read twice");
	want_failure(&late, 50, E_IO, "cannot be read twice");
	want_bytes(&late, OBJECT2, LARGE - 95, 100);
	reader_close(&late);
	reader_close(&r);
	/* Opened again it does not begin again. */
	want_object(b, HEX1, LARGE, &r);
	want_failure(&r, 0, E_IO, "gone by");
	reader_close(&r);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_small_object_that_is_not_there_costs_no_large_one(void **state)
{
	struct tar t = good_start();
	struct reader r;
	struct bundle *b;
	struct err e;

	(void)state;
	add_bytes(&t, OBJECT, 100);
	add_bytes(&t, OBJECT2, LARGE);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	/* An index, say: the bundle is a full one. */
	assert_int_equal(open_object(b, HEX3, 5000, &r, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	want_object(b, HEX2, LARGE, &r);
	want_bytes(&r, OBJECT2, 0, 1000);
	reader_close(&r);
	assert_int_equal(open_object(b, HEX3, LARGE, &r, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_head_is_kept_whole_and_read_anywhere(void **state)
{
	struct tar t = good_start();
	struct reader r;
	struct reader full;
	struct bundle *b;
	struct err e;

	(void)state;
	add_bytes(&t, HEAD, LARGE);
	add_bytes(&t, OBJECT3, 40);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	want_object(b, HEX2, UINT64_C(9) * LARGE, &r);
	want_bytes(&r, HEAD, LARGE - 5000, 5000);
	want_object(b, HEX3, 40, &full);
	reader_close(&full);
	want_bytes(&r, HEAD, 0, 5000);
	want_failure(&r, LARGE, E_NOTFOUND, "take a full bundle");
	want_nothing_left();
	reader_close(&r);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_full_data_folder_is_said_before_it_is_full(void **state)
{
	struct tar t = good_start();
	struct reader r;
	struct bundle *b;
	struct err e;

	(void)state;
	add_bytes(&t, OBJECT, 100000);
	add_bytes(&t, HEAD, LARGE);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	room = 1024 * 1024 + 50000;
	assert_int_equal(open_feed(&f, &b, &e), 0);
	/* A small object that does not fit can still be read forward. */
	want_object(b, HEX1, 100000, &r);
	want_bytes(&r, OBJECT, 0, 60000);
	want_bytes(&r, OBJECT, 60000, 40000);
	want_failure(&r, 0, E_IO, "cannot be read twice");
	reader_close(&r);
	assert_int_equal(open_object(b, HEX2, UINT64_C(2) * LARGE, &r, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_non_null(strstr(e.text, "install from a file"));
	room = 0;
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_regular_file_is_used_as_one(void **state)
{
	struct tar t = good_start();
	struct reader r;
	struct bundle *b;
	struct err e = {0};
	char path[128];

	(void)state;
	add_bytes(&t, OBJECT, LARGE);
	grow(&t, 1024);
	snprintf(path, sizeof(path), "%s/file", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	/* Standard input may stand in the middle of a file. */
	assert_int_equal(write(fd, "before", 6), 6);
	assert_int_equal(write(fd, t.data, t.len), t.len);
	assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
	if (bundle_open_stream(fd, folder_fd, "standard input", &b, &e) < 0)
		fail_msg("%s", e.text);
	close(fd);
	want_object(b, HEX1, LARGE, &r);
	want_bytes(&r, OBJECT, 500000, 5000);
	want_bytes(&r, OBJECT, 0, 5000);
	reader_close(&r);
	bundle_close(b);
	/* All rules of a file hold: here its end is missing. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(truncate(path, (off_t)(6 + t.len - 1000)), 0);
	assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
	assert_int_equal(bundle_open_stream(fd, folder_fd, "standard input", &b, &e), -1);
	assert_int_equal(e.code, E_BUNDLE);
	close(fd);
	unlink(path);
	free(t.data);
}

static void a_folder_is_no_bundle(void **state)
{
	struct bundle *b = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(bundle_open_stream(folder_fd, folder_fd, "standard input", &b, &e), -1);
	assert_int_equal(e.code, E_BUNDLE);
	assert_null(b);
}

/* --- What is refused ----------------------------------------------------------------------- */

static void a_pipe_that_ends_early_is_truncated(void **state)
{
	struct tar t = good_start();
	struct bundle *b;
	struct reader r;
	struct err e;

	(void)state;
	size_t start = t.len + BLOCK;
	add_bytes(&t, OBJECT, LARGE);
	tar_end(&t);
	/* In the header of the first object, in metadata, in the middle of a header, at once. */
	const size_t ends[] = {start - 100, BLOCK + 3, BLOCK / 2, 0};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct feed f = feed_start(&t, ends[i], false);
		assert_int_equal(open_feed(&f, &b, &e), -1);
		assert_int_equal(e.code, E_BUNDLE);
		assert_null(b);
		feed_stop(&f);
	}
	struct feed f = feed_start(&t, start + 200000, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	want_object(b, HEX1, LARGE, &r);
	want_bytes(&r, OBJECT, 0, 200000);
	want_failure(&r, 200000, E_BUNDLE, "truncated");
	reader_close(&r);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_pipe_that_ends_in_a_head_is_truncated(void **state)
{
	struct tar t = good_start();
	struct bundle *b;
	struct reader r;
	struct err e;

	(void)state;
	add_bytes(&t, HEAD, 300000);
	struct feed f = feed_start(&t, t.len - 100000, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	assert_int_equal(open_object(b, HEX2, 400000, &r, &e), -1);
	assert_int_equal(e.code, E_BUNDLE);
	assert_non_null(strstr(e.text, "truncated"));
	assert_null(r.ctx);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static void a_pipe_that_falls_silent_is_given_up(void **state)
{
	struct tar t = good_start();
	struct bundle *b;
	struct err e;

	(void)state;
	struct feed f = feed_start(&t, BLOCK + 3, true);
	struct pollfd ready = {.fd = f.fd, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 10000), 1);
	usleep(50000); /* all of it is in the pipe */
	is_silent = true;
	assert_int_equal(open_feed(&f, &b, &e), -1);
	is_silent = false;
	assert_int_equal(e.code, E_TIMEOUT);
	feed_stop(&f);
	free(t.data);
}

static void headers_are_judged_as_they_come(void **state)
{
	static const struct {
		const char *name;
		const char *word;
	} rows[] = {
		{OBJECT, "twice"},
		{OBJECT ".head", "twice"},
		{STAMP, "too late"},
		{"objects/../x", "belongs into"},
	};
	struct bundle *b;
	struct reader r;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tar t = good_start();
		add_bytes(&t, OBJECT, 100);
		add_bytes(&t, rows[i].name, 100);
		tar_end(&t);
		struct feed f = feed_start(&t, t.len, false);
		assert_int_equal(open_feed(&f, &b, &e), 0);
		assert_int_equal(open_object(b, HEX2, 100, &r, &e), -1);
		if (e.code != E_BUNDLE || !strstr(e.text, rows[i].word))
			fail_msg("%s: %s", rows[i].name, e.text);
		bundle_close(b);
		feed_stop(&f);
		free(t.data);
	}
	/* A second member under a name must not be served in the place of the first. */
	struct tar t = good_start();
	add_file(&t, TARGET);
	struct feed f = feed_start(&t, t.len, false);
	assert_int_equal(open_feed(&f, &b, &e), -1);
	assert_int_equal(e.code, E_BUNDLE);
	feed_stop(&f);
	free(t.data);
}

static void objects_have_the_length_that_is_signed(void **state)
{
	struct tar t = good_start();
	struct bundle *b;
	struct reader r;
	struct err e;

	(void)state;
	add_bytes(&t, OBJECT, 100);
	add_bytes(&t, HEAD, 100);
	tar_end(&t);
	struct feed f = feed_start(&t, t.len, false);
	assert_int_equal(open_feed(&f, &b, &e), 0);
	assert_int_equal(open_object(b, HEX1, 99, &r, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(open_object(b, HEX2, 99, &r, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	want_object(b, HEX1, 100, &r);
	want_failure(&r, 90, E_SIZE, "no bytes");
	reader_close(&r);
	bundle_close(b);
	feed_stop(&f);
	free(t.data);
}

static int start(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/pawl-pipe-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0 ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	close(folder_fd);
	/* Fails where something is left in it. */
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_tables_at_any_time_and_content_as_it_comes),
		cmocka_unit_test(what_is_not_read_of_an_object_is_passed_over),
		cmocka_unit_test(a_small_object_that_is_not_there_costs_no_large_one),
		cmocka_unit_test(a_head_is_kept_whole_and_read_anywhere),
		cmocka_unit_test(a_full_data_folder_is_said_before_it_is_full),
		cmocka_unit_test(a_regular_file_is_used_as_one),
		cmocka_unit_test(a_folder_is_no_bundle),
		cmocka_unit_test(a_pipe_that_ends_early_is_truncated),
		cmocka_unit_test(a_pipe_that_ends_in_a_head_is_truncated),
		cmocka_unit_test(a_pipe_that_falls_silent_is_given_up),
		cmocka_unit_test(headers_are_judged_as_they_come),
		cmocka_unit_test(objects_have_the_length_that_is_signed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
