/* SPDX-License-Identifier: Apache-2.0 */
/* What a request costs beside its bytes, and which ranges are one. */
#include "agent/spool_gaps.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/spool.h"

/* More requests than this are made fewer, for at most this part more of the bytes. */
#define REQUESTS_WANTED 3
#define BRIDGE_SHARE    20

static uint64_t gap_after(const struct byte_range *r, size_t i)
{
	return r[i + 1].offset - (r[i].offset + r[i].length);
}

/* The smallest gap that costs a request; how many requests there are. */
static size_t smallest_gap(const struct byte_range *r, size_t count, size_t *requests)
{
	size_t best = count;

	*requests = 1;
	for (size_t i = 0; i + 1 < count; i++) {
		if (gap_after(r, i) < SPOOL_JOIN_GAP)
			continue;
		++*requests;
		if (best == count || gap_after(r, i) < gap_after(r, best))
			best = i;
	}
	return best;
}

/* The frames between two ranges come along; the two are one from then on. */
static void bridge_gap(
	const struct slot_frames *f, uint8_t *bridge, struct byte_range *r, size_t *count, size_t i)
{
	uint64_t end = r[i + 1].offset + r[i + 1].length;

	for (uint32_t k = 0; k < f->count; k++) {
		if (f->offset[k] >= r[i].offset + r[i].length && f->offset[k] < r[i + 1].offset)
			bridge[k / 8] = (uint8_t)(bridge[k / 8] | 1u << (k % 8));
	}
	r[i].length = end - r[i].offset;
	memmove(&r[i + 1], &r[i + 2], (*count - i - 2) * sizeof(*r));
	--*count;
}

/*
 * A device that missed a release which took content back lacks pieces here and there:
 * each costs a round trip. What is needed alone decides, not what is there, so that
 * every start comes to the same frames.
 */
int spool_bridge_gaps(
	const struct slot_frames *f, const uint8_t *need, uint8_t *bridge, struct err *e)
{
	AUTO_FREE struct byte_range *r = NULL;
	size_t count = 0;
	size_t requests;
	uint64_t bytes = 0;

	if (slot_frames_ranges(f, need, SLOT_GENERATIONS, &r, &count, &bytes, e) < 0)
		return -1;
	uint64_t budget = bytes / BRIDGE_SHARE;
	for (;;) {
		size_t i = smallest_gap(r, count, &requests);
		if (requests <= REQUESTS_WANTED || gap_after(r, i) > budget)
			return 0;
		budget -= gap_after(r, i);
		bridge_gap(f, bridge, r, &count, i);
	}
}

void spool_count(const struct byte_range *ranges, size_t count, uint64_t *bytes, uint64_t *requests)
{
	*bytes = 0;
	*requests = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t end = i > 0 ? ranges[i - 1].offset + ranges[i - 1].length : 0;
		bool joins = i > 0 && ranges[i].offset - end < SPOOL_JOIN_GAP;
		*bytes += ranges[i].length + (joins ? ranges[i].offset - end : 0);
		*requests += joins ? 0 : 1;
	}
}
