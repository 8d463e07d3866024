/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what is wanted out of `full`: each piece is decoded whole, its wanted leaves are queued. */
#include "partitions/slot/queue.h"
#include "partitions/slot/source.h"
#include "partitions/slot/writer.h"

struct pieces {
	struct write_job *job;
	struct source source;
	struct write_queue *queue;
};

static void cleanup_pieces(struct pieces *p)
{
	struct err ignored;

	if (p->queue)
		write_queue_end(p->queue, &ignored);
	source_close(&p->source);
}

static int write_run(struct pieces *p, uint64_t piece, uint64_t first, uint64_t end, struct err *e)
{
	struct write_job *j = p->job;
	uint64_t from = first * SLOT_LEAF_SIZE;
	uint64_t to = end * SLOT_LEAF_SIZE < j->image->size ? end * SLOT_LEAF_SIZE : j->image->size;
	const uint8_t *data = p->source.out.data + (from - piece * SLOT_PIECE_SIZE);

	if (write_queue_put(p->queue, data, (size_t)(to - from), from, e) < 0)
		return -1;
	j->stats->bytes_written += to - from;
	j->done += to - from;
	return 0;
}

static int write_piece(struct pieces *p, uint64_t piece, struct err *e)
{
	const struct leaf_set *want = &p->job->want;
	uint64_t leaf = piece * SLOT_LEAVES_A_PIECE;
	uint64_t end = leaf + SLOT_LEAVES_A_PIECE;

	if (end > want->count)
		end = want->count;
	while (leaf < end) {
		uint64_t first = leaf;
		uint64_t stop = first - first % LEAVES_A_RUN + LEAVES_A_RUN;
		while (leaf < end && leaf < stop && leaf > 0 && leaf_set_has(want, leaf))
			leaf++;
		if (leaf == first)
			leaf++; /* right already, or leaf 0, whose turn is last */
		else if (write_run(p, piece, first, leaf, e) < 0)
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

int write_from_pieces(struct write_job *j, struct err *e)
{
	__attribute__((cleanup(cleanup_pieces))) struct pieces p = {.job = j};

	if (source_open(j->image, &j->want, j->stats, &p.source, e) < 0 ||
		write_queue_start(&j->part->device, &p.queue, e) < 0)
		return -1;
	p.source.writing = p.queue;
	for (uint64_t piece = 0; piece < j->image->pieces->count; piece++) {
		if (!piece_wanted(&j->want, piece))
			continue;
		if (source_get(&p.source, piece, e) < 0)
			return -1;
		if (piece == 0 && write_keep_leaf0(j, p.source.out.data, e) < 0)
			return -1;
		if (write_piece(&p, piece, e) < 0)
			return -1;
		write_report(j);
	}
	p.source.writing = NULL;
	struct write_queue *queue = steal_ptr(p.queue);
	return write_queue_end(queue, e);
}
