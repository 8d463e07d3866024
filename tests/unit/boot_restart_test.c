/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/boot/restart: through init where that works, else by the system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/reboot.h>

#include "agent/base/process.h"
#include "partitions/boot/restart.h"

/* Nothing here may restart the machine that runs the tests: every way out is wrapped. */
static struct {
	char command[64];
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

int __wrap_process_run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e)
{
	(void)out;
	(void)errors;
	assert_string_equal(req->argv[0], req->path);
	assert_null(req->argv[1]);
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

static void init_is_asked_first(void **state)
{
	struct err e = {0};

	(void)state;
	memset(&hook, 0, sizeof(hook));
	assert_int_equal(restart_machine(NULL, &e), 0);
	assert_string_equal(hook.command, "/sbin/reboot");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_asked_first),
		cmocka_unit_test(without_an_init_that_answers_the_kernel_is_asked),
		cmocka_unit_test(a_command_of_the_integrator_stands_alone),
	};

	return cmocka_run_group_tests_name("boot_restart", tests, NULL, NULL);
}
