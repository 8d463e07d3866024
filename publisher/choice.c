/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks or content-defined entries: the rule. */
#include "publisher/choice.h"

#include <assert.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

const char *choice_kind_name(enum cutter_kind kind)
{
	return kind == CUTTER_CHUNKS ? "chunks" : "blocks";
}

static enum cutter_kind other(enum cutter_kind kind)
{
	return kind == CUTTER_CHUNKS ? CUTTER_BLOCKS : CUTTER_CHUNKS;
}

static void set(struct choice *c, enum cutter_kind kind, const char *why)
{
	c->kind = kind;
	snprintf(c->why, sizeof(c->why), "%s", why);
}

static void choose_by_format(const struct choice_facts *f, struct choice *c)
{
	if (f->format == PLAN_SQUASHFS)
		set(c, CUTTER_CHUNKS, "in a squashfs everything behind a change moves");
	else if (f->packed)
		set(c, CUTTER_CHUNKS, "in packed content everything behind a change moves");
	else if (f->format == PLAN_RAW)
		set(c, CUTTER_BLOCKS, "nothing speaks against blocks");
	else
		set(c, CUTTER_BLOCKS, "this file system keeps its blocks in place");
}

/* Content-defined entries instead of blocks: is it worth one whole download? */
static bool is_worth_it(const struct choice_facts *f)
{
	uint64_t blocks = f->cost[CUTTER_BLOCKS];
	uint64_t chunks = f->cost[CUTTER_CHUNKS];

	return chunks < blocks / CHOICE_WORTH_RATIO &&
	       blocks - chunks >= f->full / CHOICE_WORTH_TIMES;
}

static void choose_by_trial(const struct choice_facts *f, struct choice *c)
{
	uint64_t blocks = f->cost[CUTTER_BLOCKS];
	uint64_t chunks = f->cost[CUTTER_CHUNKS];
	bool from_chunks = f->before_has_index && f->before == CUTTER_CHUNKS;
	bool stays = from_chunks && blocks >= chunks - chunks / CHOICE_BACK_PART;

	c->kind = stays || (!from_chunks && is_worth_it(f)) ? CUTTER_CHUNKS : CUTTER_BLOCKS;
	snprintf(c->why, sizeof(c->why),
		"from the release before, blocks cost %.2f MiB, chunks %.2f MiB",
		(double)blocks / MIB, (double)chunks / MIB);
}

static void choose(const struct choice_facts *f, struct choice *c)
{
	if (f->wish == CHOICE_BLOCKS || f->wish == CHOICE_CHUNKS)
		set(c, f->wish == CHOICE_CHUNKS ? CUTTER_CHUNKS : CUTTER_BLOCKS,
			"as was asked for");
	else if (f->tried[CUTTER_BLOCKS] && f->tried[CUTTER_CHUNKS])
		choose_by_trial(f, c);
	else if (f->has_before && f->before_has_index)
		set(c, f->before, "as in the release before, which is not here to try the other");
	else
		choose_by_format(f, c);
}

void choice_make(const struct choice_facts *f, struct choice *out)
{
	struct choice c = {0};

	assert(f->possible[CUTTER_BLOCKS] || f->possible[CUTTER_CHUNKS]);
	choose(f, &c);
	if (!f->possible[c.kind])
		set(&c, other(c.kind), "the other kind would have too many entries");
	c.costs_a_full = f->has_before && c.kind == CUTTER_CHUNKS &&
			 !(f->before_has_index && f->before == CUTTER_CHUNKS);
	*out = c;
}
