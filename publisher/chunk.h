/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting where the content says: after an insertion the cuts fall on the same
 * content again, so that what follows is found although it moved. Gear hash with
 * normalised cuts (Xia et al., FastCDC, USENIX ATC 2016). The rule is the
 * publisher's alone: devices get the lengths and never cut. But it must not
 * change, or one release would share nothing with the one before.
 *
 * For each byte h = 2 h + gear[byte] (modulo 2^64), from h = 0 at the start of
 * an entry. An entry ends behind a byte when it has at least 2 KiB and the first
 * 15 bits of h are 0 (from 7 KiB on: the first 11), and at 64 KiB; this gives 8.3
 * KiB on average. A row of 2 KiB zeros ends the entry before it; an entry that
 * begins with so many zeros, or with zeros to the end of the image, holds just them.
 * gear[b] is the match hash (XXH3-64) of the ten bytes "pawl-gear", b.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN   2048u
#define CHUNK_EASY  7168u /* from this length on cuts are frequent */
#define CHUNK_ZEROS 2048u

struct chunk_gear {
	uint64_t of[256];
};

/* The table of the rule. */
void chunk_make_gear(struct chunk_gear *gear);

/*
 * Length of the entry that begins at `data`, 1 … SLOT_CHUNK_MAX. `len` is at least
 * SLOT_CHUNK_MAX, or all that is left of the image, and not 0.
 */
uint32_t chunk_next(const struct chunk_gear *gear, const uint8_t *data, size_t len);
