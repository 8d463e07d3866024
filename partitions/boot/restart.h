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
