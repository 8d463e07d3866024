/* SPDX-License-Identifier: Apache-2.0 */
/* The piece table: reading it strictly, writing it, and the numbers of an image. */
#include "partitions/slot/format.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"

static const uint8_t pieces_magic[4] = {'P', 'W', 'L', 'P'};

#define PIECES_VERSION  1
#define PIECE_COUNT_MAX (SLOT_IMAGE_MAX / SLOT_PIECE_SIZE)

/* A table of the largest image must stay a number that 32 bits hold. */
_Static_assert(PIECE_COUNT_MAX *SLOT_PIECES_ENTRY < UINT32_MAX, "a piece table fits 32 bits");

/* Rounds up without `size + unit - 1`, which could overflow. */
static uint64_t count_of(uint64_t size, uint64_t unit)
{
	return size / unit + (size % unit != 0);
}

uint64_t slot_leaf_count(uint64_t image_size)
{
	return count_of(image_size, SLOT_LEAF_SIZE);
}

uint64_t slot_piece_count(uint64_t image_size)
{
	return count_of(image_size, SLOT_PIECE_SIZE);
}

/* Bytes of the unit with this number; 0 behind the end. */
static size_t length_of(uint64_t size, uint64_t number, size_t unit)
{
	if (number >= count_of(size, unit))
		return 0;
	uint64_t left = size - number * unit;
	return left < unit ? (size_t)left : unit;
}

size_t slot_leaf_length(uint64_t image_size, uint64_t leaf)
{
	return length_of(image_size, leaf, SLOT_LEAF_SIZE);
}

size_t slot_piece_length(uint64_t image_size, uint64_t piece)
{
	return length_of(image_size, piece, SLOT_PIECE_SIZE);
}

bool slot_image_size_ok(uint64_t image_size)
{
	return image_size > 0 && image_size <= SLOT_IMAGE_MAX && image_size % SLOT_BLOCK_SIZE == 0;
}

static int check_header(const uint8_t *data, size_t len, uint64_t image_size, struct err *e)
{
	if (!MUST("slot.image-size", slot_image_size_ok(image_size)))
		return err_set(e, E_META,
			"an image of %llu bytes: not a multiple of %u between %u bytes and 64 GiB",
			(unsigned long long)image_size, SLOT_BLOCK_SIZE, SLOT_BLOCK_SIZE);
	if (!MUST("slot.table-length", len >= SLOT_PIECES_HEADER))
		return err_set(e, E_META, "piece table: %zu bytes are less than its header", len);
	if (!MUST("slot.table-magic", memcmp(data, pieces_magic, sizeof(pieces_magic)) == 0))
		return err_set(e, E_META, "piece table: does not begin with PWLP");
	if (!MUST("slot.table-version", le16_get(data + 4) == PIECES_VERSION))
		return err_set(
			e, E_META, "piece table: version %u is not known", le16_get(data + 4));
	if (!MUST("slot.table-flags", le16_get(data + 6) == 0))
		return err_set(
			e, E_META, "piece table: flags %u are not known", le16_get(data + 6));
	if (!MUST("slot.table-image", le64_get(data + 8) == image_size))
		return err_set(e, E_META, "piece table: made for an image of %llu bytes, not %llu",
			(unsigned long long)le64_get(data + 8), (unsigned long long)image_size);
	return 0;
}

/* The count follows from the image's size, so nothing is allocated by the file's word. */
static int check_count(const uint8_t *data, size_t len, uint64_t image_size, struct err *e)
{
	uint64_t want = slot_piece_count(image_size);
	uint32_t count = le32_get(data + 16);

	if (!MUST("slot.table-count", count == want))
		return err_set(e, E_META, "piece table: %u pieces where the image has %llu", count,
			(unsigned long long)want);
	if (!MUST("slot.table-size", len == SLOT_PIECES_HEADER + want * SLOT_PIECES_ENTRY))
		return err_set(e, E_META, "piece table: %zu bytes where %u pieces need %llu", len,
			count, (unsigned long long)(SLOT_PIECES_HEADER + want * SLOT_PIECES_ENTRY));
	return 0;
}

static int allocate(struct slot_pieces *p, uint32_t count, struct err *e)
{
	p->count = count;
	p->stored = calloc(count, sizeof(*p->stored));
	p->offset = calloc(count, sizeof(*p->offset));
	p->sha256 = calloc(count, sizeof(*p->sha256));
	if (!p->stored || !p->offset || !p->sha256)
		return err_set(e, E_NOMEM, "no memory for a table of %u pieces", count);
	return 0;
}

static int read_entries(const uint8_t *entry, struct slot_pieces *p, struct err *e)
{
	for (uint32_t i = 0; i < p->count; i++, entry += SLOT_PIECES_ENTRY) {
		uint32_t stored = le32_get(entry);
		if (!MUST("slot.stored-length", stored > 0 && stored <= SLOT_STORED_MAX))
			return err_set(e, E_META,
				"piece table: piece %u is stored in %u bytes; 1 to %u are allowed",
				i, stored, SLOT_STORED_MAX);
		p->stored[i] = stored;
		p->offset[i] = p->stored_total;
		memcpy(p->sha256[i], entry + 4, HASH_SIZE);
		/* Cannot overflow: at most 2^14 pieces of at most 2^23 bytes. */
		p->stored_total += stored;
	}
	return 0;
}

static void cleanup_pieces(struct slot_pieces *p)
{
	slot_pieces_free(p);
}

int slot_pieces_parse(const uint8_t *data, size_t len, uint64_t image_size, uint64_t full_length,
	struct slot_pieces *out, struct err *e)
{
	__attribute__((cleanup(cleanup_pieces))) struct slot_pieces p = {.image_size = image_size};

	if (check_header(data, len, image_size, e) < 0 || check_count(data, len, image_size, e) < 0)
		return -1;
	if (allocate(&p, (uint32_t)slot_piece_count(image_size), e) < 0)
		return -1;
	if (read_entries(data + SLOT_PIECES_HEADER, &p, e) < 0)
		return -1;
	if (!MUST("slot.table-sum", p.stored_total == full_length))
		return err_set(e, E_META,
			"piece table: pieces add up to %llu bytes, the file has %llu",
			(unsigned long long)p.stored_total, (unsigned long long)full_length);
	*out = p;
	p = (struct slot_pieces){0};
	return 0;
}

void slot_pieces_free(struct slot_pieces *p)
{
	free(p->stored);
	free(p->offset);
	free(p->sha256);
	*p = (struct slot_pieces){0};
}

int slot_pieces_write(const struct slot_pieces *p, struct buf *out, struct err *e)
{
	uint8_t header[SLOT_PIECES_HEADER];
	uint8_t entry[SLOT_PIECES_ENTRY];

	memcpy(header, pieces_magic, sizeof(pieces_magic));
	le16_put(header + 4, PIECES_VERSION);
	le16_put(header + 6, 0);
	le64_put(header + 8, p->image_size);
	le32_put(header + 16, p->count);
	if (buf_add(out, header, sizeof(header), e) < 0)
		return err_wrap(e, "piece table");
	for (uint32_t i = 0; i < p->count; i++) {
		le32_put(entry, p->stored[i]);
		memcpy(entry + 4, p->sha256[i], HASH_SIZE);
		if (buf_add(out, entry, sizeof(entry), e) < 0)
			return err_wrap(e, "piece table");
	}
	return 0;
}
