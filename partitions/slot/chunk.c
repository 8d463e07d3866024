/* SPDX-License-Identifier: Apache-2.0 */
/* Content-defined cuts by a gear hash. */
#include "partitions/slot/chunk.h"

#include <assert.h>
#include <string.h>

#include "partitions/slot/index.h"

#define SEED      "pawl-gear"
#define SEED_SIZE (sizeof(SEED) - 1)

/* The first 13 bits are 0 below this, the first 10 below that: rare cuts, then frequent ones. */
#define RARE     (UINT64_C(1) << (64 - 13))
#define FREQUENT (UINT64_C(1) << (64 - 10))

/* After so many more bytes nothing of a byte is left in h: what is skipped does not matter. */
#define MEMORY 64u

/* Steps of looking for zeros: a row of CHUNK_ZEROS fills at least one of them, wherever it lies. */
#define STEP (CHUNK_ZEROS / 2)

void chunk_make_gear(struct chunk_gear *gear)
{
	uint8_t text[SEED_SIZE + 1];

	memcpy(text, SEED, SEED_SIZE);
	for (unsigned b = 0; b < 256; b++) {
		text[SEED_SIZE] = (uint8_t)b;
		gear->of[b] = slot_match_hash(text, sizeof(text));
	}
}

static size_t count_zeros(const uint8_t *data, size_t len)
{
	size_t n = 0;

	while (len - n >= STEP && slot_is_zero(data + n, STEP))
		n += STEP;
	while (n < len && data[n] == 0)
		n++;
	return n;
}

/* Is the step at `at` part of a row of CHUNK_ZEROS zeros that ends before `limit`? *row is its start. */
static bool find_row(const uint8_t *data, size_t at, size_t limit, size_t *row)
{
	size_t start = at;
	size_t end = at + STEP;

	if (end > limit || !slot_is_zero(data + at, STEP))
		return false;
	while (start > 0 && data[start - 1] == 0)
		start--;
	while (end < limit && end < start + CHUNK_ZEROS && data[end] == 0)
		end++;
	*row = start;
	return end >= start + CHUNK_ZEROS;
}

/* The hash, and the byte that is next. */
struct gearing {
	uint64_t h;
	size_t at;
};

/* On to byte `to`, or to behind the first one that makes h less than `below`. */
static bool goes_below(const struct chunk_gear *gear, const uint8_t *data, size_t to,
	uint64_t below, struct gearing *g)
{
	uint64_t h = g->h;
	size_t i = g->at;

	/* Here is where the time goes: a byte must cost a few cycles. */
	while (i < to) {
		h = (h << 1) + gear->of[data[i++]];
		if (h < below)
			break;
	}
	g->h = h;
	g->at = i;
	return h < below;
}

/* Does what ends here end a file, or a directory of ext4 that has check sums? */
static bool ends_block(const uint8_t *data, size_t end)
{
	static const uint8_t directory[] = {0x0c, 0, 0, 0xde};

	return end >= CHUNK_TAIL &&
	       (slot_is_zero(data + end - CHUNK_TAIL, CHUNK_TAIL) ||
		       memcmp(data + end - CHUNK_TAIL, directory, sizeof(directory)) == 0);
}

/* Is there a cut before byte `to`? g->at is behind it, or `to`. */
static bool find_cut(
	const struct chunk_gear *gear, const uint8_t *data, size_t to, struct gearing *g)
{
	while (g->at < to) {
		uint64_t below = g->at < CHUNK_MIN ? 0 : g->at < CHUNK_EASY ? RARE : FREQUENT;
		size_t end = g->at < CHUNK_MIN ? CHUNK_MIN : g->at < CHUNK_EASY ? CHUNK_EASY : to;
		if (goes_below(gear, data, end < to ? end : to, below, g))
			return true;
	}
	return false;
}

/* Is there a cut before byte `to`, or behind it? Moves *block, the end of the block that comes next. */
static bool find_end(const struct chunk_gear *gear, const uint8_t *data, size_t to, size_t *block,
	struct gearing *g)
{
	for (; *block <= to; *block += SLOT_BLOCK_SIZE) {
		if (find_cut(gear, data, *block, g))
			return true;
		if (ends_block(data, *block)) {
			g->at = *block;
			return true;
		}
	}
	return find_cut(gear, data, to, g);
}

uint32_t chunk_next(const struct chunk_gear *gear, const uint8_t *data, size_t len, uint64_t offset)
{
	size_t limit = len < SLOT_CHUNK_MAX ? len : SLOT_CHUNK_MAX;
	size_t block = SLOT_BLOCK_SIZE - (size_t)(offset % SLOT_BLOCK_SIZE);
	struct gearing g = {.at = CHUNK_MIN - MEMORY};
	size_t row = 0;

	assert(len > 0);
	size_t zeros = count_zeros(data, limit);
	if (zeros >= CHUNK_ZEROS || zeros == limit)
		return (uint32_t)zeros;
	for (size_t at = 0; at < limit; at += STEP) {
		bool ends = find_row(data, at, limit, &row);
		size_t to = ends ? row + CHUNK_ZEROS - 1 : at + STEP;
		/* What ends behind the beginning of a row, before its end, ends first. */
		if (find_end(gear, data, to < limit ? to : limit, &block, &g))
			return (uint32_t)g.at;
		if (ends)
			return (uint32_t)row;
	}
	return (uint32_t)limit;
}
