/* SPDX-License-Identifier: Apache-2.0 */
/* The plan carried out: slot_write by the way that was chosen, and by the next one when it fails. */
#include <inttypes.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/ways_parts.h"

/* One image on its way into the slot. */
struct writing {
	struct ways *ways;
	struct ways_image *im;
	struct slot_target *target;
	size_t index;
	const struct slot_progress *progress;
	const struct slot_progress *fetching;
};

static struct slot_image image_of(const struct writing *w)
{
	const struct ways_image *im = w->im;

	return (struct slot_image){
		.name = im->image->name,
		.size = im->image->size,
		.leaf_alg = im->image->leaf_alg,
		.leaves = im->leaves.data,
		.survey = &im->survey,
	};
}

static int write_full(struct writing *w, struct slot_stats *stats, struct err *e)
{
	const struct plan_image *i = w->im->image;
	struct object_source *o = &w->ways->objects;
	struct slot_image si = image_of(w);

	si.way = SLOT_WAY_FULL;
	si.encoding = ways_encoding(i->encoding);
	si.pieces = &w->im->pieces;
	if (o->open(o->ctx, i->full.sha256, i->full.length, &si.full, e) < 0)
		return err_wrap(e, "image %s", i->name);
	int rc = slot_write(w->target, w->index, &si, w->progress, stats, e);
	reader_close(&si.full);
	return rc;
}

static int write_copy(struct writing *w, struct slot_stats *stats, struct err *e)
{
	struct slot_image si = image_of(w);

	si.way = SLOT_WAY_FULL;
	si.encoding = SLOT_NONE;
	if (ways_open_copy(w->im, &si.full, e) < 0)
		return -1;
	si.pieces = &w->im->pieces;
	int rc = slot_write(w->target, w->index, &si, w->progress, stats, e);
	reader_close(&si.full);
	/* Nothing was fetched; it came from where the image lay. */
	if (w->im->copy.from_target)
		stats->from_target += stats->bytes_fetched;
	else
		stats->from_seed += stats->bytes_fetched;
	stats->bytes_fetched = 0;
	return rc;
}

static int write_patch(struct writing *w, struct slot_stats *stats, struct err *e)
{
	const struct plan_object *patch = &w->im->patch.patch->patch;
	struct object_source *o = &w->ways->objects;
	struct slot_image si = image_of(w);

	si.way = SLOT_WAY_PATCH;
	si.patching.table = &w->im->patch.table;
	si.patching.old_path = w->im->running;
	if (o->open(o->ctx, patch->sha256, patch->length, &si.patching.patch, e) < 0)
		return err_wrap(e, "image %s", w->im->image->name);
	int rc = slot_write(w->target, w->index, &si, w->progress, stats, e);
	reader_close(&si.patching.patch);
	return rc;
}

/* Rare: what the match found in a seed has changed since. */
static int complete_frames(void *ctx, struct err *e)
{
	struct writing *w = ctx;

	return ways_complete_frames(w->ways, w->im, e);
}

static int write_delta(struct writing *w, struct slot_stats *stats, struct err *e)
{
	struct way_delta *d = &w->im->delta;
	struct spool_request r = ways_spool(w->ways, w->im);
	struct spool *spool = NULL;
	struct slot_image si = image_of(w);

	r.progress = w->fetching;
	si.way = SLOT_WAY_DELTA;
	si.delta = (struct slot_delta){
		.index = &d->index,
		.frames = &d->frames,
		.complete = complete_frames,
		.complete_ctx = w,
		.encoding = ways_encoding(w->im->image->data_encoding),
		.match = &d->match,
		.seeds = d->seeds,
		.seed_count = d->seed_count,
	};
	if (spool_open(&r, &spool, e) < 0)
		return -1;
	int rc = spool_fill(spool, e);
	if (rc == 0) {
		spool_readers(spool, si.delta.data);
		rc = slot_write(w->target, w->index, &si, w->progress, stats, e);
	}
	spool_close(spool);
	return rc;
}

static int write_by_way(struct writing *w, struct slot_stats *stats, struct err *e)
{
	bool is_delta = w->im->way == WAY_PATCH || w->im->way == WAY_DELTA;

	if (!SLOT_HAVE_DELTA && is_delta)
		return err_set(e, E_INTERNAL, "this agent is built without deltas");
	switch (w->im->way) {
	case WAY_COPY:
		return write_copy(w, stats, e);
	case WAY_PATCH:
		return write_patch(w, stats, e);
	case WAY_DELTA:
		return write_delta(w, stats, e);
	case WAY_FULL:
		return write_full(w, stats, e);
	case WAY_WHOLE:
	case WAY_MIXED:
		break;
	}
	return err_set(e, E_INTERNAL, "image %s is to be written by no way", w->im->image->name);
}

static void add_stats(struct slot_stats *sum, const struct slot_stats *s, bool last)
{
	/* What a try has written is kept by the next one; it was not there before. */
	sum->leaves_kept += last ? s->leaves_kept : 0;
	sum->leaves_written += s->leaves_written;
	sum->bytes_fetched += s->bytes_fetched;
	sum->bytes_written += s->bytes_written;
	sum->from_target += s->from_target;
	sum->from_seed += s->from_seed;
	sum->leaves_again += s->leaves_again;
}

/* Of several failures the last one counts, but a lie says more than an absence. */
static bool says_more(enum err_code a, enum err_code b)
{
	return a != E_NOTFOUND || b == E_OK || b == E_NOTFOUND;
}

/* An old image that cannot be read is no reason not to fetch; a target is, by any way. */
static bool may_go_on(const struct ways_image *im, enum err_code c)
{
	bool reads_old = im->way == WAY_COPY || im->way == WAY_PATCH;

	return ways_is_passable(c) || (c == E_IO && reads_old);
}

/* What only the plan and the writing of this image needed; its leaves stay. */
static void settle(struct ways_image *im)
{
	if (SLOT_HAVE_DELTA) {
		ways_free_delta(&im->delta);
		ways_free_patch(&im->patch);
	}
	slot_pieces_free(&im->pieces);
	slot_survey_free(&im->survey);
}

int ways_write(struct ways *w, size_t i, struct slot_target *target,
	const struct slot_progress *writing, const struct slot_progress *fetching,
	struct slot_stats *stats, struct err *e)
{
	struct ways_image *im = &w->image[i];
	struct writing job = {.ways = w,
		.im = im,
		.target = target,
		.index = i,
		.progress = writing,
		.fetching = fetching};
	struct err worst = {0};

	for (;;) {
		struct slot_stats tried = {0};
		struct err why = {0};
		int rc = write_by_way(&job, &tried, &why);
		add_stats(stats, &tried, rc == 0);
		if (rc == 0) {
			settle(im);
			return 0;
		}
		if (says_more(why.code, worst.code))
			worst = why;
		if (!may_go_on(im, why.code)) {
			*e = why;
			return -1;
		}
		ways_rule_out(w, im, im->way, &why);
		if (ways_plan_again(w, im, &why) < 0) {
			/* No way is left: why the ways failed says more than that. */
			*e = ways_is_passable(why.code) ? worst : why;
			return -1;
		}
	}
}
