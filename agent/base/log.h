/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines for people. Evidence goes into agent/journal, never here alone. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Where lines go and which; a plain value that main makes. */
struct log {
	enum log_level level;
	bool prefix; /* "<6>" before each line, for systemd (sd-daemon(3)) */
	bool syslog; /* to syslog(3) instead of standard error, for cron */
};

/* For systemd when JOURNAL_STREAM is set, syslog when standard error is no terminal and no pipe. */
struct log log_make(enum log_level level);

/*
 * One line, written at once, control characters escaped as \xNN. Form:
 * "event key=value ...". No secrets. `l` may be NULL (says nothing).
 */
void log_line(const struct log *l, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
