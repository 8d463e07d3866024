/* SPDX-License-Identifier: Apache-2.0 */
/* Matching: where each part of a new image comes from. */
#include "partitions/slot/match.h"

#include <assert.h>
#include <stdlib.h>

#define REST_EVERY 16384u /* entries between two rests of the seeds */

/* One walk through the index. */
struct matching {
	const struct slot_match_request *r;
	const uint64_t *blocks; /* of the target */
	size_t block_count;
	/*
	 * How far behind its place in the new image a seed's content was found
	 * last: what follows mostly lies there, too, and is read in one run.
	 */
	uint64_t shift[SLOT_SEEDS_MAX];
	struct slot_match *out;
};

/* Bytes of an entry that lie in wanted leaves. */
static uint64_t wanted_bytes(const struct matching *m, const struct slot_entry *entry)
{
	uint64_t at = entry->offset;
	uint64_t end = entry->offset + entry->length;
	uint64_t sum = 0;

	while (at < end) {
		uint64_t leaf = at / SLOT_LEAF_SIZE;
		uint64_t leaf_end = (leaf + 1) * SLOT_LEAF_SIZE;
		uint64_t to = end < leaf_end ? end : leaf_end;
		if (leaf_set_has(&m->r->survey->wanted, leaf))
			sum += to - at;
		at = to;
	}
	return sum;
}

/* Its place in the target holds it already. Block 0 never does: the head will be zeroed. */
static bool is_in_target(const struct matching *m, const struct slot_entry *entry)
{
	return !m->r->index->content_defined && entry->number > 0 &&
	       entry->number < m->block_count && m->blocks[entry->number] == entry->hash &&
	       entry->hash != 0;
}

static bool find_seed(
	struct matching *m, const struct slot_entry *entry, size_t *seed, uint64_t *offset)
{
	for (size_t i = 0; i < m->r->seed_count; i++) {
		if (!slot_seed_find(m->r->seeds[i], entry->hash, entry->length,
			    entry->offset + m->shift[i], offset))
			continue;
		m->shift[i] = *offset - entry->offset; /* wraps around, and back when it is added */
		*seed = i;
		return true;
	}
	return false;
}

static void need_frame(
	const struct slot_frames *f, const struct slot_entry *entry, struct slot_match *out)
{
	uint32_t i = slot_frames_find(f, entry->generation, entry->at);

	/* No frame: the index has changed since slot_frames_check. Writing will say so. */
	if (i >= f->count || (out->need[i / 8] >> (i % 8) & 1))
		return;
	out->need[i / 8] |= (uint8_t)(1u << i % 8);
	out->frames_needed++;
	out->data_bytes += f->stored[i];
}

/* Where a non-zero entry comes from; counts its bytes. */
static uint64_t place_of(struct matching *m, const struct slot_entry *entry, uint64_t bytes)
{
	uint64_t offset = 0;
	size_t seed = 0;

	if (bytes == 0)
		return SLOT_PLACE_DATA;
	if (is_in_target(m, entry)) {
		m->out->from_target += bytes;
		return SLOT_PLACE_TARGET;
	}
	if (find_seed(m, entry, &seed, &offset)) {
		m->out->from_seed[seed] += bytes;
		return (uint64_t)seed << SLOT_PLACE_SEED_SHIFT | offset;
	}
	m->out->from_data += bytes;
	if (entry->generation >= m->out->generations)
		m->out->generations = entry->generation + 1u;
	return SLOT_PLACE_DATA;
}

/*
 * Where a seed is mostly holes, a few looks would bring all of its table into
 * memory, because the kernel maps what lies around a page as well.
 */
static void rest_tables(const struct slot_match_request *r)
{
	slot_index_rest(r->index);
	for (size_t i = 0; i < r->seed_count; i++)
		slot_seed_rest(r->seeds[i]);
}

static void walk(struct matching *m)
{
	uint64_t *place = m->out->place.data;
	struct slot_walk w = {0};
	struct slot_entry entry;
	size_t settled_blocks = 0;
	size_t settled_place = 0;

	while (slot_index_next(m->r->index, &w, &entry)) {
		uint64_t bytes = wanted_bytes(m, &entry);
		scratch_settle_behind(
			&m->r->survey->blocks, &settled_blocks, entry.number * sizeof(uint64_t));
		if (entry.number % REST_EVERY == 0)
			rest_tables(m->r);
		if (entry.zero) {
			m->out->zeros += bytes;
			continue;
		}
		place[entry.stored_number] = place_of(m, &entry, bytes);
		scratch_settle_behind(
			&m->out->place, &settled_place, w.stored_number * sizeof(uint64_t));
	}
	scratch_settle(&m->out->place, 0, m->out->place.size);
	scratch_settle(&m->r->survey->blocks, 0, m->r->survey->blocks.size);
}

/* Entries that come out of `data`, once more: which frame each lies in. */
static void walk_frames(const struct matching *m)
{
	const uint64_t *place = m->out->place.data;
	struct slot_walk w = {0};
	struct slot_entry entry;
	size_t settled = 0;

	while (slot_index_next(m->r->index, &w, &entry)) {
		if (entry.zero)
			continue;
		scratch_settle_behind(
			&m->out->place, &settled, entry.stored_number * sizeof(uint64_t));
		if (place[entry.stored_number] == SLOT_PLACE_DATA && wanted_bytes(m, &entry) > 0)
			need_frame(m->r->frames, &entry, m->out);
	}
	scratch_settle(&m->out->place, 0, m->out->place.size);
}

int slot_match_find_frames(
	const struct slot_match_request *r, struct slot_match *match, struct err *e)
{
	const struct slot_frames *f = r->frames;
	struct matching m = {.r = r, .out = match};

	if (slot_frames_check(f, r->index, e) < 0)
		return -1;
	if (match->generations > 0 && !slot_frames_has(f, match->generations - 1))
		return err_set(e, E_INTERNAL, "the frames of %u generations are needed, not of %u",
			match->generations, f->generations);
	free(match->need);
	match->need = calloc(slot_frames_total(f) / 8 + 1, 1);
	if (!match->need)
		return err_set(e, E_NOMEM, "no memory for a set of %u frames", f->count);
	match->frames_needed = 0;
	match->data_bytes = 0;
	walk_frames(&m);
	return 0;
}

int slot_match_make(const struct slot_match_request *r, struct slot_match *out, struct err *e)
{
	__attribute__((cleanup(slot_match_free))) struct slot_match match = {0};
	struct matching m = {.r = r,
		.blocks = r->survey->blocks.data,
		.block_count = r->survey->blocks.size / sizeof(uint64_t),
		.out = &match};

	assert(r->seed_count <= SLOT_SEEDS_MAX && r->survey->image_size == r->index->image_size);
	if (scratch_get(r->scratch_dir, (size_t)r->index->stored * sizeof(uint64_t), &match.place,
		    e) < 0)
		return -1;
	walk(&m);
	if (r->frames && slot_match_find_frames(r, &match, e) < 0)
		return -1;
	*out = match;
	match = (struct slot_match){0};
	return 0;
}

void slot_match_free(struct slot_match *m)
{
	scratch_free(&m->place);
	free(m->need);
	*m = (struct slot_match){0};
}
