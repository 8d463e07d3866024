/* SPDX-License-Identifier: Apache-2.0 */
/* Time: readings of the clocks, and the one text form that metadata uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define CLOCK_TEXT_SIZE 21 /* "2026-01-31T23:59:59Z" with the NUL */

/* Seconds since 1970 by the wall clock (time(2), so that faketime works on it). */
int64_t clock_wall(void);

/* Milliseconds since boot; never steps back. */
uint64_t clock_mono_ms(void);

/*
 * Is the wall clock synchronised? Yes if <root>/run/systemd/timesync/synchronized
 * exists or, for root "/", if the kernel says so (adjtimex without STA_UNSYNC).
 */
bool clock_is_synchronised(const char *root);

/*
 * "YYYY-MM-DDTHH:MM:SSZ" (RFC 3339, UTC only, years 1970 to 9999) and back.
 * Anything else is E_META.
 */
int clock_parse(const char *text, int64_t *seconds, struct err *e);
void clock_format(int64_t seconds, char text[CLOCK_TEXT_SIZE]);
