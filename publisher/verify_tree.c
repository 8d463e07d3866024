/* SPDX-License-Identifier: Apache-2.0 */
/* Checking targets/ and objects/: what is listed is there and right, and nothing else is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/must.h"
#include "agent/plan/manifest.h"
#include "publisher/image_objects.h"
#include "publisher/verify.h"

#define PATH_SIZE 512

/* "demo/stable.json" -> "targets/demo/<hash>.stable.json" (consistent snapshots). */
static void stored_path(const char *path, const char *hash, char out[PATH_SIZE])
{
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash - path + 1) : 0;

	snprintf(out, PATH_SIZE, "targets/%.*s%s.%s", folder, path, hash, path + folder);
}

/* Remembers the objects of a listed release. */
static int add_objects(struct verify *v, const struct manifest *m, struct err *e)
{
	for (size_t i = 0; i < m->plan.image_count; i++) {
		const struct plan_image *image = &m->plan.images[i];
		const struct plan_object *all[IMAGE_OBJECTS_MAX];
		size_t count = image_objects(image, all);
		for (size_t k = 0; k < count; k++) {
			char hex[HASH_HEX_SIZE];
			hash_to_hex(all[k]->sha256, hex);
			if (json_object_set_new(
				    v->objects, hex, json_integer((json_int_t)all[k]->length)) < 0)
				return err_set(e, E_NOMEM, "out of memory");
		}
	}
	return 0;
}

/* Does the manifest say the same as the name under which it is listed? */
static bool fits_path(const struct manifest *m, const char *path, bool is_release)
{
	char want[PATH_SIZE];

	if (is_release) {
		snprintf(want, sizeof(want), "%s/releases/%" PRIu64 ".json", m->plan.product,
			m->plan.release);
		return strcmp(want, path) == 0;
	}
	for (size_t i = 0; i < m->channel_count; i++) {
		snprintf(want, sizeof(want), "%s/%s.json", m->plan.product, m->channels[i]);
		if (strcmp(want, path) == 0)
			return true;
	}
	return false;
}

static int check_manifest(struct verify *v, int public_dir, const char *path, json_t *target,
	bool is_release, struct err *e)
{
	AUTO_BUF struct buf raw = buf_make(MANIFEST_MAX);
	AUTO_MANIFEST struct manifest *m = NULL;
	const char *hash = roles_target_hash(target);
	char stored[PATH_SIZE];
	char hex[HASH_HEX_SIZE];
	uint8_t digest[HASH_SIZE];
	struct err why = {0};

	stored_path(path, hash, stored);
	if (file_read(public_dir, stored, &raw, &why) < 0) {
		verify_problem(v, why.code, stored, "%s", why.text);
		return 0;
	}
	if (hash_bytes(HASH_SHA256, raw.data, raw.len, digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	bool same = strcmp(hex, hash) == 0 &&
		    json_integer_value(json_object_get(target, "length")) == (json_int_t)raw.len;
	if (!MUST("verify.manifest-hash", same)) {
		verify_problem(
			v, E_HASH, stored, "differs from the length and hash that are signed");
		return 0;
	}
	if (manifest_parse(raw.data, raw.len, &m, &why) < 0) {
		verify_problem(v, why.code, stored, "%s", why.text);
		return 0;
	}
	if (!fits_path(m, path, is_release))
		verify_problem(v, E_MIX, stored, "is not a manifest for %s", path);
	if (!is_release) {
		if (!json_object_get(v->manifests, hash))
			verify_problem(v, E_MIX, stored, "is not listed as a release");
		return 0;
	}
	if (json_object_set_new(v->manifests, hash, json_string(m->plan.product)) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	return add_objects(v, m, e) < 0 ? -1 : verify_delta(v, m, e);
}

static int check_listed(struct verify *v, int public_dir, enum role role, struct err *e)
{
	const char *path;
	json_t *target;

	json_object_foreach (
		json_object_get(roles_signed(&v->roles, role), "targets"), path, target) {
		if (check_manifest(v, public_dir, path, target, role == ROLE_RELEASES, e) < 0)
			return -1;
	}
	return 0;
}

static int check_file(struct verify *v, int public_dir, const char *path, const char *want,
	json_int_t length, struct err *e)
{
	AUTO_CLOSE int fd =
		openat(public_dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];
	uint64_t got;

	if (fd < 0) {
		verify_problem(v, errno == ENOENT ? E_NOTFOUND : E_IO, path, "%s", strerror(errno));
		return 0;
	}
	if (publisher_hash_file(fd, digest, &got, e) < 0)
		return err_wrap(e, "%s", path);
	hash_to_hex(digest, hex);
	bool same = strcmp(hex, want) == 0 && (length < 0 || got == (uint64_t)length);
	if (!MUST("verify.file-hash", same))
		verify_problem(v, E_HASH, path, "differs from its hash or length");
	return 0;
}

static int check_objects(struct verify *v, int public_dir, struct err *e)
{
	const char *hash;
	json_t *length;

	json_object_foreach (v->objects, hash, length) {
		char path[PATH_SIZE];
		snprintf(path, sizeof(path), "objects/%.2s/%s", hash, hash);
		if (check_file(v, public_dir, path, hash, json_integer_value(length), e) < 0)
			return -1;
	}
	return 0;
}

/* Calls `each` with "FOLDER/NAME" for what is in a folder; a folder that is missing has nothing. */
static int each_entry(struct verify *v, int public_dir, const char *folder,
	int (*each)(struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e),
	struct err *e)
{
	int fd = openat(public_dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int rc = 0;
	struct dirent *d;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (!dir) {
		verify_problem(v, E_IO, folder, "cannot be listed");
		cleanup_close(&fd);
		return 0;
	}
	while (rc == 0 && (d = readdir(dir))) {
		char path[PATH_SIZE];
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, d->d_name) >= (int)sizeof(path)) {
			verify_problem(v, E_META, folder, "holds a name that is too long");
			continue;
		}
		const char *shown = strncmp(path, "./", 2) == 0 ? path + 2 : path;
		int sub = openat(public_dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		rc = each(v, public_dir, shown, sub >= 0, e);
		cleanup_close(&sub);
	}
	closedir(dir);
	return rc;
}

static int stray(struct verify *v, const char *path)
{
	verify_problem(v, E_META, path, "does not belong here");
	return 0;
}

/* objects/ab/HASH: listed ones were hashed; others do no harm, but nobody needs them. */
static int visit_object(
	struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	const char *name = strrchr(path, '/') + 1;

	(void)public_dir;
	(void)e;
	if (is_dir || strncmp(path + strlen("objects/"), name, 2) != 0)
		return stray(v, path);
	if (!json_object_get(v->objects, name))
		verify_problem(v, E_META, path, "no published release needs it");
	return 0;
}

static int visit_shard(
	struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	if (!is_dir || strlen(path) != strlen("objects/ab"))
		return stray(v, path);
	return each_entry(v, public_dir, path, visit_object, e);
}

/* targets/PRODUCT/[releases/]HASH.NAME.json: also what was a channel's newest once. */
static int visit_release(
	struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	const char *product = path + strlen("targets/");
	const char *name = strrchr(path, '/') + 1;
	char hash[HASH_HEX_SIZE] = "";
	size_t len = strcspn(product, "/");

	if (is_dir)
		return stray(v, path);
	if (strcspn(name, ".") == HASH_HEX_SIZE - 1)
		snprintf(hash, sizeof(hash), "%s", name);
	const char *owner = json_string_value(json_object_get(v->manifests, hash));
	if (!owner || strlen(owner) != len || strncmp(owner, product, len) != 0)
		return stray(v, path);
	return check_file(v, public_dir, path, hash, -1, e);
}

static int visit_target(
	struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	if (is_dir && strcmp(strrchr(path, '/'), "/releases") == 0)
		return each_entry(v, public_dir, path, visit_release, e);
	return visit_release(v, public_dir, path, is_dir, e);
}

static int visit_product(
	struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	return is_dir ? each_entry(v, public_dir, path, visit_target, e) : stray(v, path);
}

static int visit_top(struct verify *v, int public_dir, const char *path, bool is_dir, struct err *e)
{
	(void)public_dir;
	(void)e;
	if (is_dir && (strcmp(path, "metadata") == 0 || strcmp(path, "targets") == 0 ||
			      strcmp(path, "objects") == 0))
		return 0;
	return stray(v, path);
}

int verify_tree(struct verify *v, struct err *e)
{
	AUTO_CLOSE int dir = -1;

	/* Releases first: channels are checked against them. */
	if (publisher_open_dir(v->p, "public", false, &dir, e) < 0 ||
		check_listed(v, dir, ROLE_RELEASES, e) < 0 ||
		check_listed(v, dir, ROLE_TARGETS, e) < 0 || check_objects(v, dir, e) < 0)
		return -1;
	if (each_entry(v, dir, ".", visit_top, e) < 0 ||
		each_entry(v, dir, "targets", visit_product, e) < 0 ||
		each_entry(v, dir, "objects", visit_shard, e) < 0)
		return -1;
	return 0;
}
