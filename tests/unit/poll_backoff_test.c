/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/backoff: a fleet spreads, waits are bounded, clocks may be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/poll/backoff.h"

#define BASE 60
#define CAP  3600
#define NOW  INT64_C(1800000000)
#define DAY  86400

static uint64_t next_random(uint64_t *x)
{
	*x += 0x9e3779b97f4a7c15u;
	uint64_t z = *x;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void waits_grow_up_to_the_cap(void **state)
{
	static const int64_t most[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
	struct backoff b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct backoff longest = b;
		struct backoff shortest = b;
		backoff_fail(&longest, NOW, 0, BASE, CAP, (uint64_t)most[i]);
		backoff_fail(&shortest, NOW, 0, BASE, CAP, 0);
		assert_int_equal(longest.not_before, NOW + most[i]);
		assert_int_equal(shortest.not_before, NOW);
		backoff_fail(&b, NOW, 0, BASE, CAP, (uint64_t)most[i] + 1);
		assert_int_equal(b.not_before, NOW);
		assert_int_equal(b.failures, i + 1);
	}
	backoff_succeed(&b);
	assert_int_equal(b.failures, 0);
	assert_int_equal(backoff_wait(&b, NOW, CAP), 0);
}

static void ten_thousand_devices_spread_evenly(void **state)
{
	unsigned tenths[10] = {0};
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct backoff b = {.failures = 20};
		backoff_fail(&b, NOW, 0, BASE, CAP, next_random(&seed));
		int64_t wait = b.not_before - NOW;
		assert_in_range(wait, 0, CAP);
		tenths[wait == CAP ? 9 : wait / (CAP / 10)]++;
	}
	/* Expected 1000 each, standard deviation 30. */
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], 850, 1150);
}

static void retry_after_is_a_lower_bound_and_spreads(void **state)
{
	uint64_t seed = 3;
	int64_t least = INT64_MAX;
	int64_t most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct backoff b = {0};
		backoff_fail(&b, NOW, 1000, BASE, CAP, next_random(&seed));
		int64_t wait = b.not_before - NOW;
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_in_range(least, 1000, 1010);
	assert_in_range(most, 1240, 1250);
	/* Own back-off that is longer stands. */
	struct backoff b = {.failures = 20};
	backoff_fail(&b, NOW, 1000, BASE, CAP, 3000);
	assert_int_equal(b.not_before, NOW + 3000);
}

static void no_server_silences_a_device_for_long(void **state)
{
	struct backoff b = {0};

	(void)state;
	backoff_fail(&b, NOW, UINT64_MAX, BASE, CAP, 0);
	assert_int_equal(b.not_before, NOW + DAY);
	assert_int_equal(backoff_wait(&b, NOW, CAP), DAY);
}

static void a_clock_that_was_set_back_does_not_silence_either(void **state)
{
	struct backoff b = {.failures = 1, .not_before = NOW + 100};

	(void)state;
	assert_int_equal(backoff_wait(&b, NOW, CAP), 100);
	assert_int_equal(backoff_wait(&b, NOW + 100, CAP), 0);
	assert_int_equal(backoff_wait(&b, NOW + 20 * 365 * DAY, CAP), 0);
	assert_int_equal(backoff_wait(&b, 0, CAP), 0);
	assert_int_equal(backoff_wait(&b, INT64_MIN, CAP), 0);
	/* The longest wait that backoff_fail makes is still kept. */
	assert_int_equal(backoff_wait(&b, NOW + 100 - DAY, CAP), DAY);
	assert_int_equal(backoff_wait(&b, NOW + 100 - DAY - DAY / 4 - 1, CAP), 0);
	assert_int_equal(backoff_wait(&b, NOW + 100 - 3 * DAY, 4 * DAY), 3 * DAY);
}

static void numbers_at_their_ends_do_not_overflow(void **state)
{
	struct backoff b = {.failures = UINT32_MAX};

	(void)state;
	backoff_fail(&b, INT64_MAX - 5, 0, UINT64_MAX / 2, UINT64_MAX, UINT64_MAX);
	assert_int_equal(b.failures, UINT32_MAX);
	assert_int_equal(b.not_before, INT64_MAX);
	b = (struct backoff){0};
	backoff_fail(&b, NOW, 0, 0, 0, UINT64_MAX);
	assert_int_equal(b.not_before, NOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_grow_up_to_the_cap),
		cmocka_unit_test(ten_thousand_devices_spread_evenly),
		cmocka_unit_test(retry_after_is_a_lower_bound_and_spreads),
		cmocka_unit_test(no_server_silences_a_device_for_long),
		cmocka_unit_test(a_clock_that_was_set_back_does_not_silence_either),
		cmocka_unit_test(numbers_at_their_ends_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
