/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle "from release N on": patches, or as much of data as devices need that run N or later. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "publisher/bundle_plan.h"
#include "publisher/delta.h"

/* The new image and, beside each other, its two ways. */
struct image_need {
	const struct plan_image *image;
	struct delta_tables tables;
	bool has_delta;
	uint64_t head; /* bytes of data, from its first one */
	bool patched; /* every release that differs has a patch */
	bool wants_patch[PLAN_PATCHES_MAX];
	bool same; /* every release has this very image */
};

static void needs_free(struct image_need *n)
{
	for (size_t i = 0; i < PLAN_IMAGES_MAX; i++)
		delta_free(&n[i].tables);
}

static int needs_start(const struct shelf *shelf, struct image_need *n, struct err *e)
{
	const struct plan *plan = shelf->plan;

	for (size_t i = 0; i < plan->image_count; i++) {
		n[i].image = &plan->images[i];
		n[i].patched = true;
		n[i].same = true;
		n[i].has_delta = plan->images[i].has_delta;
		if (n[i].has_delta && delta_load(shelf, n[i].image, &n[i].tables, e) < 0)
			return err_wrap(e, "its index and frames are needed");
	}
	return 0;
}

/* The last byte of data that a device with the old image needs. */
static int add_head(struct image_need *n, const struct shelf *shelf, const struct plan_image *old,
	struct err *e)
{
	AUTO_INDEX_SET struct index_set have = {0};
	AUTO_NEED struct delta_need need = {0};
	const struct slot_frames *f = &n->tables.frames;

	if (!n->has_delta)
		return 0;
	if (old && delta_content(shelf, old, &n->tables.index, &have, e) < 0)
		return err_wrap(e, "what release %" PRIu64 " has of image %s cannot be known",
			shelf->plan->release, n->image->name);
	if (delta_need_of(&have, &n->tables.index, f, &need, e) < 0)
		return -1;
	for (uint32_t i = f->count; i-- > 0;) {
		if (need.frames[i / 8] & 1u << i % 8) {
			uint64_t end = f->offset[i] + f->stored[i];
			n->head = end > n->head ? end : n->head;
			return 0;
		}
	}
	return 0;
}

static void add_patch(struct image_need *n, const struct plan_image *old)
{
	const struct plan_image *image = n->image;

	for (size_t i = 0; old && i < image->patch_count; i++) {
		if (hash_equal(image->patches[i].from, old->leaves.sha256)) {
			n->wants_patch[i] = true;
			return;
		}
	}
	n->patched = false;
}

static int add_release(struct image_need *n, size_t count, const struct shelf *old, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct plan_image *o = shelf_image(old, n[i].image->name);
		if (o && hash_equal(o->leaves.sha256, n[i].image->leaves.sha256))
			continue;
		n[i].same = false;
		add_patch(&n[i], o);
		if (add_head(&n[i], old, o, e) < 0)
			return -1;
	}
	return 0;
}

/* The number in "<product>/releases/<number>.json"; 0 for another product's. */
static uint64_t number_of(const char *path, const char *product)
{
	size_t len = strlen(product);

	if (strncmp(path, product, len) != 0 || strncmp(path + len, "/releases/", 10) != 0)
		return 0;
	return strtoull(path + len + 10, NULL, 10);
}

static int add_releases(const struct bundle_request *r, const json_t *releases,
	struct image_need *n, size_t count, struct bundle_plan *out, struct err *e)
{
	json_t *targets;
	const char *path;
	json_t *target;

	if (json_want_object(releases, "targets", "releases.json", &targets, e) < 0)
		return -1;
	json_object_foreach (targets, path, target) {
		AUTO_MANIFEST struct manifest *m = NULL;
		uint64_t number = number_of(path, r->product);
		if (number < r->from || number >= r->release)
			continue;
		if (bundle_load_manifest(r, releases, number, &m, e) < 0)
			return -1;
		const struct shelf old = {.publisher = r->publisher, .plan = &m->plan};
		if (add_release(n, count, &old, e) < 0)
			return -1;
		out->releases++;
	}
	if (out->releases == 0)
		return err_set(e, E_USAGE,
			"no release from %" PRIu64 " to %" PRIu64
			" is published: leave --from away",
			r->from, r->release - 1);
	return 0;
}

/* --- What goes in ------------------------------------------------------------------- */

static uint64_t patch_bytes(const struct image_need *n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n->image->patch_count; i++) {
		const struct plan_patch *p = &n->image->patches[i];
		if (n->wants_patch[i])
			sum += p->patch.length + p->table.length;
	}
	return sum;
}

static uint64_t data_bytes(const struct image_need *n)
{
	return n->head + n->image->index.length + n->image->frames.length;
}

static void choose(const struct image_need *n, struct bundle_image *out)
{
	const struct plan_image *image = n->image;

	*out = (struct bundle_image){.full = image->full.length + image->pieces.length};
	memcpy(out->name, image->name, sizeof(out->name));
	if (n->same) {
		out->way = BUNDLE_SAME;
		out->bytes = n->has_delta ? data_bytes(n) : 0;
	} else if (n->patched && (!n->has_delta || patch_bytes(n) < data_bytes(n))) {
		out->way = BUNDLE_PATCHES;
		out->bytes = patch_bytes(n);
	} else if (n->has_delta) {
		out->way = BUNDLE_DATA;
		out->bytes = data_bytes(n);
	} else {
		out->way = BUNDLE_FULL;
		out->bytes = out->full;
	}
}

static int add_patches(
	const struct image_need *n, bool content, struct bundle_plan *out, struct err *e)
{
	for (size_t i = 0; i < n->image->patch_count; i++) {
		const struct plan_patch *p = &n->image->patches[i];
		if (n->wants_patch[i] &&
			bundle_add_object(out, content ? &p->patch : &p->table, 0, e) < 0)
			return -1;
	}
	return 0;
}

static int add_tables(
	const struct image_need *n, enum bundle_way way, struct bundle_plan *out, struct err *e)
{
	if (bundle_add_object(out, &n->image->leaves, 0, e) < 0)
		return -1;
	if (way == BUNDLE_FULL)
		return bundle_add_object(out, &n->image->pieces, 0, e);
	if (way == BUNDLE_PATCHES)
		return add_patches(n, false, out, e);
	/* An image that did not change needs them where the device does not know what it runs. */
	if (!n->has_delta)
		return 0;
	if (bundle_add_object(out, &n->image->index, 0, e) < 0)
		return -1;
	return bundle_add_object(out, &n->image->frames, 0, e);
}

static int add_content(
	const struct image_need *n, enum bundle_way way, struct bundle_plan *out, struct err *e)
{
	if (way == BUNDLE_FULL)
		return bundle_add_object(out, &n->image->full, 0, e);
	if (way == BUNDLE_PATCHES)
		return add_patches(n, true, out, e);
	if (way == BUNDLE_SAME || n->head == 0)
		return 0;
	return bundle_add_object(
		out, &n->image->data, n->head < n->image->data.length ? n->head : 0, e);
}

/* Small tables first, so that a reader of a stream knows what comes. */
static int add_all(const struct image_need *n, size_t count, struct bundle_plan *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		choose(&n[i], &out->image[i]);
		if (add_tables(&n[i], out->image[i].way, out, e) < 0)
			return -1;
	}
	out->image_count = count;
	for (size_t i = 0; i < count; i++) {
		if (add_content(&n[i], out->image[i].way, out, e) < 0)
			return -1;
	}
	return 0;
}

int bundle_add_from(const struct bundle_request *r, const json_t *releases, const struct plan *plan,
	struct bundle_plan *out, struct err *e)
{
	struct image_need n[PLAN_IMAGES_MAX] = {{0}};
	const struct shelf shelf = {.publisher = r->publisher, .plan = plan};

	if (r->from >= r->release)
		return err_set(e, E_USAGE, "--from %" PRIu64 " must be below release %" PRIu64,
			r->from, r->release);
	int rc = needs_start(&shelf, n, e);
	if (rc == 0)
		rc = add_releases(r, releases, n, plan->image_count, out, e);
	if (rc == 0)
		rc = add_all(n, plan->image_count, out, e);
	needs_free(n);
	return rc;
}
