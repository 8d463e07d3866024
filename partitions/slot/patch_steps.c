/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of a frame, each checked before it is given out. */
#include "partitions/slot/patch_steps.h"

#include "agent/base/buf.h"
#include "agent/base/must.h"

int patch_steps_begin(const uint8_t *raw, size_t len, uint32_t output, uint64_t old_size,
	struct patch_steps *out, struct err *e)
{
	if (!MUST("slot.patch-head", len >= SLOT_PATCH_FRAME_HEAD))
		return err_set(e, E_META, "%zu bytes are less than the frame's two lengths", len);
	size_t left = len - SLOT_PATCH_FRAME_HEAD;
	size_t ops = le32_get(raw);
	size_t differences = le32_get(raw + 4);
	if (!MUST("slot.patch-parts", ops <= left && differences <= left - ops))
		return err_set(e, E_META,
			"%zu bytes of operations and %zu of differences do not fit into %zu", ops,
			differences, left);
	raw += SLOT_PATCH_FRAME_HEAD;
	*out = (struct patch_steps){.ops = raw,
		.differences = raw + ops,
		.literals = raw + ops + differences,
		.ops_left = ops,
		.differences_left = differences,
		.literals_left = left - ops - differences,
		.output_left = output,
		.old_size = old_size};
	return 0;
}

/* LEB128: seven bits a byte, low ones first. At most five bytes, which hold any length here. */
static int read_number(struct patch_steps *s, uint64_t *out, struct err *e)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		if (!MUST("slot.patch-op-cut", s->ops_left > 0))
			return err_set(e, E_META, "an operation is cut at the end of its frame");
		uint8_t byte = *s->ops++;
		s->ops_left--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return 0;
		}
	}
	return err_set(e, E_META, "an operation has a length of more than 35 bits");
}

static int move(struct patch_steps *s, enum slot_patch_kind kind, uint32_t length, struct err *e)
{
	if (kind == SLOT_PATCH_BACK) {
		if (!MUST("slot.patch-back", length <= s->old_at))
			return err_set(e, E_META,
				"goes %u bytes back from byte %llu of the old image", length,
				(unsigned long long)s->old_at);
		s->old_at -= length;
		return 0;
	}
	if (!MUST("slot.patch-forward", length <= s->old_size - s->old_at))
		return err_set(e, E_META, "goes %u bytes forward from byte %llu of %llu", length,
			(unsigned long long)s->old_at, (unsigned long long)s->old_size);
	s->old_at += length;
	return 0;
}

/* Takes `length` bytes from the front of a part of the frame. */
static void take(const uint8_t **data, size_t *left, uint32_t length, struct patch_step *out)
{
	out->data = *data;
	*data += length;
	*left -= length;
}

static int take_old(struct patch_steps *s, struct patch_step *out, struct err *e)
{
	if (!MUST("slot.patch-old", out->length <= s->old_size - s->old_at))
		return err_set(e, E_META, "needs bytes %llu to %llu of an old image of %llu",
			(unsigned long long)s->old_at, (unsigned long long)s->old_at + out->length,
			(unsigned long long)s->old_size);
	out->old_at = s->old_at;
	s->old_at += out->length;
	return 0;
}

static int give(struct patch_steps *s, struct patch_step *out, struct err *e)
{
	if (!MUST("slot.patch-long", out->length <= s->output_left))
		return err_set(e, E_META, "gives %u bytes where %llu are left", out->length,
			(unsigned long long)s->output_left);
	s->output_left -= out->length;
	if (out->kind == SLOT_PATCH_ADD) {
		if (!MUST("slot.patch-differences", out->length <= s->differences_left))
			return err_set(e, E_META, "adds %u differences where %zu are left",
				out->length, s->differences_left);
		take(&s->differences, &s->differences_left, out->length, out);
	}
	if (out->kind == SLOT_PATCH_INSERT) {
		if (!MUST("slot.patch-literals", out->length <= s->literals_left))
			return err_set(e, E_META, "inserts %u bytes where %zu are left",
				out->length, s->literals_left);
		take(&s->literals, &s->literals_left, out->length, out);
	}
	if (out->kind == SLOT_PATCH_COPY || out->kind == SLOT_PATCH_ADD)
		return take_old(s, out, e);
	return 0;
}

static int end(const struct patch_steps *s, struct err *e)
{
	if (!MUST("slot.patch-short", s->output_left == 0))
		return err_set(e, E_META, "ends %llu bytes short of its output",
			(unsigned long long)s->output_left);
	if (!MUST("slot.patch-left-over", s->differences_left == 0 && s->literals_left == 0))
		return err_set(e, E_META, "leaves %zu differences and %zu bytes to insert over",
			s->differences_left, s->literals_left);
	return 0;
}

int patch_steps_next(struct patch_steps *s, struct patch_step *out, bool *more, struct err *e)
{
	while (s->ops_left > 0) {
		uint64_t number = 0;
		if (read_number(s, &number, e) < 0)
			return -1;
		uint64_t length = number >> SLOT_PATCH_KIND_BITS;
		unsigned kind = (unsigned)(number & SLOT_PATCH_KIND_MASK);
		if (!MUST("slot.patch-kind", kind < SLOT_PATCH_KINDS))
			return err_set(e, E_META, "operation %u is not known", kind);
		if (!MUST("slot.patch-nothing", length > 0))
			return err_set(e, E_META, "an operation has length 0");
		/* 35 bits without the kind: a length always fits 32. */
		*out = (struct patch_step){
			.kind = (enum slot_patch_kind)kind, .length = (uint32_t)length};
		if (kind != SLOT_PATCH_FORWARD && kind != SLOT_PATCH_BACK) {
			*more = true;
			return give(s, out, e);
		}
		if (move(s, out->kind, out->length, e) < 0)
			return -1;
	}
	*more = false;
	return end(s, e);
}
