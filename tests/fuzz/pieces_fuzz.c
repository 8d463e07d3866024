/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `full`: what is accepted adds up, and is written again as it was. */
#include "partitions/slot/format.h"
#include "tests/fuzz/fuzz.h"

/* What the stored lengths add up to, as `full` would be long. */
static uint64_t sum_of(struct fuzz_part p)
{
	uint64_t sum = 0;

	for (size_t at = SLOT_PIECES_HEADER; at + SLOT_PIECES_ENTRY <= p.len;
		at += SLOT_PIECES_ENTRY)
		sum += le32_get(p.data + at);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part p = {.data = data, .len = size};
	uint8_t *copy = fuzz_copy(p);
	struct slot_pieces pieces;
	struct err e = {0};

	if (slot_pieces_parse(copy, size, fuzz_image_size(p), sum_of(p), &pieces, &e) == 0) {
		AUTO_BUF struct buf out = buf_make(size);
		uint64_t at = 0;
		for (uint32_t i = 0; i < pieces.count; i++) {
			fuzz_must(pieces.offset[i] == at);
			fuzz_must(pieces.stored[i] > 0 && pieces.stored[i] <= SLOT_STORED_MAX);
			at += pieces.stored[i];
		}
		fuzz_must(at == pieces.stored_total);
		fuzz_must(slot_pieces_write(&pieces, &out, &e) == 0);
		fuzz_must(out.len == size && memcmp(out.data, data, size) == 0);
		slot_pieces_free(&pieces);
	}
	free(copy);
	return 0;
}
