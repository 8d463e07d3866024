/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of `data`, one decompressed for each generation. */
#include "partitions/slot/frame_cache.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/decompress.h"
#include "partitions/slot/pages.h"

/* A decompressed frame. */
struct held {
	struct pages data; /* got when first needed */
	uint32_t frame;
	bool valid;
	size_t given_back; /* bytes at its start that are not there any more */
};

struct frame_cache {
	const struct slot_delta *delta;
	struct slot_stats *stats;
	struct decoder *decoder; /* NULL for plain data */
	struct pages stored; /* one stored frame */
	struct held held[SLOT_GENERATIONS];
	struct byte_range
		*ranges[SLOT_GENERATIONS]; /* kept, a network reader may look at them later */
};

static int announce_one(struct frame_cache *c, unsigned g, unsigned which, struct err *e)
{
	const struct reader *r = &c->delta->data[g];
	size_t count = 0;

	if (slot_frames_ranges(c->delta->frames, c->delta->match->need, which, &c->ranges[g],
		    &count, NULL, e) < 0)
		return -1;
	return count ? r->expect(r->ctx, c->ranges[g], count, e) : 0;
}

/* One reader for all generations is told once. */
static bool is_shared(const struct slot_delta *d)
{
	for (unsigned g = 1; g < SLOT_GENERATIONS; g++) {
		if (d->data[g].ctx != d->data[0].ctx)
			return false;
	}
	return true;
}

/* Tells the readers beforehand what will be read. */
static int announce(struct frame_cache *c, struct err *e)
{
	const struct slot_delta *d = c->delta;

	if (is_shared(d))
		return d->data[0].expect ? announce_one(c, 0, SLOT_GENERATIONS, e) : 0;
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		if (d->data[g].expect && announce_one(c, g, g, e) < 0)
			return -1;
	}
	return 0;
}

void frame_cache_close(struct frame_cache *c)
{
	if (!c)
		return;
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		pages_free(&c->held[g].data);
		free(c->ranges[g]);
	}
	pages_free(&c->stored);
	decoder_free(c->decoder);
	free(c);
}

static int prepare(struct frame_cache *c, struct err *e)
{
	if (c->delta->encoding != SLOT_NONE) {
		if (decoder_open(c->delta->encoding, &c->decoder, e) < 0 ||
			pages_get(SLOT_FRAME_STORED_MAX, &c->stored, e) < 0)
			return -1;
		decoder_empty_input(c->decoder, &c->stored);
	}
	return announce(c, e);
}

int frame_cache_open(const struct slot_delta *delta, struct slot_stats *stats,
	struct frame_cache **out, struct err *e)
{
	struct frame_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(e, E_NOMEM, "no memory for frames");
	c->delta = delta;
	c->stats = stats;
	if (prepare(c, e) < 0) {
		frame_cache_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void frame_cache_drop(struct frame_cache *c)
{
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		c->held[g].valid = false;
}

static uint64_t end_of(const struct slot_frames *f, uint32_t frame)
{
	return f->offset[frame] + f->stored[frame];
}

static int fetch_once(
	struct frame_cache *c, uint8_t g, uint32_t frame, uint8_t *to, bool *right, struct err *e)
{
	const struct slot_frames *f = c->delta->frames;
	const struct reader *r = &c->delta->data[g];
	uint8_t digest[HASH_SIZE];

	if (!r->read)
		return err_set(e, E_INTERNAL, "nobody gives data of generation %u", g);
	if (r->read(r->ctx, f->offset[frame], to, f->stored[frame], e) < 0)
		return -1;
	c->stats->bytes_fetched += f->stored[frame];
	if (hash_bytes(HASH_SHA256, to, f->stored[frame], digest, e) < 0)
		return -1;
	*right = hash_equal(digest, f->sha256[frame]);
	return 0;
}

/* A proxy's bad copy or a flipped bit is worth one more try. */
static int fetch(struct frame_cache *c, uint8_t g, uint32_t frame, uint8_t *to, struct err *e)
{
	bool right = false;

	if (fetch_once(c, g, frame, to, &right, e) < 0)
		return -1;
	if (!right && fetch_once(c, g, frame, to, &right, e) < 0)
		return -1;
	/* No decoder sees bytes that were not signed. */
	if (!MUST("slot.frame-hash", right))
		return err_set(e, E_HASH, "twice read with a wrong hash");
	return 0;
}

static int unpack(struct frame_cache *c, uint8_t g, uint32_t frame, struct held *h, struct err *e)
{
	const struct slot_frames *f = c->delta->frames;

	if (c->delta->encoding != SLOT_NONE) {
		if (fetch(c, g, frame, c->stored.data, e) < 0)
			return -1;
		int rc = decoder_run(c->decoder, c->stored.data, f->stored[frame], h->data.data,
			f->raw[frame], e);
		pages_empty(&c->stored, 0, c->stored.size);
		return rc;
	}
	if (!MUST("slot.frame-plain", f->stored[frame] == f->raw[frame]))
		return err_set(e, E_META, "plain, but stored in %u bytes and not in %u",
			f->stored[frame], f->raw[frame]);
	return fetch(c, g, frame, h->data.data, e);
}

static int hold(struct frame_cache *c, uint8_t g, uint32_t frame, struct err *e)
{
	const struct slot_frames *f = c->delta->frames;
	struct held *h = &c->held[g];

	h->valid = false;
	if (!h->data.data && pages_get(SLOT_FRAME_SIZE, &h->data, e) < 0)
		return -1;
	if (unpack(c, g, frame, h, e) < 0)
		return err_wrap(e, "frame %u (bytes %llu to %llu of data)", frame,
			(unsigned long long)f->offset[frame], (unsigned long long)end_of(f, frame));
	h->frame = frame;
	h->given_back = 0;
	h->valid = true;
	return 0;
}

/* Nobody asks for what lies before `to` again, unless a leaf was wrong; it is read anew then. */
static void give_back(struct held *h, size_t to)
{
	to -= to % PAGES_ALIGN;
	if (to <= h->given_back)
		return;
	pages_empty(&h->data, h->given_back, to - h->given_back);
	h->given_back = to;
}

/* The frames that the table had already keep their numbers. */
static int have_generation(struct frame_cache *c, unsigned g, struct err *e)
{
	const struct slot_delta *d = c->delta;

	if (slot_frames_has(d->frames, g))
		return 0;
	if (!d->complete)
		return err_set(e, E_META, "the frames of generation %u are not known", g);
	return d->complete(d->complete_ctx, e);
}

int frame_cache_read(
	struct frame_cache *c, const struct slot_entry *entry, uint8_t *out, struct err *e)
{
	const struct slot_frames *f = c->delta->frames;

	if (have_generation(c, entry->generation, e) < 0)
		return -1;
	uint32_t frame = slot_frames_find(f, entry->generation, entry->at);

	/* slot_frames_check found that there is one; a mistake there must not read beyond it. */
	if (frame >= f->count || entry->at - f->at[frame] > f->raw[frame] ||
		entry->length > f->raw[frame] - (entry->at - f->at[frame]))
		return err_set(e, E_META, "entry %u does not lie within one frame", entry->number);
	size_t at = (size_t)(entry->at - f->at[frame]);
	struct held *h = &c->held[entry->generation];
	if ((!h->valid || h->frame != frame || at < h->given_back) &&
		hold(c, entry->generation, frame, e) < 0)
		return -1;
	memcpy(out, h->data.data + at, entry->length);
	give_back(h, at + entry->length);
	return 0;
}
