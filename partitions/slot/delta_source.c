/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves out of old content and `data`. */
#include "partitions/slot/delta_source.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/delta_runs.h"
#include "partitions/slot/delta_walk.h"
#include "partitions/slot/frame_cache.h"
#include "partitions/slot/pages.h"

/* Places that were used are given back to the system in steps of so many bytes. */
#define SETTLE_STEP (1u << 20)

/* The entry that crosses the end of the leaf before: whole, for the leaf after. */
struct crossing {
	struct pages data;
	bool valid;
	uint32_t number;
	bool old; /* from a seed, not out of `data` */
};

struct delta_source {
	const struct slot_delta *delta;
	struct slot_stats *stats;
	struct delta_walk at; /* the first entry of the leaf that was asked for last */
	struct delta_runs runs;
	struct frame_cache *frames;
	struct crossing crossing;
	size_t settled; /* bytes of places */
	/* What was counted before the last leaf, in case that it comes again. */
	uint64_t from_target;
	uint64_t from_seed;
};

/* The leaf that is being filled. */
struct leaf {
	uint64_t from; /* in the image */
	uint64_t to;
	uint8_t *out;
	bool again;
};

static void close_source(void *ctx)
{
	struct delta_source *s = ctx;

	delta_runs_close(&s->runs);
	frame_cache_close(s->frames);
	pages_free(&s->crossing.data);
	free(s);
}

static bool hash_is(const struct slot_entry *entry, const uint8_t *data)
{
	return slot_match_hash(data, entry->length) == entry->hash;
}

static void count_old(struct delta_source *s, uint64_t place, uint64_t bytes)
{
	if (place == SLOT_PLACE_TARGET)
		s->stats->from_target += bytes;
	else
		s->stats->from_seed += bytes;
}

/* An entry that lies within the leaf; old content was read to its place before. */
static int take_whole(
	struct delta_source *s, const struct leaf *l, const struct slot_entry *entry, struct err *e)
{
	uint64_t place = l->again ? SLOT_PLACE_DATA : delta_runs_place(&s->runs, entry);
	uint8_t *out = l->out + (entry->offset - l->from);

	/* What changed since it was matched is fetched at once, not after the whole leaf was wrong. */
	if (place != SLOT_PLACE_DATA && MUST("slot.seed-hash", hash_is(entry, out))) {
		count_old(s, place, entry->length);
		return 0;
	}
	return frame_cache_read(s->frames, entry, out, e);
}

/* All of an entry that lies in two leaves; kept for the second one. */
static int get_crossing(
	struct delta_source *s, const struct leaf *l, const struct slot_entry *entry, struct err *e)
{
	struct crossing *x = &s->crossing;

	if (x->valid && x->number == entry->number && !l->again)
		return 0;
	x->valid = false;
	if (!x->data.data && pages_get(SLOT_CHUNK_MAX, &x->data, e) < 0)
		return -1;
	x->old = !l->again && delta_runs_seed(&s->runs, entry, x->data.data) &&
		 MUST("slot.crossing-hash", hash_is(entry, x->data.data));
	if (!x->old && frame_cache_read(s->frames, entry, x->data.data, e) < 0)
		return -1;
	x->number = entry->number;
	x->valid = true;
	return 0;
}

/* The part of an entry that lies in this leaf, [from, to) of the image. */
static int take_part(
	struct delta_source *s, const struct leaf *l, const struct slot_entry *entry, struct err *e)
{
	uint64_t end = entry->offset + entry->length;
	uint64_t from = entry->offset > l->from ? entry->offset : l->from;
	uint64_t to = end < l->to ? end : l->to;

	if (entry->zero) {
		memset(l->out + (from - l->from), 0, (size_t)(to - from));
		return 0;
	}
	if (to - from == entry->length)
		return take_whole(s, l, entry, e);
	if (get_crossing(s, l, entry, e) < 0)
		return -1;
	memcpy(l->out + (from - l->from), s->crossing.data.data + (from - entry->offset),
		(size_t)(to - from));
	if (s->crossing.old)
		s->stats->from_seed += to - from;
	return 0;
}

static int take_entries(struct delta_source *s, const struct leaf *l, struct err *e)
{
	for (struct delta_walk w = s->at; delta_walk_before(&w, l->to); delta_walk_next(&w)) {
		if (take_part(s, l, &w.entry, e) < 0)
			return -1;
	}
	return 0;
}

/* Places before the leaf are not asked for again. */
static void settle(struct delta_source *s)
{
	size_t used = (size_t)s->at.entry.stored_number * sizeof(uint64_t);

	if (used - s->settled < SETTLE_STEP)
		return;
	scratch_settle(&s->delta->match->place, s->settled, used - s->settled);
	s->settled = used;
}

static int fill(void *ctx, uint64_t leaf, bool again, uint8_t *out, size_t len, struct err *e)
{
	struct delta_source *s = ctx;
	struct leaf l = {.from = leaf * SLOT_LEAF_SIZE, .out = out, .again = again};

	l.to = l.from + len;
	if (again) {
		s->stats->from_target = s->from_target;
		s->stats->from_seed = s->from_seed;
		frame_cache_drop(s->frames);
		return take_entries(s, &l, e);
	}
	s->from_target = s->stats->from_target;
	s->from_seed = s->stats->from_seed;
	delta_walk_seek(&s->at, l.from);
	settle(s);
	delta_runs_read(&s->runs, &s->at, l.from, l.to, out);
	return take_entries(s, &l, e);
}

/* Values that others have checked already; a mistake there must not become a read past an end. */
static int check_delta(const struct slot_image *image, struct err *e)
{
	const struct slot_delta *d = &image->delta;

	if (!MUST("slot.delta-of-image",
		    d->index->image_size == image->size && d->frames->image_size == image->size))
		return err_set(e, E_META, "index or frame table belong to another image");
	if (!MUST("slot.match-of-index",
		    d->match->place.size / sizeof(uint64_t) >= d->index->stored))
		return err_set(e, E_INTERNAL, "the match is of another index");
	if (d->seed_count > SLOT_SEEDS_MAX)
		return err_set(e, E_INTERNAL, "%zu seeds are too many", d->seed_count);
	return slot_frames_check(d->frames, d->index, e);
}

int delta_source_open(const struct slot_image *image, const struct device *target,
	struct slot_stats *stats, struct leaf_source *out, struct err *e)
{
	if (check_delta(image, e) < 0)
		return -1;
	struct delta_source *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "no memory for a source");
	s->delta = &image->delta;
	s->stats = stats;
	delta_walk_start(&s->at, image->delta.index);
	if (delta_runs_open(&s->runs, &image->delta, target, e) < 0 ||
		frame_cache_open(&image->delta, stats, &s->frames, e) < 0) {
		close_source(s);
		return -1;
	}
	*out = (struct leaf_source){.ctx = s, .fill = fill, .close = close_source};
	return 0;
}
