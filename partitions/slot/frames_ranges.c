/* SPDX-License-Identifier: Apache-2.0 */
/* From the frames that are needed to the byte ranges that are asked for. */
#include <stdlib.h>

#include "partitions/slot/index.h"

static bool is_needed(const uint8_t *need, uint32_t frame)
{
	return (need[frame / 8] >> (frame % 8) & 1) != 0;
}

/* Frames [from, to) of one generation, or of all. */
struct span {
	uint32_t from;
	uint32_t to;
};

static struct span span_of(const struct slot_frames *f, unsigned generation)
{
	if (generation >= SLOT_GENERATIONS)
		return (struct span){.to = f->count};
	return (struct span){.from = f->first[generation], .to = f->first[generation + 1]};
}

/* A needed frame whose predecessor in the span is not needed begins a range. */
static size_t count_ranges(struct span s, const uint8_t *need)
{
	size_t count = 0;

	for (uint32_t i = s.from; i < s.to; i++)
		count += is_needed(need, i) && (i == s.from || !is_needed(need, i - 1));
	return count;
}

int slot_frames_ranges(const struct slot_frames *f, const uint8_t *need, unsigned generation,
	struct byte_range **out, size_t *count, uint64_t *bytes, struct err *e)
{
	struct span s = span_of(f, generation);
	size_t n = count_ranges(s, need);
	struct byte_range *ranges = calloc(n > 0 ? n : 1, sizeof(*ranges));
	struct byte_range *next = ranges;
	uint64_t sum = 0;

	if (!ranges)
		return err_set(e, E_NOMEM, "no memory for %zu ranges", n);
	for (uint32_t i = s.from; i < s.to; i++) {
		if (!is_needed(need, i))
			continue;
		if (i == s.from || !is_needed(need, i - 1))
			*next++ = (struct byte_range){.offset = f->offset[i]};
		next[-1].length += f->stored[i];
		sum += f->stored[i];
	}
	*out = ranges;
	*count = n;
	if (bytes)
		*bytes = sum;
	return 0;
}
