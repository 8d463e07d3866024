/* SPDX-License-Identifier: Apache-2.0 */
/* Entries by content: a table with open addressing. */
#include "publisher/index_set.h"

#include <stdlib.h>

#include "agent/base/buf.h"

#define ROOM_AT_FIRST    1024
#define LENGTH_MASK      0xffffffu /* a length has 17 bits at most */
#define GENERATION_SHIFT 24

/* The place of the content, or the free one where it belongs. There always is a free one. */
static size_t place_of(const struct index_set *s, uint64_t hash, uint32_t length)
{
	size_t at = (size_t)hash & (s->room - 1);

	while (s->info[at] != 0 && (s->hash[at] != hash || (s->info[at] & LENGTH_MASK) != length))
		at = (at + 1) & (s->room - 1);
	return at;
}

static int resize(struct index_set *s, size_t room, struct err *e)
{
	struct index_set next = {.room = room};

	next.hash = calloc(room, sizeof(*next.hash));
	next.info = calloc(room, sizeof(*next.info));
	if (!next.hash || !next.info) {
		index_set_free(&next);
		return err_set(e, E_NOMEM, "no memory for a table of %zu entries", room);
	}
	for (size_t i = 0; i < s->room; i++) {
		if (s->info[i] == 0)
			continue;
		size_t at = place_of(&next, s->hash[i], s->info[i] & LENGTH_MASK);
		next.hash[at] = s->hash[i];
		next.info[at] = s->info[i];
	}
	next.count = s->count;
	index_set_free(s);
	*s = next;
	return 0;
}

int index_set_add(
	struct index_set *s, uint64_t hash, uint32_t length, uint8_t generation, struct err *e)
{
	uint32_t info = (uint32_t)generation << GENERATION_SHIFT | length;

	if (s->count >= s->room / 2 && resize(s, s->room ? 2 * s->room : ROOM_AT_FIRST, e) < 0)
		return -1;
	size_t at = place_of(s, hash, length);
	if (s->info[at] == 0)
		s->count++;
	s->hash[at] = hash;
	if (info > s->info[at])
		s->info[at] = info;
	return 0;
}

int index_set_add_all(struct index_set *s, const struct slot_index *index, struct err *e)
{
	struct slot_walk walk = {0};
	struct slot_entry entry;

	while (slot_index_next(index, &walk, &entry)) {
		if (!entry.zero &&
			index_set_add(s, entry.hash, entry.length, entry.generation, e) < 0)
			return -1;
	}
	return 0;
}

bool index_set_has(const struct index_set *s, uint64_t hash, uint32_t length, uint8_t *generation)
{
	if (s->room == 0)
		return false;
	size_t at = place_of(s, hash, length);
	if (s->info[at] == 0)
		return false;
	if (generation)
		*generation = (uint8_t)(s->info[at] >> GENERATION_SHIFT);
	return true;
}

void index_set_free(struct index_set *s)
{
	free(s->hash);
	free(s->info);
	*s = (struct index_set){0};
}
