/* SPDX-License-Identifier: Apache-2.0 */
/* The raw bytes of a frame: operations, differences, literals. */
#include "publisher/patch_frame.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "publisher/patch_number.h"

#define WINDOW (256u * 1024)
#define PARTS  (SLOT_PATCH_KINDS + 3u) /* operations, lengths, differences, literals */

int patch_framer_make(const struct patch_ops *ops, const struct patch_text *old,
	const struct patch_input *image, struct patch_framer *out, struct err *e)
{
	struct patch_framer f = {.ops = ops, .old = old, .image = image};

	f.raw = malloc(PATCH_FRAME_RAW);
	f.parts = malloc((size_t)PARTS * PATCH_FRAME_RAW);
	f.window = malloc(WINDOW);
	if (!f.raw || !f.parts || !f.window) {
		patch_framer_free(&f);
		return err_set(e, E_NOMEM, "no memory for a frame of a patch");
	}
	*out = f;
	return 0;
}

void patch_framer_free(struct patch_framer *f)
{
	free(f->raw);
	free(f->parts);
	free(f->window);
	*f = (struct patch_framer){0};
}

/* The parts while they grow. */
struct part {
	uint8_t *data;
	uint32_t len;
};

struct parts {
	struct part ops;
	struct part lengths[SLOT_PATCH_KINDS];
	struct part differences;
	struct part literals;
	uint32_t old_at;
};

/* Bytes of the new image into `out`, most of them out of the window. */
static int read_image(
	struct patch_framer *f, uint64_t at, uint8_t *out, uint32_t len, struct err *e)
{
	while (len > 0) {
		if (at < f->window_at || at >= f->window_at + f->window_len) {
			uint64_t left = f->image->size - at;
			f->window_len = left < WINDOW ? (size_t)left : WINDOW;
			f->window_at = at;
			if (patch_input_read(f->image, at, f->window, f->window_len, e) < 0)
				return -1;
		}
		size_t skip = (size_t)(at - f->window_at);
		size_t n = f->window_len - skip < len ? f->window_len - skip : len;
		memcpy(out, f->window + skip, n);
		out += n;
		at += n;
		len -= (uint32_t)n;
	}
	return 0;
}

static void put_op(struct parts *p, enum slot_patch_kind kind, uint32_t length)
{
	struct part *lengths = &p->lengths[kind];

	p->ops.data[p->ops.len++] = (uint8_t)kind;
	lengths->len += patch_number_put(lengths->data + lengths->len, length);
}

static void put_move(struct parts *p, uint32_t to)
{
	if (to > p->old_at)
		put_op(p, SLOT_PATCH_FORWARD, to - p->old_at);
	if (to < p->old_at)
		put_op(p, SLOT_PATCH_BACK, p->old_at - to);
	p->old_at = to;
}

/* Differences of one operation, which lies in one run of the old text. */
static int put_differences(struct patch_framer *f, struct parts *p, uint64_t image, uint32_t old_at,
	uint32_t length, struct err *e)
{
	uint8_t *out = p->differences.data + p->differences.len;
	const uint8_t *old = f->old->bytes + patch_text_at(f->old, old_at);

	if (read_image(f, image, out, length, e) < 0)
		return -1;
	for (uint32_t i = 0; i < length; i++)
		out[i] = (uint8_t)(out[i] - old[i]);
	p->differences.len += length;
	return 0;
}

static int put(struct patch_framer *f, struct parts *p, const struct patch_op *op, uint64_t image,
	struct err *e)
{
	if (op->kind == SLOT_PATCH_COPY || op->kind == SLOT_PATCH_ADD) {
		put_move(p, op->old_at);
		p->old_at += op->length;
	}
	put_op(p, op->kind, op->length);
	if (op->kind == SLOT_PATCH_ADD)
		return put_differences(f, p, image, op->old_at, op->length, e);
	if (op->kind != SLOT_PATCH_INSERT)
		return 0;
	if (read_image(f, image, p->literals.data + p->literals.len, op->length, e) < 0)
		return -1;
	p->literals.len += op->length;
	return 0;
}

static uint8_t *join_part(uint8_t *end, uint8_t *number, const struct part *part)
{
	memcpy(end, part->data, part->len);
	if (number)
		le32_put(number, part->len);
	return end + part->len;
}

/* Puts the parts one behind the other, with their lengths before all. */
static size_t join(struct patch_framer *f, const struct parts *p)
{
	uint8_t *number = f->raw;
	uint8_t *end = join_part(f->raw + SLOT_PATCH_FRAME_HEAD, number, &p->ops);

	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++)
		end = join_part(end, number += 4, &p->lengths[kind]);
	end = join_part(end, number + 4, &p->differences);
	end = join_part(end, NULL, &p->literals);
	return (size_t)(end - f->raw);
}

/* Each part may be as large as a frame; memory that is not touched costs nothing. */
static void place_parts(struct patch_framer *f, struct parts *p)
{
	uint8_t *next = f->parts;

	*p = (struct parts){0};
	p->ops.data = next;
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++)
		p->lengths[kind].data = next += PATCH_FRAME_RAW;
	p->differences.data = next += PATCH_FRAME_RAW;
	p->literals.data = next + PATCH_FRAME_RAW;
}

int patch_framer_fill(struct patch_framer *f, const struct patch_cut *from,
	const struct patch_cut *to, size_t *len, struct err *e)
{
	struct patch_cut at = *from;
	struct parts p;

	place_parts(f, &p);
	/* patch_cut.c counted the same bytes, so everything has room. */
	while (at.image < to->image) {
		struct patch_op op = f->ops->op[at.op];
		op.length -= at.skip;
		op.old_at += at.skip;
		if (op.length > to->image - at.image)
			op.length = to->image - at.image;
		if (put(f, &p, &op, at.image, e) < 0)
			return -1;
		at.image += op.length;
		at.skip = 0;
		at.op++;
	}
	*len = join(f, &p);
	return 0;
}
