/* SPDX-License-Identifier: Apache-2.0 */
/* The plan in numbers. */
#include <inttypes.h>

#include "agent/base/buf.h"
#include "agent/ways.h"

static uint64_t all_of_full(const struct plan_image *i)
{
	return i->full.length + i->pieces.length + i->leaves.length;
}

void ways_sum(const struct ways *w, struct way_sum *out)
{
	struct way_sum sum = {.way = w->count > 0 ? w->image[0].way : WAY_WHOLE};

	for (size_t i = 0; i < w->count; i++) {
		const struct ways_image *im = &w->image[i];
		const struct way_cost *c = &im->cost[im->way];
		if (im->way != sum.way)
			sum.way = WAY_MIXED;
		sum.data += c->data;
		sum.tables += c->tables + im->leaves_fetched;
		sum.requests += c->requests;
		sum.full += all_of_full(im->image);
		sum.write += w->whole ? 0 : im->survey.wanted_bytes;
	}
	*out = sum;
}

static int add_way(
	const struct ways_image *im, enum way way, bool first, struct buf *out, struct err *e)
{
	const struct way_cost *c = &im->cost[way];

	return buf_printf(out, e, "%s%s %s%" PRIu64, first ? "" : ", ", way_name(way),
		c->estimated ? "about " : "", c->data + c->tables + im->leaves_fetched);
}

int ways_describe(const struct ways_image *im, struct buf *out, struct err *e)
{
	bool first = true;

	for (enum way way = 0; way < WAY_COUNT; way++) {
		if (!im->cost[way].possible)
			continue;
		if (add_way(im, way, first, out, e) < 0)
			return -1;
		first = false;
	}
	return 0;
}
