/* SPDX-License-Identifier: Apache-2.0 */
/* agent/plan/policy: each reason to refuse a release, alone and in the order of design 4.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/plan/policy.h"

#define NOW 1700000000

/* A release that this device takes at once; each test changes one thing. */
struct fixture {
	char channels[1][PLAN_NAME_SIZE];
	char compatible[2][PLAN_VERSION_SIZE];
	struct manifest m;
	struct policy_part parts[2];
	struct policy_device d;
	struct policy_release r;
	struct policy_user u;
	struct policy_answer a;
	struct err e;
};

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	f = (struct fixture){
		.channels = {"stable"},
		.compatible = {"board-1", "board-2"},
		.parts = {{"rootfs", 1 << 20}, {"boot", 0}},
	};
	f.m.channels = f.channels;
	f.m.channel_count = 1;
	f.m.compatible = f.compatible;
	f.m.compatible_count = 2;
	f.m.min_from = 5;
	f.m.plan = (struct plan){
		.product = "demo",
		.version = "1",
		.release = 7,
		.epoch = 2,
		.update_class = PLAN_SECURITY,
		.images = {{.name = "rootfs", .size = 1 << 20, .encoding = PLAN_ZSTD},
			{.name = "boot", .size = 1 << 16}},
		.image_count = 2,
	};
	f.d = (struct policy_device){
		.product = "demo",
		.channel = "stable",
		.compatible = "board-2",
		.installed_release = 6,
		.release_floor = 6,
		.epoch_floor = 2,
		.parts = f.parts,
		.part_count = 2,
		.zstd = true,
		.time = NOW,
	};
	f.r = (struct policy_release){.cap = 100};
	f.u = (struct policy_user){.automatic = POLICY_SECURITY};
	return 0;
}

static void expect_refusal(enum err_code code)
{
	f.e = (struct err){0};
	f.a.verdict = (enum policy_verdict)99;
	assert_int_equal(policy_judge(&f.m, &f.d, &f.r, &f.u, &f.a, &f.e), -1);
	if (f.e.code != code)
		fail_msg("wanted %s, got %s: %s", err_name(code), err_name(f.e.code), f.e.text);
	assert_int_equal(f.a.verdict, 99);
}

static void expect_answer(enum policy_verdict verdict)
{
	f.e = (struct err){0};
	if (policy_judge(&f.m, &f.d, &f.r, &f.u, &f.a, &f.e) < 0)
		fail_msg("refused: %s: %s", err_name(f.e.code), f.e.text);
	assert_int_equal(f.a.verdict, verdict);
	assert_int_equal(f.a.why[0] == 0, verdict == POLICY_INSTALL);
}

static void a_fitting_release_is_installed(void **state)
{
	(void)state;
	expect_answer(POLICY_INSTALL);
	assert_false(f.a.repair);
}

static void another_product_or_channel_is_refused(void **state)
{
	(void)state;
	f.d.product = "demo2";
	expect_refusal(E_POLICY);
	f.d.product = "demo";
	f.d.channel = "beta";
	expect_refusal(E_POLICY);
	f.r.by_hand = true;
	expect_refusal(E_POLICY);
	f.r.local_bundle = true;
	expect_answer(POLICY_INSTALL);
	f.d.product = "other";
	expect_refusal(E_POLICY);
}

static void other_hardware_is_refused(void **state)
{
	(void)state;
	f.d.compatible = "board-3";
	expect_refusal(E_COMPAT);
	f.d.compatible = "board";
	expect_refusal(E_COMPAT);
	f.d.compatible = "board-1";
	expect_answer(POLICY_INSTALL);
}

static void images_must_fit_the_places_of_the_slot(void **state)
{
	(void)state;
	f.parts[0].size--;
	expect_refusal(E_COMPAT);
	f.parts[0].size = 0;
	expect_answer(POLICY_INSTALL);
	strcpy(f.m.plan.images[1].name, "dtb");
	expect_refusal(E_COMPAT);
	assert_non_null(strstr(f.e.text, "dtb"));
}

static void a_release_that_leaves_an_image_out_is_refused(void **state)
{
	(void)state;
	f.m.plan.image_count = 1;
	expect_refusal(E_COMPAT);
	assert_non_null(strstr(f.e.text, "boot"));
}

static void an_image_without_a_place_is_refused(void **state)
{
	(void)state;
	f.d.part_count = 1;
	expect_refusal(E_COMPAT);
	assert_non_null(strstr(f.e.text, "boot"));
}

static void zstd_needs_a_build_with_zstd(void **state)
{
	(void)state;
	f.d.zstd = false;
	expect_refusal(E_COMPAT);
	f.m.plan.images[0].encoding = PLAN_ZLIB;
	expect_answer(POLICY_INSTALL);
}

static void what_is_installed_is_current(void **state)
{
	(void)state;
	f.d.installed_release = f.d.release_floor = 7;
	expect_answer(POLICY_CURRENT);
	/* Even when it is held or failed meanwhile: there is nothing to do. */
	f.r.held = f.r.failed_before = true;
	expect_answer(POLICY_CURRENT);
}

static void an_older_release_is_refused(void **state)
{
	(void)state;
	f.d.installed_release = 8;
	expect_refusal(E_ROLLBACK);
	f.r.by_hand = f.r.local_bundle = f.r.retry_failed = true;
	expect_refusal(E_ROLLBACK);
}

static void a_release_under_the_floor_is_refused_after_a_fallback(void **state)
{
	(void)state;
	f.d.installed_release = 5;
	f.d.release_floor = 8;
	expect_refusal(E_ROLLBACK);
	f.d.installed_release = 0;
	f.m.min_from = 0;
	expect_refusal(E_ROLLBACK);
}

static void the_release_of_the_floor_may_be_repaired(void **state)
{
	(void)state;
	f.d.release_floor = 7;
	expect_answer(POLICY_INSTALL);
	assert_true(f.a.repair);
	f.d.installed_release = 0;
	f.m.min_from = 0;
	expect_answer(POLICY_INSTALL);
	assert_true(f.a.repair);
}

static void an_epoch_under_the_floor_is_refused(void **state)
{
	(void)state;
	f.d.epoch_floor = 3;
	expect_refusal(E_ROLLBACK);
	f.d.epoch_floor = 1;
	expect_answer(POLICY_INSTALL);
}

static void held_and_withdrawn_releases_are_refused_by_hand_too(void **state)
{
	(void)state;
	f.r.by_hand = true;
	f.r.retry_failed = true;
	f.r.held = true;
	expect_refusal(E_HELD);
	f.r.held = false;
	f.r.revoked = true;
	expect_refusal(E_HELD);
	assert_non_null(strstr(f.e.text, "withdrawn"));
}

static void too_old_a_system_is_refused(void **state)
{
	(void)state;
	f.d.installed_release = 4;
	expect_refusal(E_COMPAT);
	f.d.installed_release = 5;
	expect_answer(POLICY_INSTALL);
}

static void what_failed_before_needs_a_person(void **state)
{
	(void)state;
	f.r.failed_before = true;
	expect_refusal(E_FAILED);
	f.r.by_hand = true;
	expect_refusal(E_FAILED);
	f.r.retry_failed = true;
	expect_answer(POLICY_INSTALL);
}

/* Everything is wrong; mending one after the other shows the order. */
static void checks_come_in_the_order_of_the_design(void **state)
{
	(void)state;
	f.d.product = "x";
	f.d.compatible = "x";
	f.d.zstd = false;
	f.d.release_floor = 9;
	f.d.epoch_floor = 9;
	f.d.installed_release = 4;
	f.r.revoked = f.r.held = f.r.failed_before = true;
	expect_refusal(E_POLICY);
	f.d.product = "demo";
	expect_refusal(E_COMPAT);
	f.d.compatible = "board-1";
	expect_refusal(E_COMPAT);
	f.d.zstd = true;
	expect_refusal(E_ROLLBACK);
	assert_non_null(strstr(f.e.text, "installed before"));
	f.d.release_floor = 4;
	expect_refusal(E_ROLLBACK);
	assert_non_null(strstr(f.e.text, "epoch"));
	f.d.epoch_floor = 0;
	expect_refusal(E_HELD);
	assert_non_null(strstr(f.e.text, "withdrawn"));
	f.r.revoked = false;
	expect_refusal(E_HELD);
	assert_non_null(strstr(f.e.text, "hold"));
	f.r.held = false;
	expect_refusal(E_COMPAT);
	f.m.min_from = 0;
	expect_refusal(E_FAILED);
	f.r.failed_before = false;
	expect_answer(POLICY_INSTALL);
}

static void a_rollout_makes_wait_until_its_turn(void **state)
{
	unsigned place;

	(void)state;
	f.m.has_rollout = true;
	f.m.rollout_start = NOW - 100;
	strcpy(f.m.rollout_salt, "s");
	f.m.waves[0] = (struct manifest_wave){0, 0};
	f.m.waves[1] = (struct manifest_wave){100, 1000000};
	f.m.wave_count = 2;
	assert_int_equal(policy_rollout_place(f.d.seed, "s", &place, &f.e), 0);
	assert_in_range(place, 100, 9998);
	expect_answer(POLICY_WAIT);
	assert_int_equal(f.a.not_before, NOW - 100 + (place + 1) * 100);
	f.d.time = f.a.not_before - 1;
	expect_answer(POLICY_WAIT);
	f.d.time++;
	expect_answer(POLICY_INSTALL);
	f.d.time = NOW;
	f.r.by_hand = true;
	expect_answer(POLICY_INSTALL);
}

static void a_cap_stops_what_lies_above_it(void **state)
{
	unsigned place;

	(void)state;
	assert_int_equal(policy_rollout_place(f.d.seed, "demo-7", &place, &f.e), 0);
	f.r.cap = place / 100;
	expect_answer(POLICY_WAIT);
	assert_int_equal(f.a.not_before, 0);
	f.r.cap = place / 100 + 1;
	expect_answer(POLICY_INSTALL);
	f.r.cap = 0;
	expect_answer(POLICY_WAIT);
	f.r.by_hand = true;
	expect_answer(POLICY_INSTALL);
}

static void the_user_decides_what_is_automatic(void **state)
{
	static const struct {
		enum policy_auto automatic;
		enum plan_class update_class;
		enum policy_verdict verdict;
	} rows[] = {
		{POLICY_SECURITY, PLAN_SECURITY, POLICY_INSTALL},
		{POLICY_SECURITY, PLAN_MIXED, POLICY_INSTALL},
		{POLICY_SECURITY, PLAN_FUNCTIONAL, POLICY_TELL},
		{POLICY_ALL, PLAN_SECURITY, POLICY_INSTALL},
		{POLICY_ALL, PLAN_FUNCTIONAL, POLICY_INSTALL},
		{POLICY_NOTIFY, PLAN_SECURITY, POLICY_TELL},
		{POLICY_OFF, PLAN_SECURITY, POLICY_TELL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f.u.automatic = rows[i].automatic;
		f.m.plan.update_class = rows[i].update_class;
		f.r.by_hand = false;
		expect_answer(rows[i].verdict);
		f.r.by_hand = true;
		expect_answer(POLICY_INSTALL);
	}
}

static void postponing_is_honoured_and_bounded(void **state)
{
	(void)state;
	f.u.deferred_until = NOW + 1;
	expect_answer(POLICY_WAIT);
	assert_int_equal(f.a.not_before, NOW + 1);
	f.u.deferred_until = NOW + POLICY_DEFER_MAX;
	expect_answer(POLICY_WAIT);
	f.u.deferred_until = NOW + POLICY_DEFER_MAX + 1;
	expect_answer(POLICY_INSTALL);
	f.u.deferred_until = NOW;
	expect_answer(POLICY_INSTALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_fitting_release_is_installed, setup),
		cmocka_unit_test_setup(another_product_or_channel_is_refused, setup),
		cmocka_unit_test_setup(other_hardware_is_refused, setup),
		cmocka_unit_test_setup(images_must_fit_the_places_of_the_slot, setup),
		cmocka_unit_test_setup(a_release_that_leaves_an_image_out_is_refused, setup),
		cmocka_unit_test_setup(an_image_without_a_place_is_refused, setup),
		cmocka_unit_test_setup(zstd_needs_a_build_with_zstd, setup),
		cmocka_unit_test_setup(what_is_installed_is_current, setup),
		cmocka_unit_test_setup(an_older_release_is_refused, setup),
		cmocka_unit_test_setup(
			a_release_under_the_floor_is_refused_after_a_fallback, setup),
		cmocka_unit_test_setup(the_release_of_the_floor_may_be_repaired, setup),
		cmocka_unit_test_setup(an_epoch_under_the_floor_is_refused, setup),
		cmocka_unit_test_setup(held_and_withdrawn_releases_are_refused_by_hand_too, setup),
		cmocka_unit_test_setup(too_old_a_system_is_refused, setup),
		cmocka_unit_test_setup(what_failed_before_needs_a_person, setup),
		cmocka_unit_test_setup(checks_come_in_the_order_of_the_design, setup),
		cmocka_unit_test_setup(a_rollout_makes_wait_until_its_turn, setup),
		cmocka_unit_test_setup(a_cap_stops_what_lies_above_it, setup),
		cmocka_unit_test_setup(the_user_decides_what_is_automatic, setup),
		cmocka_unit_test_setup(postponing_is_honoured_and_bounded, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
