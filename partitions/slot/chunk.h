/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting where the content says (rule 1 of docs/formats.md): after an insertion
 * the cuts fall on the same content again, so that what follows is found although
 * it moved. Gear hash with normalised cuts (Xia et al., FastCDC, USENIX ATC 2016).
 * Publisher and device cut alike, each on its own; so a change is a new rule.
 *
 * For each byte h = 2 h + gear[byte] (modulo 2^64). An entry ends behind a byte
 * when it is longer than 1 KiB and the first 13 bits of h are 0 (longer than 3 KiB:
 * the first 10), and at 64 KiB. A row of 2 KiB zeros that it has come to the end of
 * ends it before the row; an entry that begins with so many zeros, or with zeros to
 * the end of the image, holds just them. At the end of a block of 4 KiB an entry ends
 * that has 8 bytes, if these are zero or are the end of a directory of ext4: the next
 * file begins there, and may lie behind another one in the next release. Random
 * content gives 3.5 KiB on average.
 * gear[b] is the match hash (XXH3-64) of the ten bytes "pawl-gear", b.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN   1024u /* entries that a hash ends are longer */
#define CHUNK_EASY  3072u /* above this length cuts are frequent */
#define CHUNK_ZEROS 2048u
#define CHUNK_TAIL  8u /* bytes that tell whether a block ends a file */

struct chunk_gear {
	uint64_t of[256];
};

/* The table of the rule. */
void chunk_make_gear(struct chunk_gear *gear);

/*
 * Length of the entry that begins at `data`, 1 … SLOT_CHUNK_MAX. `len` is at least
 * SLOT_CHUNK_MAX, or all that is left of the image, and not 0; `offset` is the place in
 * the image.
 */
uint32_t chunk_next(
	const struct chunk_gear *gear, const uint8_t *data, size_t len, uint64_t offset);
