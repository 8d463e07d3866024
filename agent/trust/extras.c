/* SPDX-License-Identifier: Apache-2.0 */
/* Pawl's signed extras: holds, caps, revocations. */
#include "agent/trust/extras.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/trust.h"

static int check_releases(const json_t *list, const char *product, const char *where, struct err *e)
{
	const json_t *release;
	size_t i;

	if (!json_is_array(list))
		return err_set(
			e, E_META, "%s: x-hold of \"%.40s\" must be an array", where, product);
	json_array_foreach (list, i, release) {
		if (!json_is_integer(release) || json_integer_value(release) < 1)
			return err_set(e, E_META, "%s: x-hold of \"%.40s\" has no release number",
				where, product);
	}
	return 0;
}

static int check_hold(const json_t *body, const char *where, struct err *e)
{
	json_t *hold = json_object_get(body, "x-hold");
	const char *product;
	json_t *list;

	if (!hold)
		return 0;
	if (!MUST("extras.hold", json_is_object(hold)))
		return err_set(e, E_META, "%s: x-hold must be an object", where);
	json_object_foreach (hold, product, list) {
		if (check_releases(list, product, where, e) < 0)
			return -1;
	}
	return 0;
}

int extras_check_timestamp(const json_t *body, const char *where, struct err *e)
{
	json_t *cap = json_object_get(body, "x-cap");
	const char *name;
	json_t *value;
	int64_t percent;

	if (check_hold(body, where, e) < 0)
		return -1;
	if (!cap)
		return 0;
	if (!MUST("extras.cap", json_is_object(cap)))
		return err_set(e, E_META, "%s: x-cap must be an object", where);
	json_object_foreach (cap, name, value) {
		if (json_want_int(cap, name, where, 0, 100, &percent, e) < 0)
			return err_wrap(e, "x-cap");
	}
	return 0;
}

int extras_check_target(const json_t *custom, const char *path, struct err *e)
{
	const json_t *revoked = json_object_get(custom, "revoked");
	uint8_t digest[HASH_SIZE];
	const json_t *hex;
	size_t i;

	if (!MUST("extras.custom", !custom || json_is_object(custom)))
		return err_set(e, E_META, "%.100s: custom must be an object", path);
	if (!revoked)
		return 0;
	if (!MUST("extras.revoked", json_is_array(revoked)))
		return err_set(e, E_META, "%.100s: custom.revoked must be an array", path);
	json_array_foreach (revoked, i, hex) {
		if (!json_is_string(hex) || hash_from_hex(json_string_value(hex), digest, e) < 0)
			return err_set(e, E_META, "%.100s: custom.revoked has no SHA-256", path);
	}
	return 0;
}

int extras_each_revoked(const json_t *body,
	int (*each)(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e), void *ctx,
	struct err *e)
{
	uint8_t digest[HASH_SIZE];
	json_t *target;
	const json_t *hex;
	const char *path;
	size_t i;

	json_object_foreach (json_object_get(body, "targets"), path, target) {
		const json_t *custom = json_object_get(target, "custom");
		json_array_foreach (json_object_get(custom, "revoked"), i, hex) {
			if (hash_from_hex(json_string_value(hex), digest, e) < 0 ||
				each(ctx, digest, e) < 0)
				return -1;
		}
	}
	return 0;
}

bool trust_is_held(const struct trust *t, const char *product, uint64_t release)
{
	const json_t *list = json_object_get(json_object_get(t->timestamp.body, "x-hold"), product);
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		if ((uint64_t)json_integer_value(one) == release)
			return true;
	}
	return false;
}

unsigned trust_cap(const struct trust *t, const char *product, const char *channel)
{
	char name[160];
	int n = snprintf(name, sizeof(name), "%s/%s", product, channel);
	const json_t *caps = json_object_get(t->timestamp.body, "x-cap");

	if (n >= (int)sizeof(name))
		return 100;
	const json_t *percent = json_object_get(caps, name);
	return percent ? (unsigned)json_integer_value(percent) : 100;
}

int trust_each_revoked(const struct trust *t,
	int (*each)(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e), void *ctx,
	struct err *e)
{
	if (extras_each_revoked(t->targets.body, each, ctx, e) < 0)
		return -1;
	for (size_t i = 0; i < t->delegated_count; i++) {
		if (extras_each_revoked(t->delegated[i].role.body, each, ctx, e) < 0)
			return -1;
	}
	return 0;
}

/* Stops with -1 at the hash that is looked for. */
static int stop_at(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e)
{
	(void)e;
	return hash_equal(ctx, manifest) ? -1 : 0;
}

bool trust_is_revoked(const struct trust *t, const uint8_t manifest[HASH_SIZE])
{
	struct err ignored = {0};

	return trust_each_revoked(t, stop_at, (void *)(uintptr_t)manifest, &ignored) < 0;
}
