/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of the cache still have a use. */
#include <fcntl.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/ways_parts.h"

/* Files of the cache that this plan, or the next one from either slot, has a use for. */
struct wanted_files {
	int dir;
	const struct plan *plan; /* may be NULL */
	const struct state *state;
};

/* The lengths of what a slot holds are asked for by the next update; the rest of an index is not. */
static bool is_content_defined(int dir, const char *name)
{
	uint8_t head[SLOT_INDEX_HEADER];
	struct err ignored = {0};
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd >= 0 && file_pread_full(fd, head, sizeof(head), 0, &ignored) == 0 &&
	       (le16_get(head + 6) & 1) != 0;
}

static bool is_file(const struct plan_object *o, const char *name, const char *suffix)
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(o->sha256, hex);
	return o->length > 0 && strncmp(hex, name, HASH_HEX_SIZE - 1) == 0 &&
	       strcmp(name + HASH_HEX_SIZE - 1, suffix) == 0;
}

static bool is_of_image(const struct plan_image *i, const char *name)
{
	for (size_t k = 0; k < i->patch_count; k++) {
		if (is_file(&i->patches[k].table, name, ""))
			return true;
	}
	return is_file(&i->leaves, name, "") || is_file(&i->pieces, name, "") ||
	       (i->has_delta && (is_file(&i->index, name, "") || is_file(&i->frames, name, "") ||
					is_file(&i->data, name, ".part")));
}

static bool is_wanted(const void *ctx, const char *name)
{
	const struct wanted_files *f = ctx;

	for (size_t i = 0; f->plan && i < f->plan->image_count; i++) {
		if (is_of_image(&f->plan->images[i], name))
			return true;
	}
	for (size_t s = 0; s < 2; s++) {
		const struct state_slot *slot = &f->state->slots[s];
		for (size_t i = 0; i < slot->image_count; i++) {
			if (is_file(&slot->images[i].index, name, "") &&
				is_content_defined(f->dir, name))
				return true;
		}
	}
	return false;
}

void ways_sweep(struct tables *t, const struct state *state, const struct plan *plan)
{
	struct wanted_files f = {.dir = t->dir, .plan = plan, .state = state};

	tables_sweep(t, is_wanted, &f);
}

void ways_clean(struct session *s)
{
	struct tables t;
	struct err ignored = {0};

	if (tables_open(s->data, &s->log, &t, &ignored) < 0)
		return;
	ways_sweep(&t, &s->state, NULL);
	tables_close(&t);
}
