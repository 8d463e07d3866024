/* SPDX-License-Identifier: Apache-2.0 */
/* What runs, what waits, why: gathered once, shown as one screen or as JSON (docs/status.md). */
#pragma once

#include <jansson.h>

#include "agent/base/err.h"
#include "agent/session.h"

/*
 * Everything that status shows, as the JSON object of docs/status.md; a new
 * reference. Changes nothing. What cannot be found out (no right to read the
 * boot environment, wrong root device) is in "problem", and never an error.
 */
int status_gather(struct session *s, json_t **out, struct err *e);

/* The screen for people, from that object. */
void status_print(const json_t *status);
