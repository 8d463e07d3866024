/* SPDX-License-Identifier: Apache-2.0 */
/* How the bytes of an image come to the target slot, in words and in numbers. */
#pragma once

#include <stdint.h>

enum way {
	WAY_WHOLE, /* the target holds it already: nothing is written */
	WAY_COPY, /* the device has all of it: from the running slot, or the target itself */
	WAY_PATCH, /* a patch upon the running slot */
	WAY_DELTA, /* what no seed has out of `data` */
	WAY_FULL, /* pieces of `full` */
	WAY_MIXED, /* of a release only: its images differ */
};
#define WAY_COUNT (WAY_FULL + 1) /* ways of one image */

/* "whole", "copy", "patch", "delta", "full", "mixed". */
const char *way_name(enum way w);

/* What a release takes to be installed; bytes as they travel, with joined gaps. */
struct way_sum {
	enum way way;
	uint64_t data; /* out of full, data and patches */
	uint64_t
		tables; /* leaves, pieces, index, frames, tables of patches; what is not here yet */
	uint64_t requests; /* for data */
	uint64_t full; /* bytes of full and its tables, what a device without anything fetches */
	uint64_t write; /* bytes to be written */
};

/* What a device without anything would have fetched more. */
static inline uint64_t way_saved(const struct way_sum *s, uint64_t fetched)
{
	return s->full > fetched ? s->full - fetched : 0;
}
