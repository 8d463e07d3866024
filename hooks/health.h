/* SPDX-License-Identifier: Apache-2.0 */
/* Is this system healthy? Required, wanted and relative checks until a deadline (design 8). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "hooks/hooks.h"

#define HEALTH_BASELINE_MAX 64

/* Names of the checks that passed before the update; a relative check counts only if it is here. */
struct health_baseline {
	char names[HEALTH_BASELINE_MAX][96];
	size_t count;
	bool taken; /* false: no baseline, relative checks count as wanted */
};

struct health_request {
	const struct hook_config *hooks;
	const struct hook_fact *facts;
	size_t fact_count;
	const struct health_baseline *baseline;
	unsigned deadline_seconds; /* from now; "later" is asked again until then */
	unsigned again_seconds; /* pause between rounds, 0 = 5 */
	const struct hook_sink *sink;
};

struct health_report {
	bool healthy;
	unsigned passed;
	unsigned failed_wanted;
	char failed[96]; /* first required check that failed, "" = none */
	char why[256]; /* its verdict and last line of output, escaped */
};

/*
 * Runs required checks (again while they say "later"), then wanted ones once.
 * Fills *out in any case. E_HEALTH when a required check failed or the deadline
 * passed; E_HOOK when checks could not be run at all.
 */
int health_run(const struct health_request *r, struct health_report *out, struct err *e);

/* Runs all checks once and notes which pass (just before the reboot into a trial). */
int health_take_baseline(const struct hook_config *c, const struct hook_fact *facts,
	size_t fact_count, struct health_baseline *out, struct err *e);
