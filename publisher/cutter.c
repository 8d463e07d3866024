/* SPDX-License-Identifier: Apache-2.0 */
/* A stream becomes entries: a window holds what may still belong to the entry that is open. */
#include "publisher/cutter.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "publisher/chunk.h"

#define WINDOW (1024u * 1024)

struct window {
	uint8_t *data;
	size_t used; /* bytes in `data` that are in no entry yet */
};

struct cutter {
	struct cutter_sink sink[CUTTER_KINDS];
	struct chunk_gear gear;
	struct window window[CUTTER_KINDS];
};

int cutter_make(const struct cutter_sink sinks[CUTTER_KINDS], struct cutter **out, struct err *e)
{
	struct cutter *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, E_NOMEM, "no memory to cut an image");
	memcpy(c->sink, sinks, sizeof(c->sink));
	chunk_make_gear(&c->gear);
	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (!c->sink[k].take)
			continue;
		c->window[k].data = malloc(WINDOW);
		if (!c->window[k].data) {
			cutter_free(c);
			return err_set(e, E_NOMEM, "no memory to cut an image");
		}
	}
	*out = c;
	return 0;
}

void cutter_free(struct cutter *c)
{
	for (int k = 0; c && k < CUTTER_KINDS; k++)
		free(c->window[k].data);
	free(c);
}

static int give(const struct cutter_sink *sink, const uint8_t *data, uint32_t length, struct err *e)
{
	struct slot_index_item item = {.length = length, .zero = slot_is_zero(data, length)};

	if (!item.zero)
		item.hash = slot_match_hash(data, length);
	return sink->take(sink->ctx, &item, e);
}

static uint32_t entry_length(
	const struct cutter *c, enum cutter_kind kind, const uint8_t *data, size_t len)
{
	if (kind == CUTTER_CHUNKS)
		return chunk_next(&c->gear, data, len);
	return len < SLOT_BLOCK_SIZE ? (uint32_t)len : SLOT_BLOCK_SIZE;
}

/* Gives out entries while what stands in the window is enough to know where one ends. */
static int drain(struct cutter *c, enum cutter_kind kind, bool end, struct err *e)
{
	struct window *w = &c->window[kind];
	size_t need = end ? 1 : kind == CUTTER_CHUNKS ? SLOT_CHUNK_MAX : SLOT_BLOCK_SIZE;
	size_t at = 0;

	while (w->used - at >= need) {
		uint32_t length = entry_length(c, kind, w->data + at, w->used - at);
		if (give(&c->sink[kind], w->data + at, length, e) < 0)
			return -1;
		at += length;
	}
	memmove(w->data, w->data + at, w->used - at);
	w->used -= at;
	return 0;
}

static int feed(
	struct cutter *c, enum cutter_kind kind, const uint8_t *data, size_t len, struct err *e)
{
	struct window *w = &c->window[kind];

	while (len > 0) {
		size_t n = WINDOW - w->used < len ? WINDOW - w->used : len;
		memcpy(w->data + w->used, data, n);
		w->used += n;
		data += n;
		len -= n;
		if (drain(c, kind, false, e) < 0)
			return -1;
	}
	return 0;
}

int cutter_add(struct cutter *c, const uint8_t *data, size_t len, struct err *e)
{
	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (c->sink[k].take && feed(c, (enum cutter_kind)k, data, len, e) < 0)
			return -1;
	}
	return 0;
}

int cutter_end(struct cutter *c, struct err *e)
{
	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (c->sink[k].take && drain(c, (enum cutter_kind)k, true, e) < 0)
			return -1;
	}
	return 0;
}
