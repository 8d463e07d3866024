/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of an offer that is not installed now. */
#include "agent/planning.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/base/buf.h"

int planning_make(struct session *s, const struct running *d, const struct offer *o,
	struct ways **out, struct err *e)
{
	const struct plan *p = &o->manifest->plan;
	struct slot_part parts[PLAN_IMAGES_MAX];
	uint64_t needed[PLAN_IMAGES_MAX];

	if (!d->target)
		return err_set(e, E_BUSY, "no slot can be written now");
	if (ways_choose_parts(config_slot_of(&s->config, d->target), p, parts, needed, e) < 0)
		return -1;
	struct ways_request r = {.session = s,
		.running = d,
		.plan = p,
		.objects = &o->objects,
		.near = o->near,
		.from_bundle = o->from_bundle,
		.parts = parts};
	if (ways_make(&r, out, e) < 0)
		return -1;
	planning_keep(s, *out);
	return 0;
}

void planning_keep(struct session *s, const struct ways *w)
{
	if (s->state.offer.release == 0 || !hash_equal(s->state.offer.manifest, w->plan->manifest))
		return;
	s->state.offer_plan.made = true;
	ways_sum(w, &s->state.offer_plan.sum);
}

void planning_note(struct session *s, const struct running *d, const struct offer *o)
{
	struct ways *w = NULL;
	struct err why = {0};

	if (s->state.offer_plan.made || !d->target)
		return;
	if (planning_make(s, d, o, &w, &why) < 0 || session_store(s, &why) < 0)
		log_line(&s->log, LOG_LEVEL_INFO, "no-plan code=%s reason=\"%s\"",
			err_name(why.code), why.text);
	ways_free(w);
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

static int print_image(const struct ways_image *im, struct err *e)
{
	AUTO_BUF struct buf costs = buf_make(512);
	const struct way_cost *c = &im->cost[im->way];

	if (ways_describe(im, &costs, e) < 0)
		return -1;
	printf("  image %s: %" PRIu64 " bytes, by %s: data %" PRIu64 ", tables %" PRIu64
	       " bytes, %" PRIu64 " request%s (%s)\n",
		im->image->name, im->image->size, way_name(im->way), c->data,
		c->tables + im->leaves_fetched, c->requests, c->requests == 1 ? "" : "s",
		buf_text(&costs));
	return 0;
}

int planning_print(const struct ways *w, struct err *e)
{
	struct way_sum sum;

	ways_sum(w, &sum);
	printf("  would fetch %.1f MiB: data %.1f, tables %.1f (full: %.1f MiB); %" PRIu64
	       " request%s; would write %.1f MiB\n",
		mib(sum.data + sum.tables), mib(sum.data), mib(sum.tables), mib(sum.full),
		sum.requests, sum.requests == 1 ? "" : "s", mib(sum.write));
	for (size_t i = 0; i < w->count; i++) {
		if (print_image(&w->image[i], e) < 0)
			return -1;
	}
	return 0;
}
