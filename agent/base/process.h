/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program directly (no shell), with limits on time and output. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct process_request {
	const char *path; /* executable, absolute; executed directly */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	const char *const *env; /* NULL-terminated "KEY=value"; the whole environment */
	const uint8_t *input; /* for standard input; may be NULL */
	size_t input_len;
	unsigned timeout_seconds; /* at the limit the whole process group gets SIGKILL; 0 = 1 */
};

struct process_result {
	int exit_status; /* 0..255, or -1 when ended by a signal or the limit */
	int signal; /* the signal, 0 where there was none */
	bool timed_out;
};

/*
 * Runs the program in its own process group with standard input from `input`,
 * standard output into `out` and standard error into `errors` (either may be
 * NULL: dropped; both may be the same buffer). What exceeds a buffer's limit
 * is read and dropped, so a talkative child does not block. No descriptor but
 * these three is passed on. When the child is gone, what is left of its group
 * is killed, and a background child that holds the pipe open is not waited for.
 * It starts in its own session, in "/", with umask 022 and default signals, and
 * is killed when the agent dies. A process that makes a session of its own
 * (setsid) leaves the group and is not found; under systemd the unit's control
 * group ends it. Call it from the main thread (PR_SET_PDEATHSIG follows threads).
 * Output is added to what the buffers hold.
 * 0 when it was started and has ended in whatever way (see `res`); E_HOOK when
 * it cannot be started (named, with errno).
 */
int process_run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e);
