/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of a frame, each checked before it is given out. */
#include "partitions/slot/patch_steps.h"

#include "agent/base/buf.h"
#include "agent/base/must.h"

/* Cuts `len` bytes off the front of what is left. */
static int cut(struct patch_bytes *rest, size_t len, struct patch_bytes *out, struct err *e)
{
	if (!MUST("slot.patch-parts", len <= rest->left))
		return err_set(
			e, E_META, "a part of %zu bytes where %zu are left", len, rest->left);
	*out = (struct patch_bytes){.data = rest->data, .left = len};
	rest->data += len;
	rest->left -= len;
	return 0;
}

int patch_steps_begin(const uint8_t *raw, size_t len, uint32_t output, uint64_t old_size,
	struct patch_steps *out, struct err *e)
{
	struct patch_steps s = {.output_left = output, .old_size = old_size};

	if (!MUST("slot.patch-head", len >= SLOT_PATCH_FRAME_HEAD))
		return err_set(
			e, E_META, "%zu bytes are less than the head of a patch's frame", len);
	struct patch_bytes rest = {
		.data = raw + SLOT_PATCH_FRAME_HEAD, .left = len - SLOT_PATCH_FRAME_HEAD};
	if (cut(&rest, le32_get(raw), &s.ops, e) < 0)
		return -1;
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++) {
		if (cut(&rest, le32_get(raw + 4 + 4 * kind), &s.lengths[kind], e) < 0)
			return -1;
	}
	if (cut(&rest, le32_get(raw + 4 + 4 * SLOT_PATCH_KINDS), &s.differences, e) < 0)
		return -1;
	s.literals = rest;
	*out = s;
	return 0;
}

/* LEB128: seven bits a byte, low ones first. */
static int read_length(struct patch_bytes *from, uint32_t *out, struct err *e)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (!MUST("slot.patch-length-cut", from->left > 0))
			return err_set(e, E_META, "has fewer lengths than operations");
		byte = *from->data++;
		from->left--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte >= 0x80 && shift < 7 * SLOT_PATCH_LENGTH_MAX);
	if (!MUST("slot.patch-length", byte < 0x80 && value > 0 && value <= UINT32_MAX))
		return err_set(e, E_META, "has a length of 0 or of more than 32 bits");
	*out = (uint32_t)value;
	return 0;
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

static void take(struct patch_bytes *from, struct patch_step *out)
{
	out->data = from->data;
	from->data += out->length;
	from->left -= out->length;
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
		if (!MUST("slot.patch-differences", out->length <= s->differences.left))
			return err_set(e, E_META, "adds %u differences where %zu are left",
				out->length, s->differences.left);
		take(&s->differences, out);
	}
	if (out->kind == SLOT_PATCH_INSERT) {
		if (!MUST("slot.patch-literals", out->length <= s->literals.left))
			return err_set(e, E_META, "inserts %u bytes where %zu are left",
				out->length, s->literals.left);
		take(&s->literals, out);
	}
	if (out->kind == SLOT_PATCH_COPY || out->kind == SLOT_PATCH_ADD)
		return take_old(s, out, e);
	return 0;
}

static int end(const struct patch_steps *s, struct err *e)
{
	size_t lengths = 0;

	if (!MUST("slot.patch-short", s->output_left == 0))
		return err_set(e, E_META, "ends %llu bytes short of its output",
			(unsigned long long)s->output_left);
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++)
		lengths += s->lengths[kind].left;
	if (!MUST("slot.patch-left-over",
		    lengths == 0 && s->differences.left == 0 && s->literals.left == 0))
		return err_set(e, E_META,
			"leaves %zu bytes of lengths, %zu differences and %zu literals over",
			lengths, s->differences.left, s->literals.left);
	return 0;
}

int patch_steps_next(struct patch_steps *s, struct patch_step *out, bool *more, struct err *e)
{
	while (s->ops.left > 0) {
		unsigned kind = *s->ops.data++;
		uint32_t length = 0;
		s->ops.left--;
		if (!MUST("slot.patch-kind", kind < SLOT_PATCH_KINDS))
			return err_set(e, E_META, "has an operation %u, which is not known", kind);
		if (read_length(&s->lengths[kind], &length, e) < 0)
			return -1;
		*out = (struct patch_step){.kind = (enum slot_patch_kind)kind, .length = length};
		if (out->kind != SLOT_PATCH_FORWARD && out->kind != SLOT_PATCH_BACK) {
			*more = true;
			return give(s, out, e);
		}
		if (move(s, out->kind, length, e) < 0)
			return -1;
	}
	*more = false;
	return end(s, e);
}
