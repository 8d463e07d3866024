/* SPDX-License-Identifier: Apache-2.0 */
/* Restarting the machine in an orderly way. */
#include "partitions/boot/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/process.h"

#define RESTART_COMMAND "/sbin/reboot"
#define RESTART_SECONDS 60
#define SYSTEMD_RUN     "run/systemd"
#define SYSTEMD_PARAM   "reboot-param" /* what systemd hands to the system call at the end */

/* `argument` may be NULL. */
static int run_command(const char *command, const char *argument, struct err *e)
{
	const char *const argv[] = {command, argument, NULL};
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
		return run_command(command, NULL, e);
	if (run_command(RESTART_COMMAND, NULL, e) == 0)
		return 0;
	sync();
	if (reboot(RB_AUTOBOOT) < 0)
		return err_sys(e, E_IO, errno, "restart: the reboot system call");
	return 0;
}

static bool systemd_runs(const char *root)
{
	char path[512];
	struct err ignored;

	return file_join(path, sizeof(path), root, SYSTEMD_RUN "/system", &ignored) == 0 &&
	       access(path, F_OK) == 0;
}

/* A reboot command of another make may have dropped it; the shutdown takes longer than this. */
static int keep_parameter(const char *root, const char *argument, struct err *e)
{
	AUTO_BUF struct buf said = buf_make(256);
	AUTO_CLOSE int dir = -1;
	char path[512];
	struct err ignored;

	if (file_join(path, sizeof(path), root, SYSTEMD_RUN, e) < 0 ||
		file_open_dir(path, &dir, e) < 0)
		return -1;
	bool there = file_read(dir, SYSTEMD_PARAM, &said, &ignored) == 0;
	/* systemd ends it with a newline. */
	if (there && strncmp(buf_text(&said), argument, strlen(argument)) == 0 &&
		said.len <= strlen(argument) + 1)
		return 0;
	return file_replace(dir, SYSTEMD_PARAM, argument, strlen(argument), 0644, e);
}

int restart_machine_with(const char *root, const char *command, const char *argument, struct err *e)
{
	if (command)
		return run_command(command, argument, e);
	if (systemd_runs(root)) {
		if (run_command(RESTART_COMMAND, argument, e) < 0)
			return -1;
		return keep_parameter(root, argument, e);
	}
	sync();
	if (syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART2,
		    argument) < 0)
		return err_sys(e, E_IO, errno, "restart: the reboot system call");
	return 0;
}
