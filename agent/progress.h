/* SPDX-License-Identifier: Apache-2.0 */
/* Progress for people: one line on a terminal, a line per 10 % elsewhere, JSON for programs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/session.h"
#include "partitions/slot/slot.h"

struct progress {
	const struct session *session;
	uint64_t started_ms;
	uint64_t shown_ms;
	unsigned shown_tenth;
	char image[PLAN_NAME_SIZE];
	const char *phase; /* "fetching" into the spool, "writing" (and reading back) */
	uint64_t saved; /* bytes that need not be fetched, compared with full */
	bool terminal;
};

/* `p` must live as long as what the two below return is used. */
void progress_start(struct progress *p, const struct session *s, uint64_t saved);
struct slot_progress progress_writing(struct progress *p);
struct slot_progress progress_fetching(struct progress *p);

/* Ends the line on a terminal. */
void progress_end(struct progress *p);
