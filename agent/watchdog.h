/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware watchdog during a trial ([watchdog] in pawl.conf): started by
 * `pawl boot`, fed by `pawl health`, stopped or left running at the commit.
 *
 * No process of ours stays to hold the device open. Closed without the magic
 * letter 'V' the timer goes on, so each step opens, writes and closes; drivers
 * without that (WDIOF_MAGICCLOSE) stop at every close unless they were built
 * with nowayout, which the log says.
 *
 * Nothing here fails: a trial must not be lost because a watchdog is missing,
 * or because systemd holds and feeds it (EBUSY). Each trouble is a log line.
 */
#pragma once

#include "agent/base/log.h"
#include "agent/config.h"

#ifdef CONFIG_WATCHDOG
/*
 * Starts the timer with the configured timeout; does nothing without a device.
 * Not with after-commit = close where the driver cannot be stopped (nowayout):
 * the reset would come after the commit.
 */
void watchdog_arm(const struct config *c, const struct log *log);

/* Gives it another timeout, counted from now. */
void watchdog_ping(const struct config *c, const struct log *log);

/* The trial is committed: stops the timer, or feeds it a last time and leaves it to others. */
void watchdog_finish(const struct config *c, const struct log *log);
#else
/* Not built in: a configuration that names a device is refused (config_check.c). */
static inline void watchdog_arm(const struct config *c, const struct log *log)
{
	(void)c, (void)log;
}

static inline void watchdog_ping(const struct config *c, const struct log *log)
{
	(void)c, (void)log;
}

static inline void watchdog_finish(const struct config *c, const struct log *log)
{
	(void)c, (void)log;
}
#endif
