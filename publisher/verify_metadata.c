/* SPDX-License-Identifier: Apache-2.0 */
/* Checking metadata/: the chain of roots, today's roles, older files, left-overs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/must.h"
#include "agent/trust/key.h"
#include "publisher/verify.h"

/* Does enough of `root`'s role sign the file? `whose` says which root, for the line. */
static int check_signed(struct verify *v, const char *path, const json_t *root, const char *signer,
	const json_t *file, const char *whose, struct err *e)
{
	unsigned n = 0;
	unsigned want = roles_threshold(root, signer);

	if (roles_count_signatures(root, signer, file, &n, e) < 0)
		return -1;
	if (!MUST("verify.signed", want > 0 && n >= want))
		verify_problem(v, E_SIG, path, "%u valid signatures by %s's %s keys, needed are %u",
			n, whose, signer, want);
	return 0;
}

/* A keyid that is not the key's hash would let one key count twice. */
static void check_keys(struct verify *v, const char *path, const json_t *root)
{
	const char *keyid;
	json_t *object;

	json_object_foreach (json_object_get(root, "keys"), keyid, object) {
		char right[HASH_HEX_SIZE];
		struct key *key = NULL;
		struct err why = {0};
		if (key_id_of(object, right, &why) < 0 || key_parse(object, &key, &why) < 0)
			verify_problem(v, E_META, path, "key %.16s: %s", keyid, why.text);
		else if (strcmp(keyid, right) != 0)
			verify_problem(
				v, E_META, path, "key %.16s is not named by its hash", keyid);
		key_free(key);
	}
}

static int check_root(struct verify *v, int dir, int64_t version, struct err *e)
{
	JSON_AUTO json_t *file = NULL;
	char name[64];
	char path[96];
	struct err why = {0};

	roles_file_name(ROLE_ROOT, version, name, sizeof(name));
	snprintf(path, sizeof(path), "metadata/%s", name);
	if (roles_read_file(dir, name, ROLES_ROOT_MAX, &file, NULL, &why) < 0) {
		verify_problem(v, why.code, path, "%s", why.text);
		return json_array_append_new(v->roots, json_object()) < 0
			       ? err_set(e, E_NOMEM, "out of memory")
			       : 0;
	}
	const json_t *now = json_object_get(file, "signed");
	const json_t *before = json_array_get(v->roots, json_array_size(v->roots) - 1);
	if (json_integer_value(json_object_get(now, "version")) != version)
		verify_problem(v, E_META, path, "holds another version than its name says");
	check_keys(v, path, now);
	if (check_signed(v, path, now, "root", file, "its own", e) < 0 ||
		(version > 1 &&
			check_signed(v, path, before, "root", file, "its predecessor", e) < 0))
		return -1;
	return json_array_append(v->roots, json_object_get(file, "signed")) < 0
		       ? err_set(e, E_NOMEM, "out of memory")
		       : 0;
}

static int check_roots(struct verify *v, int dir, struct err *e)
{
	uint64_t last;

	if (publisher_root_version(v->p, &last, e) < 0)
		return -1;
	for (uint64_t n = 1; n <= last; n++) {
		if (check_root(v, dir, (int64_t)n, e) < 0)
			return -1;
	}
	return 0;
}

static void check_fields(struct verify *v, enum role role, const char *path)
{
	const char *type =
		json_string_value(json_object_get(roles_signed(&v->roles, role), "_type"));

	if (!type || strcmp(type, roles_info[role].type) != 0)
		verify_problem(v, E_META, path, "_type is not \"%s\"", roles_info[role].type);
	if (roles_expires(&v->roles, role) <= v->p->now)
		verify_problem(v, E_EXPIRED, path, "has expired");
}

/* Is the file what `meta` of snapshot or timestamp says? */
static int check_meta(struct verify *v, const char *path, enum role role, const json_t *meta,
	const struct buf *raw, struct err *e)
{
	const char *want =
		json_string_value(json_object_get(json_object_get(meta, "hashes"), "sha256"));
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	if (hash_bytes(HASH_SHA256, raw->data, raw->len, digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	bool same = json_integer_value(json_object_get(meta, "length")) == (json_int_t)raw->len &&
		    want && strcmp(want, hex) == 0;
	if (!MUST("verify.meta-hash", same))
		verify_problem(v, E_HASH, path, "differs from the length and hash that are signed");
	if (json_integer_value(json_object_get(meta, "version")) != roles_version(&v->roles, role))
		verify_problem(v, E_MIX, path, "holds another version than is signed");
	return 0;
}

/* Reads and checks one of today's files, and what `parent` says of it. */
static int check_role(struct verify *v, int dir, enum role role, enum role parent, struct err *e)
{
	AUTO_BUF struct buf raw = buf_make(roles_info[role].max);
	const json_t *root = json_array_get(v->roots, json_array_size(v->roots) - 1);
	const json_t *meta = NULL;
	char name[64];
	char path[96];
	struct err why = {0};

	if (parent != role) {
		snprintf(name, sizeof(name), "%s.json", roles_info[role].name);
		meta = json_object_get(
			json_object_get(roles_signed(&v->roles, parent), "meta"), name);
	}
	roles_file_name(
		role, json_integer_value(json_object_get(meta, "version")), name, sizeof(name));
	snprintf(path, sizeof(path), "metadata/%s", name);
	if (roles_read_file(dir, name, roles_info[role].max, &v->roles.file[role], &raw, &why) <
		0) {
		verify_problem(v, why.code, path, "%s", why.text);
		return 0;
	}
	check_fields(v, role, path);
	if (meta && check_meta(v, path, role, meta, &raw, e) < 0)
		return -1;
	return check_signed(
		v, path, root, roles_info[role].signer, v->roles.file[role], "the newest root", e);
}

/* The delegation must name exactly today's release keys. */
static void check_delegation(struct verify *v)
{
	const json_t *root = json_array_get(v->roots, json_array_size(v->roots) - 1);
	const json_t *delegations =
		json_object_get(roles_signed(&v->roles, ROLE_TARGETS), "delegations");
	const json_t *one = json_array_get(json_object_get(delegations, "roles"), 0);
	const char *name = json_string_value(json_object_get(one, "name"));
	const char *keyid;
	json_t *key;

	if (!v->roles.file[ROLE_TARGETS])
		return;
	if (!name || strcmp(name, "releases") != 0 ||
		json_array_size(json_object_get(delegations, "roles")) != 1 ||
		!json_equal(json_object_get(one, "keyids"), roles_keyids(root, "targets")))
		verify_problem(v, E_META, "metadata/targets.json",
			"does not delegate \"releases\" to the release key");
	json_object_foreach (json_object_get(delegations, "keys"), keyid, key) {
		if (!json_equal(key, json_object_get(json_object_get(root, "keys"), keyid)))
			verify_problem(v, E_META, "metadata/targets.json",
				"key %.16s of the delegation is not the root's", keyid);
	}
}

/* "12.targets.json" -> its role and version; false for any other name. */
static bool parse_name(const char *file, enum role *role, int64_t *version)
{
	char *end;
	long long n = strtoll(file, &end, 10);

	if (n < 1 || *file < '1' || *file > '9')
		return false;
	for (enum role i = ROLE_ROOT; i < ROLE_TIMESTAMP; i++) {
		char name[64];
		roles_file_name(i, n, name, sizeof(name));
		if (strcmp(name, file) == 0) {
			*role = i;
			*version = n;
			return true;
		}
	}
	return false;
}

/* A file of an earlier publication: some root that ever was must have signed it. */
static int check_older(struct verify *v, int dir, const char *name, enum role role, struct err *e)
{
	JSON_AUTO json_t *file = NULL;
	const char *signer = roles_info[role].signer;
	char path[300];
	struct err why = {0};
	size_t i;
	json_t *root;

	snprintf(path, sizeof(path), "metadata/%s", name);
	if (roles_read_file(dir, name, roles_info[role].max, &file, NULL, &why) < 0) {
		verify_problem(v, why.code, path, "%s", why.text);
		return 0;
	}
	json_array_foreach (v->roots, i, root) {
		unsigned n = 0;
		unsigned want = roles_threshold(root, signer);
		if (roles_count_signatures(root, signer, file, &n, e) < 0)
			return -1;
		if (MUST("verify.older-signed", want > 0 && n >= want))
			return 0;
	}
	verify_problem(v, E_SIG, path, "is signed by no %s keys that ever were", signer);
	return 0;
}

/* Anything in metadata/ that today's publication does not consist of. */
static int check_rest(struct verify *v, int dir, const char *name, struct err *e)
{
	enum role role;
	int64_t version;
	char path[300];

	snprintf(path, sizeof(path), "metadata/%s", name);
	if (strcmp(name, "timestamp.json") == 0)
		return 0;
	if (!parse_name(name, &role, &version)) {
		verify_problem(v, E_META, path, "does not belong here");
		return 0;
	}
	if (role == ROLE_ROOT || version == roles_version(&v->roles, role))
		return 0;
	if (version > roles_version(&v->roles, role)) {
		verify_problem(v, E_META, path,
			"is newer than what is published; an interrupted run left it, run it again");
		return 0;
	}
	return check_older(v, dir, name, role, e);
}

int verify_metadata(struct verify *v, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = 0;
	struct dirent *d;

	if (publisher_open_dir(v->p, "public/metadata", false, &fd, e) < 0 ||
		check_roots(v, fd, e) < 0 ||
		check_role(v, fd, ROLE_TIMESTAMP, ROLE_TIMESTAMP, e) < 0 ||
		check_role(v, fd, ROLE_SNAPSHOT, ROLE_TIMESTAMP, e) < 0 ||
		check_role(v, fd, ROLE_TARGETS, ROLE_SNAPSHOT, e) < 0 ||
		check_role(v, fd, ROLE_RELEASES, ROLE_SNAPSHOT, e) < 0)
		return -1;
	check_delegation(v);
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, E_IO, errno, "cannot list public/metadata");
	while (rc == 0 && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			rc = check_rest(v, fd, d->d_name, e);
	}
	closedir(dir);
	return rc;
}
