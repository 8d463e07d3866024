/* SPDX-License-Identifier: Apache-2.0 */
/* Files that timestamp or snapshot list: from the store when they are the listed ones, or fetched. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/base/must.h"
#include "agent/trust/trust.h"

static int parse_signed(const struct trust *t, const struct listed *l, const struct buf *bytes,
	const char *where, struct role *out, struct err *e)
{
	AUTO_ROLE struct role r = {0};

	if (role_parse(l->kind, where, bytes, t->o.sha512_is_enough, &r, e) < 0 ||
		keyring_check(l->ring, l->retired, r.doc, where, e) < 0)
		return -1;
	role_move(out, &r);
	return 0;
}

static int encode(const struct listed *l, char out[STORE_NAME_MAX], struct err *e)
{
	return store_encode(l->role, l->is_delegated, out, e);
}

bool listed_is_stored(const struct trust *t, const struct listed *l, struct role *out)
{
	AUTO_BUF struct buf bytes = buf_make(role_cap(l->kind));
	AUTO_ROLE struct role r = {0};
	char name[STORE_NAME_MAX];
	struct err why = {0};

	if (encode(l, name, &why) < 0 || store_read(&t->store, name, &bytes, &why) < 0 ||
		role_check_meta(&l->meta, &bytes, l->role, &why) < 0 ||
		parse_signed(t, l, &bytes, l->role, &r, &why) < 0 || r.version != l->meta.version)
		return false;
	role_move(out, &r);
	return true;
}

/* A well-signed file with another version than listed comes from another publication. */
static int check_version(
	const struct listed *l, const struct role *r, const char *where, struct err *e)
{
	if (!MUST("listed.version", r->version == l->meta.version))
		return err_set(e, E_MIX,
			"%s: is version %" PRIu64 ", version %" PRIu64 " is listed", where,
			r->version, l->meta.version);
	return 0;
}

int listed_fetch(const struct trust *t, const struct fetcher *metadata, const struct listed *l,
	struct buf *bytes, struct role *out, struct err *e)
{
	AUTO_ROLE struct role r = {0};
	char encoded[STORE_NAME_MAX];
	char name[STORE_NAME_MAX + 32];
	struct err content = {0}, form = {0};

	if (encode(l, encoded, e) < 0)
		return -1;
	snprintf(name, sizeof(name), "%" PRIu64 ".%s.json", l->meta.version, encoded);
	if (metadata->get(metadata->ctx, name, NULL, NULL, bytes, e) < 0)
		return err_wrap(e, "%s", name);
	bool is_listed = role_check_meta(&l->meta, bytes, name, &content) == 0;
	bool is_signed = parse_signed(t, l, bytes, name, &r, &form) == 0;
	/* Other bytes than listed are refused anyway; a signature only tells a mix from damage. */
	if (!is_listed && !is_signed) {
		*e = content;
		return -1;
	}
	if (!is_signed) {
		*e = form;
		return -1;
	}
	if (check_version(l, &r, name, e) < 0)
		return -1;
	if (!is_listed) {
		*e = content;
		return -1;
	}
	role_move(out, &r);
	return 0;
}
