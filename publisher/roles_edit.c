/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the published metadata in memory: keys of the root, targets, revocations. */
#include <stdio.h>
#include <string.h>

#include "publisher/roles.h"

static int no_memory(struct err *e)
{
	return err_set(e, E_NOMEM, "out of memory");
}

static json_t *new_file(json_t *signed_part)
{
	return json_pack("{s:[],s:o}", "signatures", "signed", signed_part);
}

/* `signed` of a role that is to be committed as version 1. */
static json_t *new_signed(enum role role)
{
	return json_pack("{s:s,s:s,s:i,s:s}", "_type", roles_info[role].type, "spec_version",
		ROLES_SPEC_VERSION, "version", 0, "expires", "");
}

static json_t *new_root(const struct keys_entry root_keys[ROLES_ROOT_KEYS],
	const struct keys_entry *release, const struct keys_entry *online)
{
	json_t *s = new_signed(ROLE_ROOT);
	json_t *ids = json_array();
	json_t *keys = json_object();

	for (size_t i = 0; i < ROLES_ROOT_KEYS; i++) {
		json_array_append_new(ids, json_string(root_keys[i].keyid));
		json_object_set(keys, root_keys[i].keyid, root_keys[i].object);
	}
	json_object_set(keys, release->keyid, release->object);
	json_object_set(keys, online->keyid, online->object);
	json_object_set_new(s, "consistent_snapshot", json_true());
	json_object_set_new(s, "keys", keys);
	json_object_set_new(s, "roles",
		json_pack("{s:{s:o,s:i},s:{s:[s],s:i},s:{s:[s],s:i},s:{s:[s],s:i}}", "root",
			"keyids", ids, "threshold", ROLES_ROOT_THRESHOLD, "targets", "keyids",
			release->keyid, "threshold", 1, "snapshot", "keyids", online->keyid,
			"threshold", 1, "timestamp", "keyids", online->keyid, "threshold", 1));
	return s;
}

static bool is_same_key(const struct keys_entry *a, const struct keys_entry *b)
{
	return strcmp(a->keyid, b->keyid) == 0;
}

int roles_make_new(struct roles *r, const struct keys_entry root_keys[ROLES_ROOT_KEYS],
	const struct keys_entry *release, const struct keys_entry *online, struct err *e)
{
	for (size_t i = 0; i < ROLES_ROOT_KEYS; i++) {
		for (size_t j = i + 1; j < ROLES_ROOT_KEYS; j++) {
			if (is_same_key(&root_keys[i], &root_keys[j]))
				return err_set(e, E_CONFIG, "%s and %s are the same key",
					root_keys[i].name, root_keys[j].name);
		}
		if (is_same_key(&root_keys[i], release) || is_same_key(&root_keys[i], online))
			return err_set(e, E_CONFIG, "%s is also the release or online key",
				root_keys[i].name);
	}
	if (is_same_key(release, online))
		return err_set(e, E_CONFIG, "release and online are the same key");
	for (enum role i = 0; i < ROLE_COUNT; i++) {
		json_t *s = i == ROLE_ROOT ? new_root(root_keys, release, online) : new_signed(i);
		if (i == ROLE_TARGETS || i == ROLE_RELEASES)
			json_object_set_new(s, "targets", json_object());
		if (i == ROLE_SNAPSHOT || i == ROLE_TIMESTAMP)
			json_object_set_new(s, "meta", json_object());
		r->file[i] = new_file(s);
		r->changed[i] = true;
		if (!r->file[i])
			return no_memory(e);
	}
	return 0;
}

/* Takes keys out of `keys` that no role names any more. */
static void drop_unused_keys(json_t *root)
{
	json_t *keys = json_object_get(root, "keys");
	const char *keyid;
	json_t *key;
	void *next;

	json_object_foreach_safe(keys, next, keyid, key)
	{
		bool used = false;
		const char *name;
		json_t *role;
		json_object_foreach (json_object_get(root, "roles"), name, role) {
			size_t i;
			json_t *id;
			json_array_foreach (json_object_get(role, "keyids"), i, id)
				used |= strcmp(json_string_value(id), keyid) == 0;
		}
		if (!used)
			json_object_del(keys, keyid);
	}
}

static int replace_in(json_t *root, const char *signer, const char *keyid_out,
	const struct keys_entry *in, struct err *e)
{
	json_t *ids = roles_keyids(root, signer);
	size_t at = json_array_size(ids);
	size_t i;
	json_t *id;

	if (!ids)
		return err_set(e, E_META, "the root has no role %s", signer);
	json_array_foreach (ids, i, id) {
		if (keyid_out && strcmp(json_string_value(id), keyid_out) == 0)
			at = i;
		if (in && strcmp(json_string_value(id), in->keyid) == 0)
			return err_set(
				e, E_CONFIG, "key %.16s… already holds role %s", in->keyid, signer);
	}
	if (keyid_out && at == json_array_size(ids))
		return err_set(e, E_NOTFOUND, "role %s has no key %.16s…", signer, keyid_out);
	if (keyid_out)
		json_array_remove(ids, at);
	if (in && json_array_insert_new(ids, at, json_string(in->keyid)) < 0)
		return no_memory(e);
	if (json_array_size(ids) < roles_threshold(root, signer))
		return err_set(e, E_THRESHOLD,
			"role %s would have %zu keys, its threshold is %u: name a new key first",
			signer, json_array_size(ids), roles_threshold(root, signer));
	return 0;
}

int roles_replace_key(struct roles *r, const char *signer, const char *keyid_out,
	const struct keys_entry *in, struct err *e)
{
	json_t *root = roles_signed(r, ROLE_ROOT);

	if (replace_in(root, signer, keyid_out, in, e) < 0)
		return -1;
	/* One key for both: what is newest and when are one decision (design 4). */
	if (strcmp(signer, "timestamp") == 0 && replace_in(root, "snapshot", keyid_out, in, e) < 0)
		return -1;
	if (in && json_object_set(json_object_get(root, "keys"), in->keyid, in->object) < 0)
		return no_memory(e);
	drop_unused_keys(root);
	r->changed[ROLE_ROOT] = true;
	return 0;
}
