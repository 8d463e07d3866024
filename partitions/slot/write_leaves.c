/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what is wanted out of a source of leaves: a run is gathered while the one before is written. */
#include "agent/base/must.h"
#include "partitions/slot/queue.h"
#include "partitions/slot/writer.h"

#define RUN_SIZE (LEAVES_A_RUN * SLOT_LEAF_SIZE)
#define HALVES   2

struct gather {
	struct write_job *job;
	const struct leaf_source *source;
	struct write_queue *queue;
	struct pages out; /* HALVES runs */
	unsigned half; /* the one that is being filled */
	uint64_t group; /* leaves / LEAVES_A_RUN that it is filled with */
	/* Leaves that are verified and wait for others of their run: [first, end). */
	uint64_t first;
	uint64_t end;
};

static void cleanup_gather(struct gather *g)
{
	struct err ignored;

	if (g->queue)
		write_queue_end(g->queue, &ignored);
	pages_free(&g->out);
}

static uint8_t *place_of(const struct gather *g, uint64_t leaf)
{
	return g->out.data + g->half * RUN_SIZE + leaf % LEAVES_A_RUN * SLOT_LEAF_SIZE;
}

/* What was gathered goes to the writer. */
static int put_run(struct gather *g, struct err *e)
{
	struct write_job *j = g->job;

	if (g->first == g->end)
		return 0;
	uint64_t from = g->first * SLOT_LEAF_SIZE;
	size_t len = (size_t)(g->end - g->first - 1) * SLOT_LEAF_SIZE +
		     slot_leaf_length(j->image->size, g->end - 1);
	const uint8_t *data = place_of(g, g->first);
	g->first = g->end;
	if (write_queue_put(g->queue, data, len, from, e) < 0)
		return -1;
	j->stats->bytes_written += len;
	j->done += len;
	write_report(j);
	return 0;
}

/* The other half, as soon as it is written. */
static int next_group(struct gather *g, uint64_t group, struct err *e)
{
	if (put_run(g, e) < 0)
		return -1;
	g->group = group;
	g->half = (g->half + 1) % HALVES;
	const uint8_t *from = g->out.data + g->half * RUN_SIZE;
	return write_queue_wait(g->queue, from, from + RUN_SIZE, e);
}

static int get_leaf(struct gather *g, uint64_t leaf, uint8_t *out, struct err *e)
{
	const struct leaf_source *s = g->source;
	const struct slot_image *image = g->job->image;
	size_t len = slot_leaf_length(image->size, leaf);

	if (s->fill(s->ctx, leaf, false, out, len, e) < 0)
		return err_wrap(e, "leaf %llu", (unsigned long long)leaf);
	if (write_verify_leaf(image, leaf, out, e) == 0)
		return 0;
	if (e->code != E_HASH)
		return -1;
	/* A seed that changed, a bit that flipped in memory: worth one more try without them. */
	if (s->fill(s->ctx, leaf, true, out, len, e) < 0)
		return err_wrap(e, "leaf %llu, again", (unsigned long long)leaf);
	if (write_verify_leaf(image, leaf, out, e) < 0)
		return -1;
	g->job->stats->leaves_again++;
	return 0;
}

static int take_leaf(struct gather *g, uint64_t leaf, struct err *e)
{
	if (leaf / LEAVES_A_RUN != g->group && next_group(g, leaf / LEAVES_A_RUN, e) < 0)
		return -1;
	if (leaf != g->end && put_run(g, e) < 0)
		return -1;
	uint8_t *out = place_of(g, leaf);
	if (get_leaf(g, leaf, out, e) < 0)
		return -1;
	if (leaf == 0)
		return write_keep_leaf0(g->job, out, e);
	if (g->first == g->end)
		g->first = leaf;
	g->end = leaf + 1;
	return 0;
}

int write_from_leaves(struct write_job *j, const struct leaf_source *source, struct err *e)
{
	__attribute__((cleanup(cleanup_gather))) struct gather g = {.job = j, .source = source};
	struct err later;

	if (pages_get(HALVES * RUN_SIZE, &g.out, e) < 0 ||
		write_queue_start(&j->part->device, &g.queue, e) < 0)
		return -1;
	for (uint64_t leaf = 0; leaf < j->want.count; leaf++) {
		if (!leaf_set_has(&j->want, leaf) || take_leaf(&g, leaf, e) == 0)
			continue;
		/* A cut connection must not cost what was fetched and verified before it. */
		(void)put_run(&g, &later);
		return -1;
	}
	if (put_run(&g, e) < 0)
		return -1;
	struct write_queue *queue = steal_ptr(g.queue);
	return write_queue_end(queue, e);
}
