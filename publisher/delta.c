/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a release, and what a device needs of its data. */
#include "publisher/delta.h"

#include <inttypes.h>
#include <stdlib.h>

#include "publisher/before.h"

void delta_free(struct delta_tables *t)
{
	buf_free(&t->index_bytes);
	slot_frames_free(&t->frames);
	*t = (struct delta_tables){0};
}

static int parse(const struct plan_image *image, const struct buf *frames, struct delta_tables *t,
	struct err *e)
{
	if (slot_index_parse(t->index_bytes.data, t->index_bytes.len, image->size, &t->index, e) <
			0 ||
		slot_frames_parse(frames->data, frames->len, image->size, image->data.length,
			&t->frames, e) < 0)
		return -1;
	return slot_frames_check(&t->frames, &t->index, e);
}

int delta_load(const struct shelf *s, const struct plan_image *image, struct delta_tables *out,
	struct err *e)
{
	AUTO_BUF struct buf frames = {0};

	if (!image->has_delta)
		return err_set(e, E_NOTFOUND, "release %" PRIu64 ": image %s has no index",
			s->plan->release, image->name);
	if (shelf_read(s, &image->index, &out->index_bytes, e) < 0 ||
		shelf_read(s, &image->frames, &frames, e) < 0 ||
		parse(image, &frames, out, e) < 0) {
		delta_free(out);
		return err_wrap(e, "release %" PRIu64 ": image %s", s->plan->release, image->name);
	}
	return 0;
}

int delta_content(const struct shelf *s, const struct plan_image *old,
	const struct slot_index *like, struct index_set *out, struct err *e)
{
	enum cutter_kind kind = like->content_defined ? CUTTER_CHUNKS : CUTTER_BLOCKS;
	bool wanted[CUTTER_KINDS] = {0};
	AUTO_BEFORE struct before b = {0};

	wanted[kind] = true;
	if (before_load(s, old->name, wanted, &b, e) < 0)
		return -1;
	if (!b.known[kind])
		return err_set(e, E_NOTFOUND, "%s", b.missing);
	index_set_free(out);
	*out = b.content[kind];
	b.content[kind] = (struct index_set){0};
	return 0;
}

/* The same number as in agent/spool.h, which the publisher may not include. */
#define JOIN_GAP (UINT64_C(16) * 1024)

static void mark(struct delta_need *n, uint32_t frame)
{
	uint8_t bit = (uint8_t)(1u << frame % 8);

	n->count += (n->frames[frame / 8] & bit) == 0;
	n->frames[frame / 8] |= bit;
}

static int mark_all(const struct index_set *have, const struct slot_index *index,
	const struct slot_frames *frames, struct delta_need *n, struct err *e)
{
	struct slot_walk walk = {0};
	struct slot_entry entry;

	while (slot_index_next(index, &walk, &entry)) {
		if (entry.zero || index_set_has(have, entry.hash, entry.length, NULL))
			continue;
		uint32_t frame = slot_frames_find(frames, entry.generation, entry.at);
		if (frame >= frames->count)
			return err_set(
				e, E_META, "entry %u of the index is in no frame", entry.number);
		n->content += entry.length;
		mark(n, frame);
	}
	return 0;
}

static void count_travel(struct delta_need *n, const struct byte_range *ranges)
{
	for (size_t i = 0; i < n->ranges; i++) {
		uint64_t end = i > 0 ? ranges[i - 1].offset + ranges[i - 1].length : 0;
		bool joins = i > 0 && ranges[i].offset - end < JOIN_GAP;
		n->travel += ranges[i].length + (joins ? ranges[i].offset - end : 0);
		n->requests += joins ? 0 : 1;
	}
}

int delta_need_of(const struct index_set *have, const struct slot_index *index,
	const struct slot_frames *frames, struct delta_need *out, struct err *e)
{
	AUTO_NEED struct delta_need n = {0};
	AUTO_FREE struct byte_range *ranges = NULL;

	n.frames = calloc((size_t)frames->count / 8 + 1, 1);
	if (!n.frames)
		return err_set(e, E_NOMEM, "no memory for %u frames", frames->count);
	if (mark_all(have, index, frames, &n, e) < 0 ||
		slot_frames_ranges(
			frames, n.frames, SLOT_GENERATIONS, &ranges, &n.ranges, &n.bytes, e) < 0)
		return -1;
	count_travel(&n, ranges);
	*out = n;
	n.frames = NULL; /* handed on */
	return 0;
}

int delta_need(const struct slot_index *old, const struct slot_index *index,
	const struct slot_frames *frames, struct delta_need *out, struct err *e)
{
	AUTO_INDEX_SET struct index_set have = {0};

	if (index_set_add_all(&have, old, e) < 0)
		return -1;
	return delta_need_of(&have, index, frames, out, e);
}

/* The first generations of which something is needed, and those between. */
static unsigned generations_of(const struct slot_frames *f, const struct delta_need *need)
{
	for (unsigned g = SLOT_GENERATIONS; g > 0; g--) {
		for (uint32_t i = f->first[g - 1]; i < f->first[g]; i++) {
			if (need->frames[i / 8] >> (i % 8) & 1)
				return g;
		}
	}
	return 0;
}

uint64_t delta_frames_bytes(const struct plan_image *image, const struct slot_frames *frames,
	const struct delta_need *need)
{
	unsigned generations = generations_of(frames, need);

	for (size_t i = 0; i < image->frames_first.count; i++) {
		const struct plan_first *f = &image->frames_first.first[i];
		if (f->generations >= generations)
			return f->part.length;
	}
	return image->frames.length;
}

void delta_need_free(struct delta_need *n)
{
	free(n->frames);
	*n = (struct delta_need){0};
}
