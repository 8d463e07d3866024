/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of public/ a bundle needs: from timestamp down to the objects. */
#include "publisher/bundle_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/json.h"
#include "agent/plan/manifest.h"
#include "publisher/object.h"

#define METADATA_MAX (1024 * 1024)
#define VERSION_MAX  (INT64_C(1) << 53)

static struct bundle_member *add(struct bundle_plan *b, struct err *e)
{
	if (b->count == BUNDLE_MEMBERS_MAX) {
		err_set(e, E_SIZE, "more than %d files in a bundle", BUNDLE_MEMBERS_MAX);
		return NULL;
	}
	struct bundle_member *m = &b->member[b->count++];
	*m = (struct bundle_member){0};
	return m;
}

/* All roots from 1 on: a device may start at any of them. */
static int add_roots(int public_dir, struct bundle_plan *b, struct err *e)
{
	for (unsigned n = 1;; n++) {
		char name[BUNDLE_NAME_SIZE];
		snprintf(name, sizeof(name), "metadata/%u.root.json", n);
		if (faccessat(public_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return n > 1 ? 0
				     : err_sys(e, E_NOTFOUND, errno, "public/metadata/1.root.json");
		struct bundle_member *m = add(b, e);
		if (!m)
			return -1;
		memcpy(m->name, name, sizeof(name));
	}
}

/* Reads a role's file, adds it as a member, and gives what is signed in it. */
static int add_role(int public_dir, struct bundle_plan *b, const char *name, json_t **signed_part,
	struct err *e)
{
	AUTO_BUF struct buf text = buf_make(METADATA_MAX);
	JSON_AUTO json_t *whole = NULL;
	json_t *part = NULL;

	struct bundle_member *m = add(b, e);
	if (!m)
		return -1;
	snprintf(m->name, sizeof(m->name), "metadata/%s", name);
	if (file_read(public_dir, m->name, &text, e) < 0 ||
		json_read(text.data, text.len, &whole, e) < 0 ||
		json_want_object(whole, "signed", name, &part, e) < 0)
		return err_wrap(e, "public/%s", m->name);
	/* The bytes that were read are the bytes that go in, or the bundle is refused. */
	m->checked = true;
	m->length = text.len;
	if (hash_bytes(HASH_SHA256, text.data, text.len, m->sha256, e) < 0)
		return -1;
	*signed_part = json_incref(part);
	return 0;
}

/* "V.ROLE.json" as `meta` of a role names it. */
static int versioned_name(const json_t *signed_part, const char *role, char name[64], struct err *e)
{
	char key[40];
	json_t *meta;
	json_t *entry;
	int64_t version;

	snprintf(key, sizeof(key), "%s.json", role);
	if (json_want_object(signed_part, "meta", "metadata", &meta, e) < 0 ||
		json_want_object(meta, key, "meta", &entry, e) < 0 ||
		json_want_int(entry, "version", key, 1, VERSION_MAX, &version, e) < 0)
		return -1;
	snprintf(name, 64, "%" PRId64 ".%s.json", version, role);
	return 0;
}

/* timestamp, snapshot, targets, releases; gives what is signed in the last. */
static int add_metadata(int public_dir, struct bundle_plan *b, json_t **releases, struct err *e)
{
	JSON_AUTO json_t *timestamp = NULL;
	JSON_AUTO json_t *snapshot = NULL;
	JSON_AUTO json_t *targets = NULL;
	char name[64];

	if (add_role(public_dir, b, "timestamp.json", &timestamp, e) < 0 ||
		versioned_name(timestamp, "snapshot", name, e) < 0 ||
		add_role(public_dir, b, name, &snapshot, e) < 0 ||
		versioned_name(snapshot, "targets", name, e) < 0 ||
		add_role(public_dir, b, name, &targets, e) < 0 ||
		versioned_name(snapshot, "releases", name, e) < 0)
		return -1;
	return add_role(public_dir, b, name, releases, e);
}

/* Name, length and hash of the target that is the release's manifest. */
static int find_manifest(const json_t *releases, const char *product, uint64_t release,
	struct bundle_member *m, struct err *e)
{
	char path[96];
	json_t *targets;
	json_t *hashes;
	const char *hex;
	int64_t length;

	snprintf(path, sizeof(path), "%s/releases/%" PRIu64 ".json", product, release);
	if (json_want_object(releases, "targets", "releases.json", &targets, e) < 0)
		return -1;
	const json_t *target = json_object_get(targets, path);
	if (!target)
		return err_set(e, E_NOTFOUND,
			"release %" PRIu64 " of %s is not published; see `pawl-repo show`", release,
			product);
	*m = (struct bundle_member){.checked = true};
	if (json_want_int(target, "length", path, 1, MANIFEST_MAX, &length, e) < 0 ||
		json_want_object(target, "hashes", path, &hashes, e) < 0 ||
		json_want_string(hashes, "sha256", path, &hex, e) < 0 ||
		hash_from_hex(hex, m->sha256, e) < 0)
		return -1;
	m->length = (uint64_t)length;
	snprintf(m->name, sizeof(m->name), "targets/%s/releases/%s.%" PRIu64 ".json", product, hex,
		release);
	return 0;
}

static int read_manifest(
	int public_dir, const struct bundle_member *m, struct manifest **out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);
	AUTO_MANIFEST struct manifest *manifest = NULL;

	if (file_read(public_dir, m->name, &text, e) < 0)
		return err_wrap(e, "public");
	if (manifest_parse(text.data, text.len, &manifest, e) < 0)
		return err_wrap(e, "public/%s", m->name);
	if (!hash_equal(manifest->plan.manifest, m->sha256))
		return err_set(e, E_HASH, "public/%s is not what releases.json signs", m->name);
	*out = steal_ptr(manifest);
	return 0;
}

int bundle_load_manifest(const struct bundle_request *r, const json_t *releases, uint64_t release,
	struct manifest **out, struct err *e)
{
	struct bundle_member m;

	if (find_manifest(releases, r->product, release, &m, e) < 0)
		return -1;
	return read_manifest(r->public_dir, &m, out, e);
}

/* Equal images share objects, and a member may be there once only. */
int bundle_add_object(
	struct bundle_plan *b, const struct plan_object *o, uint64_t head, struct err *e)
{
	char object[OBJECT_NAME_SIZE];
	char name[BUNDLE_NAME_SIZE];

	object_name(o->sha256, object);
	snprintf(name, sizeof(name), "objects/%s", object);
	if ((head ? head : o->length) >= BUNDLE_OBJECT_LIMIT)
		return err_set(e, E_SIZE,
			"%s is 8 GiB or larger: too large for a bundle; deliver it by a server",
			name);
	for (size_t i = 0; i < b->count; i++) {
		struct bundle_member *m = &b->member[i];
		if (strcmp(m->name, name) != 0)
			continue;
		/* Two images with the same data may need different lengths of it. */
		if (m->head && (!head || head > m->head))
			m->head = head;
		return 0;
	}
	struct bundle_member *m = add(b, e);
	if (!m)
		return -1;
	memcpy(m->name, name, sizeof(name));
	m->checked = true;
	m->length = o->length;
	m->head = head;
	memcpy(m->sha256, o->sha256, HASH_SIZE);
	return 0;
}

/* Small tables first, so that a reader of a stream knows what comes. */
static int add_full(struct bundle_plan *b, const struct plan *plan, struct err *e)
{
	for (size_t i = 0; i < plan->image_count; i++) {
		if (bundle_add_object(b, &plan->images[i].leaves, 0, e) < 0 ||
			bundle_add_object(b, &plan->images[i].pieces, 0, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->image_count; i++) {
		if (bundle_add_object(b, &plan->images[i].full, 0, e) < 0)
			return -1;
	}
	return 0;
}

int bundle_make_plan(const struct bundle_request *r, struct bundle_plan *out, struct err *e)
{
	JSON_AUTO json_t *releases = NULL;
	AUTO_MANIFEST struct manifest *manifest = NULL;

	out->count = 0;
	out->image_count = 0;
	out->releases = 0;
	if (add_roots(r->public_dir, out, e) < 0 ||
		add_metadata(r->public_dir, out, &releases, e) < 0)
		return -1;
	struct bundle_member *m = add(out, e);
	if (!m || find_manifest(releases, r->product, r->release, m, e) < 0 ||
		read_manifest(r->public_dir, m, &manifest, e) < 0)
		return -1;
	return r->from ? bundle_add_from(r, releases, &manifest->plan, out, e)
		       : add_full(out, &manifest->plan, e);
}
