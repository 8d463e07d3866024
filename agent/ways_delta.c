/* SPDX-License-Identifier: Apache-2.0 */
/* WAY_DELTA: what neither target nor seeds have, out of `data`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/ways_parts.h"

static void free_seeds(struct way_delta *d)
{
	slot_match_free(&d->match);
	d->match = (struct slot_match){0};
	for (size_t i = 0; i < d->seed_count; i++)
		slot_seed_close(d->seeds[i]);
	d->seed_count = 0;
}

void ways_free_delta(struct way_delta *d)
{
	free_seeds(d);
	slot_frames_free(&d->frames);
	table_free(&d->index_bytes);
	*d = (struct way_delta){0};
}

/* --- Tables ---------------------------------------------------------------------------- */

static struct ways_table index_of(const struct ways *w, const struct plan_image *i)
{
	return (struct ways_table){.object = &i->index,
		.from = &i->index_from,
		.dir = w->tables.dir,
		.cap = TABLES_INDEX_MAX,
		.what = "index",
		.map = true};
}

static int load_index(struct ways *w, struct ways_image *im, struct err *e)
{
	const struct plan_image *i = im->image;
	struct way_delta *d = &im->delta;
	const struct ways_table index = index_of(w, i);

	if (ways_get_table(w, im, &index, &d->index_bytes, e) < 0)
		return -1;
	im->cost[WAY_DELTA].tables = d->index_bytes.fetched;
	if (slot_index_parse(d->index_bytes.data, d->index_bytes.len, i->size, &d->index, e) < 0)
		return err_wrap(e, "index of %s", i->name);
	d->index.in_file = d->index_bytes.mapped;
	slot_index_rest(&d->index);
	return 0;
}

/* --- Seeds and the match ------------------------------------------------------------------ */

static bool open_seed(struct ways *w, struct ways_image *im, const char *path, uint64_t size)
{
	struct way_delta *d = &im->delta;
	struct slot_seed_request r = {
		.path = path, .size = size, .rule = d->index.rule, .scratch_dir = w->tables.dir};
	struct err why = {0};

	if (slot_seed_open(&r, &d->seeds[d->seed_count], &why) == 0) {
		d->seed_count++;
		return true;
	}
	log_line(&w->session->log, LOG_LEVEL_WARN, "no-seed path=%s code=%s reason=\"%s\"", path,
		err_name(why.code), why.text);
	return false;
}

/* The running slot as it lies there, whatever the state says of it. */
static void open_running(struct ways *w, struct ways_image *im)
{
	uint64_t part = 0;
	struct err ignored = {0};

	if (!im->running)
		return;
	/* What is not known to the state was hardly twice as large. */
	uint64_t size = im->old ? im->old->size : 2 * im->image->size;
	/* A hint either way; a part has no more than it has. */
	if (slot_part_size(im->running, &part, &ignored) == 0 && part < size)
		size = part;
	open_seed(w, im, im->running, size);
}

/* Without frames: which of them are of use shows here. */
static struct slot_match_request match_request(const struct ways *w, struct ways_image *im)
{
	struct way_delta *d = &im->delta;

	return (struct slot_match_request){
		.index = &d->index,
		.survey = &im->survey,
		.seeds = d->seeds,
		.seed_count = d->seed_count,
		.scratch_dir = w->tables.dir,
	};
}

static int match(struct ways *w, struct ways_image *im, struct slot_match *out, struct err *e)
{
	const struct slot_match_request r = match_request(w, im);

	*out = (struct slot_match){0};
	return slot_match_make(&r, out, e);
}

/* The file of --offline-from, if that leaves less to fetch than what there is now. */
static int use_offline(struct ways *w, struct ways_image *im, struct err *e)
{
	struct way_delta *d = &im->delta;
	struct slot_match with;

	if (!w->offline || d->match.from_data == 0 || !open_seed(w, im, w->offline, 0))
		return 0;
	int rc = match(w, im, &with, e);
	if (rc == 0 && with.from_data < d->match.from_data) {
		slot_match_free(&d->match);
		d->match = with;
		return 0;
	}
	if (rc == 0)
		slot_match_free(&with);
	slot_seed_close(d->seeds[--d->seed_count]);
	return rc;
}

struct spool_request ways_spool(struct ways *w, const struct ways_image *im)
{
	return (struct spool_request){
		.tables = &w->tables,
		.objects = &w->objects,
		.data = &im->image->data,
		.frames = &im->delta.frames,
		.need = im->delta.match.need,
		.near = w->near,
		.image = im->image->name,
	};
}

static int find_frames(struct ways *w, struct ways_image *im, struct err *e)
{
	struct way_delta *d = &im->delta;
	struct slot_match_request r = match_request(w, im);

	r.frames = &d->frames;
	if (ways_load_frames(w, im, d->match.generations, e) < 0)
		return -1;
	return slot_match_find_frames(&r, &d->match, e);
}

/* Not possible where it shows on the way that another one is better. */
static int plan_match(struct ways *w, struct ways_image *im, uint64_t limit, struct err *e)
{
	struct way_delta *d = &im->delta;
	struct way_cost *c = &im->cost[WAY_DELTA];

	open_running(w, im);
	if (match(w, im, &d->match, e) < 0 || use_offline(w, im, e) < 0)
		return -1;
	for (size_t i = 0; i < d->seed_count; i++)
		slot_seed_settle(d->seeds[i]);
	if (c->tables + ways_frames_cost(w, im, d->match.generations) >= limit) {
		ways_free_delta(d);
		return 0;
	}
	if (find_frames(w, im, e) < 0)
		return -1;
	struct spool_request r = ways_spool(w, im);
	if (spool_cost(&r, &c->data, &c->requests, e) < 0)
		return -1;
	c->possible = true;
	return 0;
}

int ways_plan_delta(struct ways *w, struct ways_image *im, uint64_t limit, struct err *e)
{
	struct way_cost *c = &im->cost[WAY_DELTA];
	const struct plan_image *i = im->image;
	struct err why = {0};

	if (c->possible || !ways_has_delta(w, im))
		return 0;
	const struct ways_table index = index_of(w, i);
	uint64_t frames = ways_frames_cost(w, im, 0);
	ways_free_delta(&im->delta);
	*c = (struct way_cost){.tables = ways_table_cost(w, &index)};
	if (c->tables + frames >= limit)
		return 0;
	if (load_index(w, im, &why) == 0 && plan_match(w, im, limit, &why) == 0)
		return 0;
	if (!ways_can_be_planned_without(why.code)) {
		*e = why;
		return -1;
	}
	ways_free_delta(&im->delta);
	ways_rule_out(w, im, WAY_DELTA, &why);
	return 0;
}
