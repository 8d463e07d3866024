/* SPDX-License-Identifier: Apache-2.0 */
/* agent: the hardware watchdog of a trial, on a file and a wrapped ioctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/watchdog.h"

static struct config c;
static char dir[64];
static char sysfs[256];

/* What the driver was asked, and what it answers. */
static int asked_seconds;
static unsigned timeouts_set;
static int timeout_answer; /* seconds that it sets, 0 = the ones wanted, < 0 = it refuses */
static unsigned supports_asked;

int __wrap_ioctl(int fd, unsigned long request, void *arg);

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	assert_true(fd >= 0);
	if (request == (unsigned long)WDIOC_GETSUPPORT) {
		supports_asked++;
		((struct watchdog_info *)arg)->options = WDIOF_SETTIMEOUT;
		return 0;
	}
	assert_int_equal(request, (unsigned long)WDIOC_SETTIMEOUT);
	asked_seconds = *(int *)arg;
	timeouts_set++;
	if (timeout_answer < 0) {
		errno = EINVAL;
		return -1;
	}
	if (timeout_answer > 0)
		*(int *)arg = timeout_answer;
	return 0;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* A file as the device: each open starts at its beginning, so the last byte written is there. */
static char last_byte(void)
{
	char byte = 0;
	int fd = open(c.watchdog_device, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, &byte, 1) >= 0);
	close(fd);
	return byte;
}

static int make(void **state)
{
	char path[200];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/pawl-watchdog-XXXXXX");
	assert_non_null(mkdtemp(dir));
	memset(&c, 0, sizeof(c));
	snprintf(c.root, sizeof(c.root), "%s", dir);
	snprintf(c.watchdog_device, sizeof(c.watchdog_device), "%s/watchdog0", dir);
	c.watchdog_timeout = 90;
	put(c.watchdog_device, "");
	static const char *const folders[] = {
		"/sys", "/sys/class", "/sys/class/watchdog", "/sys/class/watchdog/watchdog0"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(sysfs, sizeof(sysfs), "%s/nowayout", path);
	put(sysfs, "0\n");
	asked_seconds = 0;
	timeouts_set = 0;
	timeout_answer = 0;
	supports_asked = 0;
	return 0;
}

static int drop(void **state)
{
	char *const remove[] = {"rm", "-rf", dir, NULL};

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(remove[0], remove);
		_exit(127);
	}
	return pid < 0 ? -1 : 0;
}

static void without_a_device_nothing_is_touched(void **state)
{
	(void)state;
	c.watchdog_device[0] = 0;
	watchdog_arm(&c, NULL);
	watchdog_ping(&c, NULL);
	watchdog_finish(&c, NULL);
	assert_int_equal(timeouts_set, 0);
}

static void arming_sets_the_timeout_and_closes_without_the_magic_letter(void **state)
{
	(void)state;
	watchdog_arm(&c, NULL);
	assert_int_equal(asked_seconds, 90);
	assert_int_equal(supports_asked, 1);
	assert_int_equal(last_byte(), '.');
}

static void each_ping_feeds_and_never_stops_it(void **state)
{
	(void)state;
	watchdog_arm(&c, NULL);
	for (unsigned i = 0; i < 3; i++) {
		put(c.watchdog_device, "");
		watchdog_ping(&c, NULL);
		assert_int_equal(last_byte(), '.');
		assert_int_equal(timeouts_set, 2 + i);
	}
}

static void the_commit_stops_it_with_the_magic_letter(void **state)
{
	(void)state;
	watchdog_arm(&c, NULL);
	watchdog_finish(&c, NULL);
	assert_int_equal(last_byte(), 'V');
	assert_int_equal(timeouts_set, 1);
}

static void the_commit_leaves_it_running_where_that_is_configured(void **state)
{
	(void)state;
	c.watchdog_leave = true;
	watchdog_arm(&c, NULL);
	put(c.watchdog_device, "");
	watchdog_finish(&c, NULL);
	assert_int_equal(last_byte(), '.');
}

static void a_refused_timeout_does_not_keep_it_from_starting(void **state)
{
	(void)state;
	timeout_answer = -1;
	watchdog_arm(&c, NULL);
	assert_int_equal(timeouts_set, 1);
	assert_int_equal(last_byte(), '.');
	timeout_answer = 16; /* all that the hardware can */
	put(c.watchdog_device, "");
	watchdog_ping(&c, NULL);
	assert_int_equal(last_byte(), '.');
}

static void what_cannot_be_stopped_is_armed_only_when_it_may_run_on(void **state)
{
	(void)state;
	put(sysfs, "1\n");
	watchdog_arm(&c, NULL);
	watchdog_ping(&c, NULL);
	watchdog_finish(&c, NULL);
	assert_int_equal(last_byte(), 0);
	assert_int_equal(timeouts_set, 0);
	c.watchdog_leave = true;
	watchdog_arm(&c, NULL);
	assert_int_equal(last_byte(), '.');
	assert_int_equal(timeouts_set, 1);
}

static void a_missing_device_and_one_without_a_reader_do_not_hang(void **state)
{
	(void)state;
	assert_int_equal(unlink(c.watchdog_device), 0);
	watchdog_arm(&c, NULL);
	watchdog_finish(&c, NULL);
	assert_int_equal(access(c.watchdog_device, F_OK), -1);
	assert_int_equal(mkfifo(c.watchdog_device, 0600), 0);
	watchdog_arm(&c, NULL); /* ENXIO, at once */
	assert_int_equal(timeouts_set, 0);
}

static void a_fifo_sees_the_bytes_of_a_whole_trial(void **state)
{
	char got[8] = "";

	(void)state;
	assert_int_equal(unlink(c.watchdog_device), 0);
	assert_int_equal(mkfifo(c.watchdog_device, 0600), 0);
	int fd = open(c.watchdog_device, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	watchdog_arm(&c, NULL);
	watchdog_ping(&c, NULL);
	watchdog_ping(&c, NULL);
	watchdog_finish(&c, NULL);
	assert_int_equal(read(fd, got, sizeof(got) - 1), 4);
	assert_string_equal(got, "...V");
	close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_a_device_nothing_is_touched),
		CASE(arming_sets_the_timeout_and_closes_without_the_magic_letter),
		CASE(each_ping_feeds_and_never_stops_it),
		CASE(the_commit_stops_it_with_the_magic_letter),
		CASE(the_commit_leaves_it_running_where_that_is_configured),
		CASE(a_refused_timeout_does_not_keep_it_from_starting),
		CASE(what_cannot_be_stopped_is_armed_only_when_it_may_run_on),
		CASE(a_missing_device_and_one_without_a_reader_do_not_hang),
		CASE(a_fifo_sees_the_bytes_of_a_whole_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
