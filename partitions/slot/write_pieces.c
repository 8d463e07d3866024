/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing what is wanted out of `full`: leaves are queued as they are verified, while the rest
 * of their piece is still being decoded.
 */
#include "partitions/slot/queue.h"
#include "partitions/slot/source.h"
#include "partitions/slot/writer.h"

struct pieces {
	struct write_job *job;
	struct source source;
	struct write_queue *queue;
	uint64_t next; /* leaf that was not looked at yet; all before it are settled or queued */
	bool failed;
	struct err error; /* of the first run that could not be queued */
};

static void cleanup_pieces(struct pieces *p)
{
	struct err ignored;

	if (p->queue)
		write_queue_end(p->queue, &ignored);
	source_close(&p->source);
}

static int write_run(struct pieces *p, uint64_t first, uint64_t end, struct err *e)
{
	struct write_job *j = p->job;
	uint64_t piece = first / SLOT_LEAVES_A_PIECE;
	uint64_t from = first * SLOT_LEAF_SIZE;
	uint64_t to = end * SLOT_LEAF_SIZE < j->image->size ? end * SLOT_LEAF_SIZE : j->image->size;
	const uint8_t *data = p->source.out.data + (from - piece * SLOT_PIECE_SIZE);

	if (write_queue_put(p->queue, data, (size_t)(to - from), from, e) < 0)
		return -1;
	j->stats->bytes_written += to - from;
	j->done += to - from;
	return 0;
}

/* The wanted leaves of [p->next, end), which lie within the place of one write. */
static int write_group(struct pieces *p, uint64_t end, struct err *e)
{
	const struct leaf_set *want = &p->job->want;

	while (p->next < end) {
		uint64_t first = p->next;
		while (p->next < end && p->next > 0 && leaf_set_has(want, p->next))
			p->next++;
		if (p->next == first)
			p->next++; /* right already, or leaf 0, whose turn is last */
		else if (write_run(p, first, p->next, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * For source.on_verified. Only what fills the place of a write, or ends the image: what is
 * written at once does not depend on how fast which thread was.
 */
static void write_verified(void *pieces, uint64_t end)
{
	struct pieces *p = pieces;
	uint64_t count = p->job->want.count;

	while (!p->failed) {
		uint64_t group = p->next - p->next % LEAVES_A_RUN + LEAVES_A_RUN;
		if (group > count)
			group = count;
		if (group > end || p->next == count)
			return;
		p->failed = write_group(p, group, &p->error) < 0;
	}
}

/* An error of the medium counts more than one of the source, as it did come first. */
static int write_piece(struct pieces *p, uint64_t piece, struct err *e)
{
	uint64_t first = piece * SLOT_LEAVES_A_PIECE;

	if (p->next < first)
		p->next = first; /* pieces without wanted leaves were left out */
	int rc = source_get(&p->source, piece, e);
	if (p->failed)
		*e = p->error;
	return p->failed ? -1 : rc;
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
	p.source.on_verified = write_verified;
	p.source.ctx = &p;
	for (uint64_t piece = 0; piece < j->image->pieces->count; piece++) {
		if (!piece_wanted(&j->want, piece))
			continue;
		if (write_piece(&p, piece, e) < 0)
			return -1;
		if (piece == 0 && write_keep_leaf0(j, p.source.out.data, e) < 0)
			return -1;
		write_report(j);
	}
	p.source.writing = NULL;
	struct write_queue *queue = steal_ptr(p.queue);
	return write_queue_end(queue, e);
}
