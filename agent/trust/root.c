/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of roots: each successor is signed by the old and the new threshold (spec 5.3). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/trust.h"

#define STORED_ROOTS_MAX 4096 /* a bound for the walk, not a limit that is ever met */

/* A root that was verified and is not installed yet. */
struct candidate {
	struct role role;
	struct keyring rings[ROLE_KIND_COUNT];
};

static void candidate_free(struct candidate *c)
{
	role_free(&c->role);
	for (int i = 0; i < ROLE_KIND_COUNT; i++)
		keyring_free(&c->rings[i]);
}
#define AUTO_CANDIDATE __attribute__((cleanup(candidate_free)))

static int parse_rings(struct candidate *c, const char *where, struct err *e)
{
	const json_t *keys = json_object_get(c->role.body, "keys");
	const json_t *roles = json_object_get(c->role.body, "roles");

	for (int i = 0; i < ROLE_KIND_COUNT; i++) {
		const json_t *role = json_object_get(roles, role_name((enum role_kind)i));
		if (keyring_parse(keys, role, where, &c->rings[i], e) < 0)
			return -1;
	}
	return 0;
}

static int check_successor(
	const struct trust *t, const struct candidate *c, const char *where, struct err *e)
{
	const struct keyring *old = &t->rings[ROLE_ROOT];
	const struct keyring *new = &c->rings[ROLE_ROOT];
	struct keyring_tally by_old, by_new;

	if (keyring_count(old, &t->retired[ROLE_ROOT], c->role.doc, where, &by_old, e) < 0 ||
		keyring_count(new, NULL, c->role.doc, where, &by_new, e) < 0)
		return -1;
	bool old_signed = MUST("root.old-threshold", by_old.valid >= old->threshold);
	bool new_signed = MUST("root.new-threshold", by_new.valid >= new->threshold);
	if (old_signed && new_signed)
		return 0;
	if (!old_signed && by_old.with_retired >= old->threshold)
		return err_set(e, E_KEY_REVOKED,
			"%s: signed by keys that a later root has replaced", where);
	return err_set(e, by_old.valid + by_new.valid == 0 ? E_SIG : E_THRESHOLD,
		"%s: signed by %u of the old keys (%u are needed) and %u of the new keys (%u are "
		"needed)",
		where, by_old.valid, old->threshold, by_new.valid, new->threshold);
}

/* Verifies bytes as the first root (signed by itself) or as the next one. */
static int verify(const struct trust *t, const struct buf *bytes, const char *where,
	struct candidate *out, struct err *e)
{
	bool first = !t->root.doc;

	if (role_parse(ROLE_ROOT, where, bytes, false, &out->role, e) < 0 ||
		parse_rings(out, where, e) < 0)
		return -1;
	if (first)
		return keyring_check(&out->rings[ROLE_ROOT], NULL, out->role.doc, where, e);
	if (check_successor(t, out, where, e) < 0)
		return -1;
	if (!MUST("root.next-version", out->role.version == t->root.version + 1))
		return err_set(e, E_META, "%s: is version %" PRIu64 ", not %" PRIu64, where,
			out->role.version, t->root.version + 1);
	return 0;
}

static int install(struct trust *t, struct candidate *c, const struct buf *bytes, struct err *e)
{
	struct buf copy = buf_make(TRUST_ROOT_MAX);

	if (buf_add(&copy, bytes->data, bytes->len, e) < 0)
		return -1;
	for (int i = 0; i < ROLE_KIND_COUNT; i++) {
		if (keyring_retire(&t->retired[i], &t->rings[i], &c->rings[i], e) < 0) {
			buf_free(&copy);
			return -1;
		}
		t->rings[i] = c->rings[i];
		c->rings[i] = (struct keyring){0};
	}
	role_move(&t->root, &c->role);
	buf_free(&t->root_bytes);
	t->root_bytes = copy;
	return 0;
}

static int load_image_root(struct trust *t, struct err *e)
{
	AUTO_CANDIDATE struct candidate c = {0};
	AUTO_BUF struct buf bytes = buf_make(TRUST_ROOT_MAX);
	struct err why = {0};

	if (!t->o.image_root || t->o.image_root_len == 0)
		return err_set(e, E_TRUST,
			"the trusted root is missing or empty; put the root.json made by "
			"`pawl-repo init` into the image");
	if (buf_add(&bytes, t->o.image_root, t->o.image_root_len, &why) < 0 ||
		verify(t, &bytes, "the trusted root.json", &c, &why) < 0)
		return err_set(e, E_TRUST,
			"%s; put the root.json made by `pawl-repo init` into the image", why.text);
	return install(t, &c, &bytes, e);
}

/* One stored successor; false ends the chain, whatever the reason. */
static bool load_next_stored(struct trust *t)
{
	AUTO_CANDIDATE struct candidate c = {0};
	AUTO_BUF struct buf bytes = buf_make(TRUST_ROOT_MAX);
	struct err why = {0};

	return store_read_root(&t->store, t->root.version + 1, &bytes, &why) == 0 &&
	       verify(t, &bytes, "a stored root", &c, &why) == 0 &&
	       install(t, &c, &bytes, &why) == 0;
}

int root_load(struct trust *t, struct err *e)
{
	if (load_image_root(t, e) < 0)
		return -1;
	for (int i = 0; i < STORED_ROOTS_MAX && load_next_stored(t); i++)
		;
	return 0;
}

/* root.json is a copy of the current root for people; the chain in roots/ is what counts. */
static int write_current(struct trust *t, struct err *e)
{
	AUTO_BUF struct buf stored = buf_make(TRUST_ROOT_MAX);
	struct err none = {0};

	if (store_read(&t->store, "root", &stored, &none) == 0 && stored.len == t->root_bytes.len &&
		memcmp(stored.data, t->root_bytes.data, stored.len) == 0)
		return 0;
	return store_write(&t->store, "root", &t->root_bytes, e);
}

static int remember(struct trust *t, const struct buf *bytes, struct err *e)
{
	struct trust_new_root *r = &t->new_roots[t->new_root_count];

	*r = (struct trust_new_root){.version = t->root.version, .bytes = buf_make(TRUST_ROOT_MAX)};
	if (buf_add(&r->bytes, bytes->data, bytes->len, e) < 0)
		return -1;
	t->new_root_count++;
	return 0;
}

/*
 * Stores and installs one successor. What the old online keys signed is
 * forgotten first: after a cut between the two, the root is fetched again.
 */
static int accept_root(struct trust *t, struct candidate *c, const struct buf *bytes, struct err *e)
{
	bool rotated = !keyring_same_keys(&t->rings[ROLE_TIMESTAMP], &c->rings[ROLE_TIMESTAMP]) ||
		       !keyring_same_keys(&t->rings[ROLE_SNAPSHOT], &c->rings[ROLE_SNAPSHOT]);

	if (rotated && store_forget_online(&t->store, e) < 0)
		return -1;
	t->online_rotated |= rotated;
	if (store_write_root(&t->store, c->role.version, bytes, e) < 0 ||
		install(t, c, bytes, e) < 0 || remember(t, bytes, e) < 0)
		return -1;
	return write_current(t, e);
}

/* Fetches the next root. *more is false when the place says that there is none. */
static int fetch_next(struct trust *t, const struct fetcher *metadata, bool *more, struct err *e)
{
	AUTO_CANDIDATE struct candidate c = {0};
	AUTO_BUF struct buf bytes = buf_make(TRUST_ROOT_MAX);
	char name[64];

	snprintf(name, sizeof(name), "%" PRIu64 ".root.json", t->root.version + 1);
	if (metadata->get(metadata->ctx, name, NULL, NULL, &bytes, e) < 0) {
		/* Anything but "not there" could be somebody who withholds a rotation. */
		if (!MUST("root.end-is-notfound", e->code == E_NOTFOUND))
			return err_wrap(e, "%s", name);
		*more = false;
		return 0;
	}
	*more = true;
	if (verify(t, &bytes, name, &c, e) < 0)
		return -1;
	return accept_root(t, &c, &bytes, e);
}

int root_check_floor(const struct trust *t, struct err *e)
{
	if (!MUST("root.floor", t->root.version >= t->o.root_floor))
		return err_set(e, E_ROLLBACK,
			"root is version %" PRIu64 ", this image demands at least %" PRIu64,
			t->root.version, t->o.root_floor);
	return 0;
}

int root_refresh(struct trust *t, const struct fetcher *metadata, struct err *e)
{
	bool more = true;

	if (write_current(t, e) < 0)
		return -1;
	while (more) {
		if (t->new_root_count == TRUST_ROOTS_A_RUN)
			return err_set(e, E_LATER,
				"%d new roots were accepted; the next run goes on from there",
				TRUST_ROOTS_A_RUN);
		if (fetch_next(t, metadata, &more, e) < 0)
			return -1;
	}
	if (root_check_floor(t, e) < 0)
		return -1;
	return time_check(t, ROLE_ROOT, t->root.expires, "root", e);
}

static int keep_root(
	const struct store *s, const struct trust_new_root *r, bool *written, struct err *e)
{
	AUTO_BUF struct buf stored = buf_make(TRUST_ROOT_MAX);
	struct err none = {0};

	if (store_read_root(s, r->version, &stored, &none) == 0 && stored.len == r->bytes.len &&
		memcmp(stored.data, r->bytes.data, stored.len) == 0)
		return 0;
	*written = true;
	return store_write_root(s, r->version, &r->bytes, e);
}

int trust_keep_roots(const struct trust *t, int store, struct err *e)
{
	AUTO_BUF struct buf later = buf_make(TRUST_ROOT_MAX);
	const struct store s = {.dir = store};
	struct err none = {0};
	bool written = false;

	if (t->online_rotated && t->new_root_count > 0 &&
		store_read_root(&s, t->root.version, &later, &none) < 0 &&
		store_forget_online(&s, e) < 0)
		return -1;
	for (unsigned i = 0; i < t->new_root_count; i++) {
		if (keep_root(&s, &t->new_roots[i], &written, e) < 0)
			return -1;
	}
	/* A set that began at an older root than the stored ones must not turn root.json back. */
	if (!written || store_read_root(&s, t->root.version + 1, &later, &none) == 0)
		return 0;
	return store_write(&s, "root", &t->root_bytes, e);
}
