/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/refresh, listed: rollback, mixes, damage, odd JSON; the store stays as it was. */
#include "tests/unit/trust_fixture.h"

#include <sys/resource.h>

static void the_order_is_root_timestamp_snapshot_targets(void **state)
{
	struct fx *f = *state;

	f->fetches = 0;
	fx_accepts(f);
	assert_int_equal(f->fetches, 4);
	assert_true(fx_stored(f, "root.json"));
	assert_true(fx_stored(f, "timestamp.json"));
	assert_true(fx_stored(f, "snapshot.json"));
	assert_true(fx_stored(f, "targets.json"));
	struct trust_facts facts = fx_facts(f);
	assert_int_equal(facts.root_version, 1);
	assert_int_equal(facts.timestamp_version, 1);
	assert_int_equal(facts.snapshot_version, 1);
	assert_int_equal(facts.targets_version, 1);
	assert_int_equal(facts.targets_expires, fx_time("2027-01-01T00:00:00Z"));
	assert_false(facts.unchanged);
}

static void bytes_are_stored_as_received(void **state)
{
	struct fx *f = *state;
	AUTO_BUF struct buf stored = buf_make(TRUST_TIMESTAMP_MAX);
	struct fx_file *file = fx_file(f, "timestamp.json");

	assert_int_equal(buf_add(&file->bytes, " \n\n", 3, &f->e), 0);
	fx_accepts(f);
	assert_int_equal(file_read(f->store, "timestamp.json", &stored, &f->e), 0);
	assert_int_equal(stored.len, file->bytes.len);
	assert_memory_equal(stored.data, file->bytes.data, stored.len);
}

static void nothing_new_costs_two_requests(void **state)
{
	struct fx *f = *state;

	f->answer_unchanged = true;
	fx_accepts(f);
	f->fetches = 0;
	fx_accepts(f);
	assert_int_equal(f->unchanged_answers, 1);
	assert_int_equal(f->fetches, 2);
	assert_true(fx_facts(f).unchanged);
	assert_int_equal(fx_facts(f).targets_version, 1);
	/* A lost tag comes back with the next full answer. */
	assert_int_equal(unlinkat(f->store, "cache/timestamp.tag", 0), 0);
	fx_accepts(f);
	assert_int_equal(f->unchanged_answers, 1);
	fx_accepts(f);
	assert_int_equal(f->unchanged_answers, 2);
}

static void unchanged_does_not_save_what_has_expired(void **state)
{
	struct fx *f = *state;

	f->answer_unchanged = true;
	fx_accepts(f);
	f->o.now = fx_time("2026-03-01T00:00:00Z");
	fx_refuses(f, E_EXPIRED);
	assert_int_equal(f->unchanged_answers, 1);
}

/* A server that says 304 to whoever asks without a tag. */
static int always_unchanged(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	if (!tag)
		return fx_get(ctx, name, tag, unchanged, out, e);
	buf_clear(out);
	*unchanged = true;
	return 0;
}

static void unchanged_without_a_stored_one_is_refused(void **state)
{
	struct fx *f = *state;
	struct fetcher source = {.ctx = f, .get = always_unchanged};

	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_refresh(f->t, &source, &f->e), -1);
	assert_int_equal(f->e.code, E_META);
	assert_false(fx_stored(f, "timestamp.json"));
}

static void an_older_timestamp_is_a_rollback(void **state)
{
	struct fx *f = *state;

	fx_set_version(f->timestamp, 5);
	fx_publish(f);
	fx_accepts(f);
	fx_set_version(f->timestamp, 4);
	fx_publish(f);
	fx_refuses(f, E_ROLLBACK);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 5);
}

static void the_same_version_keeps_the_stored_timestamp(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	uint64_t before = fx_store_digest(f);
	fx_list(f->timestamp, "snapshot.json", 100);
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
	fx_accepts(f);
	assert_true(fx_facts(f).unchanged);
	assert_true(fx_store_digest(f) == before);
}

static void an_older_snapshot_is_a_rollback(void **state)
{
	struct fx *f = *state;

	fx_set_version(f->snapshot, 5);
	fx_publish(f);
	fx_accepts(f);
	fx_set_version(f->snapshot, 4);
	fx_set_version(f->timestamp, 2);
	fx_publish(f);
	fx_refuses(f, E_ROLLBACK);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 5);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 1);
}

static void older_targets_in_a_new_snapshot_are_a_rollback(void **state)
{
	struct fx *f = *state;

	fx_set_version(f->targets, 5);
	fx_publish(f);
	fx_accepts(f);
	fx_set_version(f->targets, 4);
	fx_set_version(f->snapshot, 2);
	fx_set_version(f->timestamp, 2);
	fx_publish(f);
	assert_int_equal(fx_refresh(f), E_ROLLBACK);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 1);
	assert_int_equal(fx_stored_version(f, "targets.json"), 5);
}

static void a_role_removed_from_snapshot_is_a_rollback(void **state)
{
	struct fx *f = *state;

	fx_list(f->snapshot, "releases.json", 3);
	fx_publish(f);
	fx_accepts(f);
	json_object_del(json_object_get(f->snapshot, "meta"), "releases.json");
	fx_set_version(f->snapshot, 2);
	fx_set_version(f->timestamp, 2);
	fx_publish(f);
	assert_int_equal(fx_refresh(f), E_ROLLBACK);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 1);
}

static void another_generation_is_a_mix(void **state)
{
	struct fx *f = *state;
	char name[96];

	fx_accepts(f);
	/* Timestamp lists snapshot 2; what lies there is snapshot 3. */
	fx_set_version(f->timestamp, 2);
	fx_list(f->timestamp, "snapshot.json", 2);
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
	fx_set_version(f->snapshot, 3);
	fx_publish_one(f, "2.snapshot.json", f->snapshot, &f->online);
	assert_int_equal(fx_refresh(f), E_MIX);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 1);
	/* The same for targets under a right snapshot. */
	fx_set_version(f->snapshot, 2);
	fx_list(f->snapshot, "targets.json", 2);
	fx_publish_one(f, fx_name(name, f->snapshot, "snapshot"), f->snapshot, &f->online);
	fx_set_version(f->targets, 3);
	fx_publish_one(f, "2.targets.json", f->targets, &f->release);
	assert_int_equal(fx_refresh(f), E_MIX);
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
}

/* Lists a file with the hash and length that it has. */
static void list_content(struct fx *f, json_t *by, const char *entry, const char *file)
{
	const struct buf *b = &fx_file(f, file)->bytes;
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	assert_int_equal(hash_bytes(HASH_SHA256, b->data, b->len, digest, &f->e), 0);
	hash_to_hex(digest, hex);
	json_object_set_new(fx_meta(by, entry), "length", json_integer((json_int_t)b->len));
	json_object_set_new(fx_meta(by, entry), "hashes", json_pack("{s:s}", "sha256", hex));
}

/* Next generation, with hash and length of snapshot in timestamp. */
static void publish_with_hashes(struct fx *f)
{
	char name[96];

	fx_publish_next(f);
	list_content(f, f->timestamp, "snapshot.json", fx_name(name, f->snapshot, "snapshot"));
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
}

static void listed_hash_and_length_are_checked(void **state)
{
	struct fx *f = *state;
	json_t *hashes;
	json_t *meta;

	publish_with_hashes(f);
	fx_accepts(f);
	publish_with_hashes(f);
	meta = fx_meta(f->timestamp, "snapshot.json");
	hashes = json_object_get(meta, "hashes");
	fx_set_text(hashes, "sha256",
		"0000000000000000000000000000000000000000000000000000000000000000");
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
	assert_int_equal(fx_refresh(f), E_HASH);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 2);
	publish_with_hashes(f);
	json_object_set_new(fx_meta(f->timestamp, "snapshot.json"), "length", json_integer(12));
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
	assert_int_equal(fx_refresh(f), E_SIZE);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 2);
}

static void a_mix_is_told_from_damage_by_its_signature(void **state)
{
	struct fx *f = *state;

	publish_with_hashes(f);
	fx_set_version(f->snapshot, 7);
	fx_publish_one(f, "2.snapshot.json", f->snapshot, &f->online);
	assert_int_equal(fx_refresh(f), E_MIX);
	fx_publish_one(f, "2.snapshot.json", f->snapshot, &f->other);
	assert_int_not_equal(fx_refresh(f), E_MIX);
	assert_false(fx_stored(f, "snapshot.json"));
}

static void odd_hashes_in_meta_are_refused(void **state)
{
	static const char *const odd[] = {"{}", "{\"sha256\":\"\"}", "{\"md5\":\"00\"}",
		"{\"sha256\":\" 000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":\"AB00000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":\"000000000000000000000000000000000000000000000000000000000000000\"}",
		"{\"sha256\":1}", "[]", "null"};
	struct fx *f = *state;

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		fx_set_version(f->timestamp, 2);
		json_object_set_new(fx_meta(f->timestamp, "snapshot.json"), "hashes",
			json_loads(odd[i], JSON_DECODE_ANY, NULL));
		fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
		fx_refuses(f, E_META);
	}
}

static void a_key_of_two_roles_does_not_make_one_the_other(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->timestamp, 2);
	fx_set_text(f->timestamp, "_type", "snapshot");
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
	fx_refuses(f, E_META);
}

static void odd_json_is_refused(void **state)
{
	static const char *const odd[] = {"{\"signed\":{},\"signed\":{}}", "{\"a\":NaN}",
		"{\"a\":1e9}", "{\"a\":9223372036854775808}", "{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud800\"}", "\xef\xbb\xbf{}", "{} {}", "", "<html></html>", "{"};
	struct fx *f = *state;
	char deep[10000];

	fx_accepts(f);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		fx_put_bytes(f, "timestamp.json", odd[i], strlen(odd[i]));
		fx_refuses(f, E_JSON);
	}
	memset(deep, '[', sizeof(deep));
	fx_put_bytes(f, "timestamp.json", deep, sizeof(deep));
	fx_refuses(f, E_JSON);
}

static void a_fraction_in_a_known_field_is_refused(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->timestamp, 2);
	json_object_set_new(f->timestamp, "version", json_real(2.0));
	JSON_AUTO json_t *doc = fx_document(f->timestamp);
	fx_put(f, "timestamp.json", doc);
	fx_refuses(f, E_JSON);
}

/* 100 MiB of '[': reading stops at the cap of the file, whoever sends more. */
static int endless(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	static const char piece[4096] = "[[[[[[[[";

	if (!tag)
		return fx_get(ctx, name, tag, unchanged, out, e);
	*unchanged = false;
	buf_clear(out);
	for (size_t sent = 0; sent < 100 * 1024 * 1024; sent += sizeof(piece)) {
		if (buf_add(out, piece, sizeof(piece), e) < 0)
			return -1;
	}
	return 0;
}

static void endless_data_ends_at_the_cap_with_bounded_memory(void **state)
{
	struct fx *f = *state;
	struct fetcher source = {.ctx = f, .get = endless};
	struct rusage before, after;

	fx_accepts(f);
	uint64_t store = fx_store_digest(f);
	assert_int_equal(fx_open(f), E_OK);
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(trust_refresh(f->t, &source, &f->e), -1);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(f->e.code, E_SIZE);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8 * 1024);
	assert_true(fx_store_digest(f) == store);
}

static void a_missing_file_leaves_what_was_verified(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_publish_next(f);
	fx_fail(f, "2.targets.json", E_NOTFOUND);
	assert_int_equal(fx_refresh(f), E_NOTFOUND);
	assert_int_equal(fx_stored_version(f, "timestamp.json"), 2);
	assert_int_equal(fx_stored_version(f, "snapshot.json"), 2);
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
	fx_publish(f);
	fx_accepts(f);
	assert_int_equal(fx_stored_version(f, "targets.json"), 2);
}

static void the_stored_set_can_be_loaded_without_fetching(void **state)
{
	struct fx *f = *state;

	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), -1);
	assert_int_equal(f->e.code, E_NOTFOUND);
	fx_accepts(f);
	f->fetches = 0;
	f->o.now = fx_time("2040-01-01T00:00:00Z"); /* expiry is not judged */
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), 0);
	assert_int_equal(f->fetches, 0);
	assert_int_equal(fx_facts(f).targets_version, 1);
}

static void a_stored_file_that_was_changed_is_not_believed(void **state)
{
	struct fx *f = *state;

	fx_accepts(f);
	fx_set_version(f->targets, 9);
	JSON_AUTO json_t *doc = fx_document(f->targets);
	AUTO_FREE char *text = json_dumps(doc, 0);
	assert_int_equal(
		file_replace(f->store, "targets.json", text, strlen(text), 0644, &f->e), 0);
	assert_int_equal(fx_open(f), E_OK);
	assert_int_equal(trust_load_stored(f->t, &f->e), -1);
	assert_int_equal(f->e.code, E_NOTFOUND);
	fx_accepts(f);
	assert_int_equal(fx_stored_version(f, "targets.json"), 1);
}

static void one_object_can_try_another_mirror(void **state)
{
	struct fx *f = *state;
	struct fetcher source = fx_fetcher(f);

	fx_fail(f, "1.targets.json", E_NET);
	assert_int_equal(fx_refresh(f), E_NET);
	fx_publish(f);
	assert_int_equal(trust_refresh(f->t, &source, &f->e), 0);
	assert_int_equal(fx_facts(f).targets_version, 1);
}

static void a_scratch_set_reads_and_writes_nothing(void **state)
{
	struct fx *f = *state;

	fx_publish_next(f);
	fx_accepts(f);
	uint64_t before = fx_store_digest(f);
	/* Older than what is stored: compared inside the bundle only (design 4.3). */
	fx_set_version(f->targets, 1);
	fx_set_version(f->snapshot, 1);
	fx_set_version(f->timestamp, 1);
	fx_publish(f);
	f->o.store = -1;
	fx_accepts(f);
	assert_int_equal(fx_facts(f).timestamp_version, 1);
	assert_true(fx_store_digest(f) == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fx_test(the_order_is_root_timestamp_snapshot_targets),
		fx_test(bytes_are_stored_as_received),
		fx_test(nothing_new_costs_two_requests),
		fx_test(unchanged_does_not_save_what_has_expired),
		fx_test(unchanged_without_a_stored_one_is_refused),
		fx_test(an_older_timestamp_is_a_rollback),
		fx_test(the_same_version_keeps_the_stored_timestamp),
		fx_test(an_older_snapshot_is_a_rollback),
		fx_test(older_targets_in_a_new_snapshot_are_a_rollback),
		fx_test(a_role_removed_from_snapshot_is_a_rollback),
		fx_test(another_generation_is_a_mix),
		fx_test(listed_hash_and_length_are_checked),
		fx_test(a_mix_is_told_from_damage_by_its_signature),
		fx_test(odd_hashes_in_meta_are_refused),
		fx_test(a_key_of_two_roles_does_not_make_one_the_other),
		fx_test(odd_json_is_refused),
		fx_test(a_fraction_in_a_known_field_is_refused),
		fx_test(endless_data_ends_at_the_cap_with_bounded_memory),
		fx_test(a_missing_file_leaves_what_was_verified),
		fx_test(the_stored_set_can_be_loaded_without_fetching),
		fx_test(a_stored_file_that_was_changed_is_not_believed),
		fx_test(one_object_can_try_another_mirror),
		fx_test(a_scratch_set_reads_and_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
