/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the frames of `data`: reading it strictly, asking it, writing it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/index.h"
#include "partitions/slot/index_header.h"

static const struct index_kind kind = {.name = "frame table", .magic = "PWLF"};

_Static_assert(SLOT_FRAMES_HEADER == SLOT_INDEX_HEADER, "one header for both tables");

/* At least one of each, so that no memory is not taken for a table without frames. */
static int allocate(struct slot_frames *f, uint32_t count, struct err *e)
{
	size_t n = count > 0 ? count : 1;

	f->count = count;
	f->stored = calloc(n, sizeof(*f->stored));
	f->raw = calloc(n, sizeof(*f->raw));
	f->offset = calloc(n, sizeof(*f->offset));
	f->at = calloc(n, sizeof(*f->at));
	f->sha256 = calloc(n, sizeof(*f->sha256));
	if (!f->stored || !f->raw || !f->offset || !f->at || !f->sha256)
		return err_set(e, E_NOMEM, "no memory for a table of %u frames", count);
	return 0;
}

static int check_entry(
	const uint8_t *entry, uint32_t number, uint8_t least_generation, struct err *e)
{
	uint32_t stored = le32_get(entry + 1);
	uint32_t raw = le32_get(entry + 5);

	if (!MUST("slot.frames-generation", entry[0] < SLOT_GENERATIONS))
		return err_set(e, E_META,
			"frame table: frame %u is of generation %u; 0 to %u are allowed", number,
			entry[0], SLOT_GENERATIONS - 1);
	if (!MUST("slot.frames-order", entry[0] >= least_generation))
		return err_set(e, E_META, "frame table: frame %u of generation %u comes after %u",
			number, entry[0], least_generation);
	if (!MUST("slot.frames-stored", stored > 0 && stored <= SLOT_FRAME_STORED_MAX))
		return err_set(e, E_META,
			"frame table: frame %u is stored in %u bytes; 1 to %u are allowed", number,
			stored, SLOT_FRAME_STORED_MAX);
	if (!MUST("slot.frames-raw", raw > 0 && raw <= SLOT_FRAME_SIZE))
		return err_set(e, E_META,
			"frame table: frame %u holds %u bytes; 1 to %u are allowed", number, raw,
			SLOT_FRAME_SIZE);
	return 0;
}

/* Cannot overflow: at most 2^22 frames of less than 2^19 bytes. */
static int read_entries(const uint8_t *entry, struct slot_frames *f, struct err *e)
{
	uint8_t generation = 0;
	uint64_t at = 0;

	for (uint32_t i = 0; i < f->count; i++, entry += SLOT_FRAMES_ENTRY) {
		if (check_entry(entry, i, generation, e) < 0)
			return -1;
		while (generation < entry[0]) {
			f->first[++generation] = i;
			at = 0;
		}
		f->stored[i] = le32_get(entry + 1);
		f->raw[i] = le32_get(entry + 5);
		memcpy(f->sha256[i], entry + 9, HASH_SIZE);
		f->offset[i] = f->stored_total;
		f->at[i] = at;
		f->stored_total += f->stored[i];
		at += f->raw[i];
	}
	while (generation < SLOT_GENERATIONS)
		f->first[++generation] = f->count;
	return 0;
}

static void cleanup_frames(struct slot_frames *f)
{
	slot_frames_free(f);
}

int slot_frames_parse(const uint8_t *data, size_t len, uint64_t image_size, uint64_t data_length,
	struct slot_frames *out, struct err *e)
{
	__attribute__((cleanup(cleanup_frames))) struct slot_frames f = {.image_size = image_size};
	uint32_t count;

	if (index_header_read(&kind, data, len, image_size, &count, e) < 0)
		return -1;
	uint64_t want = SLOT_FRAMES_HEADER + (uint64_t)count * SLOT_FRAMES_ENTRY;
	if (!MUST("slot.frames-length", len == want))
		return err_set(e, E_META, "frame table: %zu bytes where %u frames need %llu", len,
			count, (unsigned long long)want);
	if (allocate(&f, count, e) < 0 || read_entries(data + SLOT_FRAMES_HEADER, &f, e) < 0)
		return -1;
	if (!MUST("slot.frames-sum", f.stored_total == data_length))
		return err_set(e, E_META, "frame table: frames add up to %llu bytes, data has %llu",
			(unsigned long long)f.stored_total, (unsigned long long)data_length);
	*out = f;
	f = (struct slot_frames){0};
	return 0;
}

int slot_frames_parse_first(const struct slot_frames_part *p, uint64_t image_size,
	uint64_t data_length, struct slot_frames *out, struct err *e)
{
	__attribute__((cleanup(cleanup_frames))) struct slot_frames f = {.image_size = image_size};
	uint32_t total;

	assert(p->generations <= SLOT_GENERATIONS);
	if (index_header_read(&kind, p->data, p->len, image_size, &total, e) < 0)
		return -1;
	size_t entries = p->len - SLOT_FRAMES_HEADER;
	bool part = SLOT_FRAMES_HEADER + (uint64_t)total * SLOT_FRAMES_ENTRY == p->table_length &&
		    entries % SLOT_FRAMES_ENTRY == 0 && p->len < p->table_length;
	if (!MUST("slot.frames-first-length", part))
		return err_set(e, E_META,
			"frame table: %zu bytes are no first part of %u frames in %llu", p->len,
			total, (unsigned long long)p->table_length);
	uint32_t count = (uint32_t)(entries / SLOT_FRAMES_ENTRY);
	if (allocate(&f, count, e) < 0 || read_entries(p->data + SLOT_FRAMES_HEADER, &f, e) < 0)
		return -1;
	if (!MUST("slot.frames-first-generation", f.first[p->generations] == count))
		return err_set(e, E_META,
			"frame table: the first part has more than the first %u generations",
			p->generations);
	if (!MUST("slot.frames-first-sum", f.stored_total < data_length))
		return err_set(e, E_META,
			"frame table: the first part adds up to %llu bytes, data has %llu",
			(unsigned long long)f.stored_total, (unsigned long long)data_length);
	f.missing = total - count;
	f.generations = p->generations;
	*out = f;
	f = (struct slot_frames){0};
	return 0;
}

void slot_frames_free(struct slot_frames *f)
{
	free(f->stored);
	free(f->raw);
	free(f->offset);
	free(f->at);
	free(f->sha256);
	*f = (struct slot_frames){0};
}

/* Bytes of a generation's stream that its frames hold. */
static uint64_t stream_length(const struct slot_frames *f, unsigned g)
{
	uint32_t end = f->first[g + 1];

	return end > f->first[g] ? f->at[end - 1] + f->raw[end - 1] : 0;
}

/* Entries and frames of a stream both come in order, so one step at most leads to the frame. */
static int check_entries(const struct slot_frames *f, const struct slot_index *index, struct err *e)
{
	struct slot_walk w = {0};
	struct slot_entry entry;
	uint32_t frame[SLOT_GENERATIONS];

	memcpy(frame, f->first, sizeof(frame));
	while (slot_index_next(index, &w, &entry)) {
		if (entry.zero || !slot_frames_has(f, entry.generation))
			continue;
		uint32_t *i = &frame[entry.generation];
		if (entry.at >= f->at[*i] + f->raw[*i])
			++*i;
		if (!MUST("slot.frames-entry", entry.at + entry.length <= f->at[*i] + f->raw[*i]))
			return err_set(e, E_META,
				"index and frame table: entry %u does not lie within one frame",
				entry.number);
	}
	return 0;
}

int slot_frames_check(const struct slot_frames *f, const struct slot_index *index, struct err *e)
{
	if (!MUST("slot.frames-image", f->image_size == index->image_size))
		return err_set(e, E_META, "index and frame table are of different images");
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		bool fits = !slot_frames_has(f, g) || stream_length(f, g) == index->stream[g];
		if (!MUST("slot.frames-stream", fits))
			return err_set(e, E_META,
				"index and frame table: generation %u has %llu bytes in one and %llu in the other",
				g, (unsigned long long)index->stream[g],
				(unsigned long long)stream_length(f, g));
	}
	return check_entries(f, index, e);
}

uint32_t slot_frames_find(const struct slot_frames *f, uint8_t g, uint64_t at)
{
	if (g >= SLOT_GENERATIONS || at >= stream_length(f, g))
		return f->count;
	uint32_t low = f->first[g];
	uint32_t high = f->first[g + 1];
	/* The last one that begins at or before `at`; low always does. */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (f->at[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int slot_frames_write(const struct slot_frames *f, struct buf *out, struct err *e)
{
	uint8_t entry[SLOT_FRAMES_ENTRY];

	if (f->count > SLOT_INDEX_ENTRIES_MAX)
		return err_set(e, E_SIZE, "frame table: %u frames are more than %u", f->count,
			SLOT_INDEX_ENTRIES_MAX);
	if (index_header_write(&kind, 0, f->image_size, f->count, out, e) < 0)
		return err_wrap(e, "frame table");
	for (uint8_t g = 0; g < SLOT_GENERATIONS; g++) {
		for (uint32_t i = f->first[g]; i < f->first[g + 1]; i++) {
			entry[0] = g;
			le32_put(entry + 1, f->stored[i]);
			le32_put(entry + 5, f->raw[i]);
			memcpy(entry + 9, f->sha256[i], HASH_SIZE);
			if (buf_add(out, entry, sizeof(entry), e) < 0)
				return err_wrap(e, "frame table");
		}
	}
	return 0;
}
