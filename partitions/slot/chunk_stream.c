/* SPDX-License-Identifier: Apache-2.0 */
/* A stream becomes entries: what may belong to one that is still open is held back. */
#include "partitions/slot/chunk_stream.h"

#include <stdlib.h>
#include <string.h>

#include "partitions/slot/chunk.h"
#include "partitions/slot/index.h"
#include "partitions/slot/pages.h"

struct chunk_stream {
	struct chunk_sink sink;
	struct chunk_gear gear;
	/* Less than one longest entry between two calls, and room to complete any that begins there. */
	struct pages held;
	size_t used;
	uint64_t offset; /* in the stream, of the entry that comes next */
};

int chunk_stream_make(const struct chunk_sink *sink, struct chunk_stream **out, struct err *e)
{
	struct chunk_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, E_NOMEM, "no memory to cut content");
	if (pages_get((size_t)2 * SLOT_CHUNK_MAX, &s->held, e) < 0) {
		free(s);
		return -1;
	}
	s->sink = *sink;
	chunk_make_gear(&s->gear);
	*out = s;
	return 0;
}

void chunk_stream_free(struct chunk_stream *s)
{
	if (s)
		pages_free(&s->held);
	free(s);
}

/* One entry at `data`; moves *at behind it. */
static int cut(struct chunk_stream *s, const uint8_t *data, size_t len, size_t *at, struct err *e)
{
	uint32_t n = chunk_next(&s->gear, data + *at, len - *at, s->offset);
	int rc = s->sink.take(s->sink.ctx, data + *at, n, e);

	*at += n;
	s->offset += n;
	return rc;
}

/* Entries that begin in what is held; *taken bytes of `data` are in them, or held now. */
static int add_to_held(
	struct chunk_stream *s, const uint8_t *data, size_t len, size_t *taken, struct err *e)
{
	size_t room = s->held.size - s->used;
	size_t n = len < room ? len : room;
	size_t all = s->used + n;
	size_t at = 0;

	memcpy(s->held.data + s->used, data, n);
	while (at < s->used && all - at >= SLOT_CHUNK_MAX) {
		if (cut(s, s->held.data, all, &at, e) < 0)
			return -1;
	}
	if (at >= s->used) {
		*taken = at - s->used;
		s->used = 0;
		return 0;
	}
	/* Too little to know where the next one ends, and `data` is used up. */
	*taken = n;
	s->used = all - at;
	memmove(s->held.data, s->held.data + at, s->used);
	return 0;
}

int chunk_stream_add(struct chunk_stream *s, const uint8_t *data, size_t len, struct err *e)
{
	size_t at = 0;

	if (s->used > 0 && add_to_held(s, data, len, &at, e) < 0)
		return -1;
	while (len - at >= SLOT_CHUNK_MAX) {
		if (cut(s, data, len, &at, e) < 0)
			return -1;
	}
	if (len > at) {
		memcpy(s->held.data + s->used, data + at, len - at);
		s->used += len - at;
	}
	return 0;
}

int chunk_stream_end(struct chunk_stream *s, struct err *e)
{
	size_t at = 0;

	while (at < s->used) {
		if (cut(s, s->held.data, s->used, &at, e) < 0)
			return -1;
	}
	s->used = 0;
	s->offset = 0;
	return 0;
}
