/* SPDX-License-Identifier: Apache-2.0 */
/* The list of an image's entries: growing, ages, order of storing. */
#include "publisher/entries.h"

#include <stdlib.h>

#define ROOM_AT_FIRST 4096u

static int grow(struct entries *l, struct err *e)
{
	uint32_t room = l->room ? 2 * l->room : ROOM_AT_FIRST;
	struct slot_index_item *item = realloc(l->item, room * sizeof(*item));

	if (!item)
		return err_set(e, E_NOMEM, "no memory for %u entries of an index", room);
	l->item = item;
	l->room = room;
	return 0;
}

int entries_take(void *ctx, const struct slot_index_item *item, struct err *e)
{
	struct entries *l = ctx;

	if (l->count == SLOT_INDEX_ENTRIES_MAX) {
		l->too_many = true;
		return 0;
	}
	if (l->count == l->room && grow(l, e) < 0)
		return -1;
	l->item[l->count++] = *item;
	if (!item->zero) {
		l->stored++;
		l->stored_bytes += item->length;
	}
	return 0;
}

void entries_free(struct entries *l)
{
	free(l->item);
	*l = (struct entries){0};
}

uint64_t entries_fresh(const struct entries *l, const struct index_set *before)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct slot_index_item *item = &l->item[i];
		if (!item->zero && !index_set_has(before, item->hash, item->length, NULL))
			bytes += item->length;
	}
	return bytes;
}

uint64_t entries_index_size(const struct entries *l, bool content_defined)
{
	uint64_t lengths = content_defined ? 2 * (uint64_t)l->count : 0;
	uint64_t bits = ((uint64_t)l->count + 7) / 8;
	uint64_t nibbles = ((uint64_t)l->stored + 1) / 2;

	return SLOT_INDEX_HEADER + lengths + bits + nibbles + 8 * (uint64_t)l->stored;
}

void entries_age(struct entries *l, const struct index_set *before)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct slot_index_item *item = &l->item[i];
		uint8_t age = 0;
		item->generation = 0;
		if (item->zero || !index_set_has(before, item->hash, item->length, &age))
			continue;
		item->generation = (uint8_t)(age < SLOT_GENERATIONS - 1 ? age + 1 : age);
	}
}

static int allocate(struct entries_order *o, uint32_t count, struct err *e)
{
	o->offset = calloc(count ? count : 1, sizeof(*o->offset));
	o->length = calloc(count ? count : 1, sizeof(*o->length));
	return o->offset && o->length ? 0
				      : err_set(e, E_NOMEM, "no memory to sort %u entries", count);
}

/* Counting sort, which keeps the order of places within a generation. */
int entries_sort(const struct entries *l, struct entries_order *out, struct err *e)
{
	struct entries_order o = {0};
	uint32_t next[SLOT_GENERATIONS];
	uint64_t offset = 0;

	if (allocate(&o, l->stored, e) < 0) {
		entries_order_free(&o);
		return -1;
	}
	for (uint32_t i = 0; i < l->count; i++) {
		if (!l->item[i].zero)
			o.first[l->item[i].generation + 1]++;
	}
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		o.first[g + 1] += o.first[g];
		next[g] = o.first[g];
	}
	for (uint32_t i = 0; i < l->count; i++) {
		const struct slot_index_item *item = &l->item[i];
		if (!item->zero) {
			uint32_t at = next[item->generation]++;
			o.offset[at] = offset;
			o.length[at] = item->length;
		}
		offset += item->length;
	}
	*out = o;
	return 0;
}

void entries_order_free(struct entries_order *o)
{
	free(o->offset);
	free(o->length);
	*o = (struct entries_order){0};
}
