/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/process: limits on time and output, nothing inherited, no deadlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/process.h"

#define SECONDS 20 /* far more than any of these needs */

static const char *const no_env[] = {"PATH=/usr/bin:/bin", NULL};

struct shell {
	struct process_result res;
	struct buf out;
	struct buf err;
	struct err e;
	uint64_t ms;
	int rc;
};

static void free_shell(struct shell *s)
{
	buf_free(&s->out);
	buf_free(&s->err);
}
#define AUTO_SHELL __attribute__((cleanup(free_shell)))

static struct shell run_with(const char *script, unsigned seconds, const char *input, size_t len)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct process_request req = {.path = "/bin/sh",
		.argv = argv,
		.env = no_env,
		.input = (const uint8_t *)input,
		.input_len = len,
		.timeout_seconds = seconds};
	struct shell s = {.out = buf_make(4096), .err = buf_make(4096)};
	uint64_t start = clock_mono_ms();

	s.rc = process_run(&req, &s.out, &s.err, &s.res, &s.e);
	s.ms = clock_mono_ms() - start;
	return s;
}

static struct shell run(const char *script)
{
	return run_with(script, SECONDS, NULL, 0);
}

static void gives_status_and_both_outputs(void **state)
{
	AUTO_SHELL struct shell s = run("echo out; echo err >&2; exit 75");

	(void)state;
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.res.exit_status, 75);
	assert_int_equal(s.res.signal, 0);
	assert_false(s.res.timed_out);
	assert_string_equal(buf_text(&s.out), "out\n");
	assert_string_equal(buf_text(&s.err), "err\n");
}

static void one_buffer_keeps_the_order_of_both_outputs(void **state)
{
	const char *argv[] = {"sh", "-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done", NULL};
	struct process_request req = {
		.path = "/bin/sh", .argv = argv, .env = no_env, .timeout_seconds = SECONDS};
	AUTO_BUF struct buf both = buf_make(4096);
	struct process_result res;
	struct err e;

	(void)state;
	assert_int_equal(process_run(&req, &both, &both, &res, &e), 0);
	assert_int_equal(res.exit_status, 0);
	assert_string_equal(buf_text(&both), "o1\ne1\no2\ne2\no3\ne3\n");
}

static void outputs_that_nobody_wants_are_dropped(void **state)
{
	const char *argv[] = {"sh", "-c", "echo a; echo b >&2; exit 3", NULL};
	struct process_request req = {
		.path = "/bin/sh", .argv = argv, .env = no_env, .timeout_seconds = SECONDS};
	struct process_result res;
	struct err e;

	(void)state;
	assert_int_equal(process_run(&req, NULL, NULL, &res, &e), 0);
	assert_int_equal(res.exit_status, 3);
}

static void large_input_and_output_do_not_deadlock(void **state)
{
	const size_t len = 1 << 20;
	AUTO_FREE char *input = malloc(len);

	(void)state;
	assert_non_null(input);
	memset(input, 'x', len);
	AUTO_SHELL struct shell s = run_with("tee /dev/stderr | wc -c", SECONDS, input, len);
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.res.exit_status, 0);
	assert_int_equal(strtol(buf_text(&s.out), NULL, 10), (long)len);
	assert_int_equal(s.err.len, 4096);
}

static void input_that_is_not_read_does_not_hurt(void **state)
{
	const size_t len = 1 << 20;
	AUTO_FREE char *input = calloc(1, len);

	(void)state;
	assert_non_null(input);
	AUTO_SHELL struct shell s = run_with("exec 0<&-; exit 7", SECONDS, input, len);
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.res.exit_status, 7);
}

static void input_ends(void **state)
{
	AUTO_SHELL struct shell s = run("cat; echo end");

	(void)state;
	assert_string_equal(buf_text(&s.out), "end\n");
}

static void output_is_bounded_and_the_rest_dropped(void **state)
{
	AUTO_SHELL struct shell s = run("head -c 67108864 /dev/zero | tr '\\0' a; exit 5");

	(void)state;
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.res.exit_status, 5);
	assert_int_equal(s.out.len, 4096);
	assert_true(s.out.cap <= 4097);
}

static void endless_program_is_killed_at_the_limit(void **state)
{
	AUTO_SHELL struct shell s = run_with("trap '' TERM; while :; do sleep 9; done", 1, NULL, 0);

	(void)state;
	assert_int_equal(s.rc, 0);
	assert_true(s.res.timed_out);
	assert_int_equal(s.res.exit_status, -1);
	assert_int_equal(s.res.signal, SIGKILL);
	assert_in_range(s.ms, 900, 5000);
}

static void endless_output_is_killed_at_the_limit(void **state)
{
	AUTO_SHELL struct shell s = run_with("exec cat /dev/zero", 1, NULL, 0);

	(void)state;
	assert_true(s.res.timed_out);
	assert_int_equal(s.out.len, 4096);
	assert_in_range(s.ms, 900, 5000);
}

static bool is_gone(pid_t pid)
{
	const struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};
	char path[64];

	/* A killed orphan stays a zombie until init reaps it: that is gone, too. */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 250; i++) {
		AUTO_BUF struct buf b = buf_make(4096);
		struct err e;
		if (file_read(AT_FDCWD, path, &b, &e) < 0 || strstr(buf_text(&b), ") Z "))
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

static void background_child_is_not_waited_for_and_is_killed(void **state)
{
	AUTO_SHELL struct shell s = run("sleep 600 & echo $!");
	pid_t pid = (pid_t)strtol(buf_text(&s.out), NULL, 10);

	(void)state;
	assert_int_equal(s.res.exit_status, 0);
	assert_true(s.ms < 5000);
	assert_true(pid > 1);
	assert_true(is_gone(pid));
}

static void limit_kills_the_whole_group(void **state)
{
	AUTO_SHELL struct shell s = run_with("sleep 600 & echo $!; wait", 1, NULL, 0);
	pid_t pid = (pid_t)strtol(buf_text(&s.out), NULL, 10);

	(void)state;
	assert_true(s.res.timed_out);
	assert_true(pid > 1);
	assert_true(is_gone(pid));
}

static void daemon_that_leaves_the_group_is_not_waited_for(void **state)
{
	AUTO_SHELL struct shell s = run("setsid sh -c 'echo $$; exec sleep 600' & sleep 1; exit 0");
	pid_t pid = (pid_t)strtol(buf_text(&s.out), NULL, 10);

	(void)state;
	assert_int_equal(s.res.exit_status, 0);
	assert_true(s.ms < 5000);
	assert_true(pid > 1);
	kill(pid, SIGKILL);
}

static void end_by_signal_is_told(void **state)
{
	AUTO_SHELL struct shell s = run("kill -SEGV $$");

	(void)state;
	assert_int_equal(s.rc, 0);
	assert_int_equal(s.res.exit_status, -1);
	assert_int_equal(s.res.signal, SIGSEGV);
	assert_false(s.res.timed_out);
}

static void only_three_descriptors_are_inherited(void **state)
{
	int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, on purpose */
	int low = fcntl(leak, F_DUPFD, 20);
	int high = fcntl(leak, F_DUPFD, 700);
	char script[128];

	(void)state;
	assert_true(leak > 2 && low >= 20 && high >= 700);
	/* The shell's own descriptors are 0 to 2 and, for the folder it lists, 3. */
	snprintf(script, sizeof(script),
		"cd /proc/$$/fd; for f in 0 1 2 %d %d; do "
		"[ -e $f ] && echo $f; done; set -- *; echo $#",
		low, high);
	AUTO_SHELL struct shell s = run(script);
	close(leak);
	close(low);
	close(high);
	assert_memory_equal(buf_text(&s.out), "0\n1\n2\n", 6);
	assert_in_range(strtol(buf_text(&s.out) + 6, NULL, 10), 3, 4);
}

static void works_when_standard_descriptors_are_closed(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		struct shell s = run_with("cat; echo e >&2; exit 9", SECONDS, "in", 2);
		bool good = s.rc == 0 && s.res.exit_status == 9 &&
			    strcmp(buf_text(&s.out), "in") == 0 &&
			    strcmp(buf_text(&s.err), "e\n") == 0;
		free_shell(&s);
		_exit(good ? 42 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void environment_is_exactly_what_was_given(void **state)
{
	const char *argv[] = {"env", NULL};
	const char *env[] = {"A=1", "B=two words", NULL};
	struct process_request req = {
		.path = "/usr/bin/env", .argv = argv, .env = env, .timeout_seconds = SECONDS};
	AUTO_BUF struct buf out = buf_make(4096);
	struct process_result res;
	struct err e;

	(void)state;
	assert_int_equal(process_run(&req, &out, NULL, &res, &e), 0);
	assert_string_equal(buf_text(&out), "A=1\nB=two words\n");
}

static void signals_umask_and_folder_are_plain(void **state)
{
	/* No program is started for it: a shell may block signals while it starts one. */
	const char *script = "umask; pwd; while read -r l; do "
			     "case $l in SigBlk*|SigIgn*) echo \"$l\";; esac; "
			     "done </proc/$$/status";
	sigset_t set;
	sigset_t before;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGUSR2, SIG_IGN);
	mode_t mask = umask(077);
	AUTO_SHELL struct shell s = run(script);
	umask(mask);
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	const char *want = "0022\n/\nSigBlk:\t0000000000000000\nSigIgn:\t";
	assert_memory_equal(buf_text(&s.out), want, strlen(want));
	/* Only 32 and 33 may stay: libc keeps them for itself and refuses to touch them. */
	unsigned long ignored = strtoul(buf_text(&s.out) + strlen(want), NULL, 16);
	assert_int_equal(ignored & ~(3UL << 31), 0);
}

static void ignored_sigchld_does_not_lose_the_status(void **state)
{
	(void)state;
	signal(SIGCHLD, SIG_IGN);
	AUTO_SHELL struct shell s = run("exit 4");
	/* and the caller's setting is given back */
	assert_true(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
	assert_int_equal(s.res.exit_status, 4);
}

static int try_file(const char *path, struct err *e)
{
	const char *argv[] = {path, NULL};
	struct process_request req = {
		.path = path, .argv = argv, .env = no_env, .timeout_seconds = SECONDS};
	struct process_result res;

	return process_run(&req, NULL, NULL, &res, e);
}

static void what_cannot_start_is_named_with_its_reason(void **state)
{
	static const struct {
		const char *content;
		mode_t mode;
		int sys;
	} cases[] = {
		{"#!/no/such/interpreter\n", 0700, ENOENT},
		{"no interpreter line\n", 0700, ENOEXEC},
		{"#!/bin/sh\n", 0600, EACCES},
	};
	char path[] = "/tmp/pawl-process-XXXXXX";
	struct err e = {0};

	(void)state;
	if (getenv("PAWL_VALGRIND")) /* it ends a process whose execve fails */
		skip();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlink(path);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, cases[i].mode);
		assert_int_equal(
			file_write_full(fd, cases[i].content, strlen(cases[i].content), &e), 0);
		close(fd);
		assert_int_equal(try_file(path, &e), -1);
		assert_int_equal(e.code, E_HOOK);
		assert_int_equal(e.sys, cases[i].sys);
		assert_non_null(strstr(e.text, path));
	}
	unlink(path);
	assert_int_equal(try_file(path, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	/* Nothing is left to be reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void child_dies_with_the_agent(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char script[64];
		/* Descriptor 1 is the program's own, so its number travels through a path. */
		snprintf(script, sizeof(script), "echo $$ >/proc/%d/fd/%d; exec sleep 600",
			(int)getpid(), fds[1]);
		run_with(script, 600, NULL, 0);
		_exit(0);
	}
	char text[32] = "";
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	pid_t child = (pid_t)strtol(text, NULL, 10);
	assert_true(child > 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(is_gone(child));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_status_and_both_outputs),
		cmocka_unit_test(one_buffer_keeps_the_order_of_both_outputs),
		cmocka_unit_test(outputs_that_nobody_wants_are_dropped),
		cmocka_unit_test(large_input_and_output_do_not_deadlock),
		cmocka_unit_test(input_that_is_not_read_does_not_hurt),
		cmocka_unit_test(input_ends),
		cmocka_unit_test(output_is_bounded_and_the_rest_dropped),
		cmocka_unit_test(endless_program_is_killed_at_the_limit),
		cmocka_unit_test(endless_output_is_killed_at_the_limit),
		cmocka_unit_test(background_child_is_not_waited_for_and_is_killed),
		cmocka_unit_test(limit_kills_the_whole_group),
		cmocka_unit_test(daemon_that_leaves_the_group_is_not_waited_for),
		cmocka_unit_test(end_by_signal_is_told),
		cmocka_unit_test(only_three_descriptors_are_inherited),
		cmocka_unit_test(works_when_standard_descriptors_are_closed),
		cmocka_unit_test(environment_is_exactly_what_was_given),
		cmocka_unit_test(signals_umask_and_folder_are_plain),
		cmocka_unit_test(ignored_sigchld_does_not_lose_the_status),
		cmocka_unit_test(what_cannot_start_is_named_with_its_reason),
		cmocka_unit_test(child_dies_with_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
