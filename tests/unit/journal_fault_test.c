/* SPDX-License-Identifier: Apache-2.0 */
/* agent/journal: cuts of power and full disks at every single call that writes. */
#include "tests/unit/journal_world.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* glibc's names of the calls when files may be large; musl has one name only. */
#ifdef __GLIBC__
#define LARGE(prefix, name) prefix##name##64
#else
#define LARGE(prefix, name) prefix##name
#endif

#define READS 3 /* one more than there are when a journal is opened */
#define ADDS  60 /* enough to rotate milestones, and details round their ring */

enum fault_kind {
	FAULT_NONE,
	FAULT_ERROR,
	FAULT_KILL_BEFORE, /* nothing of the write is on the medium */
	FAULT_KILL_HALF,
	FAULT_KILL_LATE_HALF, /* only the second half is, the first is still zero */
	FAULT_KILL_AFTER,
	FAULT_KINDS,
};

/* The call, counted from 1, that goes wrong. */
static struct {
	enum fault_kind kind;
	long at;
	bool lasting; /* all later calls, too */
	int sys;
	long count;
} fault;

/* Which reading of a file fails, counted down; 0 = none. */
static int read_that_fails;

int __real_file_read(int at, const char *name, struct buf *out, struct err *err);
int __wrap_file_read(int at, const char *name, struct buf *out, struct err *err);

int __wrap_file_read(int at, const char *name, struct buf *out, struct err *err)
{
	if (read_that_fails > 0 && --read_that_fails == 0)
		return err_sys(err, E_IO, EIO, "cannot read %s", name);
	return __real_file_read(at, name, out, err);
}

static bool is_hit(void)
{
	fault.count++;
	return fault.kind != FAULT_NONE &&
	       (fault.count == fault.at || (fault.lasting && fault.count > fault.at));
}

/* For calls that do one thing: 0 = do it, -1 = fail. */
static int meet_fault(void)
{
	if (!is_hit())
		return 0;
	if (fault.kind == FAULT_ERROR) {
		errno = fault.sys;
		return -1;
	}
	if (fault.kind != FAULT_KILL_AFTER)
		_exit(99);
	return 0;
}

/* After the effect. */
static void meet_late_fault(void)
{
	if (fault.kind == FAULT_KILL_AFTER && fault.count == fault.at)
		_exit(99);
}

#define WRAP(call, ...)                                                                            \
	({                                                                                         \
		int rc_ = meet_fault();                                                            \
		if (rc_ == 0)                                                                      \
			rc_ = call(__VA_ARGS__);                                                   \
		meet_late_fault();                                                                 \
		rc_;                                                                               \
	})

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	return WRAP(__real_fdatasync, fd);
}

int LARGE(__real_, ftruncate)(int fd, off_t size);
int LARGE(__wrap_, ftruncate)(int fd, off_t size);
int LARGE(__wrap_, ftruncate)(int fd, off_t size)
{
	return WRAP(LARGE(__real_, ftruncate), fd, size);
}

int LARGE(__real_, fallocate)(int fd, int mode, off_t offset, off_t len);
int LARGE(__wrap_, fallocate)(int fd, int mode, off_t offset, off_t len);
int LARGE(__wrap_, fallocate)(int fd, int mode, off_t offset, off_t len)
{
	return WRAP(LARGE(__real_, fallocate), fd, mode, offset, len);
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	return WRAP(__real_renameat, a, from, b, to);
}

int __real_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_unlinkat(int fd, const char *name, int flags)
{
	return WRAP(__real_unlinkat, fd, name, flags);
}

int __real_file_sync(int fd, struct err *e);
int __wrap_file_sync(int fd, struct err *e);
int __wrap_file_sync(int fd, struct err *e)
{
	if (meet_fault() < 0)
		return err_sys(e, E_IO, fault.sys, "fsync");
	int rc = __real_file_sync(fd, e);
	meet_late_fault();
	return rc;
}

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t at, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t at, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t at, struct err *e)
{
	const uint8_t *bytes = data;
	/* On a full disk what needs no new room goes on: the file of counts. */
	bool in_place = fault.lasting && fault.sys == ENOSPC && len == 16;

	if (!in_place && is_hit()) {
		if (fault.kind == FAULT_KILL_BEFORE)
			_exit(99);
		if (fault.kind == FAULT_KILL_LATE_HALF)
			__real_file_pwrite_full(
				fd, bytes + len / 2, len - len / 2, at + len / 2, e);
		else if (fault.kind == FAULT_KILL_AFTER)
			__real_file_pwrite_full(fd, data, len, at, e);
		else
			__real_file_pwrite_full(fd, data, len / 2, at, e);
		if (fault.kind != FAULT_ERROR)
			_exit(99);
		return err_sys(e, fault.sys == ENOSPC ? E_SPACE : E_IO, fault.sys, "writing");
	}
	return __real_file_pwrite_full(fd, data, len, at, e);
}

/* How far apart the calls are that are visited: 1, but where a program runs many times slower. */
static long stride(void)
{
	const char *text = getenv("PAWL_STRIDE");
	long n = text ? strtol(text, NULL, 10) : 1;

	return n > 0 ? n : 1;
}

static void set_fault(enum fault_kind kind, long at, bool lasting, int sys)
{
	fault.kind = kind;
	fault.at = at;
	fault.lasting = lasting;
	fault.sys = sys;
	fault.count = 0;
}

/* Details and milestones in turn; after each, as the agent does, the head is kept. */
static void add_many(struct world *w, struct journal *j, int report)
{
	for (unsigned i = 1; i <= ADDS; i++) {
		add(j, i % 3 ? JOURNAL_POLL : JOURNAL_INSTALL, i);
		if (i % 3)
			continue;
		world_remember(w, j);
		if (report >= 0)
			assert_int_equal(
				write(report, &w->config, sizeof(w->config)), sizeof(w->config));
	}
}

static long count_calls(void)
{
	AUTO_WORLD struct world w = world_make();

	set_fault(FAULT_NONE, 0, false, 0);
	struct journal *j = world_open(&w);
	add_many(&w, j, -1);
	journal_close(j);
	long count = fault.count;
	assert_verifies(&w);
	assert_true(world_has(&w, M2));
	assert_false(world_has(&w, D1));
	return count;
}

/* The child dies at the fault; `w` then holds the last head that its "state.json" had. */
static bool run_until_killed(struct world *w)
{
	struct journal_config kept;
	int fds[2];
	int status;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct journal *j = world_open(w);
		add_many(w, j, fds[1]);
		journal_close(j);
		_exit(0);
	}
	close(fds[1]);
	while (read(fds[0], &kept, sizeof(kept)) == sizeof(kept)) {
		w->config.expected_seq = kept.expected_seq;
		memcpy(w->config.expected_head, kept.expected_head, HASH_SIZE);
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 99)
		fail_msg("child ended with %d", WEXITSTATUS(status));
	return WEXITSTATUS(status) == 99;
}

static void cut_of_power_at_every_call_loses_nothing_that_was_promised(void **state)
{
	long calls = count_calls();

	(void)state;
	assert_true(calls > 100);
	for (int kind = FAULT_KILL_BEFORE; kind < FAULT_KINDS; kind++) {
		/* Each kind begins elsewhere, so that no call is always left out. */
		for (long at = 1 + kind % stride(); at <= calls; at += stride()) {
			AUTO_WORLD struct world w = world_make();
			set_fault((enum fault_kind)kind, at, false, 0);
			assert_true(run_until_killed(&w));
			set_fault(FAULT_NONE, 0, false, 0);
			struct journal *j = world_open(&w);
			add(j, JOURNAL_POLL, 1000);
			add(j, JOURNAL_INTERRUPTED, 1000);
			assert_int_equal(journal_lost(j), 0);
			journal_close(j);
			struct journal_verdict v;
			struct err e = {0};
			if (journal_verify(&w.config, &v, &e) < 0)
				fail_msg("kind %d call %ld: %s", kind, at, e.text);
			/* The remembered head was there (verify), and nothing was taken for gone. */
			if (world_events(&w, JOURNAL_TRUNCATED) != 0)
				fail_msg("kind %d call %ld: truncated", kind, at);
			assert_int_equal(world_events(&w, JOURNAL_INTERRUPTED), 1);
			assert_true(world_events(&w, JOURNAL_RECOVERED) <= 2);
		}
	}
}

static uint64_t sum_of_gaps;

static int sum_gap(void *ctx, const char *line, const json_t *record, struct err *e)
{
	const json_t *data = json_object_get(record, "data");
	const char *chain = json_string_value(json_object_get(data, "chain"));

	(void)ctx;
	(void)line;
	(void)e;
	if (strcmp(json_string_value(json_object_get(record, "evt")), "journal.gap") == 0 &&
		strcmp(chain, "milestones") == 0)
		sum_of_gaps += (uint64_t)json_integer_value(json_object_get(data, "lost"));
	return 0;
}

static void check_after_error(struct world *w, long at, uint64_t lost, bool lasting)
{
	struct journal *j = world_open(w);
	struct err e = {0};
	struct journal_verdict v;

	/* Both chains work again and say what is missing. */
	add(j, JOURNAL_POLL, 1000);
	add(j, JOURNAL_COMMIT, 1000);
	assert_int_equal(journal_lost(j), 0);
	journal_close(j);
	if (journal_verify(&w->config, &v, &e) < 0)
		fail_msg("call %ld: %s", at, e.text);
	sum_of_gaps = 0;
	assert_int_equal(journal_each(&w->config, true, sum_gap, NULL, &e), 0);
	unsigned there = world_events(w, JOURNAL_INSTALL);
	uint64_t all = there + sum_of_gaps;
	/*
	 * A record whose flush failed may, when nothing works any more, be there and
	 * counted. Where not even the count can be written, it is lost with the process.
	 */
	bool countable = !lasting || fault.sys == ENOSPC;
	if ((countable && all < ADDS / 3) || all > ADDS / 3 + (lasting ? 1 : 0))
		fail_msg("call %ld: %u records, gaps say %llu", at, there,
			(unsigned long long)sum_of_gaps);
	if (lost > 0 && countable) {
		assert_true(world_events(w, JOURNAL_DEGRADED) > 0);
		assert_true(world_events(w, JOURNAL_GAP) > 0);
	}
	assert_int_equal(world_events(w, JOURNAL_COMMIT), 1);
}

static void fail_at_every_call(bool lasting, int sys)
{
	long calls = count_calls();

	for (long at = 1; at <= calls; at += stride()) {
		AUTO_WORLD struct world w = world_make();
		set_fault(FAULT_ERROR, at, lasting, sys);
		struct journal *j = world_open(&w);
		add_many(&w, j, -1);
		uint64_t lost = journal_lost(j);
		journal_close(j);
		set_fault(FAULT_NONE, 0, lasting, sys);
		check_after_error(&w, at, lost, lasting);
	}
}

static void one_failing_call_is_counted_and_told(void **state)
{
	(void)state;
	fail_at_every_call(false, EIO);
	fail_at_every_call(false, ENOSPC);
}

static void disk_that_stays_full_is_counted_and_told_later(void **state)
{
	(void)state;
	fail_at_every_call(true, ENOSPC);
	fail_at_every_call(true, EIO);
}

/* The count of losses is kept over a restart, by a file that needs no new room. */
static void losses_survive_the_process(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	journal_close(j);
	AUTO_BUF struct buf before = world_read(&w, "journal/losses");
	uint8_t counts[16] = {7, [8] = 3};
	world_write(&w, "journal/losses", counts, sizeof(counts));
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 2);
	add(j, JOURNAL_POLL, 2);
	journal_close(j);
	assert_int_equal(before.len, 16);
	assert_int_equal(world_events(&w, JOURNAL_GAP), 2);
	assert_int_equal(world_events(&w, JOURNAL_DEGRADED), 2);
	assert_int_equal(world_number(&w, JOURNAL_GAP, "lost"), 3);
	AUTO_BUF struct buf after = world_read(&w, "journal/losses");
	assert_memory_equal(after.data, before.data, 16);
	/* Told once. */
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 3);
	journal_close(j);
	assert_int_equal(world_events(&w, JOURNAL_GAP), 2);
}

static unsigned whole_lines(const struct buf *b, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += b->data[i] == '\n';
	return n;
}

static size_t used_of(const struct buf *b)
{
	const uint8_t *end = memchr(b->data, 0, b->len);

	return end ? (size_t)(end - b->data) : b->len;
}

/* Cut at each byte: whole records stay, the journal verifies, and the cut is told. */
static void cut_file_at_every_byte(const char *name, bool milestones)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	set_fault(FAULT_NONE, 0, false, 0);
	add(j, JOURNAL_POLL, 1);
	add(j, JOURNAL_INSTALL, 2);
	add(j, JOURNAL_POLL, 3);
	add(j, JOURNAL_COMMIT, 4);
	world_remember(&w, j);
	journal_close(j);
	AUTO_BUF struct buf m = world_read(&w, M1);
	AUTO_BUF struct buf d = world_read(&w, D1);
	const struct buf *cut = milestones ? &m : &d;
	size_t used = used_of(cut);
	const struct journal_config remembered = w.config;
	for (size_t len = 0; len <= used; len++) {
		w.config = remembered;
		unlinkat(w.config.dir, "journal/d-00000002.jsonl", 0);
		world_write(&w, M1, m.data, m.len);
		world_write(&w, D1, d.data, d.len);
		world_write(&w, name, cut->data, len);
		j = world_open(&w);
		add(j, JOURNAL_INTERRUPTED, 5);
		world_remember(&w, j);
		journal_close(j);
		assert_verifies(&w);
		AUTO_BUF struct buf now = world_read(&w, name);
		unsigned kept = whole_lines(cut, len);
		size_t whole = len;
		while (whole > 0 && cut->data[whole - 1] != '\n')
			whole--;
		if (kept > 0)
			assert_memory_equal(now.data, cut->data, whole);
		bool lost = kept < whole_lines(cut, used);
		if (world_events(&w, JOURNAL_TRUNCATED) != (lost ? 1 : 0))
			fail_msg("%s cut to %zu: lost %d", name, len, lost);
		bool torn = len > whole;
		if (world_events(&w, JOURNAL_RECOVERED) != (torn ? 1 : 0))
			fail_msg("%s cut to %zu: torn %d", name, len, torn);
		if (torn)
			assert_int_equal(world_number(&w, JOURNAL_RECOVERED, "cut"), len - whole);
	}
}

static void milestones_cut_at_every_byte_recover(void **state)
{
	(void)state;
	cut_file_at_every_byte(M1, true);
}

static void details_cut_at_every_byte_recover(void **state)
{
	(void)state;
	cut_file_at_every_byte(D1, false);
}

/* A bad record with good ones behind it is no torn tail: it stays as evidence. */
static void damage_in_the_middle_is_not_cut_away(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);
	struct journal_verdict v;

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	add(j, JOURNAL_COMMIT, 2);
	world_remember(&w, j);
	journal_close(j);
	AUTO_BUF struct buf b = world_read(&w, M1);
	uint8_t *n = memmem(b.data, b.len, "\"evt\":\"install.start\"", 21);
	n[8] = 'x';
	world_write(&w, M1, b.data, b.len);
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 3);
	journal_close(j);
	AUTO_BUF struct buf now = world_read(&w, M1);
	assert_memory_equal(now.data, b.data, used_of(&b));
	assert_int_equal(world_verify(&w, &v), -1);
	assert_string_equal(v.bad_file, "m-00000001.jsonl");
	assert_int_equal(v.bad_line, 3);
}

/* An error while it is compared with what the device remembers accuses nobody. */
static void what_cannot_be_read_now_was_not_cut(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	add(j, JOURNAL_COMMIT, 2);
	world_remember(&w, j);
	journal_close(j);
	for (int at = 1; at <= READS; at++) {
		read_that_fails = at;
		j = world_open(&w);
		journal_close(j);
		assert_int_equal(read_that_fails > 0, at == READS);
	}
	read_that_fails = 0;
	assert_int_equal(world_events(&w, JOURNAL_TRUNCATED), 0);
	assert_verifies(&w);
}

/* A folder that cannot be made, a file in its place: updates go on, losses are counted. */
static void unusable_folder_never_blocks(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j;

	(void)state;
	world_write(&w, "journal", "x", 1);
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 1);
	add(j, JOURNAL_POLL, 2);
	assert_int_equal(journal_lost(j), 2);
	journal_close(j);
	assert_int_equal(unlinkat(w.config.dir, "journal", 0), 0);
	/* A link in place of a segment is not followed. */
	j = world_open(&w);
	journal_close(j);
	assert_int_equal(renameat(w.config.dir, M1, w.config.dir, "elsewhere"), 0);
	assert_int_equal(symlinkat("../elsewhere", w.config.dir, M1), 0);
	AUTO_BUF struct buf before = world_read(&w, "elsewhere");
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 1);
	assert_int_equal(journal_lost(j), 1);
	journal_close(j);
	AUTO_BUF struct buf after = world_read(&w, "elsewhere");
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_of_power_at_every_call_loses_nothing_that_was_promised),
		cmocka_unit_test(one_failing_call_is_counted_and_told),
		cmocka_unit_test(disk_that_stays_full_is_counted_and_told_later),
		cmocka_unit_test(losses_survive_the_process),
		cmocka_unit_test(milestones_cut_at_every_byte_recover),
		cmocka_unit_test(details_cut_at_every_byte_recover),
		cmocka_unit_test(damage_in_the_middle_is_not_cut_away),
		cmocka_unit_test(what_cannot_be_read_now_was_not_cut),
		cmocka_unit_test(unusable_folder_never_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
