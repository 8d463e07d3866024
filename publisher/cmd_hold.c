/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo hold, unhold: stop a bad release by one signature of the online key. */
#include <inttypes.h>

#include "publisher/change.h"

/* The product's list in timestamp's x-hold, made when missing; borrowed. */
static json_t *holds_of(struct roles *r, const char *product)
{
	json_t *signed_part = roles_signed(r, ROLE_TIMESTAMP);
	json_t *all = json_object_get(signed_part, "x-hold");

	if (!all) {
		all = json_object();
		json_object_set_new(signed_part, "x-hold", all);
	}
	json_t *list = json_object_get(all, product);
	if (!list) {
		list = json_array();
		json_object_set_new(all, product, list);
	}
	return list;
}

/* Where the release is, or where it belongs in the sorted list. */
static size_t place_of(const json_t *list, uint64_t release, bool *found)
{
	size_t i;
	json_t *v;

	*found = false;
	json_array_foreach (list, i, v) {
		if (json_integer_value(v) < (json_int_t)release)
			continue;
		*found = json_integer_value(v) == (json_int_t)release;
		break;
	}
	return i;
}

/* Empty members say nothing; each poll would carry them. */
static void drop_empty(struct roles *r, const char *product)
{
	json_t *signed_part = roles_signed(r, ROLE_TIMESTAMP);
	json_t *all = json_object_get(signed_part, "x-hold");

	if (json_array_size(json_object_get(all, product)) == 0)
		json_object_del(all, product);
	if (json_object_size(all) == 0)
		json_object_del(signed_part, "x-hold");
}

static int change_hold(struct publisher *p, int argc, char **argv, bool hold, struct err *e)
{
	AUTO_ROLES struct roles r = {0};
	const char *product;
	json_t *target;
	uint64_t release;
	bool found;
	bool wrote;

	if (change_check_words(argc, argv, 1, 2, e) < 0 || change_begin(p, &r, e) < 0 ||
		change_read_release(p, &r, argc, argv, &product, &release, &target, e) < 0)
		return -1;
	json_t *list = holds_of(&r, product);
	size_t at = place_of(list, release, &found);
	if (hold && !found &&
		json_array_insert_new(list, at, json_integer((json_int_t)release)) < 0)
		return err_set(e, E_NOMEM, "out of memory");
	if (!hold && found)
		json_array_remove(list, at);
	drop_empty(&r, product);
	r.changed[ROLE_TIMESTAMP] = found != hold;
	if (roles_commit(p, &r, &wrote, e) < 0)
		return -1;
	publisher_say(p, "%s release %" PRIu64 " %s %s", product, release,
		found == hold ? "was already" : "is now", hold ? "on hold" : "free");
	return 0;
}

int cmd_hold(void *ctx, int argc, char **argv, struct err *e)
{
	return change_hold(ctx, argc, argv, true, e);
}

int cmd_unhold(void *ctx, int argc, char **argv, struct err *e)
{
	return change_hold(ctx, argc, argv, false, e);
}
