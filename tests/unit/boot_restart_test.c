/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/boot/restart: through init where that works, else by the system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/process.h"
#include "partitions/boot/restart.h"

/* Nothing here may restart the machine that runs the tests: every way out is wrapped. */
static struct {
	char command[64];
	char argument[32]; /* "" = none */
	char raw_argument[32]; /* of the system call */
	int start_fails;
	struct process_result result;
	unsigned syncs;
	unsigned reboots;
	int reboot_errno;
} hook;

int __wrap_process_run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e);
void __wrap_sync(void);
int __wrap_reboot(int how);
long __wrap_syscall(long number, int magic, int magic2, int how, const char *argument);

int __wrap_process_run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e)
{
	(void)out;
	(void)errors;
	assert_string_equal(req->argv[0], req->path);
	if (req->argv[1]) {
		assert_null(req->argv[2]);
		strncpy(hook.argument, req->argv[1], sizeof(hook.argument) - 1);
	}
	strncpy(hook.command, req->path, sizeof(hook.command) - 1);
	if (hook.start_fails)
		return err_set(e, E_HOOK, "cannot start %s", req->path);
	*res = hook.result;
	return 0;
}

void __wrap_sync(void)
{
	hook.syncs++;
}

int __wrap_reboot(int how)
{
	assert_int_equal(how, RB_AUTOBOOT);
	assert_int_equal(hook.syncs, 1);
	hook.reboots++;
	if (!hook.reboot_errno)
		return 0;
	errno = hook.reboot_errno;
	return -1;
}

long __wrap_syscall(long number, int magic, int magic2, int how, const char *argument)
{
	assert_int_equal(number, SYS_reboot);
	assert_int_equal((unsigned)magic, LINUX_REBOOT_MAGIC1);
	assert_int_equal(magic2, LINUX_REBOOT_MAGIC2);
	assert_int_equal((unsigned)how, LINUX_REBOOT_CMD_RESTART2);
	assert_int_equal(hook.syncs, 1);
	strncpy(hook.raw_argument, argument, sizeof(hook.raw_argument) - 1);
	if (!hook.reboot_errno)
		return 0;
	errno = hook.reboot_errno;
	return -1;
}

static void init_is_asked_first(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&hook, 0, sizeof(hook));
	assert_int_equal(restart_machine(NULL, &e), 0);
	assert_string_equal(hook.command, "/sbin/reboot");
	assert_string_equal(hook.argument, "");
	assert_int_equal(hook.reboots, 0);
}

static void without_an_init_that_answers_the_kernel_is_asked(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&hook, 0, sizeof(hook));
	hook.start_fails = 1;
	assert_int_equal(restart_machine(NULL, &e), 0);
	assert_int_equal(hook.reboots, 1);
	memset(&hook, 0, sizeof(hook));
	hook.result.exit_status = 1;
	assert_int_equal(restart_machine(NULL, &e), 0);
	assert_int_equal(hook.reboots, 1);
	memset(&hook, 0, sizeof(hook));
	hook.result = (struct process_result){.exit_status = -1, .signal = 9, .timed_out = true};
	hook.reboot_errno = EPERM;
	assert_int_equal(restart_machine(NULL, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(e.sys, EPERM);
}

static void a_command_of_the_integrator_stands_alone(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&hook, 0, sizeof(hook));
	assert_int_equal(restart_machine("/usr/bin/power-cycle", &e), 0);
	assert_string_equal(hook.command, "/usr/bin/power-cycle");
	hook.result.exit_status = 4;
	assert_int_equal(restart_machine("/usr/bin/power-cycle", &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "status 4"));
	hook.start_fails = 1;
	assert_int_equal(restart_machine("/usr/bin/power-cycle", &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(hook.reboots, 0);
}

static void read_text(const char *path, char text[64])
{
	memset(text, 0, 64);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, 63) >= 0);
	close(fd);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* systemd hands on what its file says at the very end. */
static void an_argument_goes_through_systemd(void **state)
{
	static const char *const kept[] = {
		NULL, "", "1\n", "0 tryboot", "0 tryboot\n", "0 tryboot2\n"};
	static const char *const dirs[] = {"run", "run/systemd", "run/systemd/system"};
	char root[] = "/tmp/restart.XXXXXX";
	char path[96];
	char text[64];
	struct err e = {0};

	(void)state;
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(path, sizeof(path), "%s/run/systemd/reboot-param", root);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		memset(&hook, 0, sizeof(hook));
		if (kept[i])
			write_text(path, kept[i]);
		assert_int_equal(restart_machine_with(root, NULL, "0 tryboot", &e), 0);
		assert_string_equal(hook.command, "/sbin/reboot");
		assert_string_equal(hook.argument, "0 tryboot");
		assert_string_equal(hook.raw_argument, "");
		read_text(path, text);
		text[strcspn(text, "\n")] = 0;
		assert_string_equal(text, "0 tryboot");
	}
	/* A command that fails is no reboot: nothing of it must stay for a later one. */
	unlink(path);
	hook.result.exit_status = 1;
	assert_int_equal(restart_machine_with(root, NULL, "0 tryboot", &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(access(path, F_OK), -1);
	for (size_t i = 3; i > 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i - 1]);
		rmdir(path);
	}
	rmdir(root);
}

static void without_systemd_the_kernel_gets_the_argument(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&hook, 0, sizeof(hook));
	assert_int_equal(restart_machine_with("/nonexistent", NULL, "0 tryboot", &e), 0);
	assert_string_equal(hook.command, "");
	assert_string_equal(hook.raw_argument, "0 tryboot");
	memset(&hook, 0, sizeof(hook));
	hook.reboot_errno = EPERM;
	assert_int_equal(restart_machine_with("/nonexistent", NULL, "0 tryboot", &e), -1);
	assert_int_equal(e.code, E_IO);
	memset(&hook, 0, sizeof(hook));
	assert_int_equal(restart_machine_with("/nonexistent", "/usr/bin/own", "0 tryboot", &e), 0);
	assert_string_equal(hook.command, "/usr/bin/own");
	assert_string_equal(hook.argument, "0 tryboot");
	assert_string_equal(hook.raw_argument, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_asked_first),
		cmocka_unit_test(without_an_init_that_answers_the_kernel_is_asked),
		cmocka_unit_test(a_command_of_the_integrator_stands_alone),
		cmocka_unit_test(an_argument_goes_through_systemd),
		cmocka_unit_test(without_systemd_the_kernel_gets_the_argument),
	};

	return cmocka_run_group_tests_name("boot_restart", tests, NULL, NULL);
}
