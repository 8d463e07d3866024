/* SPDX-License-Identifier: Apache-2.0 */
/* Restarting the machine in an orderly way. */
#include "partitions/boot/restart.h"

#include <errno.h>
#include <stddef.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "agent/base/process.h"

#define RESTART_COMMAND "/sbin/reboot"
#define RESTART_SECONDS 60

static int run_command(const char *command, struct err *e)
{
	const char *const argv[] = {command, NULL};
	const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	const struct process_request req = {
		.path = command, .argv = argv, .env = env, .timeout_seconds = RESTART_SECONDS};
	struct process_result res;

	if (process_run(&req, NULL, NULL, &res, e) < 0) {
		e->code = E_IO;
		return err_wrap(e, "restart");
	}
	if (res.timed_out)
		return err_set(
			e, E_IO, "restart: %s did not end within %d s", command, RESTART_SECONDS);
	if (res.exit_status != 0)
		return err_set(e, E_IO, "restart: %s failed with status %d, signal %d", command,
			res.exit_status, res.signal);
	return 0;
}

int restart_machine(const char *command, struct err *e)
{
	if (command)
		return run_command(command, e);
	if (run_command(RESTART_COMMAND, e) == 0)
		return 0;
	sync();
	if (reboot(RB_AUTOBOOT) < 0)
		return err_sys(e, E_IO, errno, "restart: the reboot system call");
	return 0;
}
