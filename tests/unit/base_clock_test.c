/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/clock: one form of time, nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"

static struct err e;

static void reads_and_writes_the_one_form(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2000-02-29T12:34:56Z", 951827696},
		{"2026-01-31T23:59:59Z", 1769903999},
		{"2038-01-19T03:14:08Z", INT64_C(2147483648)},
		{"9999-12-31T23:59:59Z", INT64_C(253402300799)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t t = -1;
		char text[CLOCK_TEXT_SIZE];
		assert_int_equal(clock_parse(rows[i].text, &t, &e), 0);
		assert_true(t == rows[i].seconds);
		clock_format(t, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void refuses_every_other_form(void **state)
{
	static const char *const bad[] = {"", "2026-01-31", "2026-01-31T23:59:59", "now",
		"2026-01-31T23:59:59+00:00", "2026-01-31t23:59:59z", "2026-01-31 23:59:59Z",
		"2026-1-31T23:59:59Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-31T24:00:00Z", "2026-01-31T23:60:00Z", "2026-01-31T23:59:60Z",
		"1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", " 2026-01-31T23:59:59Z",
		"2026-01-31T23:59:59Z ", "2026-01-31T23:59:59.0Z", "+026-01-31T23:59:59Z"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t t = 77;
		if (clock_parse(bad[i], &t, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, E_META);
		assert_int_equal(t, 77);
	}
}

static void format_stays_within_its_form(void **state)
{
	char text[CLOCK_TEXT_SIZE];

	(void)state;
	clock_format(-5, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void monotonic_time_does_not_step_back(void **state)
{
	uint64_t before = clock_mono_ms();

	(void)state;
	usleep(3000);
	assert_true(clock_mono_ms() >= before + 2);
	assert_true(clock_wall() > 1600000000);
}

static void below_a_root_the_file_alone_says_that_it_is_synchronised(void **state)
{
	char root[] = "/tmp/pawl-clock-test-XXXXXX";
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_false(clock_is_synchronised(root));
	snprintf(path, sizeof(path), "%s/run/systemd/timesync/synchronized", root);
	assert_int_equal(file_make_path(path, 0755, &e), 0);
	assert_true(clock_is_synchronised(root));
	for (char *end = path + strlen(path); end > path + strlen(root); end = strrchr(path, '/')) {
		*end = 0;
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_the_one_form),
		cmocka_unit_test(refuses_every_other_form),
		cmocka_unit_test(format_stays_within_its_form),
		cmocka_unit_test(monotonic_time_does_not_step_back),
		cmocka_unit_test(below_a_root_the_file_alone_says_that_it_is_synchronised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
