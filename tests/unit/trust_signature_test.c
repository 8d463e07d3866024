/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/keyring, signature: whose signatures count, and how often. */
#include "tests/unit/trust_fixture.h"

#include "agent/trust/keyring.h"

/* A timestamp of version 2 with no signature; the caller puts it. */
static json_t *next_timestamp(struct fx *f)
{
	fx_set_version(f->timestamp, 2);
	return fx_document(f->timestamp);
}

static void no_signature_stores_nothing(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	JSON_AUTO json_t *timestamp = next_timestamp(f);
	fx_put(f, "timestamp.json", timestamp);
	fx_refuses(f, E_SIG);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 1);
}

static void no_signature_on_any_role_is_refused(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *targets = fx_document(f->targets);
	JSON_AUTO json_t *snapshot = fx_document(f->snapshot);

	fx_put(f, "1.targets.json", targets);
	assert_int_equal(fx_refresh(f), E_SIG);
	assert_false(fx_stored(f, "targets.json"));
	fx_put(f, "1.snapshot.json", snapshot);
	assert_int_equal(unlinkat(f->store, "snapshot.json", 0), 0);
	assert_int_equal(fx_refresh(f), E_SIG);
	assert_false(fx_stored(f, "snapshot.json"));
	fx_set_version(f->root, 2);
	JSON_AUTO json_t *root = fx_document(f->root);
	fx_put(f, "2.root.json", root);
	fx_refuses(f, E_SIG);
	assert_int_equal(fx_stored_version(f, "root.json"), 1);
}

static void a_signature_by_another_key_does_not_count(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *doc = NULL;

	fx_accepts(f);
	doc = next_timestamp(f);
	fx_add_signature(doc, &f->other);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_SIG);
	/* Under the right id, but made with the wrong key. */
	json_array_clear(json_object_get(doc, "signatures"));
	fx_add_signature_as(doc, &f->other, f->online.id);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_SIG);
}

static void changed_content_is_refused(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *doc = NULL;

	fx_accepts(f);
	doc = next_timestamp(f);
	fx_add_signature(doc, &f->online);
	fx_set_version(json_object_get(doc, "signed"), 3);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_SIG);
}

static void threshold_below_one_is_refused(void **state)
{
	static const char *const thresholds[] = {"0", "-1", "\"1\"", "true", NULL};
	struct fx *f = *state;

	fx_accepts(f);
	for (size_t i = 0; i < 5; i++) {
		json_t *role = json_object_get(json_object_get(f->root, "roles"), "timestamp");
		if (thresholds[i])
			json_object_set_new(role, "threshold",
				json_loads(thresholds[i], JSON_DECODE_ANY, NULL));
		else
			json_object_del(role, "threshold");
		fx_set_version(f->root, 2);
		fx_publish_root(f, f->roots, NULL, 2);
		fx_refuses(f, E_META);
	}
}

static void more_threshold_than_keys_fails_only_that_role(void **state)
{
	struct fx *f = *state;

	fx_set_keys(f, "snapshot", &f->online, 1, 2);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	assert_int_equal(fx_refresh(f), E_SIG);
	assert_int_equal(fx_stored_version(f, "root.json"), 2);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 1);
	assert_false(fx_stored(f, "snapshot.json"));
}

/* The online key once more, with another text and so another id. */
static void make_twin(const struct fx *f, struct fx_key *twin)
{
	AUTO_BUF struct buf text = buf_make(4096);
	struct err e = {0};

	const char *pem = json_string_value(
		json_object_get(json_object_get(f->online.object, "keyval"), "public"));
	assert_int_equal(buf_printf(&text, &e, "twin\n%s", pem), 0);
	twin->pkey = f->online.pkey;
	twin->object = json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme",
		"ecdsa-sha2-nistp256", "keyval", "public", buf_text(&text));
	assert_int_equal(key_id_of(twin->object, twin->id, &e), 0);
}

static void one_key_under_two_ids_counts_once(void **state)
{
	struct fx *f = *state;
	struct fx_key pair[2] = {f->online};
	JSON_AUTO json_t *doc = NULL;

	make_twin(f, &pair[1]);
	fx_set_keys(f, "timestamp", pair, 2, 2);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	doc = fx_document(f->timestamp);
	fx_add_signature(doc, &pair[0]);
	fx_add_signature(doc, &pair[1]);
	fx_put(f, "timestamp.json", doc);
	assert_int_equal(fx_refresh(f), E_SIG);
	assert_false(fx_stored(f, "timestamp.json"));
	json_decref(pair[1].object);
}

static void two_distinct_keys_meet_a_threshold_of_two(void **state)
{
	struct fx *f = *state;
	struct fx_key pair[2] = {f->online, f->other};
	JSON_AUTO json_t *doc = NULL;

	fx_set_keys(f, "timestamp", pair, 2, 2);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	doc = fx_document(f->timestamp);
	fx_add_signature(doc, &pair[0]);
	fx_put(f, "timestamp.json", doc);
	assert_int_equal(fx_refresh(f), E_SIG);
	fx_add_signature(doc, &pair[1]);
	fx_put(f, "timestamp.json", doc);
	fx_accepts(f);
}

static void a_key_id_twice_is_refused(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *doc = NULL;
	struct fx_key twice[2] = {f->online, f->online};

	fx_accepts(f);
	doc = next_timestamp(f);
	fx_add_signature(doc, &f->online);
	fx_add_signature(doc, &f->online);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_META);
	fx_set_keys(f, "timestamp", twice, 2, 1);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_refuses(f, E_META);
}

static void an_id_that_is_not_the_hash_of_its_key_is_refused(void **state)
{
	struct fx *f = *state;
	json_t *keys = json_object_get(f->root, "keys");

	fx_accepts(f);
	/* Another key under the online key's id. */
	json_object_set(keys, f->online.id, f->other.object);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_refuses(f, E_META);
	assert_int_equal(fx_stored_version(f, "root.json"), 1);
}

static void a_good_signature_with_something_behind_it_does_not_count(void **state)
{
	struct fx *f = *state;
	JSON_AUTO json_t *doc = NULL;
	char longer[1024];

	fx_accepts(f);
	doc = next_timestamp(f);
	fx_add_signature(doc, &f->online);
	json_t *entry = json_array_get(json_object_get(doc, "signatures"), 0);
	snprintf(longer, sizeof(longer), "%s0", json_string_value(json_object_get(entry, "sig")));
	fx_set_text(entry, "sig", longer);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_SIG);
}

static void odd_signatures_beside_a_good_one_do_no_harm(void **state)
{
	static const char *const odd[] = {"", "3", "zz", "30060201000201", "3080", "ABCDEF"};
	struct fx *f = *state;

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		fx_set_version(f->timestamp, 2 + (int)i);
		JSON_AUTO json_t *doc = fx_document(f->timestamp);
		json_array_append_new(json_object_get(doc, "signatures"),
			json_pack("{s:s, s:s}", "keyid", f->online.id, "sig", odd[i]));
		fx_put(f, "timestamp.json", doc);
		fx_refuses(f, E_SIG);
		json_array_clear(json_object_get(doc, "signatures"));
		json_array_append_new(json_object_get(doc, "signatures"),
			json_pack("{s:s, s:s}", "keyid", f->other.id, "sig", odd[i]));
		fx_add_signature(doc, &f->online);
		fx_put(f, "timestamp.json", doc);
		fx_accepts(f);
		assert_int_equal(fx_stored_version(f, "timestamp.json"), 2 + (int)i);
	}
}

static void keys_that_cannot_be_used_never_count(void **state)
{
	static const char *const schemes[] = {"ml-dsa-65", "ecdsa-sha2-nistp384", "ed25519"};
	struct fx *f = *state;
	struct err e = {0};

	fx_accepts(f);
	for (size_t i = 0; i < 3; i++) {
		struct fx_key k = {.pkey = f->online.pkey};
		k.object = json_deep_copy(f->online.object);
		fx_set_text(k.object, "scheme", schemes[i]);
		assert_int_equal(key_id_of(k.object, k.id, &e), 0);
		struct fx_key pair[2] = {f->other, k};
		fx_set_keys(f, "timestamp", pair, 2, 1);
		fx_set_version(f->root, fx_version(f->root) + 1);
		fx_publish_root(f, f->roots, NULL, 2);
		fx_set_version(f->timestamp, fx_version(f->timestamp) + 1);
		fx_publish_one(f, "timestamp.json", f->timestamp, &k);
		assert_int_equal(fx_refresh(f), E_SIG);
		assert_false(fx_stored(f, "timestamp.json"));
		fx_publish_one(f, "timestamp.json", f->timestamp, &f->other);
		fx_accepts(f);
		json_decref(k.object);
	}
}

static void a_replaced_key_is_named_as_such(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_keys(f, "timestamp", &f->other, 1, 1);
	fx_set_version(f->root, 2);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_set_version(f->timestamp, 2);
	fx_publish(f); /* still by the old online key */
	assert_int_equal(fx_refresh(f), E_KEY_REVOKED);
	assert_false(fx_stored(f, "timestamp.json"));
	/* And in the next run, which reads the rotation from the store. */
	fx_refuses(f, E_KEY_REVOKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(no_signature_stores_nothing),
		fx_test(no_signature_on_any_role_is_refused),
		fx_test(a_signature_by_another_key_does_not_count),
		fx_test(changed_content_is_refused),
		fx_test(threshold_below_one_is_refused),
		fx_test(more_threshold_than_keys_fails_only_that_role),
		fx_test(one_key_under_two_ids_counts_once),
		fx_test(two_distinct_keys_meet_a_threshold_of_two),
		fx_test(a_key_id_twice_is_refused),
		fx_test(an_id_that_is_not_the_hash_of_its_key_is_refused),
		fx_test(a_good_signature_with_something_behind_it_does_not_count),
		fx_test(odd_signatures_beside_a_good_one_do_no_harm),
		fx_test(keys_that_cannot_be_used_never_count),
		fx_test(a_replaced_key_is_named_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
