/* SPDX-License-Identifier: Apache-2.0 */
/* When to ask again: exponential back-off with full jitter (design 10). Pure. */
#pragma once

#include <stdint.h>

/* Persisted by the caller. Zero = nothing failed. */
struct backoff {
	uint32_t failures;    /* in a row */
	int64_t not_before;   /* wall clock, seconds */
};

/*
 * After a failure: waits a random time below min(base * 2^failures, cap), or
 * `retry_after` where the server said one (never less than it, capped at a
 * day). `random` is any 64 random bits.
 */
void backoff_fail(struct backoff *b, int64_t now, uint64_t retry_after, uint64_t base_seconds,
	uint64_t cap_seconds, uint64_t random);
void backoff_succeed(struct backoff *b);

/*
 * Seconds left to wait, 0 = may ask. A wall clock that was set back must not
 * silence a device: a wait longer than the cap counts as none.
 */
uint64_t backoff_wait(const struct backoff *b, int64_t now, uint64_t cap_seconds);
