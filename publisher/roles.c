/* SPDX-License-Identifier: Apache-2.0 */
/* The published metadata: reading it, counting its signatures. */
#include "publisher/roles.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/trust/canonical.h"
#include "agent/trust/key.h"
#include "publisher/signer.h"

const struct role_info roles_info[ROLE_COUNT] = {
	[ROLE_ROOT] = {"root", "root", "root", "root", ROLES_ROOT_MAX, false},
	[ROLE_TARGETS] = {"targets", "targets", "targets", "targets", ROLES_TARGETS_MAX, true},
	[ROLE_RELEASES] = {"releases", "targets", "targets", "targets", ROLES_TARGETS_MAX, true},
	[ROLE_SNAPSHOT] = {"snapshot", "snapshot", "snapshot", "snapshot", ROLES_SNAPSHOT_MAX,
		false},
	[ROLE_TIMESTAMP] = {"timestamp", "timestamp", "timestamp", "timestamp", ROLES_TIMESTAMP_MAX,
		true},
};

void roles_free(struct roles *r)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		json_decref(r->file[i]);
	json_decref(r->old_root);
	*r = (struct roles){0};
}

json_t *roles_signed(const struct roles *r, enum role role)
{
	return json_object_get(r->file[role], "signed");
}

int64_t roles_version(const struct roles *r, enum role role)
{
	return json_integer_value(json_object_get(roles_signed(r, role), "version"));
}

int64_t roles_expires(const struct roles *r, enum role role)
{
	const char *text = json_string_value(json_object_get(roles_signed(r, role), "expires"));
	struct err e = {0};
	int64_t t = 0;

	if (!text || clock_parse(text, &t, &e) < 0)
		return 0;
	return t;
}

void roles_file_name(enum role role, int64_t version, char *out, size_t size)
{
	if (role == ROLE_TIMESTAMP)
		snprintf(out, size, "timestamp.json");
	else
		snprintf(out, size, "%lld.%s.json", (long long)version, roles_info[role].name);
}

int roles_read_file(int metadata_dir, const char *name, size_t max, json_t **out, struct buf *raw,
	struct err *e)
{
	AUTO_BUF struct buf own = buf_make(max);
	JSON_AUTO json_t *file = NULL;
	json_t *part;
	int64_t version;

	if (!raw)
		raw = &own;
	if (file_read(metadata_dir, name, raw, e) < 0)
		return -1;
	if (json_read(raw->data, raw->len, &file, e) < 0)
		return err_wrap(e, "%s", name);
	if (json_want_array(file, "signatures", name, &part, e) < 0 ||
		json_want_object(file, "signed", name, &part, e) < 0 ||
		json_want_int(part, "version", name, 1, INT64_C(1) << 53, &version, e) < 0)
		return -1;
	*out = json_incref(file);
	return 0;
}

/* The version that `meta` of timestamp or snapshot names for a file. */
static int version_in_meta(
	const struct roles *r, enum role from, enum role of, int64_t *out, struct err *e)
{
	json_t *meta;
	json_t *entry;
	char key[32];

	snprintf(key, sizeof(key), "%s.json", roles_info[of].name);
	if (json_want_object(roles_signed(r, from), "meta", roles_info[from].name, &meta, e) < 0 ||
		json_want_object(meta, key, roles_info[from].name, &entry, e) < 0)
		return -1;
	return json_want_int(entry, "version", key, 1, INT64_C(1) << 53, out, e);
}

static int load_one(int dir, struct roles *r, enum role role, int64_t version, struct err *e)
{
	char name[64];

	roles_file_name(role, version, name, sizeof(name));
	return roles_read_file(dir, name, roles_info[role].max, &r->file[role], NULL, e);
}

int roles_load(struct publisher *p, struct roles *out, struct err *e)
{
	AUTO_ROLES struct roles r = {0};
	AUTO_CLOSE int dir = -1;
	uint64_t root_version;
	int64_t v[ROLE_COUNT] = {0};

	if (publisher_root_version(p, &root_version, e) < 0 ||
		publisher_open_dir(p, "public/metadata", false, &dir, e) < 0)
		return -1;
	v[ROLE_ROOT] = (int64_t)root_version;
	if (load_one(dir, &r, ROLE_ROOT, v[ROLE_ROOT], e) < 0 ||
		load_one(dir, &r, ROLE_TIMESTAMP, 0, e) < 0 ||
		version_in_meta(&r, ROLE_TIMESTAMP, ROLE_SNAPSHOT, &v[ROLE_SNAPSHOT], e) < 0 ||
		load_one(dir, &r, ROLE_SNAPSHOT, v[ROLE_SNAPSHOT], e) < 0 ||
		version_in_meta(&r, ROLE_SNAPSHOT, ROLE_TARGETS, &v[ROLE_TARGETS], e) < 0 ||
		version_in_meta(&r, ROLE_SNAPSHOT, ROLE_RELEASES, &v[ROLE_RELEASES], e) < 0 ||
		load_one(dir, &r, ROLE_TARGETS, v[ROLE_TARGETS], e) < 0 ||
		load_one(dir, &r, ROLE_RELEASES, v[ROLE_RELEASES], e) < 0)
		return err_wrap(e, "public/metadata");
	r.old_root = json_deep_copy(roles_signed(&r, ROLE_ROOT));
	if (!r.old_root)
		return err_set(e, E_NOMEM, "out of memory");
	*out = r;
	r = (struct roles){0};
	return 0;
}

json_t *roles_keyids(const json_t *root, const char *signer)
{
	json_t *role = json_object_get(json_object_get(root, "roles"), signer);

	return json_object_get(role, "keyids");
}

unsigned roles_threshold(const json_t *root, const char *signer)
{
	json_t *role = json_object_get(json_object_get(root, "roles"), signer);
	json_int_t n = json_integer_value(json_object_get(role, "threshold"));

	return n < 0 || n > 1024 ? 0 : (unsigned)n;
}

/* Does `file` carry a valid signature by this key? */
static bool is_signed_by(
	const json_t *file, const char *keyid, const struct key *key, const struct buf *data)
{
	uint8_t sig[SIGNER_SIGNATURE_MAX];
	size_t i;
	json_t *s;

	json_array_foreach (json_object_get(file, "signatures"), i, s) {
		const char *id = json_string_value(json_object_get(s, "keyid"));
		const char *hex = json_string_value(json_object_get(s, "sig"));
		if (!id || !hex || strcmp(id, keyid) != 0)
			continue;
		size_t len = strlen(hex) / 2;
		if (strlen(hex) % 2 == 0 && len <= sizeof(sig) && hex_decode(hex, sig, len) &&
			key_verifies(key, data->data, data->len, sig, len))
			return true;
	}
	return false;
}

int roles_count_signatures(
	const json_t *root, const char *signer, const json_t *file, unsigned *count, struct err *e)
{
	AUTO_BUF struct buf data = buf_make(2 * ROLES_TARGETS_MAX);
	json_t *keys = json_object_get(root, "keys");
	unsigned n = 0;
	size_t i;
	json_t *id;

	if (canonical_write(json_object_get(file, "signed"), &data, e) < 0)
		return -1;
	json_array_foreach (roles_keyids(root, signer), i, id) {
		struct key *key = NULL;
		struct err bad = {0};
		const char *keyid = json_string_value(id);
		if (!keyid || key_parse(json_object_get(keys, keyid), &key, &bad) < 0)
			continue;
		n += is_signed_by(file, keyid, key, &data);
		key_free(key);
	}
	*count = n;
	return 0;
}
