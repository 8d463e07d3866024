/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/roles*: versions, thresholds, what is written and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "publisher_workspace.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct world {
	struct publisher p;
	struct roles r;
	struct err e;
};

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	workspace_begin(&w->p);
	workspace_publish_empty(&w->p, &w->r);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	roles_free(&w->r);
	workspace_end(&w->p);
	free(w);
	return 0;
}

static const char *keyid_of(struct world *w, const char *signer, size_t i)
{
	return json_string_value(
		json_array_get(roles_keyids(roles_signed(&w->r, ROLE_ROOT), signer), i));
}

static void remove_key_file(struct world *w, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "keys/%s.pem", name);
	assert_int_equal(unlinkat(w->p.fd, path, 0), 0);
}

static void an_empty_repository_has_all_roles_at_version_1(void **state)
{
	struct world *w = *state;
	unsigned n = 0;

	for (enum role i = 0; i < ROLE_COUNT; i++) {
		const char *signer = roles_info[i].signer;
		const json_t *root = roles_signed(&w->r, ROLE_ROOT);
		assert_int_equal(roles_version(&w->r, i), 1);
		assert_int_equal(roles_count_signatures(root, signer, w->r.file[i], &n, &w->e), 0);
		assert_int_equal(n, roles_threshold(root, signer));
	}
	assert_int_equal(roles_expires(&w->r, ROLE_TIMESTAMP), WORKSPACE_NOW + 30 * ROLES_DAY);
	assert_int_equal(roles_expires(&w->r, ROLE_ROOT), WORKSPACE_NOW + 1826 * ROLES_DAY);
}

static void a_commit_without_changes_writes_nothing(void **state)
{
	struct world *w = *state;
	bool wrote = true;

	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), 0);
	assert_false(wrote);
	assert_false(workspace_has(&w->p, "public/metadata/2.snapshot.json"));
}

static void a_changed_target_raises_what_lists_it_and_nothing_else(void **state)
{
	struct world *w = *state;
	bool wrote;

	assert_int_equal(roles_set_target(&w->r, ROLE_TARGETS, "demo/stable.json", 10, HASH_A, 1,
				 "1.0", &w->e),
		0);
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), 0);
	assert_true(wrote);
	assert_int_equal(roles_version(&w->r, ROLE_ROOT), 1);
	assert_int_equal(roles_version(&w->r, ROLE_RELEASES), 1);
	assert_int_equal(roles_version(&w->r, ROLE_TARGETS), 2);
	assert_int_equal(roles_version(&w->r, ROLE_SNAPSHOT), 2);
	assert_int_equal(roles_version(&w->r, ROLE_TIMESTAMP), 2);
	assert_false(workspace_has(&w->p, "public/metadata/2.root.json"));
}

static void a_root_with_one_of_two_signatures_is_not_published(void **state)
{
	struct world *w = *state;
	bool wrote = false;

	remove_key_file(w, "root-1");
	remove_key_file(w, "root-3");
	w->r.changed[ROLE_ROOT] = true;
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), -1);
	assert_int_equal(w->e.code, E_THRESHOLD);
	assert_false(wrote);
	assert_false(workspace_has(&w->p, "public/metadata/2.root.json"));
}

static void a_successor_needs_the_threshold_of_its_predecessor_too(void **state)
{
	struct world *w = *state;
	AUTO_ENTRY struct keys_entry a = {0};
	AUTO_ENTRY struct keys_entry b = {0};
	char out[HASH_HEX_SIZE];
	bool wrote;

	/* Two of three are replaced; the new root alone would be satisfied by new keys. */
	assert_int_equal(keys_prepare_next(&w->p, "root-1", NULL, &a, &w->e), 0);
	assert_int_equal(keys_prepare_next(&w->p, "root-2", NULL, &b, &w->e), 0);
	snprintf(out, sizeof(out), "%s", keyid_of(w, "root", 0));
	assert_int_equal(roles_replace_key(&w->r, "root", out, &a, &w->e), 0);
	snprintf(out, sizeof(out), "%s", keyid_of(w, "root", 1));
	assert_int_equal(roles_replace_key(&w->r, "root", out, &b, &w->e), 0);
	remove_key_file(w, "root-1");
	remove_key_file(w, "root-2");
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), -1);
	assert_int_equal(w->e.code, E_THRESHOLD);
	assert_false(workspace_has(&w->p, "public/metadata/2.root.json"));
}

static void nothing_is_written_when_one_role_cannot_be_signed(void **state)
{
	struct world *w = *state;
	bool wrote = false;

	remove_key_file(w, "online");
	assert_int_equal(roles_set_target(&w->r, ROLE_TARGETS, "demo/stable.json", 10, HASH_A, 1,
				 "1.0", &w->e),
		0);
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), -1);
	assert_int_equal(w->e.code, E_CONFIG);
	assert_non_null(strstr(w->e.text, "online"));
	assert_false(workspace_has(&w->p, "public/metadata/2.targets.json"));
}

static void a_new_release_key_has_everything_signed_again(void **state)
{
	struct world *w = *state;
	AUTO_ENTRY struct keys_entry next = {0};
	char out[HASH_HEX_SIZE];
	bool wrote;

	assert_int_equal(keys_prepare_next(&w->p, "release", NULL, &next, &w->e), 0);
	snprintf(out, sizeof(out), "%s", keyid_of(w, "targets", 0));
	assert_int_equal(roles_replace_key(&w->r, "targets", out, &next, &w->e), 0);
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), 0);
	for (enum role i = 0; i < ROLE_COUNT; i++)
		assert_int_equal(roles_version(&w->r, i), 2);
	const json_t *keys = json_object_get(
		json_object_get(roles_signed(&w->r, ROLE_TARGETS), "delegations"), "keys");
	assert_int_equal(json_object_size(keys), 1);
	assert_non_null(json_object_get(keys, next.keyid));
	assert_null(json_object_get(json_object_get(roles_signed(&w->r, ROLE_ROOT), "keys"), out));
}

static void a_role_is_never_left_below_its_threshold(void **state)
{
	struct world *w = *state;
	char out[HASH_HEX_SIZE];

	snprintf(out, sizeof(out), "%s", keyid_of(w, "root", 0));
	assert_int_equal(roles_replace_key(&w->r, "root", out, NULL, &w->e), 0);
	snprintf(out, sizeof(out), "%s", keyid_of(w, "root", 0));
	assert_int_equal(roles_replace_key(&w->r, "root", out, NULL, &w->e), -1);
	assert_int_equal(w->e.code, E_THRESHOLD);
	snprintf(out, sizeof(out), "%s", keyid_of(w, "targets", 0));
	assert_int_equal(roles_replace_key(&w->r, "targets", out, NULL, &w->e), -1);
	assert_int_equal(w->e.code, E_THRESHOLD);
}

static void revoked_manifests_stay_revoked_in_every_channel(void **state)
{
	struct world *w = *state;
	static const char *const paths[] = {"demo/stable.json", "demo/beta.json", "demo/new.json"};

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			roles_set_target(&w->r, ROLE_TARGETS, paths[i], 1, HASH_B, 1, "1", &w->e),
			0);
	assert_int_equal(roles_set_target(&w->r, ROLE_TARGETS, "other/stable.json", 1, HASH_B, 1,
				 "1", &w->e),
		0);
	assert_int_equal(roles_revoke_manifest(&w->r, "demo", HASH_B, &w->e), 0);
	assert_int_equal(roles_revoke_manifest(&w->r, "demo", HASH_A, &w->e), 0);
	assert_int_equal(roles_revoke_manifest(&w->r, "demo", HASH_A, &w->e), 0);
	/* A channel that comes later, and one that gets a new release. */
	assert_int_equal(
		roles_set_target(&w->r, ROLE_TARGETS, paths[2], 1, HASH_A, 2, "2", &w->e), 0);
	assert_int_equal(
		roles_set_target(&w->r, ROLE_TARGETS, paths[0], 1, HASH_A, 2, "2", &w->e), 0);
	for (size_t i = 0; i < 3; i++) {
		json_t *custom =
			json_object_get(roles_find_target(&w->r, ROLE_TARGETS, paths[i]), "custom");
		const json_t *revoked = json_object_get(custom, "revoked");
		assert_int_equal(json_array_size(revoked), 2);
		assert_string_equal(json_string_value(json_array_get(revoked, 0)), HASH_A);
		assert_string_equal(json_string_value(json_array_get(revoked, 1)), HASH_B);
	}
	assert_null(json_object_get(
		json_object_get(
			roles_find_target(&w->r, ROLE_TARGETS, "other/stable.json"), "custom"),
		"revoked"));
	assert_int_equal(roles_revoke_manifest(&w->r, "none", HASH_A, &w->e), -1);
	assert_int_equal(w->e.code, E_NOTFOUND);
}

static void a_changed_byte_is_no_signature(void **state)
{
	struct world *w = *state;
	unsigned n = 9;

	json_object_set_new(roles_signed(&w->r, ROLE_TIMESTAMP), "version", json_integer(7));
	assert_int_equal(roles_count_signatures(roles_signed(&w->r, ROLE_ROOT), "timestamp",
				 w->r.file[ROLE_TIMESTAMP], &n, &w->e),
		0);
	assert_int_equal(n, 0);
}

static void metadata_that_devices_would_not_read_is_not_written(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *long_text = calloc(1, ROLES_TIMESTAMP_MAX + 1);
	bool wrote;

	assert_non_null(long_text);
	memset(long_text, 'x', ROLES_TIMESTAMP_MAX);
	json_object_set_new(roles_signed(&w->r, ROLE_TIMESTAMP), "x", json_string(long_text));
	w->r.changed[ROLE_TIMESTAMP] = true;
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), -1);
	assert_int_equal(w->e.code, E_SIZE);
}

static void release_numbers_only_rise(void **state)
{
	struct world *w = *state;
	uint64_t n = 0;

	assert_int_equal(publisher_next_release(&w->p, "demo", &n, &w->e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(publisher_allot_release(&w->p, "demo", 7, &w->e), 0);
	assert_int_equal(publisher_allot_release(&w->p, "demo", 3, &w->e), 0);
	assert_int_equal(publisher_next_release(&w->p, "demo", &n, &w->e), 0);
	assert_int_equal(n, 8);
	assert_int_equal(publisher_next_release(&w->p, "other", &n, &w->e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(mkdirat(w->p.fd, "staging/demo-41", 0700), 0);
	assert_int_equal(mkdirat(w->p.fd, "staging/demo-0999", 0700), 0);
	assert_int_equal(mkdirat(w->p.fd, "staging/demo-x-77", 0700), 0);
	assert_int_equal(publisher_next_release(&w->p, "demo", &n, &w->e), 0);
	assert_int_equal(n, 42);
	assert_int_equal(roles_set_target(&w->r, ROLE_RELEASES, "demo/releases/90.json", 1, HASH_A,
				 90, "9", &w->e),
		0);
	bool wrote;
	assert_int_equal(roles_commit(&w->p, &w->r, &wrote, &w->e), 0);
	assert_int_equal(publisher_next_release(&w->p, "demo", &n, &w->e), 0);
	assert_int_equal(n, 91);
}

static void an_object_goes_in_by_its_right_hash_only(void **state)
{
	struct world *w = *state;
	AUTO_CLOSE int objects = -1;
	uint8_t right[HASH_SIZE];
	uint8_t wrong[HASH_SIZE];
	char path[600];

	snprintf(path, sizeof(path), "%s/x", w->p.dir);
	tree_write(path, "hello", 5);
	assert_int_equal(hash_bytes(HASH_SHA256, "hello", 5, right, &w->e), 0);
	assert_int_equal(hash_bytes(HASH_SHA256, "other", 5, wrong, &w->e), 0);
	assert_int_equal(publisher_open_dir(&w->p, "public/objects", true, &objects, &w->e), 0);
	assert_int_equal(publisher_store_object(objects, path, wrong, &w->e), -1);
	assert_int_equal(w->e.code, E_HASH);
	assert_int_equal(publisher_store_object(objects, path, right, &w->e), 0);
	assert_int_equal(publisher_store_object(objects, path, right, &w->e), 0);
	assert_true(workspace_has(&w->p,
		"public/objects/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		T(an_empty_repository_has_all_roles_at_version_1),
		T(a_commit_without_changes_writes_nothing),
		T(a_changed_target_raises_what_lists_it_and_nothing_else),
		T(a_root_with_one_of_two_signatures_is_not_published),
		T(a_successor_needs_the_threshold_of_its_predecessor_too),
		T(nothing_is_written_when_one_role_cannot_be_signed),
		T(a_new_release_key_has_everything_signed_again),
		T(a_role_is_never_left_below_its_threshold),
		T(revoked_manifests_stay_revoked_in_every_channel),
		T(a_changed_byte_is_no_signature),
		T(metadata_that_devices_would_not_read_is_not_written),
		T(release_numbers_only_rise),
		T(an_object_goes_in_by_its_right_hash_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
