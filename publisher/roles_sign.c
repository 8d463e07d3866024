/* SPDX-License-Identifier: Apache-2.0 */
/* Signing one role's metadata in memory. */
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/hex.h"
#include "agent/base/must.h"
#include "agent/trust/canonical.h"
#include "publisher/roles.h"
#include "publisher/signer.h"

/* The two roots that count while a root is signed; else `old` is NULL. */
struct signing {
	struct publisher *p;
	enum role role;
	const json_t *now; /* root whose keys sign */
	const json_t *old; /* root whose threshold a successor must meet too */
	struct buf *data;
	json_t *signatures;
	unsigned made_now;
	unsigned made_old;
	struct err first; /* why the first key that was missing could not sign */
};

static bool lists(const json_t *root, const char *signer, const char *keyid)
{
	size_t i;
	json_t *id;

	json_array_foreach (roles_keyids(root, signer), i, id) {
		if (strcmp(json_string_value(id), keyid) == 0)
			return true;
	}
	return false;
}

static int add_signature(struct signing *s, const char *keyid, const json_t *object, struct err *e)
{
	char hex[2 * SIGNER_SIGNATURE_MAX + 1];
	AUTO_BUF struct buf sig = buf_make(SIGNER_SIGNATURE_MAX);

	if (signer_sign(s->p, roles_info[s->role].name, keyid, object, s->data, &sig, e) < 0)
		return -1;
	hex_encode(sig.data, sig.len, hex);
	if (json_array_append_new(
		    s->signatures, json_pack("{s:s,s:s}", "keyid", keyid, "sig", hex)) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	return 0;
}

/*
 * Lets the keys of one root sign that help a threshold which is not met yet. A
 * key that is lost is passed over: the others may suffice.
 */
static void sign_with_keys_of(struct signing *s, const json_t *root)
{
	const char *signer = roles_info[s->role].signer;
	size_t i;
	json_t *id;

	json_array_foreach (roles_keyids(root, signer), i, id) {
		const char *keyid = json_string_value(id);
		bool for_now = lists(s->now, signer, keyid);
		bool for_old = s->old && lists(s->old, signer, keyid);
		struct err e = {0};

		if (root == s->old && for_now)
			continue; /* it had its turn */
		if (!(for_now && s->made_now < roles_threshold(s->now, signer)) &&
			!(for_old && s->made_old < roles_threshold(s->old, signer)))
			continue;
		if (add_signature(s, keyid, json_object_get(json_object_get(root, "keys"), keyid),
			    &e) < 0) {
			if (!s->first.code)
				s->first = e;
			continue;
		}
		s->made_now += for_now;
		s->made_old += for_old;
	}
}

static int sign_all(struct signing *s, struct err *e)
{
	const struct role_info *info = &roles_info[s->role];
	unsigned want = roles_threshold(s->now, info->signer);

	sign_with_keys_of(s, s->now);
	if (s->old)
		sign_with_keys_of(s, s->old);
	if (want == 0)
		return err_set(e, E_META, "the root gives role %s no threshold", info->signer);
	if (MUST("publisher.threshold",
		    s->made_now >= want &&
			    (!s->old || s->made_old >= roles_threshold(s->old, info->signer))))
		return 0;
	*e = s->first;
	if (!e->code) /* all could sign, but the root names fewer than it asks for */
		err_set(e, E_META, "role %s has too few keys", info->signer);
	if (s->role != ROLE_ROOT)
		return err_wrap(e, "cannot sign %s", info->name);
	e->code = E_THRESHOLD;
	return err_wrap(e,
		"the new root needs %u signatures of its keys (%u made) and %u of its "
		"predecessor's (%u made)",
		want, s->made_now, s->old ? roles_threshold(s->old, info->signer) : 0, s->made_old);
}

/* The next version and its times. */
static int stamp(struct publisher *p, struct roles *r, enum role role, struct err *e)
{
	json_t *s = roles_signed(r, role);
	char expires[CLOCK_TEXT_SIZE];
	char issued[CLOCK_TEXT_SIZE];
	int64_t days;

	if (publisher_expiry_days(p, roles_info[role].expiry, &days, e) < 0)
		return -1;
	clock_format(p->now + days * ROLES_DAY, expires);
	clock_format(p->now, issued);
	if (json_object_set_new(s, "version", json_integer(roles_version(r, role) + 1)) < 0 ||
		json_object_set_new(s, "spec_version", json_string(ROLES_SPEC_VERSION)) < 0 ||
		json_object_set_new(s, "expires", json_string(expires)) < 0 ||
		(roles_info[role].issued &&
			json_object_set_new(s, "x-issued", json_string(issued)) < 0))
		return err_set(e, E_NOMEM, "out of memory");
	return 0;
}

int roles_sign(struct publisher *p, struct roles *r, enum role role, struct err *e)
{
	AUTO_BUF struct buf data = buf_make(2 * ROLES_TARGETS_MAX);
	JSON_AUTO json_t *signatures = json_array();
	struct signing s = {
		.p = p,
		.role = role,
		.now = roles_signed(r, ROLE_ROOT),
		.old = role == ROLE_ROOT ? r->old_root : NULL,
		.data = &data,
		.signatures = signatures,
	};

	if (!signatures)
		return err_set(e, E_NOMEM, "out of memory");
	if (stamp(p, r, role, e) < 0 || canonical_write(roles_signed(r, role), &data, e) < 0)
		return err_wrap(e, "%s", roles_info[role].name);
	if (sign_all(&s, e) < 0)
		return -1;
	if (json_object_set(r->file[role], "signatures", signatures) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	return 0;
}
