/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata documents: the form of each role. */
#include "agent/trust/role.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/extras.h"
#include "agent/trust/keyring.h"

static int check_root(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e);
static int check_timestamp(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e);
static int check_snapshot(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e);
static int check_targets(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e);

static const struct role_form {
	const char *name;
	size_t cap;
	int (*check)(const struct role *r, const char *where, bool sha512_is_enough, struct err *e);
} role_forms[ROLE_KIND_COUNT] = {
	[ROLE_ROOT] = {"root", TRUST_ROOT_MAX, check_root},
	[ROLE_TIMESTAMP] = {"timestamp", TRUST_TIMESTAMP_MAX, check_timestamp},
	[ROLE_SNAPSHOT] = {"snapshot", TRUST_SNAPSHOT_MAX, check_snapshot},
	[ROLE_TARGETS] = {"targets", TRUST_TARGETS_MAX, check_targets},
};

const char *role_name(enum role_kind kind)
{
	return role_forms[kind].name;
}

size_t role_cap(enum role_kind kind)
{
	return role_forms[kind].cap;
}

void role_free(struct role *r)
{
	json_decref(r->doc);
	*r = (struct role){0};
}

void role_move(struct role *to, struct role *from)
{
	role_free(to);
	*to = *from;
	*from = (struct role){0};
}

/* All four keyrings must be there and well-formed before a root is believed. */
static int check_root(const struct role *r, const char *where, bool sha512_is_enough, struct err *e)
{
	json_t *keys, *roles, *one;

	(void)sha512_is_enough;
	if (json_want_object(r->body, "keys", where, &keys, e) < 0 ||
		json_want_object(r->body, "roles", where, &roles, e) < 0)
		return -1;
	/* Without it a mirror that is being written gives mixed files; our names need it, too. */
	if (!MUST("root.consistent-snapshot",
		    json_is_true(json_object_get(r->body, "consistent_snapshot"))))
		return err_set(e, E_META, "%s: \"consistent_snapshot\" must be true", where);
	for (int kind = 0; kind < ROLE_KIND_COUNT; kind++) {
		struct keyring ring = {0};
		if (json_want_object(roles, role_name((enum role_kind)kind), where, &one, e) < 0 ||
			keyring_parse(keys, one, where, &ring, e) < 0)
			return -1;
		keyring_free(&ring);
	}
	return 0;
}

static int read_meta(const json_t *entry, const char *where, struct role_meta *out, struct err *e)
{
	const json_t *hashes = json_object_get(entry, "hashes");
	struct role_meta m = {.has_hashes = hashes != NULL};
	int64_t version, length = 0;

	if (json_want_int(entry, "version", where, 1, ROLE_VERSION_MAX, &version, e) < 0)
		return -1;
	m.version = (uint64_t)version;
	m.has_length = json_object_get(entry, "length") != NULL;
	if (m.has_length &&
		json_want_int(entry, "length", where, 1, ROLE_LENGTH_MAX, &length, e) < 0)
		return -1;
	m.length = (uint64_t)length;
	if (hashes && hashes_parse(hashes, where, &m.hashes, e) < 0)
		return -1;
	*out = m;
	return 0;
}

static int check_metas(const struct role *r, const char *where, struct err *e)
{
	struct role_meta meta;
	json_t *metas, *entry;
	const char *file;

	if (json_want_object(r->body, "meta", where, &metas, e) < 0)
		return -1;
	json_object_foreach (metas, file, entry) {
		if (read_meta(entry, where, &meta, e) < 0)
			return err_wrap(e, "meta of \"%.80s\"", file);
	}
	return 0;
}

static int check_timestamp(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e)
{
	struct role_meta meta;

	(void)sha512_is_enough;
	if (check_metas(r, where, e) < 0 || role_find_meta(r, "snapshot.json", &meta, e) < 0)
		return -1;
	return extras_check_timestamp(r->body, where, e);
}

static int check_snapshot(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e)
{
	struct role_meta meta;

	(void)sha512_is_enough;
	if (check_metas(r, where, e) < 0)
		return -1;
	return role_find_meta(r, "targets.json", &meta, e);
}

static int check_targets(
	const struct role *r, const char *where, bool sha512_is_enough, struct err *e)
{
	const json_t *delegations = json_object_get(r->body, "delegations");
	struct trust_target target;
	json_t *targets, *entry;
	const char *path;

	if (json_want_object(r->body, "targets", where, &targets, e) < 0)
		return -1;
	/* It would raise the floor of time beyond what the file itself allows. */
	if (!MUST("targets.issued-before-expiry", r->issued < r->expires))
		return err_set(e, E_META, "%s: x-issued is after its expiry", where);
	if (delegations && !json_is_object(delegations))
		return err_set(e, E_META, "%s: \"delegations\" must be an object", where);
	json_object_foreach (targets, path, entry) {
		if (role_read_target(entry, path, sha512_is_enough, &target, e) < 0 ||
			extras_check_target(target.custom, path, e) < 0)
			return err_wrap(e, "%s", where);
	}
	return 0;
}

/* "1.x" or "1.x.y": a higher first number is another format. */
static bool is_known_spec(const char *text)
{
	return strncmp(text, "1.", 2) == 0;
}

static int read_times(struct role *r, const char *where, struct err *e)
{
	const json_t *issued = json_object_get(r->body, "x-issued");
	const char *text;

	if (json_want_string(r->body, "expires", where, &text, e) < 0)
		return -1;
	if (clock_parse(text, &r->expires, e) < 0)
		return err_wrap(e, "%s: expires", where);
	if (!issued)
		return 0;
	if (json_want_string(r->body, "x-issued", where, &text, e) < 0)
		return -1;
	if (clock_parse(text, &r->issued, e) < 0)
		return err_wrap(e, "%s: x-issued", where);
	return 0;
}

static int check_common(enum role_kind kind, struct role *r, const char *where, struct err *e)
{
	const char *type, *spec;
	json_t *body;
	int64_t version;

	if (json_want_object(r->doc, "signed", where, &body, e) < 0)
		return -1;
	r->body = body;
	if (json_want_string(body, "_type", where, &type, e) < 0 ||
		json_want_string(body, "spec_version", where, &spec, e) < 0 ||
		json_want_int(body, "version", where, 1, ROLE_VERSION_MAX, &version, e) < 0)
		return -1;
	/* A key may hold several roles: without this a snapshot could pass for a timestamp. */
	if (!MUST("role.type", strcmp(type, role_name(kind)) == 0))
		return err_set(e, E_META, "%s: is of type \"%.40s\", not \"%s\"", where, type,
			role_name(kind));
	if (!is_known_spec(spec))
		return err_set(e, E_META, "%s: specification version \"%.20s\", known is 1.x",
			where, spec);
	r->version = (uint64_t)version;
	return read_times(r, where, e);
}

int role_parse(enum role_kind kind, const char *where, const struct buf *bytes,
	bool sha512_is_enough, struct role *out, struct err *e)
{
	AUTO_ROLE struct role r = {0};

	if (json_read(bytes->data, bytes->len, &r.doc, e) < 0)
		return err_wrap(e, "%s", where);
	if (check_common(kind, &r, where, e) < 0 ||
		role_forms[kind].check(&r, where, sha512_is_enough, e) < 0)
		return -1;
	role_move(out, &r);
	return 0;
}

int role_find_meta(const struct role *r, const char *file, struct role_meta *out, struct err *e)
{
	const json_t *entry = json_object_get(json_object_get(r->body, "meta"), file);

	if (!json_is_object(entry))
		return err_set(e, E_META, "\"%.80s\" is not listed where it must be", file);
	return read_meta(entry, file, out, e);
}

int role_check_meta(
	const struct role_meta *m, const struct buf *bytes, const char *where, struct err *e)
{
	if (m->has_length && !MUST("role.meta-length", bytes->len == m->length))
		return err_set(e, E_SIZE, "%s: has %zu bytes, %" PRIu64 " are signed", where,
			bytes->len, m->length);
	return m->has_hashes ? hashes_check(&m->hashes, bytes->data, bytes->len, where, e) : 0;
}

int role_read_target(const json_t *entry, const char *path, bool sha512_is_enough,
	struct trust_target *out, struct err *e)
{
	struct hashes h = {0};
	json_t *object;
	int64_t length;

	if (json_want_int(entry, "length", path, 0, ROLE_LENGTH_MAX, &length, e) < 0 ||
		json_want_object(entry, "hashes", path, &object, e) < 0 ||
		hashes_parse(object, path, &h, e) < 0)
		return -1;
	if (!MUST("target.sha256", h.has_sha256 || sha512_is_enough))
		return err_set(e, E_META, "%.100s: has no SHA-256", path);
	struct trust_target t = {
		.length = (uint64_t)length,
		.has_sha256 = h.has_sha256,
		.has_sha512 = h.has_sha512,
		.custom = json_object_get(entry, "custom"),
	};
	memcpy(t.sha256, h.sha256, sizeof(t.sha256));
	memcpy(t.sha512, h.sha512, sizeof(t.sha512));
	*out = t;
	return 0;
}
