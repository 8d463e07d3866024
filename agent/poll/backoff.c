/* SPDX-License-Identifier: Apache-2.0 */
/* When to ask again: exponential back-off with full jitter. */
#include "agent/poll/backoff.h"

#define RETRY_AFTER_MAX 86400 /* a day: no server may silence a device for longer */
#define SPREAD          4 /* 1/4 of a Retry-After is added at random */

/* min(base * 2^failures, cap), without overflow. */
static uint64_t limit_of(uint32_t failures, uint64_t base, uint64_t cap)
{
	uint64_t limit = base;

	for (uint32_t i = 0; i < failures && limit < cap; i++) {
		if (__builtin_mul_overflow(limit, 2u, &limit))
			return cap;
	}
	return limit < cap ? limit : cap;
}

static int64_t add_seconds(int64_t now, uint64_t wait)
{
	int64_t sum;

	if (wait > INT64_MAX || __builtin_add_overflow(now, (int64_t)wait, &sum))
		return INT64_MAX;
	return sum;
}

void backoff_fail(struct backoff *b, int64_t now, uint64_t retry_after, uint64_t base_seconds,
	uint64_t cap_seconds, uint64_t random)
{
	uint64_t limit = limit_of(b->failures, base_seconds, cap_seconds);
	/* Full jitter: a fleet that failed at the same second must not come back at the same second. */
	uint64_t wait = limit < UINT64_MAX ? random % (limit + 1) : random;

	if (retry_after > RETRY_AFTER_MAX)
		retry_after = RETRY_AFTER_MAX;
	/* A fleet that was told "in an hour" must not come back in one second of it. */
	if (retry_after > 0 && wait < retry_after)
		wait = retry_after + random % (retry_after / SPREAD + 1);
	if (b->failures < UINT32_MAX)
		b->failures++;
	b->not_before = add_seconds(now, wait);
}

void backoff_succeed(struct backoff *b)
{
	*b = (struct backoff){0};
}

uint64_t backoff_wait(const struct backoff *b, int64_t now, uint64_t cap_seconds)
{
	uint64_t day = RETRY_AFTER_MAX + RETRY_AFTER_MAX / SPREAD;
	uint64_t most = cap_seconds > day ? cap_seconds : day;

	if (b->failures == 0 || b->not_before <= now)
		return 0;
	/* Unsigned, because the difference of two clocks decades apart may not fit. */
	uint64_t wait = (uint64_t)b->not_before - (uint64_t)now;
	return wait > most ? 0 : wait;
}
