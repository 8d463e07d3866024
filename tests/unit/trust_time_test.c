/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/time: T, who may move it, and what expires (design 4.4). */
#include "tests/unit/trust_fixture.h"

static void an_expired_timestamp_is_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->timestamp, 2);
	fx_set_text(f->timestamp, "expires", "2026-01-01T23:59:59Z");
	fx_publish(f);
	fx_refuses(f, E_EXPIRED);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 1);
}

static void expiry_at_the_very_second_is_expired(void **state)
{
	struct fx *f = *state;

	f->o.now = fx_time("2026-02-01T00:00:00Z");
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	f->o.now--;
	fx_accepts(f);
}

static void expired_snapshot_and_targets_are_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_text(f->snapshot, "expires", "2025-12-31T00:00:01Z");
	fx_publish_next(f);
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 1);
	fx_set_text(f->snapshot, "expires", "2027-01-01T00:00:00Z");
	fx_set_text(f->targets, "expires", "2025-12-31T00:00:01Z");
	fx_publish_next(f);
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
}

static void a_clock_of_1970_is_accepted_with_freshness_unknown(void **state)
{
	struct fx *f = *state;

	f->o.now = 0;
	f->o.clock_synchronised = false;
	fx_accepts(f);
	struct trust_facts facts = fx_facts(f);
	assert_false(facts.freshness_known);
	/* What was signed says that it is later than that. */
	assert_int_equal(facts.time, fx_time("2026-01-01T00:00:00Z"));
	assert_int_equal(facts.time_floor, fx_time("2025-12-31T00:00:00Z"));
	f->o.clock_synchronised = true;
	fx_accepts(f);
	assert_true(fx_facts(f).freshness_known);
}

static void a_clock_of_2099_refuses_and_the_device_recovers(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	f->o.now = fx_time("2099-01-01T00:00:00Z");
	f->o.clock_synchronised = false;
	fx_refuses(f, E_EXPIRED);
	struct trust_facts facts = fx_facts(f);
	assert_int_equal(facts.time_floor, 0); /* the clock does not raise what is kept */
	f->o.now = fx_time("2026-01-03T00:00:00Z");
	f->o.time_floor = facts.time_floor;
	fx_accepts(f);
}

static void the_floor_stands_in_for_a_clock(void **state)
{
	struct fx *f = *state;

	f->o.now = 0;
	f->o.clock_synchronised = false;
	f->o.time_floor = fx_time("2026-02-01T00:00:00Z");
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	assert_int_equal(fx_facts(f).time_floor, f->o.time_floor);
	f->o.time_floor--;
	fx_accepts(f);
	assert_int_equal(fx_facts(f).time, f->o.time_floor);
}

static void the_online_key_cannot_say_2099(void **state)
{
	struct fx *f = *state;

	fx_set_text(f->timestamp, "x-issued", "2099-01-01T00:00:00Z");
	fx_set_text(f->timestamp, "expires", "2100-01-01T00:00:00Z");
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).time, f->o.now);
	assert_int_equal(fx_facts(f).time_floor, fx_time("2025-12-31T00:00:00Z"));
}

static void the_online_key_moves_time_only_within_all_expiries(void **state)
{
	static const struct {
		const char *issued;
		bool counts;
	} rows[] = {
		{"2026-01-20T00:00:00Z", true},
		{"2026-02-01T00:00:00Z", false}, /* its own expiry */
		{"2026-12-31T00:00:00Z", true}, /* with a later expiry of its own */
		{"2027-01-01T00:00:00Z", false}, /* that of targets */
	};
	struct fx *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (i == 2)
			fx_set_text(f->timestamp, "expires", "2029-01-01T00:00:00Z");
		fx_set_text(f->timestamp, "x-issued", rows[i].issued);
		fx_publish_next(f);
		fx_accepts(f);
		int64_t want = rows[i].counts ? fx_time(rows[i].issued) : f->o.now;
		assert_int_equal(fx_facts(f).time, want);
	}
}

static void the_roots_expiry_bounds_the_online_key_too(void **state)
{
	struct fx *f = *state;

	fx_set_text(f->root, "expires", "2026-06-01T00:00:00Z");
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_set_text(f->timestamp, "expires", "2029-01-01T00:00:00Z");
	fx_set_text(f->timestamp, "x-issued", "2026-06-01T00:00:00Z");
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).time, f->o.now);
}

static void signed_time_can_show_that_a_snapshot_is_expired(void **state)
{
	struct fx *f = *state;

	f->o.now = 0;
	f->o.clock_synchronised = false;
	fx_set_text(f->snapshot, "expires", "2025-12-31T12:00:00Z");
	fx_publish(f);
	assert_int_equal(fx_refresh(f), E_EXPIRED);
}

static void only_targets_raise_the_floor(void **state)
{
	struct fx *f = *state;

	fx_set_text(f->targets, "x-issued", "2026-01-15T00:00:00Z");
	fx_set_text(f->timestamp, "x-issued", "2026-01-16T00:00:00Z");
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).time_floor, fx_time("2026-01-15T00:00:00Z"));
	assert_int_equal(fx_facts(f).time, fx_time("2026-01-16T00:00:00Z"));
	assert_int_equal(fx_facts(f).targets_issued, fx_time("2026-01-15T00:00:00Z"));
	/* Never lower than it was. */
	f->o.time_floor = fx_time("2026-01-17T00:00:00Z");
	fx_accepts(f);
	assert_int_equal(fx_facts(f).time_floor, f->o.time_floor);
}

static void targets_issued_after_their_expiry_are_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_text(f->targets, "x-issued", "2027-01-01T00:00:00Z");
	fx_publish_next(f);
	assert_int_equal(fx_refresh(f), E_META);
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
	assert_int_equal(fx_facts(f).time_floor, 0);
}

static void odd_times_are_refused(void **state)
{
	static const char *const odd[] = {"", "2027", "2027-02-30T00:00:00Z",
		"2027-01-01T00:00:00+00:00", "2027-01-01 00:00:00Z", "2027-01-01T00:00:00.5Z"};
	struct fx *f = *state;

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		fx_set_text(f->timestamp, "expires", odd[i]);
		fx_set_version(f->timestamp, 2);
		fx_publish(f);
		fx_refuses(f, E_META);
	}
	json_object_del(f->timestamp, "expires");
	fx_publish(f);
	fx_refuses(f, E_META);
	fx_set_text(f->timestamp, "expires", "2026-02-01T00:00:00Z");
	json_object_set_new(f->timestamp, "x-issued", json_integer(5));
	fx_publish(f);
	fx_refuses(f, E_META);
}

static void offline_ignores_expiry_of_the_online_roles_only(void **state)
{
	struct fx *f = *state;

	f->o.store = -1;
	f->o.offline = true;
	f->o.offline_expiry_refuse = true;
	f->o.now = fx_time("2026-06-01T00:00:00Z");
	fx_set_text(f->snapshot, "expires", "2026-03-01T00:00:00Z");
	fx_publish(f);
	fx_accepts(f);
	assert_false(fx_facts(f).expired_accepted);
	f->o.now = fx_time("2028-01-01T00:00:00Z"); /* targets, too */
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	f->o.offline_expiry_refuse = false;
	fx_accepts(f);
	assert_true(fx_facts(f).expired_accepted);
	f->o.now = fx_time("2032-01-01T00:00:00Z"); /* and the root */
	fx_accepts(f);
	assert_true(fx_facts(f).expired_accepted);
	f->o.offline_expiry_refuse = true;
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	f->o.offline = false;
	f->o.offline_expiry_refuse = false;
	assert_int_equal(fx_refresh(f), E_EXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(an_expired_timestamp_is_refused),
		fx_test(expiry_at_the_very_second_is_expired),
		fx_test(expired_snapshot_and_targets_are_refused),
		fx_test(a_clock_of_1970_is_accepted_with_freshness_unknown),
		fx_test(a_clock_of_2099_refuses_and_the_device_recovers),
		fx_test(the_floor_stands_in_for_a_clock),
		fx_test(the_online_key_cannot_say_2099),
		fx_test(the_online_key_moves_time_only_within_all_expiries),
		fx_test(the_roots_expiry_bounds_the_online_key_too),
		fx_test(signed_time_can_show_that_a_snapshot_is_expired),
		fx_test(only_targets_raise_the_floor),
		fx_test(targets_issued_after_their_expiry_are_refused),
		fx_test(odd_times_are_refused),
		fx_test(offline_ignores_expiry_of_the_online_roles_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
