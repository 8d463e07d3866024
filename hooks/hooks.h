/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: executables of the running, verified system and of the integrator, run
 * in name order with limits. Contract for their authors: hooks/README.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/log.h"

#define HOOK_OUTPUT_MAX 4096
#define HOOK_EXIT_LATER 75 /* EX_TEMPFAIL of sysexits.h */

/* Stages in the order of the transaction; names are folder names. */
#define HOOK_STAGE_TABLE(X)                                                                        \
	X(CHECK, "check.d", "before an offer is taken: may this device update now?")               \
	X(PRE_WRITE, "pre-write.d", "before the target slot is changed")                           \
	X(PRE_ACTIVATE, "pre-activate.d", "the new slot is whole, not yet on trial")               \
	X(PRE_REBOOT, "pre-reboot.d", "before the reboot into the trial")                          \
	X(HEALTH_REQUIRED, "health/required.d", "on trial: all must pass, or rollback")            \
	X(HEALTH_WANTED, "health/wanted.d", "on trial: recorded only")                             \
	X(COMMITTED, "committed.d", "after the commit")                                            \
	X(ROLLED_BACK, "rolled-back.d", "after the return to the old slot")
#define HOOK_STAGE_ENUM_(id, folder, meaning) HOOK_##id,
enum hook_stage { HOOK_STAGE_TABLE(HOOK_STAGE_ENUM_) HOOK_STAGE_COUNT };
#undef HOOK_STAGE_ENUM_

enum hook_verdict { HOOK_GOOD, HOOK_LATER, HOOK_BAD };

/* A fact for hooks: PAWL_<KEY> in the environment and a member of the JSON on standard input. */
struct hook_fact {
	const char *key; /* upper case, such as "RELEASE" */
	const char *value;
};

struct hook_config {
	const char *image_dir; /* <root>/usr/lib/pawl/hooks */
	const char *local_dir; /* <root>/etc/pawl/hooks; same name overrides the image's */
	unsigned seconds; /* limit for each hook */
	const struct log *log;
};

struct hook_result {
	char name[96]; /* file name, printable */
	enum hook_verdict verdict;
	int exit_status; /* -1: ended by a signal, by the limit, or never started */
	int signal;
	bool timed_out;
	bool relative; /* health: the file name ends with ".relative" */
	uint64_t ms;
	char output[HOOK_OUTPUT_MAX + 1]; /* bounded, escaped */
};

/* Receives each result as it comes. */
struct hook_sink {
	void *ctx;
	void (*result)(void *ctx, enum hook_stage stage, const struct hook_result *r);
};

const char *hook_stage_folder(enum hook_stage s);
const char *hook_stage_meaning(enum hook_stage s);

/*
 * Runs all hooks of a stage until one is not good (health: all of them).
 * Files that are not executable, links that leave the folders, and names that
 * start with '.' or end with '~' are bad or skipped as hooks/README.md says.
 * 0 when all are good (an absent folder is good), E_LATER when one said 75,
 * E_HOOK when one was bad, hung or could not be started (named).
 */
int hooks_run(const struct hook_config *c, enum hook_stage stage, const struct hook_fact *facts,
	size_t fact_count, const struct hook_sink *sink, struct err *e);
