/* SPDX-License-Identifier: Apache-2.0 */
/* Filling one part of a target slot: what is right stays, what is wrong is fetched and written. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/queue.h"
#include "partitions/slot/scan.h"
#include "partitions/slot/source.h"
#include "partitions/slot/target.h"

/* Leaves that are written at once, to places that are multiples of that: flash likes 1 MiB. */
#define LEAVES_A_RUN 4

/* A medium with more unreadable places than this is not worth writing to. */
#define READ_ERRORS_MAX 16

/* One call of slot_write. */
struct job {
	struct target_part *part;
	const struct slot_image *image;
	const struct slot_progress *progress;
	struct slot_stats *stats;
	struct leaf_set want;
	struct source source;
	struct write_queue *queue;
	uint64_t done; /* bytes of the image that are settled */
};

static void cleanup_job(struct job *j)
{
	struct err ignored;

	if (j->queue)
		write_queue_end(j->queue, &ignored);
	source_close(&j->source);
	free(j->want.bits);
}

static void report(const struct job *j)
{
	if (j->progress && j->progress->report)
		j->progress->report(j->progress->ctx, j->image->name, j->done, j->image->size,
			j->stats->bytes_fetched);
}

static int check_plain(const struct slot_image *image, struct err *e)
{
	const struct slot_pieces *p = image->pieces;

	for (uint32_t i = 0; i < p->count; i++) {
		if (!MUST("slot.plain-length", p->stored[i] == slot_piece_length(image->size, i)))
			return err_set(e, E_META,
				"image %s: plain piece %u is stored in %u bytes instead of %zu",
				image->name, i, p->stored[i], slot_piece_length(image->size, i));
	}
	return 0;
}

/* Values that others have checked already; a mistake there must not become a write past the end. */
static int check_image(
	const struct slot_target *t, size_t index, const struct slot_image *image, struct err *e)
{
	if (index >= t->count)
		return err_set(e, E_INTERNAL, "the slot has no part %zu", index);
	if (!MUST("slot.spoiled-first", t->spoiled))
		return err_set(
			e, E_INTERNAL, "the slot's heads must be zeroed before it is written");
	const struct device *d = &t->part[index].device;
	if (!MUST("slot.image-fits", slot_image_size_ok(image->size) && image->size <= d->size))
		return err_set(e, E_SLOT, "image %s of %llu bytes does not fit %s of %llu bytes",
			image->name, (unsigned long long)image->size, d->path,
			(unsigned long long)d->size);
	if (!MUST("slot.table-of-image",
		    image->pieces->image_size == image->size &&
			    image->pieces->count == slot_piece_count(image->size)))
		return err_set(e, E_META, "image %s: the piece table belongs to another image",
			image->name);
	return image->encoding == SLOT_NONE ? check_plain(image, e) : 0;
}

/* For scan_leaves: what is wrong in the target is wanted. */
static int note_leaf(
	void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE], struct err *e)
{
	struct job *j = ctx;

	(void)digest, (void)e;
	if (!right) {
		j->want.bits[leaf / 8] |= (uint8_t)(1u << (leaf % 8));
		return 0;
	}
	j->stats->leaves_kept++;
	j->done += slot_leaf_length(j->image->size, leaf);
	if (leaf % SLOT_LEAVES_A_PIECE == 0)
		report(j);
	return 0;
}

/* The target itself says what is missing: no record of progress is kept that could be wrong. */
static int find_wanted(struct job *j, struct err *e)
{
	struct scan s = {.device = &j->part->device,
		.image_size = j->image->size,
		.alg = j->image->leaf_alg,
		.leaves = j->image->leaves,
		.first = 1,
		.read_errors = READ_ERRORS_MAX,
		.ctx = j,
		.leaf = note_leaf};

	j->want.count = slot_leaf_count(j->image->size);
	j->want.bits = calloc((size_t)(j->want.count / 8) + 1, 1);
	if (!j->want.bits)
		return err_set(e, E_NOMEM, "no memory for a set of %llu leaves",
			(unsigned long long)j->want.count);
	j->want.bits[0] = 1; /* its head was zeroed */
	return scan_leaves(&s, e);
}

static int keep_leaf0(struct job *j, struct err *e)
{
	size_t len = slot_leaf_length(j->image->size, 0);

	pages_free(&j->part->leaf0);
	if (pages_get(len, &j->part->leaf0, e) < 0)
		return -1;
	memcpy(j->part->leaf0.data, j->source.out.data, len);
	return 0;
}

static int write_run(struct job *j, uint64_t piece, uint64_t first, uint64_t end, struct err *e)
{
	uint64_t from = first * SLOT_LEAF_SIZE;
	uint64_t to = end * SLOT_LEAF_SIZE < j->image->size ? end * SLOT_LEAF_SIZE : j->image->size;
	const uint8_t *data = j->source.out.data + (from - piece * SLOT_PIECE_SIZE);

	if (write_queue_put(j->queue, data, (size_t)(to - from), from, e) < 0)
		return -1;
	j->stats->bytes_written += to - from;
	j->done += to - from;
	return 0;
}

static int write_piece(struct job *j, uint64_t piece, struct err *e)
{
	uint64_t leaf = piece * SLOT_LEAVES_A_PIECE;
	uint64_t end = leaf + SLOT_LEAVES_A_PIECE;

	if (end > j->want.count)
		end = j->want.count;
	while (leaf < end) {
		uint64_t first = leaf;
		uint64_t stop = first - first % LEAVES_A_RUN + LEAVES_A_RUN;
		while (leaf < end && leaf < stop && leaf > 0 && leaf_set_has(&j->want, leaf))
			leaf++;
		if (leaf == first)
			leaf++; /* right already, or leaf 0, whose turn is last */
		else if (write_run(j, piece, first, leaf, e) < 0)
			return -1;
	}
	return 0;
}

static bool piece_wanted(const struct leaf_set *want, uint64_t piece)
{
	uint64_t leaf = piece * SLOT_LEAVES_A_PIECE;

	for (uint64_t i = 0; i < SLOT_LEAVES_A_PIECE && leaf + i < want->count; i++) {
		if (leaf_set_has(want, leaf + i))
			return true;
	}
	return false;
}

static int write_wanted(struct job *j, struct err *e)
{
	for (uint64_t piece = 0; piece < j->image->pieces->count; piece++) {
		if (!piece_wanted(&j->want, piece))
			continue;
		if (source_get(&j->source, piece, e) < 0)
			return -1;
		if (piece == 0 && keep_leaf0(j, e) < 0)
			return -1;
		if (write_piece(j, piece, e) < 0)
			return -1;
		report(j);
	}
	j->source.writing = NULL;
	struct write_queue *queue = steal_ptr(j->queue);
	return write_queue_end(queue, e);
}

/* What metadata and manifest took and gave back: glibc keeps it, and the peak is still to come. */
static void trim_heap(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

int slot_write(struct slot_target *t, size_t index, const struct slot_image *image,
	const struct slot_progress *progress, struct slot_stats *stats, struct err *e)
{
	if (check_image(t, index, image, e) < 0)
		return -1;
	struct target_part *part = &t->part[index];
	*stats = (struct slot_stats){0};
	__attribute__((cleanup(cleanup_job))) struct job j = {
		.part = part, .image = image, .progress = progress, .stats = stats};
	part->filled = false;
	trim_heap();
	if (find_wanted(&j, e) < 0 || source_open(image, &j.want, stats, &j.source, e) < 0 ||
		write_queue_start(&part->device, &j.queue, e) < 0)
		return -1;
	j.source.writing = j.queue;
	if (write_wanted(&j, e) < 0)
		return -1;
	/* Leaf 0 counts here, where it was fetched; slot_finish writes it. */
	size_t head = slot_leaf_length(image->size, 0);
	stats->bytes_written += head;
	stats->leaves_written = j.want.count - stats->leaves_kept;
	j.done += head;
	report(&j);
	part->image_size = image->size;
	part->leaf_alg = image->leaf_alg;
	part->leaves = image->leaves;
	part->filled = true;
	return 0;
}
