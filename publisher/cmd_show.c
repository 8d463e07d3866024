/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo show: what is published, by whom it is signed, until when. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "publisher/change.h"

const struct verb_option publisher_show_options[] = {
	{"--json", NULL, "print it as JSON (docs/keys.md names the fields)"},
	{NULL, NULL, NULL},
};

/* File name of a key here, or "" where only the root knows it. */
static void name_key(struct publisher *p, const char *keyid, char name[KEYS_NAME_SIZE])
{
	AUTO_ENTRY struct keys_entry k = {0};
	struct err ignored = {0};

	name[0] = 0;
	if (keys_find(p, keyid, &k, &ignored) == 0)
		memcpy(name, k.name, KEYS_NAME_SIZE);
}

static json_t *describe_roles(const struct roles *r)
{
	json_t *all = json_object();

	for (enum role i = 0; i < ROLE_COUNT; i++)
		json_object_set_new(all, roles_info[i].name,
			json_pack("{s:I,s:O}", "version", (json_int_t)roles_version(r, i),
				"expires", json_object_get(roles_signed(r, i), "expires")));
	return all;
}

static json_t *describe_keys(struct publisher *p, const struct roles *r)
{
	const json_t *root = roles_signed(r, ROLE_ROOT);
	json_t *all = json_array();
	const char *signer;
	json_t *role;

	json_object_foreach (json_object_get(root, "roles"), signer, role) {
		size_t i;
		json_t *id;
		json_array_foreach (json_object_get(role, "keyids"), i, id) {
			char name[KEYS_NAME_SIZE];
			name_key(p, json_string_value(id), name);
			json_array_append_new(
				all, json_pack("{s:s,s:i,s:O,s:s,s:O}", "role", signer, "threshold",
					     (int)roles_threshold(root, signer), "keyid", id,
					     "name", name, "keytype",
					     json_object_get(
						     json_object_get(json_object_get(root, "keys"),
							     json_string_value(id)),
						     "keytype")));
		}
	}
	return all;
}

/* `revoked` is read from any channel: all of a product carry the same list. */
static int add_channel(void *ctx, const char *path, json_t *target, struct err *e)
{
	json_t *custom = json_object_get(target, "custom");
	const char *version = json_string_value(json_object_get(custom, "version"));
	bool revoked = false;
	size_t i;
	json_t *v;

	json_array_foreach (json_object_get(custom, "revoked"), i, v)
		revoked |= strcmp(json_string_value(v), roles_target_hash(target)) == 0;
	json_t *one =
		json_pack("{s:s%,s:I,s:s,s:s,s:b}", "channel", path, strlen(path) - 5, "release",
			(json_int_t)roles_target_release(target), "version", version ? version : "",
			"manifest", roles_target_hash(target), "withdrawn", revoked);
	if (!one || json_array_append_new(ctx, one) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	return 0;
}

static int add_revoked(void *ctx, const char *path, json_t *target, struct err *e)
{
	size_t i;
	json_t *v;

	(void)path;
	(void)e;
	json_array_foreach (json_object_get(json_object_get(target, "custom"), "revoked"), i, v)
		json_object_set_new(ctx, json_string_value(v), json_true());
	return 0;
}

static int describe_releases(const struct roles *r, json_t **out, struct err *e)
{
	JSON_AUTO json_t *revoked = json_object();
	json_t *all = json_array();
	const char *path;
	json_t *target;

	if (roles_each_channel(r, NULL, add_revoked, revoked, e) < 0)
		return -1;
	json_object_foreach (
		json_object_get(roles_signed(r, ROLE_RELEASES), "targets"), path, target) {
		const char *hash = roles_target_hash(target);
		const char *version = json_string_value(
			json_object_get(json_object_get(target, "custom"), "version"));
		json_array_append_new(all,
			json_pack("{s:s%,s:I,s:s,s:s,s:b}", "product", path, strcspn(path, "/"),
				"release", (json_int_t)roles_target_release(target), "version",
				version ? version : "", "manifest", hash, "withdrawn",
				json_object_get(revoked, hash) != NULL));
	}
	*out = all;
	return 0;
}

static json_t *or_empty(json_t *value)
{
	return value ? json_incref(value) : json_object();
}

static int describe(struct publisher *p, const struct roles *r, json_t **out, struct err *e)
{
	JSON_AUTO json_t *channels = json_array();
	json_t *releases;

	if (roles_each_channel(r, NULL, add_channel, channels, e) < 0 ||
		describe_releases(r, &releases, e) < 0)
		return -1;
	*out = json_pack("{s:i,s:s,s:o,s:o,s:O,s:o,s:o,s:o}", "schema", 1, "product", p->product,
		"roles", describe_roles(r), "keys", describe_keys(p, r), "channels", channels,
		"releases", releases, "held",
		or_empty(json_object_get(roles_signed(r, ROLE_TIMESTAMP), "x-hold")), "caps",
		or_empty(json_object_get(roles_signed(r, ROLE_TIMESTAMP), "x-cap")));
	return *out ? 0 : err_set(e, E_NOMEM, "out of memory");
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_roles(const struct publisher *p, const struct roles *r)
{
	puts("Roles");
	for (enum role i = 0; i < ROLE_COUNT; i++)
		printf("  %-10s version %-5lld expires %s (%lld days)\n", roles_info[i].name,
			(long long)roles_version(r, i), text_of(roles_signed(r, i), "expires"),
			(long long)((roles_expires(r, i) - p->now) / ROLES_DAY));
}

static void print_lists(const json_t *d)
{
	size_t i;
	json_t *v;
	const char *key;

	puts("Keys");
	json_array_foreach (json_object_get(d, "keys"), i, v)
		printf("  %-10s %.16s… %-8s %s\n", text_of(v, "role"), text_of(v, "keyid"),
			text_of(v, "keytype"),
			text_of(v, "name")[0] ? text_of(v, "name") : "(not here)");
	puts("Channels");
	json_array_foreach (json_object_get(d, "channels"), i, v)
		printf("  %-20s release %-6lld %s%s\n", text_of(v, "channel"),
			number_of(v, "release"), text_of(v, "version"),
			json_is_true(json_object_get(v, "withdrawn")) ? "  WITHDRAWN" : "");
	puts("Releases");
	json_array_foreach (json_object_get(d, "releases"), i, v)
		printf("  %-20s release %-6lld %s%s\n", text_of(v, "product"),
			number_of(v, "release"), text_of(v, "version"),
			json_is_true(json_object_get(v, "withdrawn")) ? "  withdrawn" : "");
	json_object_foreach (json_object_get(d, "held"), key, v) {
		size_t n;
		json_t *release;
		json_array_foreach (v, n, release)
			printf("On hold: %s release %lld\n", key,
				(long long)json_integer_value(release));
	}
	json_object_foreach (json_object_get(d, "caps"), key, v)
		printf("Capped: %s at %lld %%\n", key, (long long)json_integer_value(v));
}

int cmd_show(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	AUTO_ROLES struct roles r = {0};
	JSON_AUTO json_t *d = NULL;
	const char *values[1];
	int rest;

	if (verb_read_options(publisher_show_options, argc, argv, values, &rest, e) < 0 ||
		change_check_words(rest, argv, 0, 0, e) < 0 || publisher_open(p, false, e) < 0 ||
		roles_load(p, &r, e) < 0 || describe(p, &r, &d, e) < 0)
		return -1;
	if (values[0]) {
		AUTO_FREE char *text = json_dumps(d, JSON_INDENT(1) | JSON_SORT_KEYS);
		if (!text)
			return err_set(e, E_NOMEM, "out of memory");
		puts(text);
		return 0;
	}
	printf("Product %s\n", p->product);
	print_roles(p, &r);
	print_lists(d);
	return 0;
}
