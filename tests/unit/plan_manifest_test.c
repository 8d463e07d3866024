/* SPDX-License-Identifier: Apache-2.0 */
/* agent/plan/manifest: what a signed manifest may say, and what is refused although it is signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "agent/base/clock.h"
#include "agent/plan/manifest.h"

#define H(c)  c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define HASH1 H("1a")
#define HASH2 H("2b")
#define HASH3 H("3c")

/* 4 MiB + 4 KiB: 17 leaves, 2 pieces. */
static const char good[] =
	"{\"schema\": 1, \"product\": \"demo\", \"channels\": [\"stable\", \"beta\"],"
	" \"version\": \"2.1.0\", \"release\": 7, \"epoch\": 1, \"min_from\": 3,"
	" \"issued\": \"2026-01-31T12:00:00Z\", \"requires\": [],"
	" \"compatible\": [\"demo-board-1\", \"demo-board-2\"], \"class\": \"security\","
	" \"advisories\": [\"DEMO-2026-3\"], \"cves\": [\"CVE-2026-1234\", \"CVE-2026-1235\"],"
	" \"sbom\": {\"uri\": \"https://example.org/sbom\", \"sha256\": \"" HASH1 "\"},"
	" \"vex\": {\"uri\": \"https://example.org/vex\", \"sha256\": \"" HASH2 "\"},"
	" \"support_end\": \"2031-12-31T00:00:00Z\","
	" \"available_until\": \"2036-01-31T12:00:00Z\", \"notes\": \"caf\\u00e9\","
	" \"rollout\": {\"start\": \"2026-02-01T00:00:00Z\", \"salt\": \"demo-7\","
	"  \"waves\": [[5, 0], [100, 86400]]},"
	" \"x-unknown\": {\"a\": [1]},"
	" \"images\": [{\"name\": \"rootfs\", \"format\": \"ext4\", \"size\": 4198400,"
	"  \"leaf_hash\": \"sha512-256\", \"leaves\": {\"sha256\": \"" HASH1 "\", \"length\": 544},"
	"  \"full\": {\"sha256\": \"" HASH2 "\", \"length\": 1000, \"encoding\": \"zstd\","
	"   \"pieces\": {\"sha256\": \"" HASH3 "\", \"length\": 92}}}]}";

/* What saves bytes, all of it at the smallest lengths: 1 frame each. */
static const char delta[] =
	"{\"index\": {\"sha256\": \"" HASH1 "\", \"length\": 1000},"
	" \"data\": {\"sha256\": \"" HASH2 "\", \"length\": 2000, \"encoding\": \"zlib\","
	"  \"frames\": {\"sha256\": \"" HASH3 "\", \"length\": 61}},"
	" \"patches\": [{\"from\": \"" HASH3 "\", \"sha256\": \"" HASH2 "\", \"length\": 3000,"
	"  \"table\": {\"sha256\": \"" HASH1 "\", \"length\": 72}}]}";

static json_t *manifest_json(void)
{
	json_t *j = json_loads(good, 0, NULL);

	assert_non_null(j);
	return j;
}

/* The same with `delta` in its image. */
static json_t *delta_json(void)
{
	json_t *j = manifest_json();
	json_t *more = json_loads(delta, 0, NULL);

	assert_non_null(more);
	json_object_update(json_array_get(json_object_get(j, "images"), 0), more);
	json_decref(more);
	return j;
}

static int parse(const json_t *j, struct manifest **m, struct err *e)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int rc = manifest_parse((const uint8_t *)text, strlen(text), m, e);

	free(text);
	return rc;
}

/* The member at a path such as "rollout.waves" or "images.0.full". */
static json_t *member(json_t *j, const char *path)
{
	char part[64];

	while (*path) {
		size_t len = strcspn(path, ".");
		memcpy(part, path, len);
		part[len] = 0;
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(part))
				     : json_object_get(j, part);
		assert_non_null(j);
		path += len + (path[len] == '.');
	}
	return j;
}

/* `j` with `key` of the object at `path` replaced by JSON text (NULL: removed). Frees `j`. */
static void expect_of(json_t *j, const char *path, const char *key, const char *value, int want)
{
	struct manifest *m = NULL;
	struct err e = {0};

	if (value)
		json_object_set_new(member(j, path), key, json_loads(value, JSON_DECODE_ANY, NULL));
	else
		json_object_del(member(j, path), key);
	int rc = parse(j, &m, &e);
	if (want == E_OK ? rc != 0 : (rc == 0 || (int)e.code != want))
		fail_msg("%s %s = %s: rc %d %s %s", path, key, value ? value : "(none)", rc,
			err_name(e.code), e.text);
	assert_true((rc == 0) == (m != NULL));
	manifest_free(m);
	json_decref(j);
}

static void expect(const char *path, const char *key, const char *value, int want)
{
	expect_of(manifest_json(), path, key, value, want);
}

static void expect_delta(const char *path, const char *key, const char *value, int want)
{
	expect_of(delta_json(), path, key, value, want);
}

/* As above for a number. */
static void expect_length(const char *path, uint64_t length, int want)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)length);
	expect_delta(path, "length", text, want);
}

static void reads_every_field(void **state)
{
	struct manifest *m = NULL;
	struct err e = {0};
	uint8_t digest[HASH_SIZE];
	int64_t t;

	(void)state;
	assert_int_equal(manifest_parse((const uint8_t *)good, strlen(good), &m, &e), 0);
	const struct plan *p = &m->plan;
	assert_string_equal(p->product, "demo");
	assert_string_equal(p->version, "2.1.0");
	assert_int_equal(p->release, 7);
	assert_int_equal(p->epoch, 1);
	assert_int_equal(m->min_from, 3);
	assert_int_equal(p->update_class, PLAN_SECURITY);
	assert_int_equal(clock_parse("2026-01-31T12:00:00Z", &t, &e), 0);
	assert_int_equal(p->issued, t);
	assert_int_equal(clock_parse("2031-12-31T00:00:00Z", &t, &e), 0);
	assert_int_equal(p->support_end, t);
	assert_int_equal(clock_parse("2036-01-31T12:00:00Z", &t, &e), 0);
	assert_int_equal(m->available_until, t);
	assert_int_equal(hash_bytes(HASH_SHA256, good, strlen(good), digest, &e), 0);
	assert_memory_equal(p->manifest, digest, HASH_SIZE);
	assert_int_equal(m->channel_count, 2);
	assert_string_equal(m->channels[1], "beta");
	assert_int_equal(m->compatible_count, 2);
	assert_string_equal(m->compatible[0], "demo-board-1");
	assert_int_equal(m->advisory_count, 1);
	assert_string_equal(m->advisories[0], "DEMO-2026-3");
	assert_int_equal(m->cve_count, 2);
	assert_string_equal(m->cves[1], "CVE-2026-1235");
	assert_string_equal(m->sbom_uri, "https://example.org/sbom");
	assert_int_equal(p->sbom[31], 0x1a);
	assert_string_equal(m->notes, "caf\xc3\xa9");
	manifest_free(m);
}

static void reads_rollout_and_images(void **state)
{
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(manifest_parse((const uint8_t *)good, strlen(good), &m, &e), 0);
	assert_true(m->has_rollout);
	assert_string_equal(m->rollout_salt, "demo-7");
	assert_int_equal(m->wave_count, 2);
	assert_int_equal(m->waves[1].percent, 100);
	assert_int_equal(m->waves[1].seconds, 86400);
	assert_int_equal(m->plan.image_count, 1);
	const struct plan_image *i = &m->plan.images[0];
	assert_string_equal(i->name, "rootfs");
	assert_int_equal(i->format, PLAN_EXT4);
	assert_int_equal(i->size, 4198400);
	assert_int_equal(i->leaf_alg, HASH_SHA512_256);
	assert_int_equal(i->encoding, PLAN_ZSTD);
	assert_int_equal(i->leaves.length, 544);
	assert_int_equal(i->leaves.sha256[0], 0x1a);
	assert_int_equal(i->full.length, 1000);
	assert_int_equal(i->full.sha256[0], 0x2b);
	assert_int_equal(i->pieces.length, 92);
	assert_int_equal(i->pieces.sha256[0], 0x3c);
	manifest_free(m);
}

static void refuses_a_missing_or_mistyped_field(void **state)
{
	static const char *const needed[][2] = {{"", "schema"}, {"", "product"}, {"", "channels"},
		{"", "version"}, {"", "release"}, {"", "epoch"}, {"", "issued"}, {"", "compatible"},
		{"", "class"}, {"", "images"}, {"images.0", "name"}, {"images.0", "format"},
		{"images.0", "size"}, {"images.0", "leaf_hash"}, {"images.0", "leaves"},
		{"images.0", "full"}, {"images.0.leaves", "sha256"}, {"images.0.leaves", "length"},
		{"images.0.full", "sha256"}, {"images.0.full", "length"},
		{"images.0.full", "encoding"}, {"images.0.full", "pieces"},
		{"images.0.full.pieces", "sha256"}, {"images.0.full.pieces", "length"},
		{"rollout", "start"}, {"rollout", "salt"}, {"rollout", "waves"}, {"sbom", "uri"},
		{"sbom", "sha256"}, {"vex", "uri"}, {"vex", "sha256"}};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		expect(needed[i][0], needed[i][1], NULL, E_META);
		expect(needed[i][0], needed[i][1], "true", E_META);
		expect(needed[i][0], needed[i][1], "null", E_META);
	}
}

static void optional_fields_may_be_absent_but_not_malformed(void **state)
{
	static const char *const optional[] = {"min_from", "requires", "advisories", "cves", "sbom",
		"vex", "support_end", "available_until", "notes", "rollout"};

	(void)state;
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		expect("", optional[i], NULL, E_OK);
		expect("", optional[i], "true", E_META);
	}
}

static void refuses_what_this_agent_does_not_know(void **state)
{
	(void)state;
	expect("", "schema", "2", E_COMPAT);
	expect("", "schema", "0", E_COMPAT);
	expect("", "requires", "[\"teleport\"]", E_COMPAT);
	expect("images.0", "format", "\"tar\"", E_COMPAT);
	expect("images.0", "leaf_hash", "\"md5\"", E_COMPAT);
	expect("images.0", "leaf_hash", "\"SHA256\"", E_COMPAT);
	expect("images.0.full", "encoding", "\"xz\"", E_COMPAT);
	expect("", "class", "\"urgent\"", E_META);
}

static void refuses_odd_names_and_texts(void **state)
{
	static const char *const names[] = {"\"\"", "\"../x\"", "\"a/b\"", "\".a\"", "\"-a\"",
		"\"A\"", "\"a b\"", "\"\\u00e4\"", "\"a\\u001b\"",
		"\"123456789012345678901234567890123\""};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char list[80];
		expect("", "product", names[i], E_META);
		expect("images.0", "name", names[i], E_META);
		snprintf(list, sizeof(list), "[%s]", names[i]);
		expect("", "channels", list, E_META);
	}
	expect("", "product", "\"12345678901234567890123456789012\"", E_OK);
	expect("", "version", "\"\"", E_META);
	expect("", "version", "\"1\\u001b[2J\"", E_META);
	expect("", "version", "\"1\\u007f\"", E_META);
	expect("", "version", "\"1\\u009b2J\"", E_META);
	expect("", "notes", "\"safe \\u202e desrever\"", E_META);
	expect("", "notes", "\"safe \\u2067 desrever\"", E_META);
	expect("", "notes", "\"two\\nlines\"", E_META);
	expect("", "version", "\"1\\u2028 \\u20ac\"", E_OK);
}

static void refuses_texts_and_lists_over_their_limit(void **state)
{
	char text[1100];

	(void)state;
	text[0] = '"';
	memset(text + 1, 'x', 1025);
	memcpy(text + 1026, "\"", 2);
	expect("", "notes", text, E_META);
	memcpy(text + 1025, "\"", 2);
	expect("", "notes", text, E_OK);
	memcpy(text + 66, "\"", 2);
	expect("", "version", text, E_META);
	memcpy(text + 65, "\"", 2);
	expect("", "version", text, E_OK);
	expect("", "channels", "[]", E_META);
	expect("", "compatible", "[]", E_META);
	expect("", "compatible", "[\"\"]", E_META);
	expect("", "compatible", "[7]", E_META);
	json_t *many = json_array();
	for (int i = 0; i < PLAN_LIST_MAX; i++)
		json_array_append_new(many, json_string("x"));
	char *list = json_dumps(many, 0);
	expect("", "cves", list, E_OK);
	free(list);
	json_array_append_new(many, json_string("x"));
	list = json_dumps(many, 0);
	expect("", "cves", list, E_META);
	free(list);
	json_decref(many);
}

static void refuses_numbers_and_times_out_of_range(void **state)
{
	(void)state;
	expect("", "release", "0", E_META);
	expect("", "release", "-1", E_META);
	expect("", "release", "9007199254740993", E_META);
	expect("", "release", "9007199254740992", E_OK);
	expect("", "epoch", "-1", E_META);
	expect("", "epoch", "0", E_OK);
	expect("", "min_from", "-1", E_META);
	expect("", "issued", "\"2026-02-30T12:00:00Z\"", E_META);
	expect("", "support_end", "\"2026-01-31\"", E_META);
}

static void mixed_needs_its_reason(void **state)
{
	json_t *j = manifest_json();
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	expect("", "class", "\"mixed\"", E_META);
	expect("", "class", "\"functional\"", E_OK);
	json_object_set_new(j, "class", json_string("mixed"));
	json_object_set_new(j, "inseparable_reason", json_string("kernel"));
	assert_int_equal(parse(j, &m, &e), 0);
	assert_int_equal(m->plan.update_class, PLAN_MIXED);
	assert_string_equal(m->inseparable_reason, "kernel");
	manifest_free(m);
	json_decref(j);
}

static void refuses_odd_hashes(void **state)
{
	(void)state;
	expect("images.0.leaves", "sha256", "\"\"", E_META);
	expect("images.0.leaves", "sha256", "\" " HASH1 "\"", E_META);
	expect("images.0.full", "sha256", "\"" HASH1 "1\"", E_META);
	expect("images.0.full", "sha256", "\"" H("1A") "\"", E_META);
	expect("sbom", "sha256", "\"1a\"", E_META);
}

static void refuses_waves_that_fall_or_leave_their_range(void **state)
{
	(void)state;
	expect("rollout", "waves", "[]", E_META);
	expect("rollout", "waves", "[[5]]", E_META);
	expect("rollout", "waves", "[[5, 0, 0]]", E_META);
	expect("rollout", "waves", "[5, 0]", E_META);
	expect("rollout", "waves", "[[\"5\", 0]]", E_META);
	expect("rollout", "waves", "[[101, 0]]", E_META);
	expect("rollout", "waves", "[[-1, 0]]", E_META);
	expect("rollout", "waves", "[[5, -1]]", E_META);
	expect("rollout", "waves", "[[5, 9007199254740992]]", E_META);
	expect("rollout", "waves", "[[50, 0], [20, 60]]", E_META);
	expect("rollout", "waves", "[[20, 60], [50, 0]]", E_META);
	expect("rollout", "waves", "[[20, 60], [50, 60], [50, 90]]", E_OK);
	expect("rollout", "salt", "\"\"", E_META);
}

static void image_numbers_must_fit_together(void **state)
{
	(void)state;
	expect("images.0", "size", "0", E_META);
	expect("images.0", "size", "-4096", E_META);
	expect("images.0", "size", "4198401", E_META);
	expect("images.0", "size", "68719480832", E_META);
	expect("images.0", "size", "8388608", E_META);
	expect("images.0.leaves", "length", "543", E_META);
	expect("images.0.leaves", "length", "576", E_META);
	expect("images.0.full.pieces", "length", "56", E_META);
	expect("images.0.full.pieces", "length", "128", E_META);
	expect("images.0.full", "length", "0", E_META);
	expect("images.0.full", "length", "8519681", E_META);
	expect("images.0.full", "length", "8519680", E_OK);
}

static void size_alone_decides_its_own_check(void **state)
{
	json_t *j = manifest_json();
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	/* Same number of leaves and pieces, but no whole block. */
	json_object_set_new(member(j, "images.0"), "size", json_integer(4198400 - 512));
	assert_int_equal(parse(j, &m, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "4096"));
	json_decref(j);
}

static void refuses_no_images_too_many_and_twins(void **state)
{
	json_t *j = manifest_json();
	struct manifest *m = NULL;
	struct err e = {0};
	json_t *images = member(j, "images");

	(void)state;
	expect("", "images", "[]", E_META);
	expect("", "images", "[7]", E_META);
	json_array_append_new(images, json_deep_copy(json_array_get(images, 0)));
	assert_int_equal(parse(j, &m, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "rootfs"));
	for (size_t i = 1; i < PLAN_IMAGES_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "image%zu", i);
		if (i > 1)
			json_array_append_new(images, json_deep_copy(json_array_get(images, 0)));
		json_object_set_new(json_array_get(images, i), "name", json_string(name));
	}
	assert_int_equal(parse(j, &m, &e), 0);
	assert_int_equal(m->plan.image_count, PLAN_IMAGES_MAX);
	manifest_free(m);
	m = NULL;
	json_array_append_new(images, json_deep_copy(json_array_get(images, 0)));
	json_object_set_new(json_array_get(images, 8), "name", json_string("image8"));
	assert_int_equal(parse(j, &m, &e), -1);
	assert_int_equal(e.code, E_META);
	json_decref(j);
}

static void refuses_what_is_no_manifest(void **state)
{
	static const char *const texts[] = {"", "{", "{\"schema\": 1, \"schema\": 1}", "NaN"};
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int rc = manifest_parse((const uint8_t *)texts[i], strlen(texts[i]), &m, &e);
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, E_JSON);
	}
	assert_int_equal(manifest_parse((const uint8_t *)"[]", 2, &m, &e), -1);
	assert_int_equal(e.code, E_META);
}

static void refuses_more_than_a_mebibyte(void **state)
{
	size_t len = strlen(good);
	uint8_t *big = malloc(MANIFEST_MAX + 1);
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	assert_non_null(big);
	memset(big, ' ', MANIFEST_MAX + 1);
	memcpy(big, good, len);
	assert_int_equal(manifest_parse(big, MANIFEST_MAX, &m, &e), 0);
	manifest_free(m);
	m = NULL;
	assert_int_equal(manifest_parse(big, MANIFEST_MAX + 1, &m, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	free(big);
}

static void reads_index_data_and_patches(void **state)
{
	json_t *j = delta_json();
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	if (parse(j, &m, &e) < 0)
		fail_msg("%s", e.text);
	const struct plan_image *i = &m->plan.images[0];
	assert_true(i->has_delta);
	assert_int_equal(i->encoding, PLAN_ZSTD);
	assert_int_equal(i->index.length, 1000);
	assert_int_equal(i->index.sha256[0], 0x1a);
	assert_int_equal(i->data.length, 2000);
	assert_int_equal(i->data.sha256[0], 0x2b);
	assert_int_equal(i->data_encoding, PLAN_ZLIB);
	assert_int_equal(i->frames.length, 61);
	assert_int_equal(i->frames.sha256[0], 0x3c);
	assert_int_equal(i->patch_count, 1);
	assert_int_equal(i->patches[0].from[0], 0x3c);
	assert_int_equal(i->patches[0].patch.length, 3000);
	assert_int_equal(i->patches[0].patch.sha256[0], 0x2b);
	assert_int_equal(i->patches[0].table.length, 72);
	assert_int_equal(i->patches[0].table.sha256[0], 0x1a);
	manifest_free(m);
	json_decref(j);
}

static void index_and_data_come_together_or_not_at_all(void **state)
{
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	expect_delta("images.0", "index", NULL, E_META);
	expect_delta("images.0", "data", NULL, E_META);
	expect_delta("images.0", "patches", NULL, E_OK);
	expect_delta("images.0", "patches", "[]", E_OK);
	json_t *j = delta_json();
	json_object_del(member(j, "images.0"), "index");
	json_object_del(member(j, "images.0"), "data");
	assert_int_equal(parse(j, &m, &e), 0);
	assert_false(m->plan.images[0].has_delta);
	assert_int_equal(m->plan.images[0].patch_count, 1);
	manifest_free(m);
	json_decref(j);
}

static void fields_of_the_delta_are_as_strict_as_others(void **state)
{
	static const char *const needed[][2] = {{"images.0", "index"}, {"images.0", "data"},
		{"images.0.index", "sha256"}, {"images.0.index", "length"},
		{"images.0.data", "sha256"}, {"images.0.data", "length"},
		{"images.0.data", "encoding"}, {"images.0.data", "frames"},
		{"images.0.data.frames", "sha256"}, {"images.0.data.frames", "length"},
		{"images.0.patches.0", "from"}, {"images.0.patches.0", "sha256"},
		{"images.0.patches.0", "length"}, {"images.0.patches.0", "table"},
		{"images.0.patches.0.table", "sha256"}, {"images.0.patches.0.table", "length"}};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		expect_delta(needed[i][0], needed[i][1], NULL, E_META);
		expect_delta(needed[i][0], needed[i][1], "true", E_META);
		expect_delta(needed[i][0], needed[i][1], "null", E_META);
	}
	expect_delta("images.0", "patches", "{}", E_META);
	expect_delta("images.0", "patches", "[7]", E_META);
	expect_delta("images.0.data", "encoding", "\"xz\"", E_COMPAT);
	expect_length("images.0.index", 0, E_META);
	expect_length("images.0.data", 0, E_META);
	expect_length("images.0.patches.0", 0, E_META);
}

static void lengths_of_the_delta_are_what_the_size_permits(void **state)
{
	(void)state;
	/* 8201 entries: at most one for each 512 bytes, and one more. */
	expect_length("images.0.index", 20 + 8201 * 10 + 1026 + 4101, E_OK);
	expect_length("images.0.index", 20 + 8201 * 10 + 1026 + 4101 + 1, E_META);
	/* 48 frames: one for each 128 KiB, and one for each generation. */
	expect_length("images.0.data.frames", 20 + 48 * 41, E_OK);
	expect_length("images.0.data.frames", 20 + 49 * 41, E_META);
	expect_length("images.0.data.frames", 20 + 41 + 1, E_META);
	expect_length("images.0.data.frames", 20, E_META);
	expect_length("images.0.data", 4198400 + 4096, E_OK);
	expect_length("images.0.data", 4198400 + 4096 + 1, E_META);
	expect_length("images.0.patches.0.table", 28 + 1025 * 44, E_OK);
	expect_length("images.0.patches.0.table", 28 + 1026 * 44, E_META);
	expect_length("images.0.patches.0.table", 28 + 44 + 1, E_META);
	expect_length("images.0.patches.0.table", 28, E_META);
	expect_length("images.0.patches.0", 2 * 4198400 + 8192, E_OK);
	expect_length("images.0.patches.0", 2 * 4198400 + 8192 + 1, E_META);
}

/* The manifest with an image of another size, whose other lengths fit it. */
static json_t *sized_json(uint64_t size)
{
	json_t *j = delta_json();
	json_t *image = member(j, "images.0");
	uint64_t leaves = (size + 262143) / 262144;
	uint64_t pieces = (size + 4194303) / 4194304;

	json_object_set_new(image, "size", json_integer((json_int_t)size));
	json_object_set_new(
		member(image, "leaves"), "length", json_integer((json_int_t)leaves * 32));
	json_object_set_new(member(image, "full.pieces"), "length",
		json_integer((json_int_t)(20 + 36 * pieces)));
	return j;
}

static void an_index_has_at_most_4_million_entries(void **state)
{
	static const char *const lengths[] = {"44564500", "44564501"}; /* 20 + 2^22 * 10.625 */

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		json_t *j = sized_json(UINT64_C(8) << 30);
		json_object_del(member(j, "images.0"), "patches");
		expect_of(j, "images.0.index", "length", lengths[i], i == 0 ? E_OK : E_META);
	}
}

static void patches_are_for_images_up_to_a_gibibyte(void **state)
{
	(void)state;
	expect_of(sized_json(UINT64_C(1) << 30), "", "min_from", "0", E_OK);
	expect_of(sized_json((UINT64_C(1) << 30) + 4096), "", "min_from", "0", E_META);
	expect_of(sized_json((UINT64_C(1) << 30) + 4096), "images.0", "patches", "[]", E_OK);
}

static void refuses_too_many_patches_and_twins(void **state)
{
	json_t *j = delta_json();
	struct manifest *m = NULL;
	struct err e = {0};
	json_t *list = member(j, "images.0.patches");

	(void)state;
	json_array_append_new(list, json_deep_copy(json_array_get(list, 0)));
	assert_int_equal(parse(j, &m, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "same image"));
	for (size_t i = 1; i <= PLAN_PATCHES_MAX; i++) {
		char from[65] = HASH1;
		from[0] = (char)('0' + i);
		if (i > 1)
			json_array_append_new(list, json_deep_copy(json_array_get(list, 0)));
		json_object_set_new(json_array_get(list, i), "from", json_string(from));
		int rc = parse(j, &m, &e);
		assert_int_equal(rc, i < PLAN_PATCHES_MAX ? 0 : -1);
		if (rc == 0)
			assert_int_equal(m->plan.images[0].patch_count, i + 1);
		manifest_free(m);
		m = NULL;
	}
	assert_int_equal(e.code, E_META);
	json_decref(j);
}

/* The manifest of the delta with one difference each of leaves and index. */
static json_t *differences_json(void)
{
	json_t *j = delta_json();

	for (int k = 0; k < 2; k++) {
		json_t *table = member(j, k == 0 ? "images.0.leaves" : "images.0.index");
		json_object_set_new(table, "from",
			json_pack("[{s:s, s:s, s:i}]", "base", k == 0 ? HASH3 : HASH2, "sha256",
				HASH3, "length", 70 + k));
	}
	return j;
}

static void reads_differences_of_leaves_and_index(void **state)
{
	json_t *j = differences_json();
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	if (parse(j, &m, &e) < 0)
		fail_msg("%s", e.text);
	const struct plan_image *i = &m->plan.images[0];
	assert_int_equal(i->leaves_from.count, 1);
	assert_int_equal(i->leaves_from.from[0].base[0], 0x3c);
	assert_int_equal(i->leaves_from.from[0].object.sha256[0], 0x3c);
	assert_int_equal(i->leaves_from.from[0].object.length, 70);
	assert_int_equal(i->index_from.count, 1);
	assert_int_equal(i->index_from.from[0].base[0], 0x2b);
	assert_int_equal(i->index_from.from[0].object.length, 71);
	manifest_free(m);
	json_decref(j);
}

static void fields_of_differences_are_as_strict_as_others(void **state)
{
	static const char *const keys[] = {"base", "sha256", "length"};
	static const char *const tables[] = {"images.0.leaves", "images.0.index"};

	(void)state;
	for (size_t t = 0; t < 2; t++) {
		char first[64];
		snprintf(first, sizeof(first), "%s.from.0", tables[t]);
		for (size_t k = 0; k < 3; k++) {
			expect_of(differences_json(), first, keys[k], NULL, E_META);
			expect_of(differences_json(), first, keys[k], "true", E_META);
			expect_of(differences_json(), first, keys[k], "null", E_META);
		}
		expect_of(differences_json(), first, "length", "0", E_META);
		expect_of(differences_json(), first, "more", "{}", E_OK);
		expect_of(differences_json(), tables[t], "from", "{}", E_META);
		expect_of(differences_json(), tables[t], "from", "[7]", E_META);
		expect_of(differences_json(), tables[t], "from", "[]", E_OK);
	}
}

static void a_difference_is_shorter_than_its_table_and_a_mebibyte(void **state)
{
	(void)state;
	/* 17 leaves, and an index of 1000 bytes. */
	expect_of(differences_json(), "images.0.leaves.from.0", "length", "543", E_OK);
	expect_of(differences_json(), "images.0.leaves.from.0", "length", "544", E_META);
	expect_of(differences_json(), "images.0.index.from.0", "length", "999", E_OK);
	expect_of(differences_json(), "images.0.index.from.0", "length", "1000", E_META);
	for (int over = 0; over <= 1; over++) {
		json_t *j = sized_json(UINT64_C(1) << 30);
		json_object_set_new(member(j, "images.0.index"), "length", json_integer(2000000));
		json_object_set_new(member(j, "images.0.index"), "from",
			json_pack("[{s:s, s:s, s:i}]", "base", HASH2, "sha256", HASH3, "length",
				1048576 + over));
		expect_of(j, "images.0", "more", "1", over ? E_META : E_OK);
	}
}

static void refuses_too_many_differences_twins_and_one_from_itself(void **state)
{
	json_t *j = differences_json();
	struct manifest *m = NULL;
	struct err e = {0};
	json_t *list = member(j, "images.0.index.from");

	(void)state;
	for (size_t i = 1; i <= PLAN_BASES_MAX; i++) {
		char base[65] = HASH3;
		base[0] = (char)('0' + i);
		json_array_append_new(list, json_deep_copy(json_array_get(list, 0)));
		assert_int_equal(parse(j, &m, &e), -1); /* twins */
		assert_int_equal(e.code, E_META);
		json_object_set_new(json_array_get(list, i), "base", json_string(base));
		int rc = parse(j, &m, &e);
		assert_int_equal(rc, i < PLAN_BASES_MAX ? 0 : -1);
		if (rc == 0)
			assert_int_equal(m->plan.images[0].index_from.count, i + 1);
		manifest_free(m);
		m = NULL;
	}
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "more than"));
	json_decref(j);
	/* The table's own hash. */
	json_t *one = differences_json();
	expect_of(one, "images.0.index.from.0", "base", "\"" HASH1 "\"", E_META);
}

/* The manifest of the delta with ten frames, and two first parts of their table. */
static json_t *firsts_json(void)
{
	json_t *j = delta_json();
	json_t *frames = member(j, "images.0.data.frames");

	json_object_set_new(frames, "length", json_integer(20 + 10 * 41));
	json_object_set_new(frames, "first",
		json_pack("[{s:i, s:s, s:i}, {s:i, s:s, s:i}]", "generations", 1, "sha256", HASH2,
			"length", 20 + 41, "generations", 4, "sha256", HASH3, "length",
			20 + 3 * 41));
	return j;
}

static void reads_first_parts_of_frames(void **state)
{
	json_t *j = firsts_json();
	struct manifest *m = NULL;
	struct err e = {0};

	(void)state;
	if (parse(j, &m, &e) < 0)
		fail_msg("%s", e.text);
	const struct plan_firsts *f = &m->plan.images[0].frames_first;
	assert_int_equal(f->count, 2);
	assert_int_equal(f->first[0].generations, 1);
	assert_int_equal(f->first[0].part.length, 61);
	assert_int_equal(f->first[0].part.sha256[0], 0x2b);
	assert_int_equal(f->first[1].generations, 4);
	assert_int_equal(f->first[1].part.length, 143);
	assert_int_equal(f->first[1].part.sha256[0], 0x3c);
	manifest_free(m);
	json_decref(j);
	expect_of(delta_json(), "images.0.data.frames", "first", "[]", E_OK);
}

#define FIRST "images.0.data.frames.first"

static void fields_of_first_parts_are_as_strict_as_others(void **state)
{
	static const char *const keys[] = {"generations", "sha256", "length"};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		expect_of(firsts_json(), FIRST ".0", keys[k], NULL, E_META);
		expect_of(firsts_json(), FIRST ".0", keys[k], "true", E_META);
		expect_of(firsts_json(), FIRST ".0", keys[k], "null", E_META);
		expect_of(firsts_json(), FIRST ".0", keys[k], "-1", E_META);
		expect_of(firsts_json(), FIRST ".0", keys[k], "9007199254740992", E_META);
	}
	expect_of(firsts_json(), FIRST ".0", "more", "{}", E_OK);
	expect_of(firsts_json(), "images.0.data.frames", "first", "{}", E_META);
	expect_of(firsts_json(), "images.0.data.frames", "first", "[7]", E_META);
	expect_of(firsts_json(), FIRST ".0", "generations", "0", E_META);
	expect_of(firsts_json(), FIRST ".1", "generations", "15", E_OK);
	expect_of(firsts_json(), FIRST ".1", "generations", "16", E_META);
}

static void a_first_part_is_whole_frames_but_not_all(void **state)
{
	(void)state;
	expect_of(firsts_json(), FIRST ".0", "length", "20", E_META);
	expect_of(firsts_json(), FIRST ".0", "length", "60", E_META);
	expect_of(firsts_json(), FIRST ".0", "length", "62", E_META);
	expect_of(firsts_json(), FIRST ".0", "length", "102", E_OK);
	expect_of(firsts_json(), FIRST ".1", "length", "389", E_OK);
	expect_of(firsts_json(), FIRST ".1", "length", "390", E_META);
	expect_of(firsts_json(), FIRST ".1", "length", "430", E_META);
	expect_of(firsts_json(), FIRST ".1", "length", "471", E_META);
	/* Of one frame there is none. */
	expect_of(firsts_json(), "images.0.data.frames", "length", "61", E_META);
}

static void first_parts_rise_and_are_four_at_most(void **state)
{
	(void)state;
	expect_of(firsts_json(), FIRST ".0", "generations", "3", E_OK);
	expect_of(firsts_json(), FIRST ".0", "generations", "4", E_META);
	expect_of(firsts_json(), FIRST ".0", "generations", "5", E_META);
	expect_of(firsts_json(), FIRST ".0", "length", "143", E_META);
	expect_of(firsts_json(), FIRST ".0", "length", "184", E_META);
	for (int more = 2; more <= 3; more++) {
		json_t *j = firsts_json();
		for (int i = 0; i < more; i++)
			json_array_append_new(member(j, FIRST),
				json_pack("{s:i, s:s, s:i}", "generations", 5 + i, "sha256", HASH1,
					"length", 20 + (4 + i) * 41));
		expect_of(j, "images.0", "more", "1", more == 2 ? E_OK : E_META);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_field),
		cmocka_unit_test(reads_rollout_and_images),
		cmocka_unit_test(refuses_a_missing_or_mistyped_field),
		cmocka_unit_test(optional_fields_may_be_absent_but_not_malformed),
		cmocka_unit_test(refuses_what_this_agent_does_not_know),
		cmocka_unit_test(refuses_odd_names_and_texts),
		cmocka_unit_test(refuses_texts_and_lists_over_their_limit),
		cmocka_unit_test(refuses_numbers_and_times_out_of_range),
		cmocka_unit_test(mixed_needs_its_reason),
		cmocka_unit_test(refuses_odd_hashes),
		cmocka_unit_test(refuses_waves_that_fall_or_leave_their_range),
		cmocka_unit_test(image_numbers_must_fit_together),
		cmocka_unit_test(size_alone_decides_its_own_check),
		cmocka_unit_test(refuses_no_images_too_many_and_twins),
		cmocka_unit_test(refuses_what_is_no_manifest),
		cmocka_unit_test(refuses_more_than_a_mebibyte),
		cmocka_unit_test(reads_index_data_and_patches),
		cmocka_unit_test(index_and_data_come_together_or_not_at_all),
		cmocka_unit_test(fields_of_the_delta_are_as_strict_as_others),
		cmocka_unit_test(lengths_of_the_delta_are_what_the_size_permits),
		cmocka_unit_test(an_index_has_at_most_4_million_entries),
		cmocka_unit_test(patches_are_for_images_up_to_a_gibibyte),
		cmocka_unit_test(refuses_too_many_patches_and_twins),
		cmocka_unit_test(reads_first_parts_of_frames),
		cmocka_unit_test(fields_of_first_parts_are_as_strict_as_others),
		cmocka_unit_test(a_first_part_is_whole_frames_but_not_all),
		cmocka_unit_test(first_parts_rise_and_are_four_at_most),
		cmocka_unit_test(reads_differences_of_leaves_and_index),
		cmocka_unit_test(fields_of_differences_are_as_strict_as_others),
		cmocka_unit_test(a_difference_is_shorter_than_its_table_and_a_mebibyte),
		cmocka_unit_test(refuses_too_many_differences_twins_and_one_from_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
