/* SPDX-License-Identifier: Apache-2.0 */
/* agent/plan/rollout: places are even, shares grow in a straight line, the time told is the right one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/plan/policy.h"
#include "agent/plan/rollout.h"

#define START 1700000000

static const struct manifest waves = {
	.has_rollout = true,
	.rollout_start = START,
	.rollout_salt = "demo-7",
	.waves = {{5, 3600}, {25, 7200}, {25, 10800}, {80, 86400}},
	.wave_count = 4,
};

static unsigned place_of(const uint8_t seed[16], const char *salt)
{
	struct err e = {0};
	unsigned place = 99999;

	assert_int_equal(policy_rollout_place(seed, salt, &place, &e), 0);
	assert_true(place < ROLLOUT_ALL);
	return place;
}

/* Computed by another program: sha256(00 01 … 0f "demo-7"), first 8 bytes, mod 10000. */
static void place_is_the_documented_one(void **state)
{
	const uint8_t seed[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

	(void)state;
	assert_int_equal(place_of(seed, "demo-7"), 4044);
	assert_int_not_equal(place_of(seed, "demo-8"), 4044);
}

/* Chi-square over 100 bins of 10,000 devices: 99 degrees of freedom, 0.001 is at 148. */
static void ten_thousand_devices_spread_evenly(void **state)
{
	unsigned bins[100] = {0};
	double chi = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t seed[16] = {0};
		seed[0] = (uint8_t)i;
		seed[1] = (uint8_t)(i >> 8);
		bins[place_of(seed, "spread") / 100]++;
	}
	for (size_t i = 0; i < 100; i++)
		chi += (bins[i] - 100.0) * (bins[i] - 100.0) / 100.0;
	assert_true(chi < 148);
	assert_true(chi > 50);
}

static void another_salt_puts_other_devices_first(void **state)
{
	unsigned both = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t seed[16] = {0};
		seed[0] = (uint8_t)i;
		seed[1] = (uint8_t)(i >> 8);
		both += place_of(seed, "demo-7") < 1000 && place_of(seed, "demo-8") < 1000;
	}
	assert_in_range(both, 50, 150);
}

static void share_is_linear_between_waves(void **state)
{
	(void)state;
	assert_int_equal(rollout_share(&waves, 0), 0);
	assert_int_equal(rollout_share(&waves, START + 3599), 0);
	assert_int_equal(rollout_share(&waves, START + 3600), 500);
	assert_int_equal(rollout_share(&waves, START + 5400), 1500);
	assert_int_equal(rollout_share(&waves, START + 7200), 2500);
	assert_int_equal(rollout_share(&waves, START + 9000), 2500);
	assert_int_equal(rollout_share(&waves, START + 86400), 8000);
	assert_int_equal(rollout_share(&waves, INT64_MAX), 8000);
}

static void without_a_rollout_it_is_for_all(void **state)
{
	const struct manifest none = {0};

	(void)state;
	assert_int_equal(rollout_share(&none, 0), ROLLOUT_ALL);
}

/* For every place: not in one second before the time that is told, in at that second. */
static void time_told_is_the_first_second_of_the_place(void **state)
{
	(void)state;
	for (unsigned place = 0; place < 8000; place++) {
		int64_t t = rollout_time_of(&waves, place);
		assert_true(t >= START);
		assert_true(rollout_share(&waves, t) > place);
		assert_true(rollout_share(&waves, t - 1) <= place);
	}
	assert_int_equal(rollout_time_of(&waves, 8000), 0);
	assert_int_equal(rollout_time_of(&waves, 9999), 0);
}

static void longest_wave_does_not_overflow(void **state)
{
	const struct manifest slow = {
		.has_rollout = true,
		.rollout_start = INT64_C(253402300799),
		.waves = {{0, 0}, {100, 10u * 366 * 86400}},
		.wave_count = 2,
	};

	(void)state;
	assert_int_equal(rollout_share(&slow, slow.rollout_start + 5 * 366 * 86400), 5000);
	int64_t t = rollout_time_of(&slow, 9999);
	assert_int_equal(t, slow.rollout_start + 10 * INT64_C(366) * 86400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(place_is_the_documented_one),
		cmocka_unit_test(ten_thousand_devices_spread_evenly),
		cmocka_unit_test(another_salt_puts_other_devices_first),
		cmocka_unit_test(share_is_linear_between_waves),
		cmocka_unit_test(without_a_rollout_it_is_for_all),
		cmocka_unit_test(time_told_is_the_first_second_of_the_place),
		cmocka_unit_test(longest_wave_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
