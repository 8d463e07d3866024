/* SPDX-License-Identifier: Apache-2.0 */
/* What a device fetches: each way counted as the agent counts it. */
#include "publisher/estimate.h"

#include <stdio.h>

#include "publisher/delta.h"

const char *estimate_way_name(enum estimate_way way)
{
	static const char *const names[] = {
		[ESTIMATE_COPY] = "copy",
		[ESTIMATE_PATCH] = "patch",
		[ESTIMATE_DELTA] = "delta",
		[ESTIMATE_FULL] = "full",
	};

	return names[way];
}

uint64_t estimate_total(const struct estimate_image *i, enum estimate_way way)
{
	const struct estimate_cost *c = &i->cost[way];

	return c->data + c->tables + i->leaves;
}

/* As on a device that has the tables of the old image, and no others. */
static uint64_t table_bytes(const struct plan_object *table, const struct plan_differences *all,
	const struct plan_object *old)
{
	if (old && hash_equal(old->sha256, table->sha256))
		return 0;
	for (size_t i = 0; old && i < all->count; i++) {
		if (hash_equal(all->from[i].base, old->sha256))
			return all->from[i].object.length;
	}
	return table->length;
}

static void add_copy(const struct plan_image *old, struct estimate_image *out)
{
	const struct plan_image *i = out->image;

	out->cost[ESTIMATE_COPY].possible = old && old->size == i->size &&
					    old->leaf_alg == i->leaf_alg &&
					    hash_equal(old->leaves.sha256, i->leaves.sha256);
}

static void add_patch(const struct plan_image *old, struct estimate_image *out)
{
	const struct plan_image *i = out->image;

	for (size_t k = 0; old && k < i->patch_count; k++) {
		const struct plan_patch *p = &i->patches[k];
		if (!hash_equal(p->from, old->leaves.sha256))
			continue;
		out->cost[ESTIMATE_PATCH] = (struct estimate_cost){.possible = true,
			.data = p->patch.length,
			.tables = p->table.length,
			.requests = 1};
	}
}

static int count_delta(const struct shelf *old, const struct plan_image *old_image,
	const struct delta_tables *t, struct estimate_image *out, struct err *e)
{
	AUTO_INDEX_SET struct index_set have = {0};
	AUTO_NEED struct delta_need need = {0};

	if ((old_image && delta_content(old, old_image, &t->index, &have, e) < 0) ||
		delta_need_of(&have, &t->index, &t->frames, &need, e) < 0)
		return -1;
	out->content_defined = t->index.content_defined;
	out->fresh = need.content;
	out->index = table_bytes(&out->image->index, &out->image->index_from,
		old_image && old_image->has_delta ? &old_image->index : NULL);
	out->cost[ESTIMATE_DELTA] = (struct estimate_cost){.possible = true,
		.data = need.travel,
		.tables = out->index + delta_frames_bytes(out->image, &t->frames, &need),
		.requests = need.requests};
	return 0;
}

static int add_delta(const struct shelf *old, const struct plan_image *old_image,
	const struct shelf *new_release, struct estimate_image *out, struct err *e)
{
	AUTO_DELTA struct delta_tables t = {0};

	if (!out->image->has_delta) {
		snprintf(out->no_delta, sizeof(out->no_delta), "it has no index");
		return 0;
	}
	if (delta_load(new_release, out->image, &t, e) == 0 &&
		count_delta(old, old_image, &t, out, e) == 0)
		return 0;
	if (e->code != E_NOTFOUND)
		return -1;
	snprintf(out->no_delta, sizeof(out->no_delta), "%.159s", e->text);
	*e = (struct err){0};
	return 0;
}

static void choose(struct estimate_image *out)
{
	out->best = ESTIMATE_FULL;
	for (int way = ESTIMATE_FULL; way >= ESTIMATE_COPY; way--) {
		enum estimate_way w = (enum estimate_way)way;
		if (out->cost[w].possible &&
			estimate_total(out, w) <= estimate_total(out, out->best))
			out->best = w;
	}
}

int estimate_image(const struct shelf *old, const struct shelf *new_release,
	const struct plan_image *image, struct estimate_image *out, struct err *e)
{
	const struct plan_image *old_image = shelf_image(old, image->name);

	*out = (struct estimate_image){.image = image};
	out->leaves = table_bytes(
		&image->leaves, &image->leaves_from, old_image ? &old_image->leaves : NULL);
	out->cost[ESTIMATE_FULL] = (struct estimate_cost){.possible = true,
		.data = image->full.length,
		.tables = image->pieces.length,
		.requests = 1};
	add_copy(old_image, out);
	add_patch(old_image, out);
	if (add_delta(old, old_image, new_release, out, e) < 0)
		return -1;
	choose(out);
	return 0;
}
