/* SPDX-License-Identifier: Apache-2.0 */
/* A place in an index that can be copied: the entry there, and the way on from it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "partitions/slot/index.h"

struct delta_walk {
	const struct slot_index *index;
	struct slot_walk walk; /* behind `entry` */
	struct slot_entry entry; /* valid unless `ended` */
	bool ended;
};

static inline void delta_walk_next(struct delta_walk *w)
{
	w->ended = !slot_index_next(w->index, &w->walk, &w->entry);
}

static inline void delta_walk_start(struct delta_walk *w, const struct slot_index *index)
{
	*w = (struct delta_walk){.index = index};
	delta_walk_next(w);
}

/* On to the first entry that ends behind `offset`. */
static inline void delta_walk_seek(struct delta_walk *w, uint64_t offset)
{
	while (!w->ended && w->entry.offset + w->entry.length <= offset)
		delta_walk_next(w);
}

/* Is there an entry that begins before `offset`? */
static inline bool delta_walk_before(const struct delta_walk *w, uint64_t offset)
{
	return !w->ended && w->entry.offset < offset;
}
