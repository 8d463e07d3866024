/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves out of an old image and a patch, frame by frame. */
#include "partitions/slot/patch_apply.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/decompress.h"
#include "partitions/slot/pages.h"
#include "partitions/slot/patch_old.h"
#include "partitions/slot/patch_steps.h"

#define NO_FRAME UINT32_MAX

struct patch_source {
	const struct slot_patch_table *table; /* borrowed, as the next two */
	const struct reader *reader;
	struct slot_stats *stats;
	struct byte_range *ranges; /* kept, a network reader may look at them later */
	struct decoder *decoder;
	struct pages stored; /* one stored frame */
	struct pages raw; /* one decompressed frame */
	struct patch_old old;
	/* Where the work stands: */
	uint32_t frame; /* in `raw`, or NO_FRAME */
	struct patch_steps steps; /* after `step` */
	struct patch_step step; /* what is left of it */
	uint64_t at; /* place of the next byte in the new image */
};

static void source_free(struct patch_source *s)
{
	if (!s)
		return;
	patch_old_close(&s->old);
	pages_free(&s->stored);
	pages_free(&s->raw);
	decoder_free(s->decoder);
	free(s->ranges);
	free(s);
}

static void cleanup_source(struct patch_source **s)
{
	source_free(*s);
}

/* Nothing that was read before is used any more. */
static void forget(struct patch_source *s)
{
	s->frame = NO_FRAME;
	patch_old_forget(&s->old);
}

static int fetch_stored(struct patch_source *s, uint32_t frame, struct err *e)
{
	const struct slot_patch_table *t = s->table;
	uint64_t offset = t->offset[frame];
	uint32_t len = t->stored[frame];
	uint8_t digest[HASH_SIZE];

	if (s->reader->read(s->reader->ctx, offset, s->stored.data, len, e) < 0)
		return err_wrap(e, "bytes %llu to %llu of the patch", (unsigned long long)offset,
			(unsigned long long)offset + len);
	s->stats->bytes_fetched += len;
	if (hash_bytes(HASH_SHA256, s->stored.data, len, digest, e) < 0)
		return -1;
	if (!MUST("slot.patch-frame-hash", hash_equal(digest, t->sha256[frame])))
		return err_set(e, E_HASH, "bytes %llu to %llu of the patch have a wrong hash",
			(unsigned long long)offset, (unsigned long long)offset + len);
	return 0;
}

/* A proxy's bad copy or a flipped bit is worth one more try; anything else is not. */
static int fetch_twice(struct patch_source *s, uint32_t frame, struct err *e)
{
	if (fetch_stored(s, frame, e) == 0)
		return 0;
	return e->code == E_HASH ? fetch_stored(s, frame, e) : -1;
}

static int begin(struct patch_source *s, uint32_t frame, struct err *e)
{
	const struct slot_patch_table *t = s->table;

	s->step = (struct patch_step){0};
	s->at = t->at[frame];
	return patch_steps_begin(
		s->raw.data, t->raw[frame], t->output[frame], t->old_size, &s->steps, e);
}

/* All steps once, before any of them is followed: a frame that lies gives no byte. */
static int check_steps(struct patch_source *s, uint32_t frame, struct err *e)
{
	bool more = true;

	if (begin(s, frame, e) < 0)
		return -1;
	while (more) {
		if (patch_steps_next(&s->steps, &s->step, &more, e) < 0)
			return -1;
	}
	return begin(s, frame, e);
}

static int load(struct patch_source *s, uint32_t frame, struct err *e)
{
	s->frame = NO_FRAME;
	if (fetch_twice(s, frame, e) < 0 ||
		decoder_run(s->decoder, s->stored.data, s->table->stored[frame], s->raw.data,
			s->table->raw[frame], e) < 0 ||
		check_steps(s, frame, e) < 0)
		return err_wrap(e, "patch frame %u", frame);
	s->frame = frame;
	return 0;
}

/* Makes sure that something is left of the step. */
static int want_step(struct patch_source *s, struct err *e)
{
	bool more = true;

	if (s->step.length > 0)
		return 0;
	if (patch_steps_next(&s->steps, &s->step, &more, e) < 0)
		return err_wrap(e, "patch frame %u", s->frame);
	if (!more)
		return err_set(e, E_INTERNAL, "patch frame %u ends early", s->frame);
	return 0;
}

/* The first `n` bytes of the step are done. */
static void pass(struct patch_source *s, uint32_t n)
{
	s->step.length -= n;
	s->step.old_at += n;
	if (s->step.data)
		s->step.data += n;
	s->at += n;
}

static uint32_t smaller(uint32_t a, uint64_t b)
{
	return b < a ? (uint32_t)b : a;
}

/* Goes to a place of the new image: by the frame that is there, or by another one. */
static int go_to(struct patch_source *s, uint64_t at, struct err *e)
{
	uint32_t frame = slot_patch_find(s->table, at);

	if (frame != s->frame) {
		if (load(s, frame, e) < 0)
			return -1;
	} else if (at < s->at && begin(s, frame, e) < 0) {
		return err_wrap(e, "patch frame %u", frame);
	}
	while (s->at < at) {
		if (want_step(s, e) < 0)
			return -1;
		pass(s, smaller(s->step.length, at - s->at));
	}
	return want_step(s, e);
}

static int give_old(struct patch_source *s, uint8_t *out, uint32_t *n, struct err *e)
{
	const uint8_t *old;
	size_t have;

	if (patch_old_get(&s->old, s->step.old_at, *n, &old, &have, e) < 0)
		return -1;
	*n = smaller(*n, have);
	if (s->step.kind == SLOT_PATCH_COPY) {
		memcpy(out, old, *n);
	} else {
		for (uint32_t i = 0; i < *n; i++)
			out[i] = (uint8_t)(old[i] + s->step.data[i]);
	}
	s->stats->from_seed += *n;
	return 0;
}

/* Up to *n bytes of the step; *n gets how many. */
static int give(struct patch_source *s, uint8_t *out, uint32_t *n, struct err *e)
{
	switch (s->step.kind) {
	case SLOT_PATCH_COPY:
	case SLOT_PATCH_ADD:
		if (give_old(s, out, n, e) < 0)
			return -1;
		break;
	case SLOT_PATCH_INSERT:
		memcpy(out, s->step.data, *n);
		break;
	default:
		memset(out, 0, *n);
	}
	pass(s, *n);
	return 0;
}

static int fill(void *ctx, uint64_t leaf, bool again, uint8_t *out, size_t len, struct err *e)
{
	struct patch_source *s = ctx;
	uint64_t from = leaf * SLOT_LEAF_SIZE;

	if (len == 0 || from > s->table->image_size || len > s->table->image_size - from)
		return err_set(
			e, E_INTERNAL, "leaf %llu is not in the patch", (unsigned long long)leaf);
	if (again)
		forget(s);
	for (size_t done = 0; done < len;) {
		if (go_to(s, from + done, e) < 0)
			return -1;
		uint32_t n = smaller(s->step.length, len - done);
		if (give(s, out + done, &n, e) < 0)
			return -1;
		done += n;
	}
	return 0;
}

static void close_source(void *ctx)
{
	source_free(ctx);
}

/* As large as the largest frame really is, not as it might be. */
static size_t largest(const uint32_t *lengths, uint32_t count)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < count; i++)
		most = lengths[i] > most ? lengths[i] : most;
	return most;
}

static int get_memory(struct patch_source *s, struct err *e)
{
	const struct slot_patch_table *t = s->table;

	if (decoder_open(SLOT_ZSTD, &s->decoder, e) < 0 ||
		pages_get(largest(t->stored, t->count), &s->stored, e) < 0 ||
		pages_get(largest(t->raw, t->count), &s->raw, e) < 0)
		return -1;
	decoder_empty_input(s->decoder, &s->stored);
	return 0;
}

static int announce(struct patch_source *s, const struct leaf_set *want, struct err *e)
{
	size_t count = 0;

	if (!s->reader->expect)
		return 0;
	if (slot_patch_ranges(s->table, want, &s->ranges, &count, NULL, e) < 0)
		return -1;
	return count ? s->reader->expect(s->reader->ctx, s->ranges, count, e) : 0;
}

int patch_source_open(const struct slot_image *image, const struct leaf_set *want,
	struct slot_stats *stats, struct leaf_source *out, struct err *e)
{
	const struct slot_patching *p = &image->patching;

	if (!MUST("slot.patch-image", p->table->image_size == image->size))
		return err_set(e, E_META, "the patch makes an image of %llu bytes, not of %llu",
			(unsigned long long)p->table->image_size, (unsigned long long)image->size);
	__attribute__((cleanup(cleanup_source))) struct patch_source *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "no memory for a patch");
	s->table = p->table;
	s->reader = &p->patch;
	s->stats = stats;
	s->frame = NO_FRAME;
	s->old.device.fd = -1;
	if (get_memory(s, e) < 0 ||
		patch_old_open(p->old_path, p->table->old_size, &s->old, e) < 0 ||
		announce(s, want, e) < 0)
		return -1;
	*out = (struct leaf_source){.ctx = steal_ptr(s), .fill = fill, .close = close_source};
	return 0;
}
