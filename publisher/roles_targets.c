/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of the roles targets and releases: looking them up, listing, revoking. */
#include <string.h>

#include "publisher/roles.h"

json_t *roles_find_target(const struct roles *r, enum role role, const char *path)
{
	return json_object_get(json_object_get(roles_signed(r, role), "targets"), path);
}

uint64_t roles_target_release(const json_t *target)
{
	json_t *n = json_object_get(json_object_get(target, "custom"), "release");
	json_int_t v = json_integer_value(n);

	return v < 0 ? 0 : (uint64_t)v;
}

const char *roles_target_hash(const json_t *target)
{
	const char *hex =
		json_string_value(json_object_get(json_object_get(target, "hashes"), "sha256"));

	return hex ? hex : "";
}

int roles_each_channel(const struct roles *r, const char *product,
	int (*each)(void *ctx, const char *path, json_t *target, struct err *e), void *ctx,
	struct err *e)
{
	size_t len = product ? strlen(product) : 0;
	const char *path;
	json_t *target;

	json_object_foreach (
		json_object_get(roles_signed(r, ROLE_TARGETS), "targets"), path, target) {
		if (product && (strncmp(path, product, len) != 0 || path[len] != '/'))
			continue;
		if (each(ctx, path, target, e) < 0)
			return -1;
	}
	return 0;
}

struct revoking {
	json_t *all; /* array of hashes, sorted */
	bool any;
};

/* Puts a hash where it belongs in a sorted array, unless it is there. */
static int add_sorted(json_t *array, const char *hex, struct err *e)
{
	size_t i;
	json_t *v;

	json_array_foreach (array, i, v) {
		int order = strcmp(json_string_value(v), hex);
		if (order == 0)
			return 0;
		if (order > 0)
			break;
	}
	if (json_array_insert_new(array, i, json_string(hex)) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	return 0;
}

/* Adds what a channel revokes to the union. */
static int collect(void *ctx, const char *path, json_t *target, struct err *e)
{
	struct revoking *w = ctx;
	json_t *custom = json_object_get(target, "custom");
	size_t i;
	json_t *v;

	(void)path;
	w->any = true;
	json_array_foreach (json_object_get(custom, "revoked"), i, v) {
		if (json_is_string(v) && add_sorted(w->all, json_string_value(v), e) < 0)
			return -1;
	}
	return 0;
}

static int write_revoked(void *ctx, const char *path, json_t *target, struct err *e)
{
	struct revoking *w = ctx;
	json_t *custom = json_object_get(target, "custom");

	if (!custom || json_object_set_new(custom, "revoked", json_deep_copy(w->all)) < 0)
		return err_set(e, E_META, "target %s has no custom object", path);
	return 0;
}

int roles_revoke_manifest(
	struct roles *r, const char *product, const char *sha256_hex, struct err *e)
{
	JSON_AUTO json_t *all = json_array();
	struct revoking w = {.all = all};

	if (!all)
		return err_set(e, E_NOMEM, "out of memory");
	if (roles_each_channel(r, product, collect, &w, e) < 0)
		return -1;
	if (!w.any)
		return err_set(e, E_NOTFOUND, "product %s has no channel", product);
	if (add_sorted(all, sha256_hex, e) < 0 ||
		roles_each_channel(r, product, write_revoked, &w, e) < 0)
		return -1;
	r->changed[ROLE_TARGETS] = true;
	return 0;
}

int roles_set_target(struct roles *r, enum role role, const char *path, uint64_t length,
	const char *sha256_hex, uint64_t release, const char *version, struct err *e)
{
	JSON_AUTO json_t *all = json_array();
	struct revoking w = {.all = all};
	char product[64] = "";
	size_t len = strcspn(path, "/");

	if (!all || len >= sizeof(product))
		return err_set(e, E_INTERNAL, "target path %s", path);
	memcpy(product, path, len);
	/* A new channel inherits: what is withdrawn is withdrawn for all of the product. */
	if (role == ROLE_TARGETS && roles_each_channel(r, product, collect, &w, e) < 0)
		return -1;
	json_t *custom = json_pack("{s:I,s:s}", "release", (json_int_t)release, "version", version);
	if (custom && json_array_size(all) > 0)
		json_object_set(custom, "revoked", all);
	json_t *target = json_pack("{s:I,s:{s:s},s:o}", "length", (json_int_t)length, "hashes",
		"sha256", sha256_hex, "custom", custom);
	json_t *targets = json_object_get(roles_signed(r, role), "targets");
	if (!target || json_object_set_new(targets, path, target) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	r->changed[role] = true;
	return 0;
}
