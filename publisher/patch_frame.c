/* SPDX-License-Identifier: Apache-2.0 */
/* The raw bytes of a frame: operations, differences, literals. */
#include "publisher/patch_frame.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "publisher/patch_number.h"

#define WINDOW (256u * 1024)

int patch_framer_make(const struct patch_ops *ops, const struct patch_text *old,
	const struct patch_input *image, struct patch_framer *out, struct err *e)
{
	struct patch_framer f = {.ops = ops, .old = old, .image = image};

	f.raw = malloc(PATCH_FRAME_RAW);
	f.parts = malloc((size_t)2 * PATCH_FRAME_RAW);
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

/* The three parts while they grow. */
struct parts {
	uint8_t *ops; /* in the frame's raw bytes already */
	uint8_t *differences;
	uint8_t *literals;
	uint32_t ops_len;
	uint32_t differences_len;
	uint32_t literals_len;
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
	p->ops_len += patch_number_put(p->ops + p->ops_len, kind, length);
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
	uint8_t *out = p->differences + p->differences_len;
	const uint8_t *old = f->old->bytes + patch_text_at(f->old, old_at);

	if (read_image(f, image, out, length, e) < 0)
		return -1;
	for (uint32_t i = 0; i < length; i++)
		out[i] = (uint8_t)(out[i] - old[i]);
	p->differences_len += length;
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
	if (read_image(f, image, p->literals + p->literals_len, op->length, e) < 0)
		return -1;
	p->literals_len += op->length;
	return 0;
}

/* Puts the parts behind the operations, with their lengths before all. */
static size_t join(struct patch_framer *f, const struct parts *p)
{
	uint8_t *end = p->ops + p->ops_len;

	le32_put(f->raw, p->ops_len);
	le32_put(f->raw + 4, p->differences_len);
	memcpy(end, p->differences, p->differences_len);
	end += p->differences_len;
	memcpy(end, p->literals, p->literals_len);
	return (size_t)(end + p->literals_len - f->raw);
}

int patch_framer_fill(struct patch_framer *f, const struct patch_cut *from,
	const struct patch_cut *to, size_t *len, struct err *e)
{
	struct parts p = {.ops = f->raw + SLOT_PATCH_FRAME_HEAD,
		.differences = f->parts,
		.literals = f->parts + PATCH_FRAME_RAW};
	struct patch_cut at = *from;

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
