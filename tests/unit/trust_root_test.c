/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/root: the chain of roots, and what is left of it on disk after a refusal. */
#include "tests/unit/trust_fixture.h"

/* Root N with the same keys, signed by two of them. */
static void publish_same_root(struct fx *f, int version)
{
	fx_set_version(f->root, version);
	fx_publish_root(f, f->roots, NULL, 2);
}

static void publish_rotated_root(struct fx *f, int version, bool by_old, bool by_new)
{
	fx_set_keys(f, "root", f->new_roots, FX_ROOTS, 2);
	fx_set_version(f->root, version);
	if (by_old && by_new)
		fx_publish_root(f, f->roots, f->new_roots, 2);
	else
		fx_publish_root(f, by_old ? f->roots : f->new_roots, NULL, 2);
}

static void put_as(struct fx *f, const char *from, const char *to)
{
	const struct fx_file *file = fx_file(f, from);

	fx_put_bytes(f, to, file->bytes.data, file->bytes.len);
}

static void a_rotation_signed_by_both_is_followed(void **state)
{
	struct fx *f = *state;

	publish_rotated_root(f, 2, true, true);
	fx_set_version(f->root, 3);
	fx_publish_root(f, f->new_roots, NULL, 2);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, 3);
	assert_int_equal(fx_facts(f).new_roots, 2);
	assert_int_equal(fx_stored_version(f, "root.json"), 3);
	assert_int_equal(fx_stored_version(f, "roots/2.root.json"), 2);
	assert_int_equal(fx_stored_version(f, "roots/3.root.json"), 3);
	AUTO_BUF struct buf current = buf_make(TRUST_ROOT_MAX);
	assert_int_equal(trust_get_root(f->t, &current, &f->e), 0);
	assert_int_equal(current.len, fx_file(f, "3.root.json")->bytes.len);
	assert_memory_equal(current.data, fx_file(f, "3.root.json")->bytes.data, current.len);
	/* The next run walks the stored chain and asks for the fourth only. */
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, 3);
	assert_int_equal(fx_facts(f).new_roots, 0);
}

static void signed_by_only_old_or_only_new_keys_is_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	publish_rotated_root(f, 2, true, false);
	fx_refuses(f, E_THRESHOLD);
	publish_rotated_root(f, 2, false, true);
	fx_refuses(f, E_THRESHOLD);
	assert_int_equal(fx_stored_version(f, "root.json"), 1);
}

static void one_signature_of_two_is_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 1);
	fx_refuses(f, E_THRESHOLD);
}

static void a_version_that_is_not_the_next_is_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	publish_same_root(f, 3);
	put_as(f, "3.root.json", "2.root.json");
	fx_refuses(f, E_META);
	publish_same_root(f, 1);
	put_as(f, "1.root.json", "2.root.json");
	fx_refuses(f, E_META);
	assert_int_equal(fx_stored_version(f, "root.json"), 1);
}

static void a_bad_root_is_never_used_by_a_good_one(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	publish_rotated_root(f, 2, false, true);
	fx_set_version(f->root, 3);
	fx_publish_root(f, f->new_roots, NULL, 2);
	fx_refuses(f, E_THRESHOLD);
	/* Not after a restart either, even if it was put on disk. */
	assert_int_equal(mkdirat(f->store, "roots", 0700), 0);
	const struct fx_file *bad = fx_file(f, "2.root.json");
	AUTO_CLOSE int roots = openat(f->store, "roots", O_RDONLY | O_DIRECTORY);
	assert_int_equal(
		file_replace(roots, "2.root.json", bad->bytes.data, bad->bytes.len, 0644, &f->e),
		0);
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(fx_facts(f).root_version, 1);
	fx_refuses(f, E_THRESHOLD);
}

static void a_broken_stored_chain_ends_at_its_last_good_link(void **state)
{
	struct fx *f = *state;

	publish_same_root(f, 2);
	publish_same_root(f, 3);
	fx_accepts(f);
	AUTO_CLOSE int roots = openat(f->store, "roots", O_RDONLY | O_DIRECTORY);
	assert_int_equal(file_replace(roots, "3.root.json", "{", 1, 0644, &f->e), 0);
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(fx_facts(f).root_version, 2);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, 3);
}

static void only_not_found_ends_the_chain(void **state)
{
	static const enum err_code codes[] = {E_NET, E_TLS, E_TIMEOUT, E_IO, E_SIZE};
	struct fx *f = *state;

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fx_fail(f, "2.root.json", codes[i]);
		fx_refuses(f, codes[i]);
	}
	fx_fail(f, "2.root.json", E_NOTFOUND);
	fx_accepts(f);
}

static void an_expired_root_between_is_passed_the_last_one_is_not(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_text(f->root, "expires", "2025-01-01T00:00:00Z");
	publish_same_root(f, 2);
	assert_int_equal(fx_refresh(f), E_EXPIRED);
	assert_int_equal(fx_stored_version(f, "root.json"), 2);
	fx_set_text(f->root, "expires", "2031-01-01T00:00:00Z");
	publish_same_root(f, 3);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, 3);
}

static void keys_of_an_older_root_are_named_as_replaced(void **state)
{
	struct fx *f = *state;

	publish_rotated_root(f, 2, true, true);
	fx_accepts(f);
	fx_set_version(f->root, 3);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_refuses(f, E_KEY_REVOKED);
}

static void the_floor_of_the_image_holds(void **state)
{
	struct fx *f = *state;

	f->o.root_floor = 2;
	assert_int_equal(fx_refresh(f), E_ROLLBACK);
	assert_false(fx_stored(f, "timestamp.json"));
	publish_same_root(f, 2);
	fx_accepts(f);
	f->o.root_floor = 3;
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), -1);
	assert_int_equal(f->e.code, E_ROLLBACK);
}

static void new_online_keys_recover_from_a_fast_forward(void **state)
{
	struct fx *f = *state;

	fx_set_version(f->timestamp, 1000000);
	fx_set_version(f->snapshot, 1000000);
	fx_publish(f);
	fx_accepts(f);
	fx_set_version(f->timestamp, 1);
	fx_set_version(f->snapshot, 1);
	fx_publish(f);
	fx_refuses(f, E_ROLLBACK);
	struct fx_key stolen = f->online;
	f->online = f->other;
	f->other = stolen;
	fx_set_keys(f, "timestamp", &f->online, 1, 1);
	fx_set_keys(f, "snapshot", &f->online, 1, 1);
	publish_same_root(f, 2);
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 1);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 1);
}

static void an_added_online_key_makes_the_stored_ones_forgotten(void **state)
{
	struct fx *f = *state;
	struct fx_key pair[2] = {f->online, f->other};

	fx_accepts(f);
	fx_set_keys(f, "timestamp", pair, 2, 1);
	publish_same_root(f, 2);
	fx_fail(f, "timestamp.json", E_NET);
	assert_int_equal(fx_refresh(f), E_NET);
	assert_false(fx_stored(f, "timestamp.json"));
	assert_false(fx_stored(f, "snapshot.json"));
	assert_true(fx_stored(f, "targets.json"));
}

static void a_missing_or_unusable_trusted_root_refuses_to_run(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *unsigned_root = fx_document(f->root);

	f->o.image_root_len = 0;
	assert_int_equal(fx_open(f), E_TRUST);
	assert_non_null(strstr(f->e.text, "pawl-repo init"));
	f->o.image_root = NULL;
	assert_int_equal(fx_open(f), E_TRUST);
	f->o.image_root = (const uint8_t *)"not JSON";
	f->o.image_root_len = 8;
	assert_int_equal(fx_open(f), E_TRUST);
	assert_non_null(strstr(f->e.text, "pawl-repo init"));
	fx_put(f, "odd", unsigned_root);
	fx_use_image_root(f, "odd");
	assert_int_equal(fx_open(f), E_TRUST);
	fx_put(f, "odd", f->targets);
	fx_use_image_root(f, "odd");
	assert_int_equal(fx_open(f), E_TRUST);
	assert_int_equal(f->fetches, 0);
}

static void at_most_64_roots_a_run(void **state)
{
	struct fx *f = *state;

	for (int i = 2; i <= TRUST_ROOTS_A_RUN + 3; i++)
		publish_same_root(f, i);
	assert_int_equal(fx_refresh(f), E_LATER);
	assert_int_equal(fx_stored_version(f, "root.json"), TRUST_ROOTS_A_RUN + 1);
	assert_false(fx_stored(f, "timestamp.json"));
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, TRUST_ROOTS_A_RUN + 3);
}

static void a_root_needs_consistent_snapshots_and_its_own_type(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	json_object_set_new(f->root, "consistent_snapshot", json_false());
	publish_same_root(f, 2);
	fx_refuses(f, E_META);
	json_object_set_new(f->root, "consistent_snapshot", json_true());
	fx_set_text(f->root, "_type", "targets");
	publish_same_root(f, 2);
	fx_refuses(f, E_META);
	fx_set_text(f->root, "_type", "root");
	fx_set_text(f->root, "spec_version", "2.0.0");
	publish_same_root(f, 2);
	fx_refuses(f, E_META);
}

static void roots_of_a_scratch_set_are_kept_on_demand(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_keys(f, "timestamp", &f->other, 1, 1);
	publish_same_root(f, 2);
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->other);
	f->o.store = -1;
	uint64_t before = fx_store_digest(f);
	fx_accepts(f);
	assert_int_equal(fx_facts(f).root_version, 2);
	assert_true(fx_store_digest(f) == before);
	assert_int_equal(trust_keep_roots(f->t, f->store, &f->e), 0);
	assert_int_equal(fx_stored_version(f, "roots/2.root.json"), 2);
	assert_int_equal(fx_stored_version(f, "root.json"), 2);
	assert_false(fx_stored(f, "timestamp.json"));
	/* A set that knows less must not turn anything back. */
	f->o.store = f->store;
	publish_same_root(f, 3);
	fx_accepts(f);
	f->o.store = -1;
	fx_fail(f, "3.root.json", E_NOTFOUND);
	fx_accepts(f);
	before = fx_store_digest(f);
	assert_int_equal(trust_keep_roots(f->t, f->store, &f->e), 0);
	assert_true(fx_store_digest(f) == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(a_rotation_signed_by_both_is_followed),
		fx_test(signed_by_only_old_or_only_new_keys_is_refused),
		fx_test(one_signature_of_two_is_refused),
		fx_test(a_version_that_is_not_the_next_is_refused),
		fx_test(a_bad_root_is_never_used_by_a_good_one),
		fx_test(a_broken_stored_chain_ends_at_its_last_good_link),
		fx_test(only_not_found_ends_the_chain),
		fx_test(an_expired_root_between_is_passed_the_last_one_is_not),
		fx_test(keys_of_an_older_root_are_named_as_replaced),
		fx_test(the_floor_of_the_image_holds),
		fx_test(new_online_keys_recover_from_a_fast_forward),
		fx_test(an_added_online_key_makes_the_stored_ones_forgotten),
		fx_test(a_missing_or_unusable_trusted_root_refuses_to_run),
		fx_test(at_most_64_roots_a_run),
		fx_test(a_root_needs_consistent_snapshots_and_its_own_type),
		fx_test(roots_of_a_scratch_set_are_kept_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
