/* SPDX-License-Identifier: Apache-2.0 */
/* New content, compressed quickly and counted. */
#include "publisher/trial.h"

#include <stdlib.h>

#include "agent/base/buf.h"
#include "publisher/compress.h"

/* One frame after the other. */
struct trial {
	struct compressor *compressor;
	uint8_t *raw;
	size_t used; /* of raw */
	uint8_t *stored;
	size_t room;
	uint64_t bytes;
};

static void cleanup_trial(struct trial *t)
{
	compressor_free(t->compressor);
	free(t->raw);
	free(t->stored);
}

static int quick_level(enum plan_encoding encoding)
{
	return encoding == PLAN_ZSTD ? 3 : encoding == PLAN_ZLIB ? 1 : 0;
}

static int make_trial(struct trial *t, enum plan_encoding encoding, struct err *e)
{
	if (compressor_make(encoding, quick_level(encoding), &t->compressor, e) < 0)
		return -1;
	t->room = compressor_room(t->compressor, SLOT_FRAME_SIZE);
	t->raw = malloc(SLOT_FRAME_SIZE);
	t->stored = malloc(t->room);
	return t->raw && t->stored ? 0 : err_set(e, E_NOMEM, "no memory to try an index");
}

static int end_frame(struct trial *t, struct err *e)
{
	size_t stored = 0;

	if (t->used == 0)
		return 0;
	if (compressor_piece(t->compressor, t->raw, t->used, t->stored, t->room, &stored, e) < 0)
		return -1;
	t->bytes += stored;
	t->used = 0;
	return 0;
}

static int add(struct trial *t, const struct image_source *s, uint64_t offset, uint32_t length,
	struct err *e)
{
	if (t->used + length > SLOT_FRAME_SIZE && end_frame(t, e) < 0)
		return -1;
	if (image_read(s, offset, t->raw + t->used, length, e) < 0)
		return -1;
	t->used += length;
	return 0;
}

int trial_fresh(const struct image_source *s, const struct entries *l,
	const struct index_set *before, uint64_t *bytes, struct err *e)
{
	__attribute__((cleanup(cleanup_trial))) struct trial t = {0};
	uint64_t offset = 0;

	if (make_trial(&t, s->request->encoding, e) < 0)
		return -1;
	for (uint32_t i = 0; i < l->count; i++) {
		const struct slot_index_item *item = &l->item[i];
		bool fresh = !item->zero && !index_set_has(before, item->hash, item->length, NULL);
		if (fresh && add(&t, s, offset, item->length, e) < 0)
			return -1;
		offset += item->length;
	}
	if (end_frame(&t, e) < 0)
		return -1;
	*bytes = t.bytes;
	return 0;
}
