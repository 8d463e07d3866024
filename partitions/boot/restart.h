/* SPDX-License-Identifier: Apache-2.0 */
/* Restarting the machine in an orderly way. */
#pragma once

#include "agent/base/err.h"

/*
 * Runs `command` (absolute path, no arguments, no shell); NULL = /sbin/reboot,
 * so that init stops services and unmounts. Returns 0 once the restart was
 * accepted. When no command was named and /sbin/reboot is missing, fails or
 * does not answer: sync and the reboot system call, which returns on failure
 * only. E_IO names what failed.
 */
int restart_machine(const char *command, struct err *e);

/*
 * As restart_machine, with an argument for the kernel ("0 tryboot"), which is
 * also the argument of `command`. Where systemd runs (<root>/run/systemd/system)
 * /sbin/reboot takes it, and what systemd keeps of it is looked at and
 * corrected; any other init would drop it, so there it is sync and the system
 * call at once. `root` is put before /run. E_IO.
 */
int restart_machine_with(
	const char *root, const char *command, const char *argument, struct err *e);
