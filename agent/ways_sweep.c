/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of the cache still have a use. */
#include <string.h>

#include "agent/ways_parts.h"

/* Files of the cache that this plan, or the next one from either slot, has a use for. */
struct wanted_files {
	const struct tables *tables;
	const struct plan *plan; /* to be carried out; may be NULL */
	const struct plan *bases; /* older tables of this one are kept; may be NULL */
	const struct state *state;
	bool roomy; /* what only saves the next update bytes may stay */
};

static bool is_file(const struct plan_object *o, const char *name, const char *suffix)
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(o->sha256, hex);
	return o->length > 0 && strncmp(hex, name, HASH_HEX_SIZE - 1) == 0 &&
	       strcmp(name + HASH_HEX_SIZE - 1, suffix) == 0;
}

static bool is_first_part(const struct plan_image *i, const char *name)
{
	for (size_t k = 0; k < i->frames_first.count; k++) {
		if (is_file(&i->frames_first.first[k].part, name, ""))
			return true;
	}
	return false;
}

static bool is_of_image(const struct plan_image *i, const char *name)
{
	for (size_t k = 0; k < i->patch_count; k++) {
		if (is_file(&i->patches[k].table, name, ""))
			return true;
	}
	return is_file(&i->leaves, name, "") || is_file(&i->pieces, name, "") ||
	       (i->has_delta &&
		       (is_file(&i->index, name, "") || is_file(&i->frames, name, "") ||
			       is_first_part(i, name) || is_file(&i->data, name, ".part")));
}

/*
 * Another release's difference may be from this index as well. Where the index of the
 * release itself is here (it came by its data, not by a patch), that is the better one.
 */
static bool is_base(const struct wanted_files *f, const struct plan_image *i, const char *name)
{
	char hex[HASH_HEX_SIZE];

	if (!SLOT_HAVE_DELTA || !f->roomy || tables_has(f->tables, &i->index))
		return false;
	for (size_t k = 0; k < i->index_from.count; k++) {
		hash_to_hex(i->index_from.from[k].base, hex);
		if (strcmp(hex, name) == 0)
			return true;
	}
	return false;
}

static bool is_wanted(const void *ctx, const char *name)
{
	const struct wanted_files *f = ctx;

	for (size_t i = 0; f->bases && i < f->bases->image_count; i++) {
		if (is_base(f, &f->bases->images[i], name))
			return true;
	}
	for (size_t i = 0; f->plan && i < f->plan->image_count; i++) {
		if (is_of_image(&f->plan->images[i], name))
			return true;
	}
	for (size_t s = 0; f->roomy && s < 2; s++) {
		const struct state_slot *slot = &f->state->slots[s];
		for (size_t i = 0; i < slot->image_count; i++) {
			if (is_file(&slot->images[i].index, name, ""))
				return true;
		}
	}
	return false;
}

static void sweep(struct wanted_files *f, struct tables *t)
{
	f->tables = t;
	f->roomy = SLOT_HAVE_DELTA && tables_has_room(t, 0);
	tables_sweep(t, is_wanted, f);
}

void ways_sweep(struct tables *t, const struct state *state, const struct plan *plan)
{
	struct wanted_files f = {.plan = plan, .bases = plan, .state = state};

	sweep(&f, t);
}

void ways_clean(struct session *s, const struct plan *written)
{
	struct wanted_files f = {.bases = written, .state = &s->state};
	struct tables t;
	struct err ignored = {0};

	if (tables_open(s->data, &s->log, &t, &ignored) < 0)
		return;
	sweep(&f, &t);
	tables_close(&t);
}
