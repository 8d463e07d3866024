/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index and frame table: what is accepted adds up, leads nowhere outside, and is
 * written again as it was. Input: index, frame table.
 */
#include "partitions/slot/index.h"
#include "tests/fuzz/fuzz.h"

static uint64_t sum_of(struct fuzz_part p)
{
	uint64_t sum = 0;

	for (size_t at = SLOT_FRAMES_HEADER; at + SLOT_FRAMES_ENTRY <= p.len;
		at += SLOT_FRAMES_ENTRY)
		sum += le32_get(p.data + at + 1);
	return sum;
}

/* Walks the index, and writes it again. */
static void use_index(const struct slot_index *x, struct fuzz_part p)
{
	AUTO_BUF struct buf out = buf_make(p.len);
	AUTO_FREE struct slot_index_item *items = calloc((size_t)x->count + 1, sizeof(*items));
	struct slot_walk w = {0};
	struct slot_entry entry;
	uint64_t at = 0;
	uint32_t n = 0;
	struct err e = {0};

	fuzz_must(items != NULL);
	while (slot_index_next(x, &w, &entry)) {
		fuzz_must(entry.number == n && entry.offset == at && entry.length > 0);
		fuzz_must(entry.zero || entry.generation < SLOT_GENERATIONS);
		fuzz_must(entry.zero || entry.at + entry.length <= x->stream[entry.generation]);
		items[n++] = (struct slot_index_item){.length = entry.length,
			.zero = entry.zero,
			.generation = entry.generation,
			.hash = entry.hash};
		at += entry.length;
	}
	fuzz_must(n == x->count && at == x->image_size);
	fuzz_must(slot_index_write(x->image_size, x->rule, items, n, &out, &e) == 0);
	fuzz_must(out.len == p.len && memcmp(out.data, p.data, p.len) == 0);
}

static void use_frames(const struct slot_frames *f, struct fuzz_part p)
{
	AUTO_BUF struct buf out = buf_make(p.len);
	AUTO_FREE uint8_t *need = malloc(f->count / 8 + 1);
	AUTO_FREE struct byte_range *ranges = NULL;
	struct err e = {0};
	size_t count = 0;
	uint64_t bytes = 0;

	fuzz_must(need != NULL);
	memset(need, 0x5d, f->count / 8 + 1);
	fuzz_must(slot_frames_ranges(f, need, SLOT_GENERATIONS, &ranges, &count, &bytes, &e) == 0);
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++) {
		fuzz_must(ranges[i].length <= f->stored_total);
		fuzz_must(ranges[i].offset <= f->stored_total - ranges[i].length);
		sum += ranges[i].length;
	}
	fuzz_must(sum == bytes);
	fuzz_must(slot_frames_write(f, &out, &e) == 0);
	fuzz_must(out.len == p.len && memcmp(out.data, p.data, p.len) == 0);
}

/* As a first part of a table of that many frames, whatever generations it has. */
static void use_first(struct fuzz_part p, const uint8_t *bytes)
{
	struct slot_frames_part part = {.data = bytes, .len = p.len};
	struct slot_frames f = {0};
	struct err e = {0};

	if (p.len < SLOT_FRAMES_HEADER)
		return;
	part.table_length = SLOT_FRAMES_HEADER + (uint64_t)le32_get(bytes + 16) * SLOT_FRAMES_ENTRY;
	part.generations = p.len >= SLOT_FRAMES_HEADER + SLOT_FRAMES_ENTRY
				   ? (bytes[p.len - SLOT_FRAMES_ENTRY] + 1u) % SLOT_GENERATIONS
				   : 1;
	if (slot_frames_parse_first(&part, fuzz_image_size(p), UINT64_MAX, &f, &e) < 0)
		return;
	fuzz_must(f.missing > 0 && f.first[SLOT_GENERATIONS] == f.count);
	fuzz_must(f.first[f.generations] == f.count);
	for (unsigned g = f.generations; g < SLOT_GENERATIONS; g++)
		fuzz_must(slot_frames_find(&f, (uint8_t)g, 0) == f.count);
	slot_frames_free(&f);
}

/* Tables that fit each other: every entry lies within one frame. */
static void use_both(const struct slot_index *x, const struct slot_frames *f)
{
	struct slot_walk w = {0};
	struct slot_entry entry;
	struct err e = {0};

	if (slot_frames_check(f, x, &e) < 0)
		return;
	while (slot_index_next(x, &w, &entry)) {
		if (entry.zero)
			continue;
		uint32_t i = slot_frames_find(f, entry.generation, entry.at);
		fuzz_must(i < f->count);
		fuzz_must(entry.at >= f->at[i] && entry.at + entry.length <= f->at[i] + f->raw[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part rest = {.data = data, .len = size};
	struct fuzz_part index = fuzz_take(&rest);
	AUTO_FREE uint8_t *index_bytes = fuzz_copy(index);
	AUTO_FREE uint8_t *frame_bytes = fuzz_copy(rest);
	struct slot_index x;
	struct slot_frames f = {0};
	struct err e = {0};

	bool has_index =
		slot_index_parse(index_bytes, index.len, fuzz_image_size(index), &x, &e) == 0;
	bool has_frames = slot_frames_parse(frame_bytes, rest.len, fuzz_image_size(rest),
				  sum_of(rest), &f, &e) == 0;
	if (has_index)
		use_index(&x, index);
	use_first(rest, frame_bytes);
	if (has_frames)
		use_frames(&f, rest);
	if (has_index && has_frames)
		use_both(&x, &f);
	slot_frames_free(&f);
	return 0;
}
