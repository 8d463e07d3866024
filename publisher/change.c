/* SPDX-License-Identifier: Apache-2.0 */
/* What all verbs that change the published metadata begin and end with. */
#include "publisher/change.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/plan/manifest.h"

const char *const change_key_names[CHANGE_KEYS] = {
	"root-1", "root-2", "root-3", "release", "online"};

/* A key NAME.next that the published root names already becomes NAME. */
static int finish_rotations(struct publisher *p, struct roles *r, struct err *e)
{
	for (size_t i = 0; i < CHANGE_KEYS; i++) {
		AUTO_ENTRY struct keys_entry next = {0};
		char name[KEYS_NAME_SIZE];
		snprintf(name, sizeof(name), "%s.next", change_key_names[i]);
		if (keys_read_public(p, name, &next, e) < 0) {
			if (e->code != E_NOTFOUND)
				return -1;
			continue;
		}
		json_t *keys = json_object_get(r->old_root, "keys");
		if (!json_object_get(keys, next.keyid))
			continue;
		if (keys_settle_next(p, change_key_names[i], e) < 0)
			return -1;
		snprintf(r->resumed, sizeof(r->resumed), "%s", change_key_names[i]);
	}
	return 0;
}

/* Devices take the signed time as a lower bound; a clock that is behind deserves a look. */
static void warn_of_clock(const struct publisher *p, const struct roles *r)
{
	const char *text =
		json_string_value(json_object_get(roles_signed(r, ROLE_TIMESTAMP), "x-issued"));
	char now[CLOCK_TEXT_SIZE];
	struct err ignored = {0};
	int64_t last;

	if (!text || clock_parse(text, &last, &ignored) < 0 || last <= p->now)
		return;
	clock_format(p->now, now);
	fprintf(stderr,
		"pawl-repo: warning: it is %s here, but the last signature is of %s; "
		"check the clock and SOURCE_DATE_EPOCH\n",
		now, text);
}

int change_begin(struct publisher *p, struct roles *r, struct err *e)
{
	if (publisher_open(p, true, e) < 0 || roles_load(p, r, e) < 0 ||
		finish_rotations(p, r, e) < 0)
		return -1;
	warn_of_clock(p, r);
	return 0;
}

int change_check_words(int argc, char **argv, int min, int max, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0)
			return err_set(e, E_USAGE, "unknown option %s", argv[i]);
	}
	if (argc > max)
		return err_set(e, E_USAGE, "unexpected word \"%s\"", argv[max]);
	if (argc < min)
		return err_set(e, E_USAGE, "too few words: %d instead of %d", argc, min);
	return 0;
}

static int parse_number(const char *text, uint64_t *out, struct err *e)
{
	uint64_t n = 0;

	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || n > UINT64_C(1) << 53)
			return err_set(e, E_USAGE, "\"%s\" is not a release number", text);
		n = n * 10 + (uint64_t)(*c - '0');
	}
	if (n == 0)
		return err_set(e, E_USAGE, "\"%s\" is not a release number", text);
	*out = n;
	return 0;
}

int change_read_release(struct publisher *p, const struct roles *r, int argc, char **argv,
	const char **product, uint64_t *release, json_t **target, struct err *e)
{
	char path[PLAN_NAME_SIZE + 64];
	uint64_t n = 0;

	if (change_check_words(argc, argv, 1, 2, e) < 0 || parse_number(argv[argc - 1], &n, e) < 0)
		return -1;
	const char *name = argc == 2 ? argv[0] : p->product;
	if (!manifest_name_is_valid(name))
		return err_set(e, E_USAGE, "\"%s\" is not a product's name", name);
	snprintf(path, sizeof(path), "%s/releases/%" PRIu64 ".json", name, n);
	json_t *found = roles_find_target(r, ROLE_RELEASES, path);
	if (!found)
		return err_set(
			e, E_NOTFOUND, "release %" PRIu64 " of %s is not published", n, name);
	*product = name;
	*release = n;
	*target = found;
	return 0;
}
