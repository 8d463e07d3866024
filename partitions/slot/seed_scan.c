/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a seed through. */
#include "partitions/slot/seed_scan.h"

#include "agent/base/buf.h"
#include "partitions/slot/ahead.h"
#include "partitions/slot/chunk_stream.h"
#include "partitions/slot/format.h"
#include "partitions/slot/pages.h"

#define READ_ERRORS_MAX 16u
#define READ_STEP       65536u /* around an unreadable place: what is lost with it */

/*
 * Rows of a table for this many bytes. Content-defined entries that are not zero have
 * 3.5 KiB on average, or 2 KiB of zeros behind them.
 */
#define CHUNK_ROWS(size) ((size) / 2048 + 1024)

/* One reading. */
struct reading {
	struct seed_table *table;
	struct chunk_stream *chunks; /* NULL: blocks */
	uint64_t cut; /* where the next content-defined entry begins */
	uint64_t next; /* the byte behind what was read last */
	unsigned read_errors; /* that may still happen */
};

static void close_reading(struct reading *r)
{
	chunk_stream_free(r->chunks);
}

/* A content-defined entry goes by. */
static int take_chunk(void *ctx, const uint8_t *data, uint32_t len, struct err *e)
{
	struct reading *r = ctx;

	(void)e;
	if (!slot_is_zero(data, len))
		seed_table_add(r->table, slot_match_hash(data, len), r->cut, len);
	r->cut += len;
	return 0;
}

static void take_blocks(struct reading *r, const uint8_t *data, uint64_t from, size_t len)
{
	for (size_t at = 0; at < len; at += SLOT_BLOCK_SIZE) {
		if (!slot_is_zero(data + at, SLOT_BLOCK_SIZE))
			seed_table_note(r->table, (uint32_t)((from + at) / SLOT_BLOCK_SIZE),
				slot_match_hash(data + at, SLOT_BLOCK_SIZE));
	}
}

/* Bytes [from, from + len) of the seed: whole blocks. */
static int take(struct reading *r, const uint8_t *data, uint64_t from, size_t len, struct err *e)
{
	bool follows = from == r->next;

	r->next = from + len;
	if (!r->chunks) {
		take_blocks(r, data, from, len);
		return 0;
	}
	/* Something in between could not be read. */
	if (!follows) {
		if (chunk_stream_end(r->chunks, e) < 0)
			return -1;
		r->cut = from;
	}
	return chunk_stream_add(r->chunks, data, len, e);
}

static bool goes_on(const struct reading *r)
{
	return r->read_errors > 0 && !seed_table_is_full(r->table);
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
		if (device_read(d, buffer.data, len, *at, &ignored) < 0)
			r->read_errors--;
		else if (take(r, buffer.data, *at, len, e) < 0)
			return -1;
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
	int rc = 0;

	if (read_ahead_start(d, *at, size, &ahead, e) < 0)
		return -1;
	while (rc == 0 && goes_on(r) && read_ahead_next(ahead, &data, &len, &ignored) == 0 &&
		len > 0) {
		rc = take(r, data, *at, len, e);
		*at += len;
	}
	read_ahead_stop(ahead);
	return rc;
}

static int read_through(struct reading *r, struct device *d, uint64_t size, struct err *e)
{
	uint64_t at = 0;

	while (at < size && goes_on(r)) {
		if (read_on(r, d, &at, size, e) < 0 ||
			(at < size && goes_on(r) && step_over(r, d, &at, size, e) < 0))
			return -1;
	}
	return r->chunks ? chunk_stream_end(r->chunks, e) : 0;
}

int seed_scan(struct device *d, uint64_t size, uint16_t rule, int scratch_dir,
	struct seed_table *out, struct err *e)
{
	__attribute__((cleanup(seed_table_free))) struct seed_table t = {0};
	__attribute__((cleanup(close_reading))) struct reading r = {
		.table = &t, .read_errors = READ_ERRORS_MAX + 1};
	const struct chunk_sink sink = {.ctx = &r, .take = take_chunk};
	bool chunks = rule != SLOT_RULE_BLOCKS;

	if (size > SLOT_IMAGE_MAX)
		size = SLOT_IMAGE_MAX;
	uint64_t rows = chunks ? CHUNK_ROWS(size) : size / SLOT_BLOCK_SIZE;
	uint32_t kept = rows < SEED_ENTRIES_MAX ? (uint32_t)rows : SEED_ENTRIES_MAX;
	if (!chunks)
		size = (uint64_t)kept * SLOT_BLOCK_SIZE;
	if (seed_table_get(scratch_dir, kept, chunks, &t, e) < 0 ||
		(chunks && chunk_stream_make(&sink, &r.chunks, e) < 0) ||
		read_through(&r, d, size, e) < 0 || seed_table_finish(scratch_dir, &t, e) < 0)
		return -1;
	*out = t;
	t = (struct seed_table){0};
	return 0;
}
