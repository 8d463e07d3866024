/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a seed through. */
#include "partitions/slot/seed_scan.h"

#include <string.h>

#include "agent/base/buf.h"
#include "partitions/slot/ahead.h"
#include "partitions/slot/pages.h"

#define READ_ERRORS_MAX 16u
#define READ_STEP       65536u /* around an unreadable place: what is lost with it */

/* One reading; entries and chunks of bytes go by side by side. */
struct reading {
	const struct slot_index *lengths; /* NULL: blocks */
	struct slot_walk walk;
	struct slot_entry entry; /* the next to be completed */
	bool more; /* there is one */
	struct seed_table *table;
	struct pages part; /* the beginning of an entry that crosses two chunks */
	size_t part_len;
	unsigned read_errors; /* that may still happen */
};

static void next_entry(struct reading *r)
{
	struct slot_walk *w = &r->walk;

	r->part_len = 0;
	r->more = w->number < r->table->count;
	if (!r->more)
		return;
	if (r->lengths) {
		slot_index_next(r->lengths, w, &r->entry);
		seed_table_place(r->table, r->entry.number, r->entry.offset);
		seed_table_place(r->table, r->entry.number + 1, w->offset);
		return;
	}
	r->entry = (struct slot_entry){
		.number = w->number++, .offset = w->offset, .length = SLOT_BLOCK_SIZE};
	w->offset += SLOT_BLOCK_SIZE;
}

/* All bytes of the entry are here: is it worth remembering? */
static void look_at(struct reading *r, const uint8_t *data)
{
	const struct slot_entry *entry = &r->entry;

	if (r->lengths ? entry->zero : slot_is_zero(data, entry->length))
		return;
	uint64_t hash = slot_match_hash(data, entry->length);
	if (!r->lengths || hash == entry->hash)
		seed_table_note(r->table, entry->number, hash);
}

/* Adds what [from, to) has of the entry; looks at it when it is complete. */
static void add_part(struct reading *r, const uint8_t *data, uint64_t from, uint64_t to)
{
	uint64_t begin = r->entry.offset + r->part_len;
	uint64_t end = r->entry.offset + r->entry.length;

	/* Something in between could not be read. */
	if (begin < from)
		return;
	size_t len = (size_t)((end < to ? end : to) - begin);
	memcpy(r->part.data + r->part_len, data + (begin - from), len);
	r->part_len += len;
	if (r->part_len == r->entry.length)
		look_at(r, r->part.data);
}

/* Bytes [from, from + len) of the seed. */
static void take(struct reading *r, const uint8_t *data, uint64_t from, size_t len)
{
	uint64_t to = from + len;

	while (r->more && r->entry.offset < to) {
		uint64_t end = r->entry.offset + r->entry.length;
		if (r->entry.offset >= from && end <= to)
			look_at(r, data + (r->entry.offset - from));
		else if (end > from)
			add_part(r, data, from, to);
		if (end > to)
			return;
		next_entry(r);
	}
}

/* After a read error: in small steps to the end of the chunk. Moves *at. */
static int step_over(
	struct reading *r, struct device *d, uint64_t *at, uint64_t size, struct err *e)
{
	AUTO_PAGES struct pages buffer = {0};
	uint64_t end = *at - *at % READ_AHEAD_CHUNK + READ_AHEAD_CHUNK;
	struct err ignored;

	if (pages_get(READ_STEP, &buffer, e) < 0)
		return -1;
	for (; *at < end && *at < size && r->read_errors > 0; *at += READ_STEP) {
		size_t len = size - *at < READ_STEP ? (size_t)(size - *at) : READ_STEP;
		if (device_read(d, buffer.data, len, *at, &ignored) == 0)
			take(r, buffer.data, *at, len);
		else
			r->read_errors--;
	}
	return 0;
}

/* Chunk after chunk to the end or to a place that cannot be read. Moves *at. */
static int read_on(struct reading *r, struct device *d, uint64_t *at, uint64_t size, struct err *e)
{
	struct read_ahead *ahead;
	const uint8_t *data;
	size_t len;
	struct err ignored;

	if (read_ahead_start(d, *at, size, &ahead, e) < 0)
		return -1;
	while (read_ahead_next(ahead, &data, &len, &ignored) == 0 && len > 0) {
		take(r, data, *at, len);
		*at += len;
	}
	read_ahead_stop(ahead);
	return 0;
}

static int read_through(struct reading *r, struct device *d, uint64_t size, struct err *e)
{
	uint64_t at = 0;

	if (pages_get(SLOT_CHUNK_MAX, &r->part, e) < 0)
		return -1;
	for (next_entry(r); r->more && at < size && r->read_errors > 0;) {
		if (read_on(r, d, &at, size, e) < 0 ||
			(at < size && step_over(r, d, &at, size, e) < 0))
			return -1;
	}
	/* Places are searched by halves: those behind an early end must be there, too. */
	while (r->more)
		next_entry(r);
	return 0;
}

int seed_scan(struct device *d, uint64_t size, const struct slot_index *lengths, int scratch_dir,
	struct seed_table *out, struct err *e)
{
	__attribute__((cleanup(seed_table_free))) struct seed_table t = {0};
	uint64_t count = lengths ? lengths->count : size / SLOT_BLOCK_SIZE;
	uint32_t kept = count < SEED_ENTRIES_MAX ? (uint32_t)count : SEED_ENTRIES_MAX;
	struct reading r = {.lengths = lengths, .table = &t, .read_errors = READ_ERRORS_MAX + 1};

	if (!lengths)
		size = (uint64_t)kept * SLOT_BLOCK_SIZE;
	if (seed_table_get(scratch_dir, kept, lengths != NULL, &t, e) < 0)
		return -1;
	int rc = read_through(&r, d, size, e);
	pages_free(&r.part);
	if (rc < 0 || seed_table_finish(scratch_dir, &t, e) < 0)
		return -1;
	*out = t;
	t = (struct seed_table){0};
	return 0;
}
