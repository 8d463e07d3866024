/* SPDX-License-Identifier: Apache-2.0 */
/* hooks/health: required, wanted and relative checks until a deadline. */
#include "tests/unit/hooks_world.h"

static int check(struct world *w, const struct health_baseline *b, unsigned deadline,
	struct health_report *out, struct err *e)
{
	struct health_request r = {.hooks = &w->config,
		.baseline = b,
		.deadline_seconds = deadline,
		.again_seconds = 1,
		.sink = &w->sink};

	*e = (struct err){0};
	w->ran[0] = 0;
	return health_run(&r, out, e);
}

static void system_without_checks_is_healthy(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	assert_int_equal(check(w, NULL, 5, &out, &e), 0);
	assert_true(out.healthy);
	assert_int_equal(out.passed, 0);
}

static void required_failure_is_told_with_its_last_line(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 0");
	put(w, "usr", HOOK_HEALTH_REQUIRED, "2", SH "echo first; echo no route; exit 1");
	put(w, "usr", HOOK_HEALTH_REQUIRED, "3", SH "exit 0");
	put(w, "usr", HOOK_HEALTH_WANTED, "4", SH "exit 0");
	assert_int_equal(check(w, NULL, 5, &out, &e), -1);
	assert_int_equal(e.code, E_HEALTH);
	assert_false(out.healthy);
	assert_string_equal(out.failed, "2");
	assert_string_equal(out.why, "exit 1: no route");
	assert_int_equal(out.passed, 1);
	assert_string_equal(w->ran, "1=good 2=bad ");
	assert_non_null(strstr(e.text, "required check 2"));
}

static void wanted_failure_is_only_recorded(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 0");
	put(w, "usr", HOOK_HEALTH_WANTED, "2", SH "exit 1");
	put(w, "usr", HOOK_HEALTH_WANTED, "3", SH "exit 75");
	put(w, "usr", HOOK_HEALTH_WANTED, "4", SH "exit 0");
	assert_int_equal(check(w, NULL, 5, &out, &e), 0);
	assert_true(out.healthy);
	assert_int_equal(out.passed, 2);
	assert_int_equal(out.failed_wanted, 2);
	assert_string_equal(out.failed, "");
	assert_string_equal(w->ran, "1=good 2=bad 3=later 4=good ");
}

static void later_is_asked_again_and_what_passed_is_not(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;
	char script[256];

	(void)state;
	snprintf(script, sizeof(script), SH "[ -e %s/ready ] && exit 0\n: >%s/ready; exit 75",
		w->path, w->path);
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 0");
	put(w, "usr", HOOK_HEALTH_REQUIRED, "2", script);
	assert_int_equal(check(w, NULL, 20, &out, &e), 0);
	assert_true(out.healthy);
	assert_string_equal(out.failed, "");
	assert_string_equal(out.why, "");
	assert_string_equal(w->ran, "1=good 2=later 2=good ");
}

static void later_for_ever_fails_at_the_deadline(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "echo starting; exit 75");
	uint64_t start = clock_mono_ms();
	assert_int_equal(check(w, NULL, 2, &out, &e), -1);
	assert_in_range(clock_mono_ms() - start, 1900, 6000);
	assert_int_equal(e.code, E_HEALTH);
	assert_string_equal(out.failed, "1");
	assert_string_equal(out.why, "exit 75: starting");
	assert_non_null(strstr(e.text, "within 2 seconds"));
	assert_memory_equal(w->ran, "1=later 1=later ", 16);
}

static void hanging_check_ends_with_the_deadline(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "sleep 60");
	uint64_t start = clock_mono_ms();
	assert_int_equal(check(w, NULL, 1, &out, &e), -1);
	assert_in_range(clock_mono_ms() - start, 900, 6000);
	assert_int_equal(e.code, E_HEALTH);
	assert_string_equal(out.failed, "1");
	assert_true(w->last.timed_out);
}

static void check_that_cannot_run_fails_health(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;
	char path[512];

	(void)state;
	put_mode(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 0", 0644);
	assert_int_equal(check(w, NULL, 5, &out, &e), -1);
	assert_int_equal(e.code, E_HEALTH);
	assert_string_equal(out.failed, "1");
	assert_non_null(strstr(out.why, "not executable"));
	/* And a folder that others can write cannot be used at all. */
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 0");
	world_path(w, "usr", HOOK_HEALTH_REQUIRED, "", path, sizeof(path));
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(check(w, NULL, 5, &out, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_false(out.healthy);
	assert_non_null(strstr(out.why, "can change this folder"));
}

static void relative_check_counts_only_when_it_passed_before(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_baseline b = {0};
	struct health_report out;
	struct err e;
	char script[128];

	(void)state;
	snprintf(script, sizeof(script), SH "[ -e %s/works ]", w->path);
	put(w, "usr", HOOK_HEALTH_REQUIRED, "net.relative", script);
	put(w, "usr", HOOK_HEALTH_REQUIRED, "plain", SH "exit 0");
	/* No baseline at all: counts as wanted. */
	assert_int_equal(check(w, &b, 5, &out, &e), 0);
	assert_int_equal(out.failed_wanted, 1);
	assert_int_equal(out.passed, 1);
	/* It failed before, too. */
	assert_int_equal(health_take_baseline(&w->config, NULL, 0, &b, &e), 0);
	assert_true(b.taken);
	assert_int_equal(b.count, 1);
	assert_string_equal(b.names[0], "plain");
	assert_int_equal(check(w, &b, 5, &out, &e), 0);
	assert_true(out.healthy);
	assert_int_equal(out.failed_wanted, 1);
	/* It worked before, and does not now. */
	snprintf(script, sizeof(script), "%s/works", w->path);
	close(open(script, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(health_take_baseline(&w->config, NULL, 0, &b, &e), 0);
	assert_int_equal(b.count, 2);
	assert_int_equal(check(w, &b, 5, &out, &e), 0);
	assert_int_equal(out.failed_wanted, 0);
	unlink(script);
	assert_int_equal(check(w, &b, 5, &out, &e), -1);
	assert_int_equal(e.code, E_HEALTH);
	assert_string_equal(out.failed, "net.relative");
}

static void relative_check_that_does_not_count_is_not_waited_for(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_report out;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "net.relative", SH "exit 75");
	uint64_t start = clock_mono_ms();
	assert_int_equal(check(w, NULL, 60, &out, &e), 0);
	assert_true(clock_mono_ms() - start < 10000);
	assert_string_equal(w->ran, "net.relative=later ");
}

static void baseline_has_a_limit(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct health_baseline b;
	struct err e;

	(void)state;
	for (int i = 0; i < HEALTH_BASELINE_MAX + 2; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%03d", i);
		put(w, "usr", HOOK_HEALTH_REQUIRED, name, SH "exit 0");
	}
	assert_int_equal(health_take_baseline(&w->config, NULL, 0, &b, &e), 0);
	assert_int_equal(b.count, HEALTH_BASELINE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(system_without_checks_is_healthy),
		cmocka_unit_test(required_failure_is_told_with_its_last_line),
		cmocka_unit_test(wanted_failure_is_only_recorded),
		cmocka_unit_test(later_is_asked_again_and_what_passed_is_not),
		cmocka_unit_test(later_for_ever_fails_at_the_deadline),
		cmocka_unit_test(hanging_check_ends_with_the_deadline),
		cmocka_unit_test(check_that_cannot_run_fails_health),
		cmocka_unit_test(relative_check_counts_only_when_it_passed_before),
		cmocka_unit_test(relative_check_that_does_not_count_is_not_waited_for),
		cmocka_unit_test(baseline_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
