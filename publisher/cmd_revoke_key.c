/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo revoke-key: takes a key out of the root by its keyid. */
#include <stdio.h>
#include <string.h>

#include "publisher/change.h"
#include "publisher/rotation.h"

#define PREFIX_MIN 8

const struct verb_option publisher_revoke_options[] = {
	{"--replace", NULL, "put a new key in its place, as `rotate` does"},
	{"--new-key", "FILE", "with --replace: take this public key (PEM) instead of making one"},
	{NULL, NULL, NULL},
};
enum { OPT_REPLACE, OPT_NEW_KEY, OPT_COUNT };

/* The one key of the root whose keyid starts with `prefix`. */
static int find_key(
	const json_t *root, const char *prefix, char keyid[HASH_HEX_SIZE], struct err *e)
{
	json_t *keys = json_object_get(root, "keys");
	unsigned found = 0;
	const char *id;
	json_t *key;

	if (strlen(prefix) < PREFIX_MIN)
		return err_set(e, E_USAGE, "\"%s\": give at least %d digits of the keyid", prefix,
			PREFIX_MIN);
	json_object_foreach (keys, id, key) {
		if (strncmp(id, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(keyid, HASH_HEX_SIZE, "%s", id);
		found++;
	}
	if (found != 1)
		return err_set(e, E_NOTFOUND,
			"%s key of the root starts with %s; see `pawl-repo show`",
			found ? "more than one" : "no", prefix);
	return 0;
}

/* Did a run that was cut off put the new key into the root? Then this key is in the one before. */
static bool is_replaced(struct publisher *p, const struct roles *r, const char *prefix)
{
	AUTO_CLOSE int dir = -1;
	JSON_AUTO json_t *before = NULL;
	char keyid[HASH_HEX_SIZE];
	char name[64];
	struct err ignored = {0};

	roles_file_name(ROLE_ROOT, roles_version(r, ROLE_ROOT) - 1, name, sizeof(name));
	return r->resumed[0] &&
	       publisher_open_dir(p, "public/metadata", false, &dir, &ignored) == 0 &&
	       roles_read_file(dir, name, ROLES_ROOT_MAX, &before, NULL, &ignored) == 0 &&
	       find_key(json_object_get(before, "signed"), prefix, keyid, &ignored) == 0;
}

static bool holds(const struct roles *r, const char *signer, const char *keyid)
{
	size_t i;
	json_t *id;

	json_array_foreach (roles_keyids(roles_signed(r, ROLE_ROOT), signer), i, id) {
		if (strcmp(json_string_value(id), keyid) == 0)
			return true;
	}
	return false;
}

/* The name whose file is this key, else the first root name that holds no key of the root. */
static const char *root_name_for(struct publisher *p, const struct roles *r, const char *keyid)
{
	const char *free_name = NULL;

	for (size_t i = 0; i < ROLES_ROOT_KEYS; i++) {
		AUTO_ENTRY struct keys_entry k = {0};
		struct err ignored = {0};
		bool there = keys_read_public(p, change_key_names[i], &k, &ignored) == 0;
		if (there && strcmp(k.keyid, keyid) == 0)
			return change_key_names[i];
		if (!free_name && !(there && holds(r, "root", k.keyid)))
			free_name = change_key_names[i];
	}
	return free_name;
}

static int remove_key(
	struct publisher *p, struct roles *r, const char *signer, const char *keyid, struct err *e)
{
	bool wrote;

	if (roles_replace_key(r, signer, keyid, NULL, e) < 0)
		return err_wrap(e, "a replacement is needed, give --replace");
	if (roles_commit(p, r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "key %.16s… is no longer trusted; root version %lld", keyid,
		(long long)roles_version(r, ROLE_ROOT));
	publisher_say(p,
		"role %s has %zu keys left, its threshold is %u: add one with `rotate root N`",
		signer, json_array_size(roles_keyids(roles_signed(r, ROLE_ROOT), signer)),
		roles_threshold(roles_signed(r, ROLE_ROOT), signer));
	return 0;
}

int cmd_revoke_key(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	struct rotation rotation = {0};
	const char *values[OPT_COUNT];
	char keyid[HASH_HEX_SIZE];
	int rest;

	if (verb_read_options(publisher_revoke_options, argc, argv, values, &rest, e) < 0 ||
		change_check_words(rest, argv, 1, 1, e) < 0)
		return -1;
	if (values[OPT_NEW_KEY] && !values[OPT_REPLACE])
		return err_set(e, E_USAGE, "--new-key needs --replace");
	if (change_begin(p, &r, e) < 0)
		return -1;
	if (find_key(roles_signed(&r, ROLE_ROOT), argv[0], keyid, e) < 0)
		return is_replaced(p, &r, argv[0]) ? rotation_finish(p, &r, e) : -1;
	rotation.signer = holds(&r, "root", keyid)      ? "root"
			  : holds(&r, "targets", keyid) ? "targets"
							: "timestamp";
	if (!values[OPT_REPLACE])
		return remove_key(p, &r, rotation.signer, keyid, e);
	rotation.name = strcmp(rotation.signer, "root") == 0      ? root_name_for(p, &r, keyid)
			: strcmp(rotation.signer, "targets") == 0 ? "release"
								  : "online";
	if (!rotation.name)
		return err_set(
			e, E_CONFIG, "root-1, root-2 and root-3 are all other keys of the root");
	rotation.keyid_out = keyid;
	rotation.new_key = values[OPT_NEW_KEY];
	return rotation_run(p, &r, &rotation, e);
}
