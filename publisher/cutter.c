/* SPDX-License-Identifier: Apache-2.0 */
/* A stream becomes entries: of each kind, as a device would cut it. */
#include "publisher/cutter.h"

#include <stdlib.h>
#include <string.h>

#include "partitions/slot/chunk_stream.h"

struct cutter {
	struct cutter_sink sink[CUTTER_KINDS];
	uint8_t block[SLOT_BLOCK_SIZE]; /* the beginning of one */
	size_t block_len;
	struct chunk_stream *chunks; /* NULL: not cut */
};

static int give(const struct cutter_sink *sink, const uint8_t *data, uint32_t length, struct err *e)
{
	struct slot_index_item item = {.length = length, .zero = slot_is_zero(data, length)};

	if (!item.zero)
		item.hash = slot_match_hash(data, length);
	return sink->take(sink->ctx, &item, e);
}

static int give_chunk(void *ctx, const uint8_t *data, uint32_t length, struct err *e)
{
	const struct cutter *c = ctx;

	return give(&c->sink[CUTTER_CHUNKS], data, length, e);
}

int cutter_make(const struct cutter_sink sinks[CUTTER_KINDS], struct cutter **out, struct err *e)
{
	struct cutter *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, E_NOMEM, "no memory to cut an image");
	memcpy(c->sink, sinks, sizeof(c->sink));
	const struct chunk_sink chunks = {.ctx = c, .take = give_chunk};
	if (c->sink[CUTTER_CHUNKS].take && chunk_stream_make(&chunks, &c->chunks, e) < 0) {
		cutter_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

void cutter_free(struct cutter *c)
{
	if (c)
		chunk_stream_free(c->chunks);
	free(c);
}

static int end_block(struct cutter *c, struct err *e)
{
	uint32_t length = (uint32_t)c->block_len;

	c->block_len = 0;
	return length > 0 ? give(&c->sink[CUTTER_BLOCKS], c->block, length, e) : 0;
}

static int add_blocks(struct cutter *c, const uint8_t *data, size_t len, struct err *e)
{
	while (len > 0) {
		size_t room = SLOT_BLOCK_SIZE - c->block_len;
		size_t n = len < room ? len : room;
		memcpy(c->block + c->block_len, data, n);
		c->block_len += n;
		data += n;
		len -= n;
		if (c->block_len == SLOT_BLOCK_SIZE && end_block(c, e) < 0)
			return -1;
	}
	return 0;
}

int cutter_add(struct cutter *c, const uint8_t *data, size_t len, struct err *e)
{
	if (c->sink[CUTTER_BLOCKS].take && add_blocks(c, data, len, e) < 0)
		return -1;
	return c->chunks ? chunk_stream_add(c->chunks, data, len, e) : 0;
}

int cutter_end(struct cutter *c, struct err *e)
{
	if (end_block(c, e) < 0)
		return -1;
	return c->chunks ? chunk_stream_end(c->chunks, e) : 0;
}
