/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of an offer that is not installed now: what it would take, for people. */
#pragma once

#include "agent/agent.h"
#include "agent/ways.h"

/*
 * Plans the offered release and keeps its numbers in the state (in memory). Reads
 * both slots and may fetch tables into the cache; changes nothing else. E_BUSY
 * where there is no target slot now; errors of ways_make.
 */
int planning_make(struct session *s, const struct running *d, const struct offer *o,
	struct ways **out, struct err *e);

/* Keeps the numbers, if this is the offer that waits. */
void planning_keep(struct session *s, const struct ways *w);

/*
 * For a poll that installs nothing: makes the plan of a new offer once, and only
 * logs when that cannot be done. Numbers are for status; no poll fails for them.
 */
void planning_note(struct session *s, const struct running *d, const struct offer *o);

/* Prints the plan on standard output. E_NOMEM. */
int planning_print(const struct ways *w, struct err *e);
