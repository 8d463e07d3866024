/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo rotate: replaces one key by a new one, in band. */
#include <stdio.h>
#include <string.h>

#include "publisher/change.h"
#include "publisher/rotation.h"

const struct verb_option publisher_rotate_options[] = {
	{"--new-key", "FILE", "take this public key (PEM) instead of making one; for an HSM"},
	{NULL, NULL, NULL},
};

/* "root 2" -> "root-2", "release", "online", and the role in root.json. */
static int read_words(int argc, char **argv, struct rotation *out, struct err *e)
{
	static const struct {
		const char *word;
		const char *number;
		const char *name;
		const char *signer;
	} known[] = {
		{"root", "1", "root-1", "root"},
		{"root", "2", "root-2", "root"},
		{"root", "3", "root-3", "root"},
		{"release", NULL, "release", "targets"},
		{"online", NULL, "online", "timestamp"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && argc > 0; i++) {
		if (strcmp(argv[0], known[i].word) != 0 || argc != (known[i].number ? 2 : 1) ||
			(known[i].number && strcmp(argv[1], known[i].number) != 0))
			continue;
		out->name = known[i].name;
		out->signer = known[i].signer;
		return 0;
	}
	return err_set(
		e, E_USAGE, "which key? `rotate root 1|2|3`, `rotate release` or `rotate online`");
}

/* Which key of the root has this name? NULL where a place is free for one more. */
static int find_outgoing(struct publisher *p, const struct roles *r,
	const struct rotation *rotation, struct keys_entry *entry, const char **keyid,
	struct err *e)
{
	json_t *ids = roles_keyids(roles_signed(r, ROLE_ROOT), rotation->signer);
	size_t i;
	json_t *id;

	*keyid = NULL;
	/* The other roles have one key, whatever the files here are called. */
	if (strcmp(rotation->signer, "root") != 0) {
		*keyid = json_string_value(json_array_get(ids, 0));
		return 0;
	}
	if (keys_read_public(p, rotation->name, entry, e) < 0 && e->code != E_NOTFOUND)
		return -1;
	json_array_foreach (ids, i, id) {
		if (strcmp(json_string_value(id), entry->keyid) == 0)
			*keyid = entry->keyid;
	}
	if (*keyid || json_array_size(ids) < ROLES_ROOT_KEYS)
		return 0;
	return err_set(e, E_NOTFOUND,
		"no %s.pub.pem in the key folders names a key of the root; take the lost one out "
		"first: `pawl-repo revoke-key KEYID` (`pawl-repo show` lists them)",
		rotation->name);
}

int cmd_rotate(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	AUTO_ENTRY struct keys_entry old = {0};
	struct rotation rotation = {0};
	const char *values[1];
	char keyid[HASH_HEX_SIZE];
	int rest;

	if (verb_read_options(publisher_rotate_options, argc, argv, values, &rest, e) < 0 ||
		read_words(rest, argv, &rotation, e) < 0 || change_begin(p, &r, e) < 0 ||
		find_outgoing(p, &r, &rotation, &old, &rotation.keyid_out, e) < 0)
		return -1;
	/* The root that it was read from is about to change. */
	if (rotation.keyid_out) {
		snprintf(keyid, sizeof(keyid), "%s", rotation.keyid_out);
		rotation.keyid_out = keyid;
	}
	rotation.new_key = values[0];
	return rotation_run(p, &r, &rotation, e);
}
