/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a seed's entries. */
#include "partitions/slot/seed_table.h"

#include <assert.h>

#define NUMBER_BITS 22u
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define LENGTH_BITS 16u /* of a place, below the offset */

_Static_assert(SEED_ENTRIES_MAX < 1u << NUMBER_BITS, "an entry's number + 1 fits");

static uint64_t *hashes(const struct seed_table *t)
{
	return t->hash.data;
}

static uint64_t *places(const struct seed_table *t)
{
	return t->place.data;
}

int seed_table_get(int dir, uint32_t room, bool with_places, struct seed_table *out, struct err *e)
{
	struct seed_table t = {.room = room, .count = with_places ? 0 : room};
	size_t size = (size_t)room * sizeof(uint64_t);

	assert(room <= SEED_ENTRIES_MAX);
	if (scratch_get(dir, size, &t.hash, e) < 0)
		return -1;
	if (with_places && scratch_get(dir, size, &t.place, e) < 0) {
		seed_table_free(&t);
		return -1;
	}
	*out = t;
	return 0;
}

void seed_table_free(struct seed_table *t)
{
	scratch_free(&t->hash);
	scratch_free(&t->place);
	scratch_free(&t->slots);
	*t = (struct seed_table){0};
}

void seed_table_note(struct seed_table *t, uint32_t number, uint64_t hash)
{
	if (hash == 0)
		return;
	hashes(t)[number] = hash;
	t->found++;
	scratch_settle_behind(&t->hash, &t->settled_hash, number * sizeof(uint64_t));
}

bool seed_table_is_full(const struct seed_table *t)
{
	return t->place.data && t->count == t->room;
}

void seed_table_add(struct seed_table *t, uint64_t hash, uint64_t offset, uint32_t length)
{
	assert(offset < UINT64_C(1) << (64 - LENGTH_BITS) && length <= 1u << LENGTH_BITS);
	if (hash == 0 || t->count == t->room)
		return;
	places(t)[t->count] = offset << LENGTH_BITS | (length - 1);
	scratch_settle_behind(&t->place, &t->settled_place, t->count * sizeof(uint64_t));
	seed_table_note(t, t->count++, hash);
}

/* Where the search for a hash begins: XXH3 spreads evenly, so its high half is an even choice. */
static uint32_t home_of(const struct seed_table *t, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * t->slot_count >> 32);
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)hash << NUMBER_BITS;
}

/* The slot with this hash, or the empty one where it would be. There always is one. */
static uint32_t *slot_of(const struct seed_table *t, uint64_t hash)
{
	uint32_t *slots = t->slots.data;
	uint32_t i = home_of(t, hash);

	for (;; i = i + 1 < t->slot_count ? i + 1 : 0) {
		if (slots[i] == 0)
			return &slots[i];
		/* The tag spares most looks at the other table. */
		if ((slots[i] & ~NUMBER_MASK) == tag_of(hash) &&
			hashes(t)[(slots[i] & NUMBER_MASK) - 1] == hash)
			return &slots[i];
	}
}

int seed_table_finish(int dir, struct seed_table *t, struct err *e)
{
	t->slot_count = t->found + t->found / 3 + 1;
	if (scratch_get(dir, (size_t)t->slot_count * sizeof(uint32_t), &t->slots, e) < 0)
		return -1;
	t->settled_hash = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		uint64_t hash = hashes(t)[i];
		scratch_settle_behind(&t->hash, &t->settled_hash, i * sizeof(uint64_t));
		if (hash == 0)
			continue;
		uint32_t *slot = slot_of(t, hash);
		if (*slot == 0)
			*slot = (i + 1) | tag_of(hash);
	}
	seed_table_rest(t);
	return 0;
}

void seed_table_rest(const struct seed_table *t)
{
	scratch_settle(&t->hash, 0, t->hash.size);
	scratch_settle(&t->place, 0, t->place.size);
}

static uint64_t offset_of(const struct seed_table *t, uint32_t number)
{
	return t->place.data ? places(t)[number] >> LENGTH_BITS
			     : (uint64_t)number * SLOT_BLOCK_SIZE;
}

static uint32_t length_of(const struct seed_table *t, uint32_t number)
{
	return t->place.data ? (uint32_t)(places(t)[number] & ((1u << LENGTH_BITS) - 1)) + 1
			     : SLOT_BLOCK_SIZE;
}

/* The entry that begins at `offset`; t->count where none does. */
static uint32_t entry_at(const struct seed_table *t, uint64_t offset)
{
	uint32_t low = 0;
	uint32_t high = t->count;

	if (!t->place.data) {
		uint64_t number = offset / SLOT_BLOCK_SIZE;
		return offset % SLOT_BLOCK_SIZE == 0 && number < t->count ? (uint32_t)number
									  : t->count;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (offset_of(t, middle) < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->count && offset_of(t, low) == offset ? low : t->count;
}

bool seed_table_find(
	const struct seed_table *t, uint64_t hash, uint32_t length, uint64_t near, uint64_t *offset)
{
	if (t->slot_count == 0 || hash == 0)
		return false;
	uint32_t number = entry_at(t, near);
	if (number == t->count || hashes(t)[number] != hash) {
		uint32_t slot = *slot_of(t, hash);
		if (slot == 0)
			return false;
		number = (slot & NUMBER_MASK) - 1;
	}
	if (length_of(t, number) != length)
		return false;
	*offset = offset_of(t, number);
	return true;
}
