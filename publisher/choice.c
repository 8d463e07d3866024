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
	if (f->packed)
		set(c, CUTTER_CHUNKS, "in packed content everything behind a change moves");
	else if (f->format == PLAN_SQUASHFS)
		set(c, CUTTER_CHUNKS, "in a squashfs everything behind a change moves");
	else if (f->format == PLAN_RAW)
		set(c, CUTTER_BLOCKS, "in plain content nothing is known to move");
	else
		set(c, CUTTER_CHUNKS, "what changes in files is mostly less than blocks, or moves");
}

static bool is_clearly_cheaper(uint64_t cost, uint64_t than)
{
	return cost < than && than - cost >= than / CHOICE_SAVES_PART &&
	       than - cost >= CHOICE_SAVES_BYTES;
}

static void choose_by_trial(const struct choice_facts *f, struct choice *c)
{
	/* As before; without an index before, what the format suggests. */
	if (f->before_has_index)
		c->kind = f->before;
	else
		choose_by_format(f, c);
	if (is_clearly_cheaper(f->cost[other(c->kind)], f->cost[c->kind]))
		c->kind = other(c->kind);
	snprintf(c->why, sizeof(c->why),
		"from the release before, blocks cost %.2f MiB, chunks %.2f MiB",
		(double)f->cost[CUTTER_BLOCKS] / MIB, (double)f->cost[CUTTER_CHUNKS] / MIB);
}

static void choose(const struct choice_facts *f, struct choice *c)
{
	if (f->wish == CHOICE_BLOCKS || f->wish == CHOICE_CHUNKS)
		set(c, f->wish == CHOICE_CHUNKS ? CUTTER_CHUNKS : CUTTER_BLOCKS,
			"as was asked for");
	else if (f->tried[CUTTER_BLOCKS] && f->tried[CUTTER_CHUNKS])
		choose_by_trial(f, c);
	else if (f->before_has_index)
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
	*out = c;
}
