/* SPDX-License-Identifier: Apache-2.0 */
/* Content-defined cuts by a gear hash. */
#include "publisher/chunk.h"

#include <assert.h>
#include <string.h>

#include "partitions/slot/index.h"

#define SEED      "pawl-gear"
#define SEED_SIZE (sizeof(SEED) - 1)

/* The first 15 bits are 0 below this, the first 11 below that: rare cuts, then frequent ones. */
#define RARE     (UINT64_C(1) << (64 - 15))
#define FREQUENT (UINT64_C(1) << (64 - 11))

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

	while (n < len && data[n] == 0)
		n++;
	return n;
}

uint32_t chunk_next(const struct chunk_gear *gear, const uint8_t *data, size_t len)
{
	size_t limit = len < SLOT_CHUNK_MAX ? len : SLOT_CHUNK_MAX;
	uint64_t h = 0;

	assert(len > 0);
	size_t zeros = count_zeros(data, limit);
	if (zeros >= CHUNK_ZEROS || zeros == limit)
		return (uint32_t)zeros;
	zeros = 0;
	for (size_t i = 0; i < limit; i++) {
		zeros = data[i] ? 0 : zeros + 1;
		if (zeros == CHUNK_ZEROS)
			return (uint32_t)(i + 1 - CHUNK_ZEROS);
		h = (h << 1) + gear->of[data[i]];
		if (i + 1 >= CHUNK_MIN && h < (i + 1 < CHUNK_EASY ? RARE : FREQUENT))
			return (uint32_t)(i + 1);
	}
	return (uint32_t)limit;
}
