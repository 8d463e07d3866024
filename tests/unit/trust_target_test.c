/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/target, hashes, extras: targets, holds, caps, revocations. */
#include "tests/unit/trust_fixture.h"

static void a_target_is_found_and_its_bytes_are_checked(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};

	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/stable.json", &t), E_OK);
	assert_int_equal(t.length, 8);
	assert_true(t.has_sha256);
	assert_int_equal(trust_check_target(&t, "manifest", 8, &f->e), 0);
	assert_int_equal(trust_check_target(&t, "manifesT", 8, &f->e), -1);
	assert_int_equal(f->e.code, E_HASH);
	assert_int_equal(trust_check_target(&t, "manifest!", 9, &f->e), -1);
	assert_int_equal(f->e.code, E_SIZE);
	assert_int_equal(trust_check_target(&t, "manifes", 7, &f->e), -1);
	assert_int_equal(f->e.code, E_SIZE);
	t.has_sha256 = false;
	assert_int_equal(trust_check_target(&t, "manifest", 8, &f->e), -1);
	assert_int_equal(f->e.code, E_META);
	assert_int_equal(fx_find(f, "demo/beta.json", &t), E_NOTFOUND);
	assert_int_equal(fx_find(f, "", &t), E_META);
}

static void the_hash_is_a_part_of_the_file_name(void **state)
{
	struct trust_target t = {.has_sha256 = true, .sha256 = {0xab}};
	AUTO_BUF struct buf name = buf_make(512);
	struct err e = {0};

	(void)state;
	assert_int_equal(trust_target_file(&t, "demo/releases/7.json", &name, &e), 0);
	assert_string_equal(buf_text(&name),
		"demo/releases/ab00000000000000000000000000000000000000000000000000000000000000.7.json");
	buf_clear(&name);
	assert_int_equal(trust_target_file(&t, "plain", &name, &e), 0);
	assert_string_equal(buf_text(&name),
		"ab00000000000000000000000000000000000000000000000000000000000000.plain");
}

static void every_signed_hash_must_fit(void **state)
{
	struct fx *f = *state;
	struct trust_target t = {0};
	json_t *entry = json_object_get(json_object_get(f->targets, "targets"), "demo/stable.json");
	char hex[129];

	memset(hex, '0', 128);
	hex[128] = 0;
	fx_set_text(json_object_get(entry, "hashes"), "sha512", hex);
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/stable.json", &t), E_OK);
	assert_true(t.has_sha512);
	assert_int_equal(trust_check_target(&t, "manifest", 8, &f->e), -1);
	assert_int_equal(f->e.code, E_HASH);
}

static void odd_hashes_are_refused_before_anything_is_stored(void **state)
{
	static const char *const odd[] = {"{}", "{\"sha256\":\"\"}", "{\"md5\":\"00\"}",
		"{\"sha256\":\" 000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":\"AB00000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":\"000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":\"00000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":null}", "[]", "null", NULL};
	struct fx *f = *state;
	json_t *entry = json_object_get(json_object_get(f->targets, "targets"), "demo/stable.json");

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		if (odd[i])
			json_object_set_new(
				entry, "hashes", json_loads(odd[i], JSON_DECODE_ANY, NULL));
		else
			json_object_del(entry, "hashes");
		fx_publish_next(f);
		assert_int_equal(fx_refresh(f), E_META);
		assert_int_equal(fx_stored_version(f, "targets.json"), 1);
	}
}

static void sha512_alone_needs_an_option(void **state)
{
	struct fx *f = *state;
	json_t *entry = json_object_get(json_object_get(f->targets, "targets"), "demo/stable.json");
	struct trust_target t = {0};
	char hex[129];

	memset(hex, 'a', 128);
	hex[128] = 0;
	json_object_set_new(entry, "hashes", json_pack("{s:s}", "sha512", hex));
	fx_publish(f);
	assert_int_equal(fx_refresh(f), E_META);
	assert_false(fx_stored(f, "targets.json"));
	f->o.sha512_is_enough = true;
	fx_accepts(f);
	assert_int_equal(fx_find(f, "demo/stable.json", &t), E_OK);
	assert_false(t.has_sha256);
}

static void holds_and_caps_are_those_of_the_newest_timestamp(void **state)
{
	struct fx *f = *state;

	json_object_set_new(f->timestamp, "x-hold", json_pack("{s:[i,i]}", "demo", 7, 9));
	json_object_set_new(f->timestamp, "x-cap", json_pack("{s:i}", "demo/stable", 25));
	fx_publish(f);
	fx_accepts(f);
	assert_true(trust_is_held(f->t, "demo", 7));
	assert_true(trust_is_held(f->t, "demo", 9));
	assert_false(trust_is_held(f->t, "demo", 8));
	assert_false(trust_is_held(f->t, "other", 7));
	assert_int_equal(trust_cap(f->t, "demo", "stable"), 25);
	assert_int_equal(trust_cap(f->t, "demo", "beta"), 100);
	/* They hold from the store, too, even where the set is not whole. */
	assert_int_equal(unlinkat(f->store, "snapshot.json", 0), 0);
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), -1);
	assert_true(trust_is_held(f->t, "demo", 7));
	json_object_del(f->timestamp, "x-hold");
	fx_publish_next(f);
	fx_accepts(f);
	assert_false(trust_is_held(f->t, "demo", 7));
}

static void a_hold_or_cap_that_cannot_be_read_is_no_missing_one(void **state)
{
	static const char *const holds[] = {
		"[]", "7", "{\"demo\":7}", "{\"demo\":[\"7\"]}", "{\"demo\":[0]}", "null"};
	static const char *const caps[] = {"[]", "{\"demo/stable\":101}", "{\"demo/stable\":-1}",
		"{\"demo/stable\":\"5\"}", "null"};
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->timestamp, 2);
	for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
		json_object_set_new(
			f->timestamp, "x-hold", json_loads(holds[i], JSON_DECODE_ANY, NULL));
		fx_publish(f);
		fx_refuses(f, E_META);
	}
	json_object_del(f->timestamp, "x-hold");
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		json_object_set_new(
			f->timestamp, "x-cap", json_loads(caps[i], JSON_DECODE_ANY, NULL));
		fx_publish(f);
		fx_refuses(f, E_META);
	}
}

static int count_revoked(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e)
{
	(void)e;
	assert_int_equal(manifest[1], 0);
	++*(int *)ctx;
	return 0;
}

static void revoked_manifests_are_known(void **state)
{
	static const char hex[] =
		"ab00000000000000000000000000000000000000000000000000000000000000";
	static const char two[] =
		"cd00000000000000000000000000000000000000000000000000000000000000";
	const uint8_t revoked[HASH_SIZE] = {0xab};
	const uint8_t good[HASH_SIZE] = {0xac};
	struct fx *f = *state;
	json_t *entry = json_object_get(json_object_get(f->targets, "targets"), "demo/stable.json");
	struct trust_target t = {0};
	int count = 0;

	json_object_set_new(entry, "custom", json_pack("{s:[s,s]}", "revoked", hex, two));
	fx_publish(f);
	fx_accepts(f);
	assert_true(trust_is_revoked(f->t, revoked));
	assert_false(trust_is_revoked(f->t, good));
	assert_int_equal(trust_each_revoked(f->t, count_revoked, &count, &f->e), 0);
	assert_int_equal(count, 2);
	assert_int_equal(fx_find(f, "demo/stable.json", &t), E_OK);
	assert_int_equal(json_array_size(json_object_get(t.custom, "revoked")), 2);
}

static void a_revocation_that_cannot_be_read_is_no_missing_one(void **state)
{
	static const char *const odd[] = {"\"ab\"", "[\"ab\"]", "[1]", "{}",
		"[\"AB00000000000000000000000000000000000000000000000000000000000000\"]"};
	struct fx *f = *state;
	json_t *entry = json_object_get(json_object_get(f->targets, "targets"), "demo/stable.json");

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		json_object_set_new(entry, "custom",
			json_pack("{s:o}", "revoked", json_loads(odd[i], JSON_DECODE_ANY, NULL)));
		fx_publish_next(f);
		assert_int_equal(fx_refresh(f), E_META);
		assert_int_equal(fx_stored_version(f, "targets.json"), 1);
	}
	/* Nor one in a "custom" that is no object: it would be looked for in vain. */
	json_object_set_new(entry, "custom", json_pack("[{s:[]}]", "revoked"));
	fx_publish_next(f);
	assert_int_equal(fx_refresh(f), E_META);
	assert_non_null(strstr(f->e.text, "custom must be an object"));
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(a_target_is_found_and_its_bytes_are_checked),
		cmocka_unit_test(the_hash_is_a_part_of_the_file_name),
		fx_test(every_signed_hash_must_fit),
		fx_test(odd_hashes_are_refused_before_anything_is_stored),
		fx_test(sha512_alone_needs_an_option),
		fx_test(holds_and_caps_are_those_of_the_newest_timestamp),
		fx_test(a_hold_or_cap_that_cannot_be_read_is_no_missing_one),
		fx_test(revoked_manifests_are_known),
		fx_test(a_revocation_that_cannot_be_read_is_no_missing_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
