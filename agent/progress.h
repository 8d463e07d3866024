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
	bool terminal;
};

/* `p` must live as long as the result is used. */
struct slot_progress progress_start(struct progress *p, const struct session *s);

/* Ends the line on a terminal. */
void progress_end(struct progress *p);
