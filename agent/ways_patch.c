/* SPDX-License-Identifier: Apache-2.0 */
/* WAY_PATCH: a patch upon what the running slot is proved to hold. */
#include <inttypes.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/must.h"
#include "agent/ways_parts.h"

void ways_free_patch(struct way_patch *p)
{
	slot_patch_table_free(&p->table);
	*p = (struct way_patch){0};
}

static const struct plan_patch *find_patch(const struct ways_image *im)
{
	for (size_t i = 0; im->old && i < im->image->patch_count; i++) {
		const struct plan_patch *p = &im->image->patches[i];
		if (hash_equal(p->from, im->old->leaves.sha256))
			return p;
	}
	return NULL;
}

static struct ways_table table_of(const struct plan_patch *p)
{
	return (struct ways_table){
		.object = &p->table, .cap = SLOT_PATCH_TABLE_MAX, .what = "patch table"};
}

static int load(struct ways *w, struct ways_image *im, struct err *e)
{
	const struct plan_patch *p = im->patch.patch;
	AUTO_TABLE struct table bytes = {0};

	const struct ways_table t = table_of(p);
	if (ways_get_table(w, im, &t, &bytes, e) < 0)
		return -1;
	if (slot_patch_table_parse(bytes.data, bytes.len, im->image->size, p->patch.length,
		    &im->patch.table, e) < 0)
		return err_wrap(e, "patch table of %s", im->image->name);
	if (!MUST("ways.patch-old-size", im->patch.table.old_size == im->old->size))
		return err_set(e, E_META,
			"patch table of %s: is for an old image of %" PRIu64 " bytes, not %" PRIu64,
			im->image->name, im->patch.table.old_size, im->old->size);
	return 0;
}

static int count(struct ways_image *im, struct err *e)
{
	AUTO_FREE struct byte_range *ranges = NULL;
	size_t n = 0;

	if (slot_patch_ranges(&im->patch.table, &im->survey.wanted, &ranges, &n, NULL, e) < 0)
		return -1;
	ways_count(&im->cost[WAY_PATCH], ranges, n);
	im->cost[WAY_PATCH].possible = true;
	return 0;
}

int ways_plan_patch(struct ways *w, struct ways_image *im, uint64_t limit, struct err *e)
{
	struct way_cost *c = &im->cost[WAY_PATCH];
	const struct plan_patch *p = find_patch(im);
	struct err why = {0};

	if (c->failed || c->possible || !p || !ways_can_decode(PLAN_ZSTD))
		return 0;
	ways_free_patch(&im->patch);
	const struct ways_table t = table_of(p);
	*c = (struct way_cost){.tables = ways_table_cost(w, &t)};
	/* Not even its table is worth fetching when that is larger than all of another way. */
	if (c->tables >= limit || !ways_is_intact(w, im))
		return 0;
	im->patch.patch = p;
	if (load(w, im, &why) == 0 && count(im, &why) == 0)
		return 0;
	if (!ways_can_be_planned_without(why.code)) {
		*e = why;
		return -1;
	}
	ways_rule_out(w, im, WAY_PATCH, &why);
	return 0;
}
