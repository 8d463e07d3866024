/* SPDX-License-Identifier: Apache-2.0 */
/* How each image of a release comes: the choice. */
#include "agent/ways.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/leaves.h"
#include "agent/ways_parts.h"

#define LEAVES_MAX (HASH_SIZE * (size_t)(SLOT_IMAGE_MAX / SLOT_LEAF_SIZE))

const char *way_name(enum way w)
{
	static const char *const names[] = {
		[WAY_WHOLE] = "whole",
		[WAY_COPY] = "copy",
		[WAY_PATCH] = "patch",
		[WAY_DELTA] = "delta",
		[WAY_FULL] = "full",
		[WAY_MIXED] = "mixed",
	};

	return names[w];
}

/* --- What the ways share ---------------------------------------------------------- */

bool ways_is_passable(enum err_code c)
{
	switch (c) {
	case E_HASH:
	case E_SIZE:
	case E_META:
	case E_NOTFOUND:
	case E_COMPAT:
	case E_SPACE:
	case E_NOMEM:
		return true;
	default:
		return false;
	}
}

bool ways_can_be_planned_without(enum err_code c)
{
	return ways_is_passable(c) || c == E_IO;
}

void ways_rule_out(struct ways *w, struct ways_image *im, enum way way, const struct err *why)
{
	im->cost[way].possible = false;
	im->cost[way].failed = true;
	log_line(&w->session->log, LOG_LEVEL_WARN,
		"way-closed image=%s way=%s code=%s reason=\"%s\"", im->image->name, way_name(way),
		err_name(why->code), why->text);
	session_record(w->session, JOURNAL_WAY, JOURNAL_FAIL, why->code,
		json_pack("{s:s}", "way", way_name(way)));
}

bool ways_can_decode(enum plan_encoding c)
{
#ifdef CONFIG_ZSTD
	(void)c;
	return true;
#else
	return c != PLAN_ZSTD;
#endif
}

enum slot_encoding ways_encoding(enum plan_encoding c)
{
	return c == PLAN_ZSTD ? SLOT_ZSTD : c == PLAN_ZLIB ? SLOT_ZLIB : SLOT_NONE;
}

bool ways_is_intact(struct ways *w, const struct ways_image *im)
{
	AUTO_BUF struct buf leaves = buf_make(0);
	struct err e = {0};

	if (!im->old || !im->running)
		return false;
	if (leaves_load(w->session, im->old, &leaves, &e) == 0 &&
		slot_check(im->running, im->old->size, im->old->leaf_alg, leaves.data, &e) == 0)
		return true;
	log_line(&w->session->log, LOG_LEVEL_INFO, "old-image-not-intact image=%s reason=\"%s\"",
		im->image->name, e.text);
	return false;
}

/* --- What an image is, and what is there of it -------------------------------------- */

/* Kept lists of both slots serve, too: the target may hold this very image. */
static int get_leaves(struct ways *w, struct ways_image *im, struct err *e)
{
	const struct plan_image *i = im->image;
	AUTO_BUF struct buf kept = buf_make(0);
	struct err ignored = {0};

	if (i->leaves.length != slot_leaf_count(i->size) * HASH_SIZE)
		return err_set(e, E_META,
			"leaves of %s: %" PRIu64 " bytes do not fit an image of %" PRIu64, i->name,
			i->leaves.length, i->size);
	if (leaves_load(w->session, i, &kept, &ignored) == 0) {
		im->leaves.len = kept.len;
		im->leaves.data = steal_ptr(kept.data);
		return 0;
	}
	AUTO_CLOSE int dir = leaves_open(w->session);
	const struct ways_table t = {.object = &i->leaves,
		.from = &i->leaves_from,
		.dir = dir,
		.cap = LEAVES_MAX,
		.what = "leaves"};
	if (ways_get_table(w, im, &t, &im->leaves, e) < 0)
		return -1;
	im->leaves_fetched = im->leaves.fetched;
	return 0;
}

bool ways_has_delta(const struct ways *w, const struct ways_image *im)
{
	const struct plan_image *i = im->image;
	struct err ignored;

	if (!SLOT_HAVE_DELTA || !i->has_delta || im->cost[WAY_DELTA].failed ||
		!ways_can_decode(i->data_encoding))
		return false;
	return !w->objects.holds || w->objects.holds(w->objects.ctx, i->index.sha256,
					    i->index.length, NULL, 0, &ignored) == 0;
}

static int look_at_target(struct ways *w, struct ways_image *im, struct err *e)
{
	struct slot_survey_request r = {
		.path = im->target,
		.image_size = im->image->size,
		.leaf_alg = im->image->leaf_alg,
		.leaves = im->leaves.data,
		.with_blocks = ways_has_delta(w, im),
		/* A bundle with the whole image, here: reading it costs less than the target. */
		.sample = w->near && !ways_has_delta(w, im),
		.scratch_dir = w->tables.dir,
	};

	slot_survey_free(&im->survey);
	int rc = slot_survey(&r, &im->survey, e);
	if (rc < 0 && r.with_blocks && (e->code == E_SPACE || e->code == E_NOMEM)) {
		ways_rule_out(w, im, WAY_DELTA, e);
		r.with_blocks = false;
		rc = slot_survey(&r, &im->survey, e);
	}
	return rc < 0 ? err_wrap(e, "image %s", im->image->name) : 0;
}

/* --- The choice ---------------------------------------------------------------------- */

static uint64_t cost_of(const struct ways_image *im, enum way way)
{
	const struct way_cost *c = &im->cost[way];

	return c->possible ? c->data + c->tables : UINT64_MAX;
}

/* The cheapest one; of equals the one that stands first in the enum. */
static bool choose(struct ways_image *im)
{
	uint64_t best = UINT64_MAX;

	for (enum way way = WAY_COPY; way < WAY_COUNT; way++) {
		if (cost_of(im, way) < best) {
			best = cost_of(im, way);
			im->way = way;
		}
	}
	return best < UINT64_MAX;
}

static uint64_t least(const struct ways_image *im)
{
	uint64_t best = UINT64_MAX;

	for (enum way way = WAY_COPY; way < WAY_COUNT; way++)
		best = cost_of(im, way) < best ? cost_of(im, way) : best;
	return best;
}

/* Each way is looked at only if what looking costs may be worth it. */
static int look_at_ways(struct ways *w, struct ways_image *im, struct err *e)
{
	if (ways_plan_copy(w, im, e) < 0)
		return -1;
	if (im->cost[WAY_COPY].possible)
		return 0;
	if (!SLOT_HAVE_DELTA)
		return ways_plan_full(w, im, e);
	if (ways_plan_full(w, im, e) < 0 || ways_plan_patch(w, im, least(im), e) < 0)
		return -1;
	/*
	 * A patch upon the very image that runs is made because it is smaller than what that
	 * image lacks of `data`; an index, 0.2 % of the image, is not fetched to hear that
	 * again. Only content that nobody knew of can change it.
	 */
	if (im->cost[WAY_PATCH].possible && !w->offline)
		return 0;
	return ways_plan_delta(w, im, least(im), e);
}

/* The cheapest way, its cost exact; -1 for a server that cannot be asked. */
static int settle_choice(struct ways *w, struct ways_image *im, struct err *last, struct err *e)
{
	while (choose(im)) {
		if (im->way != WAY_FULL || !im->cost[WAY_FULL].estimated)
			return 0;
		/* Its table makes the number exact, and another way may be the cheapest then. */
		if (ways_load_pieces(w, im, last) == 0)
			continue;
		if (!ways_is_passable(last->code)) {
			*e = *last;
			return -1;
		}
		ways_rule_out(w, im, WAY_FULL, last);
		/* What was not looked at, because full seemed cheaper. */
		if (look_at_ways(w, im, e) < 0)
			return -1;
	}
	*e = *last;
	return -1;
}

static int plan_image(struct ways *w, struct ways_image *im, struct err *e)
{
	struct err last = {0};

	err_set(&last, E_COMPAT, "there is no way of getting it on this device");
	for (enum way way = WAY_PATCH; way < WAY_COUNT; way++)
		im->cost[way].possible = false;
	if (look_at_ways(w, im, e) < 0 || settle_choice(w, im, &last, e) < 0)
		return err_wrap(e, "image %s", im->image->name);
	return 0;
}

int ways_plan_again(struct ways *w, struct ways_image *im, struct err *e)
{
	if (look_at_target(w, im, e) < 0)
		return -1;
	return plan_image(w, im, e);
}

/* --- All images ------------------------------------------------------------------------ */

static const struct slot_part *part_of(const struct config_slot *slot, const char *image)
{
	for (size_t i = 0; i < slot->count; i++) {
		if (strcmp(slot->parts[i].image, image) == 0)
			return &slot->parts[i];
	}
	return NULL;
}

int ways_choose_parts(const struct config_slot *slot, const struct plan *p,
	struct slot_part parts[PLAN_IMAGES_MAX], uint64_t needed[PLAN_IMAGES_MAX], struct err *e)
{
	for (size_t i = 0; i < p->image_count; i++) {
		const struct slot_part *part = part_of(slot, p->images[i].name);
		if (!part)
			return err_set(e, E_COMPAT, "the slot has no place for image %.32s",
				p->images[i].name);
		parts[i] = *part;
		needed[i] = p->images[i].size;
	}
	return 0;
}

/* What the state knows of the running slot's image: a hint, proved where it matters. */
static const struct plan_image *old_image(const struct state_slot *slot, const char *name)
{
	for (size_t i = 0; i < slot->image_count; i++) {
		if (strcmp(slot->images[i].name, name) == 0)
			return &slot->images[i];
	}
	return NULL;
}

static int begin_image(struct ways *w, const struct ways_request *r, size_t i, struct err *e)
{
	struct session *s = w->session;
	struct ways_image *im = &w->image[i];
	const char *name = w->plan->images[i].name;

	im->image = &w->plan->images[i];
	im->target = r->parts[i].path;
	const struct slot_part *part =
		part_of(config_slot_of(&s->config, r->running->booted), name);
	im->running = part ? part->path : NULL;
	im->old = old_image(state_slot_of(&s->state, r->running->booted), name);
	return get_leaves(w, im, e);
}

static int make(struct ways *w, const struct ways_request *r, struct err *e)
{
	w->whole = true;
	for (size_t i = 0; i < w->plan->image_count; i++) {
		struct ways_image *im = &w->image[i];
		w->count = i + 1;
		if (begin_image(w, r, i, e) < 0 || look_at_target(w, im, e) < 0)
			return -1;
		w->whole = w->whole && im->survey.whole;
	}
	for (size_t i = 0; i < w->count; i++) {
		w->image[i].way = WAY_WHOLE;
		w->image[i].cost[WAY_WHOLE].possible = w->whole;
	}
	for (size_t i = 0; !w->whole && i < w->count; i++) {
		struct ways_image *im = &w->image[i];
		if (plan_image(w, im, e) < 0)
			return -1;
	}
	return 0;
}

int ways_make(const struct ways_request *r, struct ways **out, struct err *e)
{
	struct ways *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(e, E_NOMEM, "no memory for a plan");
	w->session = r->session;
	w->plan = r->plan;
	w->offline = r->session->offline_from;
	w->near = r->near;
	w->from_bundle = r->from_bundle;
	w->meter.from = r->objects;
	w->objects = meter_objects(&w->meter);
	w->tables.dir = -1;
	if (tables_open(r->session->data, &r->session->log, &w->tables, e) < 0) {
		ways_free(w);
		return err_wrap(e, "%s", r->session->config.data_dir);
	}
	/* Another release was begun before: what came of it is of no use now. */
	ways_sweep(&w->tables, &r->session->state, w->plan);
	if (make(w, r, e) < 0) {
		ways_free(w);
		return -1;
	}
	*out = w;
	return 0;
}

static void free_image(struct ways_image *im)
{
	if (SLOT_HAVE_DELTA) {
		ways_free_delta(&im->delta);
		ways_free_patch(&im->patch);
	}
	slot_pieces_free(&im->pieces);
	slot_survey_free(&im->survey);
	table_free(&im->leaves);
}

void ways_free(struct ways *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		free_image(&w->image[i]);
	tables_close(&w->tables);
	free(w);
}
