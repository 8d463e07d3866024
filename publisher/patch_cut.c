/* SPDX-License-Identifier: Apache-2.0 */
/* Where one frame of a patch ends and the next one begins. */
#include <stdlib.h>

#include "publisher/patch_frame.h"
#include "publisher/patch_number.h"

/* Fewer bytes than this of an operation are not worth an operation of their own. */
#define SPLIT_MIN 1024u

static int add_cut(struct patch_cuts *c, struct patch_cut cut, struct err *e)
{
	if (c->frames == SLOT_PATCH_FRAMES_MAX)
		return err_set(e, E_SIZE, "a patch of more than %u frames is no use",
			SLOT_PATCH_FRAMES_MAX);
	if (c->frames + 2 > c->room) {
		uint32_t room = c->room ? 2 * c->room : 64;
		struct patch_cut *more = reallocarray(c->cut, room, sizeof(*more));
		if (!more)
			return err_set(e, E_NOMEM, "no memory for the frames of a patch");
		c->cut = more;
		c->room = room;
	}
	c->cut[c->frames++] = cut;
	return 0;
}

/* What an operation takes in a frame's raw bytes: `fixed`, and one for each byte if `data`. */
struct cost {
	uint32_t fixed;
	bool data;
};

/* `at` is the old place before it. */
static struct cost cost_of(const struct patch_op *op, uint32_t skip, uint32_t old_at)
{
	struct cost c = {.fixed = 1 + patch_number_size(op->length - skip),
		.data = op->kind == SLOT_PATCH_ADD || op->kind == SLOT_PATCH_INSERT};

	if (op->kind == SLOT_PATCH_COPY || op->kind == SLOT_PATCH_ADD) {
		uint32_t want = op->old_at + skip;
		if (want != old_at)
			c.fixed += 1 +
				   patch_number_size(want > old_at ? want - old_at : old_at - want);
	}
	return c;
}

/* Bytes of the operation that fit into what is left of a frame. */
static uint32_t fitting(struct cost cost, uint32_t length, uint32_t left)
{
	if (cost.fixed > left)
		return 0;
	uint32_t room = left - cost.fixed;
	if (!cost.data || length <= room)
		return length;
	return room >= SPLIT_MIN ? room : 0;
}

/* Moves the cut behind as many operations as one frame holds. */
static void pass_frame(const struct patch_ops *ops, struct patch_cut *cut)
{
	uint32_t left = PATCH_FRAME_RAW - SLOT_PATCH_FRAME_HEAD;
	uint32_t old_at = 0;

	while (cut->op < ops->count) {
		const struct patch_op *op = &ops->op[cut->op];
		struct cost cost = cost_of(op, cut->skip, old_at);
		uint32_t length = op->length - cut->skip;
		uint32_t n = fitting(cost, length, left);
		if (n == 0)
			return;
		cut->image += n;
		left -= cost.fixed + (cost.data ? n : 0);
		if (op->kind == SLOT_PATCH_COPY || op->kind == SLOT_PATCH_ADD)
			old_at = op->old_at + cut->skip + n;
		if (n < length) {
			cut->skip += n;
			return;
		}
		cut->skip = 0;
		cut->op++;
	}
}

int patch_cuts_make(const struct patch_ops *ops, struct patch_cuts *out, struct err *e)
{
	struct patch_cuts c = {0};
	struct patch_cut at = {0};

	while (at.op < ops->count) {
		if (add_cut(&c, at, e) < 0) {
			patch_cuts_free(&c);
			return -1;
		}
		pass_frame(ops, &at);
	}
	/* add_cut always leaves room for the end. */
	if (c.cut)
		c.cut[c.frames] = at;
	*out = c;
	return 0;
}

void patch_cuts_free(struct patch_cuts *c)
{
	free(c->cut);
	*c = (struct patch_cuts){0};
}
