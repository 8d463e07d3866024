/* SPDX-License-Identifier: Apache-2.0 */
/* Finishing a slot: everything is read back, then leaf 0 makes it whole. */
#include "agent/base/must.h"
#include "partitions/slot/scan.h"
#include "partitions/slot/target.h"

struct walk {
	struct target_part *part;
	struct scan_wrong wrong;
	const struct slot_progress *progress;
	uint64_t done;
};

static struct scan scan_of(struct target_part *p)
{
	return (struct scan){.device = &p->device,
		.image_size = p->image_size,
		.alg = p->leaf_alg,
		.leaves = p->leaves,
		.first = 1};
}

static int check_leaf(
	void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE], struct err *e)
{
	struct walk *w = ctx;
	const struct slot_progress *p = w->progress;

	if (!MUST("slot.readback", right))
		return scan_end_at(&w->wrong, leaf, digest, e);
	w->done += slot_leaf_length(w->part->image_size, leaf);
	if (p && p->report && leaf % SLOT_LEAVES_A_PIECE == 0)
		p->report(p->ctx, w->part->image, w->done, w->part->image_size, 0);
	return 0;
}

/* All leaves but the first. */
static int read_back(struct target_part *part, const struct slot_progress *progress, struct err *e)
{
	struct walk w = {.part = part, .progress = progress};
	struct scan s = scan_of(part);

	s.ctx = &w;
	s.leaf = check_leaf;
	if (device_sync(&part->device, e) < 0)
		return err_wrap(e, "image %s", part->image);
	int rc = scan_leaves(&s, e);
	if (w.wrong.found)
		rc = scan_blame(&s, E_READBACK, &w.wrong, e);
	return rc < 0 ? err_wrap(e, "image %s", part->image) : 0;
}

/*
 * The head, which is zeros so far, comes behind everything else: of a whole leaf a
 * power cut can leave the head alone, and then what is half written could boot.
 */
static int write_head_last(struct target_part *part, struct err *e)
{
	struct device *d = &part->device;
	const uint8_t *data = part->leaf0.data;
	size_t len = slot_leaf_length(part->image_size, 0);
	size_t head = len < SLOT_BLOCK_SIZE ? len : SLOT_BLOCK_SIZE;

	if (len > head &&
		(device_write(d, data + head, len - head, head, e) < 0 || device_sync(d, e) < 0))
		return -1;
	return device_write(d, data, head, 0, e) < 0 || device_sync(d, e) < 0 ? -1 : 0;
}

static int write_leaf0(struct target_part *part, struct err *e)
{
	struct scan s = scan_of(part);
	struct scan_wrong head = {.leaf = 0};

	if (write_head_last(part, e) < 0 || scan_again(&s, 0, head.digest, e) < 0)
		return err_wrap(e, "image %s", part->image);
	if (!MUST("slot.leaf0-readback", hash_equal(head.digest, part->leaves))) {
		scan_blame(&s, E_READBACK, &head, e);
		return err_wrap(e, "image %s", part->image);
	}
	return 0;
}

static int write_all_leaf0(struct slot_target *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++) {
		if (write_leaf0(&t->part[i], e) < 0)
			return -1;
	}
	return 0;
}

int slot_finish(struct slot_target *t, const struct slot_progress *progress, struct err *e)
{
	struct err ignored;

	for (size_t i = 0; i < t->count; i++) {
		bool filled = t->part[i].filled;
		if (!MUST("slot.all-filled", filled))
			return err_set(e, E_INTERNAL, "image %s was not written", t->part[i].image);
	}
	for (size_t i = 0; i < t->count; i++) {
		if (read_back(&t->part[i], progress, e) < 0)
			return -1;
	}
	t->spoiled = false;
	if (write_all_leaf0(t, e) == 0)
		return 0;
	/* Half of the heads are there: take them away again, or this slot may boot. */
	if (target_zero_heads(t, &ignored) == 0)
		t->spoiled = true;
	return -1;
}
