/* SPDX-License-Identifier: Apache-2.0 */
/* When to ask again: exponential back-off with full jitter (design 10). Pure. */
#pragma once

#include <stdint.h>

/* Persisted by the caller. Zero = nothing failed. */
struct backoff {
	uint32_t failures; /* in a row */
	int64_t not_before; /* wall clock, seconds */
};

/*
 * After a failure: waits a random time up to min(base * 2^failures, cap). Where
 * the server said `retry_after` (capped at a day) never less than that, and up
 * to a quarter of it more, so that a fleet spreads. `random` is any 64 random bits.
 */
void backoff_fail(struct backoff *b, int64_t now, uint64_t retry_after, uint64_t base_seconds,
	uint64_t cap_seconds, uint64_t random);
void backoff_succeed(struct backoff *b);

/*
 * Seconds left to wait, 0 = may ask. A wall clock that was set back must not
 * silence a device: a wait longer than any that backoff_fail makes (the cap, or
 * a day and a quarter) counts as none.
 */
uint64_t backoff_wait(const struct backoff *b, int64_t now, uint64_t cap_seconds);
