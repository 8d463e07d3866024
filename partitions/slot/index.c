/* SPDX-License-Identifier: Apache-2.0 */
/* The index of an image: reading it strictly, walking it, writing it. */
#include "partitions/slot/index.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/must.h"
#include "partitions/slot/index_header.h"

/* Where frames have flags, an index has the rule of its cuts: any, for it is but a hint. */
static const struct index_kind kind = {.name = "index", .magic = "PWLI", .flags = UINT16_MAX};

/* Bytes of the four parts behind the header; counts are at most 2^22, so nothing overflows. */
static size_t lengths_size(uint32_t count, bool content_defined)
{
	return content_defined ? (size_t)count * 2 : 0;
}

static size_t bits_size(uint32_t count)
{
	return ((size_t)count + 7) / 8;
}

static size_t nibbles_size(uint32_t stored)
{
	return ((size_t)stored + 1) / 2;
}

static bool bit_at(const uint8_t *bits, uint32_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static uint8_t nibble_at(const uint8_t *nibbles, uint32_t i)
{
	return (uint8_t)(nibbles[i / 2] >> (i % 2 * 4) & 15);
}

static uint32_t length_at(const struct slot_index *x, uint32_t i)
{
	return x->content_defined ? le16_get(x->lengths + (size_t)i * 2) + 1u : SLOT_BLOCK_SIZE;
}

/* Finds lengths and bits, and counts what is not zero; looks at no byte behind `len`. */
static int find_bits(const uint8_t *data, size_t len, struct slot_index *x, struct err *e)
{
	size_t lengths = lengths_size(x->count, x->content_defined);
	size_t bits = bits_size(x->count);

	if (!MUST("slot.index-bits", len - SLOT_INDEX_HEADER >= lengths + bits))
		return err_set(
			e, E_META, "index: %zu bytes are too few for %u entries", len, x->count);
	x->lengths = x->content_defined ? data + SLOT_INDEX_HEADER : NULL;
	x->zero = data + SLOT_INDEX_HEADER + lengths;
	if (!MUST("slot.index-unused-bits",
		    x->count % 8 == 0 || x->zero[bits - 1] >> (x->count % 8) == 0))
		return err_set(e, E_META, "index: bits are set behind the last entry");
	uint32_t zeros = 0;
	for (size_t i = 0; i < bits; i++)
		zeros += (uint32_t)__builtin_popcount(x->zero[i]);
	x->stored = x->count - zeros;
	return 0;
}

/* Generations and hashes fill the rest exactly. */
static int find_hashes(size_t len, const uint8_t *data, struct slot_index *x, struct err *e)
{
	size_t before = (size_t)(x->zero - data) + bits_size(x->count);
	size_t nibbles = nibbles_size(x->stored);
	size_t want = before + nibbles + (size_t)x->stored * 8;

	if (!MUST("slot.index-length", len == want))
		return err_set(e, E_META,
			"index: %zu bytes where %u entries, %u of them not zero, need %zu", len,
			x->count, x->stored, want);
	x->generations = data + before;
	x->hashes = x->generations + nibbles;
	if (!MUST("slot.index-unused-nibble",
		    x->stored % 2 == 0 || x->generations[nibbles - 1] >> 4 == 0))
		return err_set(e, E_META, "index: a generation behind the last entry");
	return 0;
}

/* The entries cover the image exactly; the streams' lengths fall out of it. */
static int add_up(struct slot_index *x, struct err *e)
{
	struct slot_walk w = {0};
	struct slot_entry entry;

	while (slot_index_next(x, &w, &entry)) {
		/* Cannot overflow: at most 2^22 entries of at most 2^16 bytes. */
		if (!entry.zero)
			x->stream[entry.generation] += entry.length;
	}
	if (!MUST("slot.index-sum", w.number == x->count && w.offset == x->image_size))
		return err_set(e, E_META,
			"index: %u of %u entries add up to %llu bytes, the image has %llu",
			w.number, x->count, (unsigned long long)w.offset,
			(unsigned long long)x->image_size);
	return 0;
}

int slot_index_parse(
	const uint8_t *data, size_t len, uint64_t image_size, struct slot_index *out, struct err *e)
{
	struct slot_index x = {.image_size = image_size};

	if (index_header_read(&kind, data, len, image_size, &x.count, e) < 0)
		return -1;
	x.rule = le16_get(data + 6);
	x.content_defined = x.rule != SLOT_RULE_BLOCKS;
	if (find_bits(data, len, &x, e) < 0 || find_hashes(len, data, &x, e) < 0 ||
		add_up(&x, e) < 0)
		return -1;
	*out = x;
	return 0;
}

bool slot_index_next(const struct slot_index *index, struct slot_walk *w, struct slot_entry *out)
{
	if (w->number >= index->count)
		return false;
	*out = (struct slot_entry){.number = w->number,
		.stored_number = w->stored_number,
		.offset = w->offset,
		.length = length_at(index, w->number),
		.zero = bit_at(index->zero, w->number)};
	/*
	 * A mapped file can change on its medium after it was checked. Whatever it says then, the
	 * walk stays within the image and within its own table; leaves decide about the rest.
	 */
	if (out->length > index->image_size - w->offset ||
		(!out->zero && w->stored_number >= index->stored))
		return false;
	if (!out->zero) {
		out->generation = nibble_at(index->generations, w->stored_number);
		out->hash = le64_get(index->hashes + (size_t)w->stored_number * 8);
		out->at = w->at[out->generation];
		w->at[out->generation] += out->length;
		w->stored_number++;
	}
	w->offset += out->length;
	w->number++;
	return true;
}

void slot_index_rest(const struct slot_index *index)
{
	const uint8_t *first = index->lengths ? index->lengths : index->zero;
	const uint8_t *end = index->hashes + (size_t)index->stored * 8;
	size_t before = (uintptr_t)first % (size_t)sysconf(_SC_PAGESIZE);

	/* Memory has no file behind it that would keep the content. */
	if (index->in_file)
		(void)madvise((void *)((uintptr_t)first - before), (size_t)(end - first) + before,
			MADV_DONTNEED);
}

/* What the reader would refuse is a fault of who calls. */
static int check_items(uint64_t image_size, bool content_defined,
	const struct slot_index_item *items, uint32_t count, struct err *e)
{
	uint64_t sum = 0;

	if (count > SLOT_INDEX_ENTRIES_MAX)
		return err_set(e, E_SIZE, "index: %u entries are more than %u", count,
			SLOT_INDEX_ENTRIES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct slot_index_item *item = &items[i];
		if (item->length == 0 || item->length > SLOT_CHUNK_MAX ||
			(!content_defined && item->length != SLOT_BLOCK_SIZE) ||
			item->generation >= SLOT_GENERATIONS)
			return err_set(e, E_INTERNAL,
				"index: entry %u of %u bytes and generation %u cannot be", i,
				item->length, item->generation);
		sum += item->length;
	}
	if (sum != image_size)
		return err_set(e, E_INTERNAL,
			"index: entries add up to %llu bytes, the image has %llu",
			(unsigned long long)sum, (unsigned long long)image_size);
	return 0;
}

static int add_lengths(
	const struct slot_index_item *items, uint32_t count, struct buf *out, struct err *e)
{
	uint8_t length[2];

	for (uint32_t i = 0; i < count; i++) {
		le16_put(length, (uint16_t)(items[i].length - 1));
		if (buf_add(out, length, sizeof(length), e) < 0)
			return -1;
	}
	return 0;
}

static int add_bits(
	const struct slot_index_item *items, uint32_t count, struct buf *out, struct err *e)
{
	uint8_t byte = 0;

	for (uint32_t i = 0; i < count; i++) {
		byte |= (uint8_t)(items[i].zero << (i % 8));
		if (i % 8 < 7 && i + 1 < count)
			continue;
		if (buf_add(out, &byte, 1, e) < 0)
			return -1;
		byte = 0;
	}
	return 0;
}

static int add_generations(
	const struct slot_index_item *items, uint32_t count, struct buf *out, struct err *e)
{
	uint8_t byte = 0;
	bool half = false;

	for (uint32_t i = 0; i < count; i++) {
		if (items[i].zero)
			continue;
		byte |= (uint8_t)(items[i].generation << (half ? 4 : 0));
		half = !half;
		if (half)
			continue;
		if (buf_add(out, &byte, 1, e) < 0)
			return -1;
		byte = 0;
	}
	return half ? buf_add(out, &byte, 1, e) : 0;
}

static int add_hashes(
	const struct slot_index_item *items, uint32_t count, struct buf *out, struct err *e)
{
	uint8_t hash[8];

	for (uint32_t i = 0; i < count; i++) {
		le64_put(hash, items[i].hash);
		if (!items[i].zero && buf_add(out, hash, sizeof(hash), e) < 0)
			return -1;
	}
	return 0;
}

int slot_index_write(uint64_t image_size, uint16_t rule, const struct slot_index_item *items,
	uint32_t count, struct buf *out, struct err *e)
{
	bool content_defined = rule != SLOT_RULE_BLOCKS;

	if (check_items(image_size, content_defined, items, count, e) < 0)
		return -1;
	if (index_header_write(&kind, rule, image_size, count, out, e) < 0 ||
		(content_defined && add_lengths(items, count, out, e) < 0) ||
		add_bits(items, count, out, e) < 0 || add_generations(items, count, out, e) < 0 ||
		add_hashes(items, count, out, e) < 0)
		return err_wrap(e, "index");
	return 0;
}
