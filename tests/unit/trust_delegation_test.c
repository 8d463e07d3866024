/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/delegation, pattern, store: whom a lookup asks, in which order, and on what authority. */
#include "tests/unit/trust_fixture.h"

#include "agent/trust/pattern.h"

static void patterns_match_within_one_part(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{"*", "a", true},
		{"*", "a/b", false},
		{"*/*", "a/b", true},
		{"*/releases/*.json", "demo/releases/7.json", true},
		{"*/releases/*.json", "demo/releases/x/7.json", false},
		{"*/releases/*.json", "releases/7.json", false},
		{"*.json", ".json", true},
		{"foo-?.tgz", "foo-1.tgz", true},
		{"foo-?.tgz", "foo-10.tgz", false},
		{"a?b", "a/b", false},
		{"a*b*c", "axxbyybzc", true},
		{"a*b*c", "axxbyybz", false},
		{"README.md", "readme.md", false},
		{"[ab]", "a", false},
		{"", "", true},
		{"", "a", false},
		{"a", "", false},
		{"*a", "b/a", false},
		{"*aaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (pattern_matches(rows[i].pattern, rows[i].path) != rows[i].matches)
			fail_msg("%s against %s", rows[i].pattern, rows[i].path);
	}
}

static void hash_prefixes_and_bins_follow_the_path_hash(void **state)
{
	/* SHA-256 of "a" begins ca978112. */
	JSON_AUTO json_t *hit = json_pack("{s:[s,s]}", "path_hash_prefixes", "00", "ca97");
	JSON_AUTO json_t *miss = json_pack("{s:[s]}", "path_hash_prefixes", "ca98");
	JSON_AUTO json_t *both =
		json_pack("{s:[s], s:[s]}", "path_hash_prefixes", "ca", "paths", "*");
	JSON_AUTO json_t *none = json_object();
	JSON_AUTO json_t *bins = json_pack("{s:i, s:s}", "bit_length", 9, "name_prefix", "bin");
	struct err e = {0};
	bool covers = false;
	char name[64];

	(void)state;
	assert_int_equal(pattern_role_covers(hit, "a", &covers, &e), 0);
	assert_true(covers);
	assert_int_equal(pattern_role_covers(miss, "a", &covers, &e), 0);
	assert_false(covers);
	assert_int_equal(pattern_role_covers(both, "a", &covers, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(pattern_role_covers(none, "a", &covers, &e), -1);
	assert_int_equal(pattern_bin_name(bins, "a", name, sizeof(name), &e), 0);
	assert_string_equal(name, "bin-195"); /* 0xca97 >> 7 */
	json_object_set_new(bins, "bit_length", json_integer(33));
	assert_int_equal(pattern_bin_name(bins, "a", name, sizeof(name), &e), -1);
	assert_int_equal(e.code, E_META);
	json_object_set_new(bins, "bit_length", json_integer(32));
	assert_int_equal(pattern_bin_name(bins, "a", name, sizeof(name), &e), 0);
	assert_string_equal(name, "bin-ca978112");
}

/* --- delegations in the repository -------------------------------------------------- */

static json_t *new_targets(void)
{
	json_t *body = fx_body("targets", "2027-01-01T00:00:00Z");

	json_object_set_new(body, "targets", json_object());
	return body;
}

static json_t *delegate(json_t *from, const char *name, const struct fx_key *k, const char *pattern,
	bool terminating)
{
	json_t *delegations = json_object_get(from, "delegations");

	if (!delegations) {
		delegations = json_pack("{s:{}, s:[]}", "keys", "roles");
		json_object_set_new(from, "delegations", delegations);
	}
	json_object_set(json_object_get(delegations, "keys"), k->id, k->object);
	json_t *role = json_pack("{s:s, s:[s], s:i, s:b, s:[s]}", "name", name, "keyids", k->id,
		"threshold", 1, "terminating", terminating, "paths", pattern);
	json_array_append_new(json_object_get(delegations, "roles"), role);
	return role;
}

/* Puts a delegated role and lists it; fx_publish comes after. */
static void put_role(struct fx *f, const char *name, const json_t *body, const struct fx_key *k)
{
	char file[96];

	snprintf(file, sizeof(file), "%s.json", name);
	fx_list(f->snapshot, file, fx_version(body));
	fx_publish_one(f, fx_name(file, body, name), body, k);
}

static void add_releases(struct fx *f, const struct fx_key *k)
{
	JSON_AUTO json_t *body = new_targets();

	fx_add_target(body, "demo/releases/7.json", "seven");
	delegate(f->targets, "releases", &f->release, "*/releases/*.json", true);
	put_role(f, "releases", body, k);
	fx_publish(f);
}

static void a_release_is_found_in_its_role(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};

	add_releases(f, &f->release);
	fx_accepts(f);
	f->fetches = 0;
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_OK);
	assert_int_equal(f->fetches, 1);
	assert_int_equal(trust_check_target(&t, "seven", 5, &f->e), 0);
	assert_int_equal(fx_stored_version(f, "releases.json"), 1);
	assert_int_equal(fx_find(f, "demo/releases/8.json", &t), E_NOTFOUND);
	assert_int_equal(f->fetches, 1);
	/* A path that the role is not trusted for is not even asked there. */
	assert_int_equal(fx_find(f, "demo/other.json", &t), E_NOTFOUND);
	/* From the store, without a fetcher. */
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), 0);
	assert_int_equal(trust_find_target(f->t, NULL, "demo/releases/7.json", &t, &f->e), 0);
	assert_int_equal(unlinkat(f->store, "releases.json", 0), 0);
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), 0);
	assert_int_equal(trust_find_target(f->t, NULL, "demo/releases/7.json", &t, &f->e), -1);
	assert_int_equal(f->e.code, E_NOTFOUND);
}

static void a_role_that_others_signed_is_refused(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};

	add_releases(f, &f->online);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_SIG);
	assert_false(fx_stored(f, "releases.json"));
}

static void a_role_must_be_listed_and_have_the_listed_version(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *newer = new_targets();

	add_releases(f, &f->release);
	fx_set_version(newer, 2);
	fx_publish_one(f, "1.releases.json", newer, &f->release);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_MIX);
	assert_false(fx_stored(f, "releases.json"));
	f->fetches = 0;
	fx_set_keys(f, "snapshot", &f->other, 1, 1); /* so that a role may vanish */
	fx_set_keys(f, "timestamp", &f->other, 1, 1);
	struct fx_key old = f->online;
	f->online = f->other;
	f->other = old;
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	json_object_del(json_object_get(f->snapshot, "meta"), "releases.json");
	fx_publish_next(f);
	fx_accepts(f);
	f->fetches = 0;
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_META);
	assert_int_equal(f->fetches, 0);
}

static void an_expired_role_is_refused(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *old = new_targets();

	add_releases(f, &f->release);
	fx_set_text(old, "expires", "2026-01-01T00:00:00Z");
	fx_publish_one(f, "1.releases.json", old, &f->release);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_EXPIRED);
	assert_false(fx_stored(f, "releases.json"));
}

static void the_agent_follows_no_other_delegation(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *body = new_targets();

	fx_add_target(body, "demo/x.json", "x");
	delegate(f->targets, "extra", &f->other, "*/*", false);
	put_role(f, "extra", body, &f->other);
	fx_publish(f);
	fx_accepts(f);
	f->fetches = 0;
	assert_int_equal(fx_find(f, "demo/x.json", &t), E_NOTFOUND);
	assert_int_equal(f->fetches, 0);
	f->o.open_delegations = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/x.json", &t), E_OK);
}

static void bins_are_followed_when_open(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *body = new_targets();

	fx_add_target(body, "a", "content"); /* ca978112: bin 3 of 4 */
	json_object_set_new(f->targets, "delegations",
		json_pack("{s:{s:O}, s:{s:[s], s:i, s:i, s:s}}", "keys", f->other.id,
			f->other.object, "succinct_roles", "keyids", f->other.id, "threshold", 1,
			"bit_length", 2, "name_prefix", "bin"));
	put_role(f, "bin-3", body, &f->other);
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "a", &t), E_NOTFOUND);
	f->o.open_delegations = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "a", &t), E_OK);
	assert_true(fx_stored(f, "bin-3.json"));
}

static void terminating_ends_the_search(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *empty = new_targets();
	JSON_AUTO json_t *has = new_targets();

	fx_add_target(has, "x", "x");
	json_t *first = delegate(f->targets, "first", &f->other, "*", true);
	delegate(f->targets, "second", &f->other, "*", false);
	put_role(f, "first", empty, &f->other);
	put_role(f, "second", has, &f->other);
	fx_publish(f);
	f->o.open_delegations = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "x", &t), E_NOTFOUND);
	assert_false(fx_stored(f, "second.json"));
	json_object_set_new(first, "terminating", json_false());
	fx_publish_next(f);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "x", &t), E_OK);
}

static void a_loaded_role_does_not_inherit_trust(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *a = new_targets();
	JSON_AUTO json_t *b = new_targets();
	JSON_AUTO json_t *shared = new_targets();

	delegate(f->targets, "a", &f->release, "a/*", false);
	delegate(f->targets, "b", &f->release, "b/*", false);
	delegate(a, "shared", &f->other, "a/*", false);
	delegate(b, "shared", &f->online, "b/*", false);
	fx_add_target(shared, "a/x", "x");
	fx_add_target(shared, "b/x", "x");
	put_role(f, "a", a, &f->release);
	put_role(f, "b", b, &f->release);
	put_role(f, "shared", shared, &f->other);
	fx_publish(f);
	f->o.open_delegations = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "a/x", &t), E_OK);
	assert_int_equal(fx_find(f, "b/x", &t), E_SIG);
	assert_int_equal(fx_find(f, "a/x", &t), E_OK);
	/* Nor does the stored one in a new process. */
	fx_accepts(f);
	assert_int_equal(fx_find(f, "b/x", &t), E_SIG);
}

static void a_circle_ends(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *a = new_targets();
	JSON_AUTO json_t *b = new_targets();

	delegate(f->targets, "a", &f->other, "*", false);
	delegate(a, "b", &f->other, "*", false);
	delegate(b, "a", &f->other, "*", false);
	put_role(f, "a", a, &f->other);
	put_role(f, "b", b, &f->other);
	fx_publish(f);
	f->o.open_delegations = true;
	fx_accepts(f);
	f->fetches = 0;
	assert_int_equal(fx_find(f, "x", &t), E_NOTFOUND);
	assert_int_equal(f->fetches, 2);
}

static void a_role_cannot_take_a_file_that_is_not_its_own(void **state)
{
	static const char *const names[] = {"timestamp", "root", "snapshot", "targets", ""};
	struct trust_target t = {0};
	struct fx *f = *state;

	f->o.open_delegations = true;
	fx_accepts(f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char file[96];
		json_object_del(f->targets, "delegations");
		delegate(f->targets, names[i], &f->other, "*", false);
		snprintf(file, sizeof(file), "%s.json", names[i]);
		if (!json_object_get(json_object_get(f->snapshot, "meta"), file))
			fx_list(f->snapshot, file, 1);
		fx_publish_next(f);
		fx_accepts(f);
		uint64_t before = fx_store_digest(f);
		assert_int_equal(fx_find(f, "x", &t), E_META);
		assert_non_null(strstr(f->e.text, "cannot be named"));
		assert_true(fx_store_digest(f) == before);
	}
}

static void an_odd_role_name_stays_in_the_folder(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *body = new_targets();

	fx_add_target(body, "x", "x");
	delegate(f->targets, "../odd?", &f->other, "*", false);
	fx_list(f->snapshot, "../odd?.json", 1);
	fx_publish_one(f, "1...%2Fodd%3F.json", body, &f->other);
	fx_publish(f);
	f->o.open_delegations = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "x", &t), E_OK);
	assert_true(fx_stored(f, "..%2Fodd%3F.json"));
}

static void threshold_zero_in_a_delegation_is_refused(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};

	add_releases(f, &f->release);
	json_t *roles = json_object_get(json_object_get(f->targets, "delegations"), "roles");
	json_object_set_new(json_array_get(roles, 0), "threshold", json_integer(0));
	fx_publish_next(f);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_META);
	assert_false(fx_stored(f, "releases.json"));
}

static void revocations_of_a_delegated_role_count_when_loaded(void **state)
{
	static const char hex[] =
		"ab00000000000000000000000000000000000000000000000000000000000000";
	const uint8_t revoked[HASH_SIZE] = {0xab};
	struct fx *f = *state;
	struct trust_target t = {0};
	JSON_AUTO json_t *body = new_targets();

	add_releases(f, &f->release);
	fx_add_target(body, "demo/releases/7.json", "seven");
	json_object_set_new(
		json_object_get(json_object_get(body, "targets"), "demo/releases/7.json"), "custom",
		json_pack("{s:[s]}", "revoked", hex));
	fx_publish_one(f, "1.releases.json", body, &f->release);
	fx_accepts(f);
	assert_false(trust_is_revoked(f->t, revoked));
	assert_int_equal(fx_find(f, "demo/releases/7.json", &t), E_OK);
	assert_true(trust_is_revoked(f->t, revoked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_within_one_part),
		cmocka_unit_test(hash_prefixes_and_bins_follow_the_path_hash),
		fx_test(a_release_is_found_in_its_role),
		fx_test(a_role_that_others_signed_is_refused),
		fx_test(a_role_must_be_listed_and_have_the_listed_version),
		fx_test(an_expired_role_is_refused),
		fx_test(the_agent_follows_no_other_delegation),
		fx_test(bins_are_followed_when_open),
		fx_test(terminating_ends_the_search),
		fx_test(a_loaded_role_does_not_inherit_trust),
		fx_test(a_circle_ends),
		fx_test(a_role_cannot_take_a_file_that_is_not_its_own),
		fx_test(an_odd_role_name_stays_in_the_folder),
		fx_test(threshold_zero_in_a_delegation_is_refused),
		fx_test(revocations_of_a_delegated_role_count_when_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
