/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/bundle_plan: what a bundle needs is found from timestamp downwards, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "publisher/bundle_plan.h"
#include "publisher/release.h"
#include "tests/unit/publisher_tree.h"

static char public_dir[64];

static void write_file(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", public_dir, name);
	tree_write(path, text, strlen(text));
}

static int set_up(void **state)
{
	char path[128];

	(void)state;
	tree_make(public_dir);
	static const char *const folders[] = {
		"metadata", "targets", "targets/demo", "targets/demo/releases"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", public_dir, folders[i]);
		if (mkdir(path, 0755) != 0)
			return -1;
	}
	write_file("metadata/1.root.json", "{}");
	write_file("metadata/2.root.json", "{}");
	write_file("metadata/timestamp.json",
		"{\"signed\": {\"meta\": {\"snapshot.json\": {\"version\": 5}}}}");
	write_file("metadata/5.snapshot.json",
		"{\"signed\": {\"meta\": {\"targets.json\": {\"version\": 3}, \"releases.json\": "
		"{\"version\": 4}}}}");
	write_file("metadata/3.targets.json", "{\"signed\": {\"targets\": {}}}");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_remove(public_dir);
	return 0;
}

/* Publishes a manifest with two images whose objects are shared but for `full`. */
static void publish(uint64_t full_length)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);
	AUTO_MANIFEST struct manifest *m = NULL;
	const struct release_identity id = {.product = "demo", .release = 7, .issued = 1};
	struct plan_image image[2] = {{.size = UINT64_C(16) << 30,
		.leaves = {.length = 65536 * 32},
		.pieces = {.length = 20 + 4096 * 36},
		.full = {.length = full_length}}};
	char name[200];
	char releases[512];
	char hex[HASH_HEX_SIZE];
	struct err e = {0};

	memset(image[0].leaves.sha256, 1, HASH_SIZE);
	memset(image[0].pieces.sha256, 2, HASH_SIZE);
	memset(image[0].full.sha256, 3, HASH_SIZE);
	image[1] = image[0];
	memset(image[1].full.sha256, 4, HASH_SIZE);
	snprintf(image[0].name, sizeof(image[0].name), "a");
	snprintf(image[1].name, sizeof(image[1].name), "b");
	assert_int_equal(release_settings_add(&s, RELEASE_VERSION, "1", true, &e), 0);
	assert_int_equal(release_settings_add(&s, RELEASE_COMPATIBLE, "b", true, &e), 0);
	assert_int_equal(release_settings_add(&s, RELEASE_CLASS, "functional", true, &e), 0);
	if (release_manifest(&s, &id, image, 2, &text, &m, &e) < 0)
		fail_msg("%s", e.text);
	hash_to_hex(m->plan.manifest, hex);
	snprintf(name, sizeof(name), "targets/demo/releases/%s.7.json", hex);
	write_file(name, buf_text(&text));
	snprintf(releases, sizeof(releases),
		"{\"signed\": {\"targets\": {\"demo/releases/7.json\": {\"length\": %zu, "
		"\"hashes\": {\"sha256\": \"%s\"}}}}}",
		text.len, hex);
	write_file("metadata/4.releases.json", releases);
}

static int plan(uint64_t release, struct bundle_plan *b, struct err *e)
{
	AUTO_CLOSE int dir = tree_open(public_dir);

	const struct bundle_request r = {.public_dir = dir, .product = "demo", .release = release};
	return bundle_make_plan(&r, b, e);
}

static void members_come_in_the_documented_order_and_once(void **state)
{
	static const char *const want[] = {"metadata/1.root.json", "metadata/2.root.json",
		"metadata/timestamp.json", "metadata/5.snapshot.json", "metadata/3.targets.json",
		"metadata/4.releases.json", "targets/demo/releases/", "objects/01/", "objects/02/",
		"objects/03/", "objects/04/"};
	static struct bundle_plan b;
	struct err e = {0};

	(void)state;
	publish((UINT64_C(8) << 30) - 1);
	if (plan(7, &b, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(b.count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < b.count; i++) {
		assert_int_equal(strncmp(b.member[i].name, want[i], strlen(want[i])), 0);
		assert_int_equal(b.member[i].checked, i >= 2);
	}
	assert_int_equal(b.member[9].length, (UINT64_C(8) << 30) - 1);
}

static void objects_of_8_gib_are_not_bundled(void **state)
{
	static struct bundle_plan b;
	struct err e = {0};

	(void)state;
	publish(UINT64_C(8) << 30);
	assert_int_equal(plan(7, &b, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_non_null(strstr(e.text, "8 GiB"));
}

static void only_signed_releases_are_bundled(void **state)
{
	static struct bundle_plan b;
	struct err e = {0};

	(void)state;
	publish(100);
	assert_int_equal(plan(8, &b, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
}

static void metadata_without_its_members_is_named(void **state)
{
	static const char *const bad[] = {"{}", "[]", "", "{\"signed\": {\"meta\": {}}}",
		"{\"signed\": {\"meta\": {\"snapshot.json\": {\"version\": 0}}}}",
		"{\"signed\": {\"meta\": {\"snapshot.json\": {\"version\": \"../5\"}}}}"};
	static struct bundle_plan b;

	(void)state;
	publish(100);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};
		write_file("metadata/timestamp.json", bad[i]);
		assert_int_equal(plan(7, &b, &e), -1);
		assert_true(e.code == E_META || e.code == E_JSON);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			members_come_in_the_documented_order_and_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			objects_of_8_gib_are_not_bundled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			only_signed_releases_are_bundled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			metadata_without_its_members_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
