/* SPDX-License-Identifier: Apache-2.0 */
/* Checking the tables of a release: a device that finds them wrong would fetch everything. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/must.h"
#include "partitions/slot/difference.h"
#include "partitions/slot/patch.h"
#include "publisher/delta.h"
#include "publisher/object.h"
#include "publisher/verify.h"

#define TABLE_MAX (44u << 20) /* an index of 2^22 entries with lengths */

/* What is missing or has another hash is told by the check of all objects. */
static bool is_told_elsewhere(enum err_code code)
{
	return code == E_NOTFOUND || code == E_HASH || code == E_SIZE;
}

/* `why` is about the table `o`; -1 when the work cannot go on. */
static int tell_problem(
	struct verify *v, const struct plan_object *o, const struct err *why, struct err *e)
{
	char name[OBJECT_NAME_SIZE];
	char path[OBJECT_NAME_SIZE + 8];

	if (why->code == E_NOMEM) {
		*e = *why;
		return -1;
	}
	object_name(o->sha256, name);
	snprintf(path, sizeof(path), "objects/%s", name);
	verify_problem(v, why->code, path, "%s", why->text);
	return 0;
}

/* A device that fetches a first part of the frames checks it against the whole table. */
static int load_first(const struct shelf *s, const struct plan_image *image,
	const struct slot_index *index, const struct plan_first *f, struct err *e)
{
	AUTO_BUF struct buf frames = {0};
	struct slot_frames first = {0};
	uint8_t digest[HASH_SIZE];
	size_t len = (size_t)f->part.length; /* less than the table's, by the manifest */

	if (shelf_read(s, &image->frames, &frames, e) < 0 ||
		hash_bytes(HASH_SHA256, frames.data, len, digest, e) < 0)
		return -1;
	if (!hash_equal(digest, f->part.sha256))
		return err_set(e, E_META,
			"image %s: the first %zu bytes of frames have another hash", image->name,
			len);
	const struct slot_frames_part part = {.data = frames.data,
		.len = len,
		.generations = f->generations,
		.table_length = frames.len};
	if (slot_frames_parse_first(&part, image->size, image->data.length, &first, e) < 0)
		return err_wrap(e, "image %s", image->name);
	int rc = slot_frames_check(&first, index, e);
	slot_frames_free(&first);
	return rc < 0 ? err_wrap(e, "image %s", image->name) : 0;
}

static int check_firsts(struct verify *v, const struct shelf *s, const struct plan_image *image,
	const struct slot_index *index, struct err *e)
{
	for (size_t i = 0; i < image->frames_first.count; i++) {
		struct err why = {0};
		bool good = load_first(s, image, index, &image->frames_first.first[i], &why) == 0 ||
			    is_told_elsewhere(why.code);
		if (!MUST("verify.frames-first", good) &&
			tell_problem(v, &image->frames, &why, e) < 0)
			return -1;
	}
	return 0;
}

static int check_image(
	struct verify *v, const struct shelf *s, const struct plan_image *image, struct err *e)
{
	AUTO_DELTA struct delta_tables tables = {0};
	struct err why = {0};

	if (!image->has_delta)
		return 0;
	bool loaded = delta_load(s, image, &tables, &why) == 0;
	if (!MUST("verify.tables-fit", loaded || is_told_elsewhere(why.code)))
		return tell_problem(v, &image->index, &why, e);
	return loaded ? check_firsts(v, s, image, &tables.index, e) : 0;
}

static int load_patch_table(const struct shelf *s, const struct plan_image *image,
	const struct plan_patch *patch, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	struct slot_patch_table table = {0};

	if (shelf_read(s, &patch->table, &bytes, e) < 0)
		return -1;
	if (slot_patch_table_parse(
		    bytes.data, bytes.len, image->size, patch->patch.length, &table, e) < 0)
		return err_wrap(e, "image %s", image->name);
	slot_patch_table_free(&table);
	return 0;
}

static int check_patch(struct verify *v, const struct shelf *s, const struct plan_image *image,
	const struct plan_patch *patch, struct err *e)
{
	struct err why = {0};
	bool good = load_patch_table(s, image, patch, &why) == 0 || is_told_elsewhere(why.code);

	if (MUST("verify.patch-table", good))
		return 0;
	return tell_problem(v, &patch->table, &why, e);
}

/* Old tables that are not here any more are no problem: their releases are gone. */
static int apply_difference(const struct shelf *s, const struct plan_object *table,
	const struct plan_difference *d, struct err *e)
{
	AUTO_BUF struct buf old = {0};
	AUTO_BUF struct buf bytes = {0};
	uint8_t digest[HASH_SIZE];

	if (shelf_read_named(s, d->base, TABLE_MAX, &old, e) < 0 ||
		shelf_read(s, &d->object, &bytes, e) < 0)
		return -1;
	const struct slot_difference one = {
		.old = old.data, .old_len = old.len, .data = bytes.data, .len = bytes.len};
	AUTO_FREE uint8_t *out = malloc((size_t)table->length);
	if (!out)
		return err_set(e, E_NOMEM, "no memory for a table");
	if (slot_difference_apply(&one, out, (size_t)table->length, e) < 0 ||
		hash_bytes(HASH_SHA256, out, (size_t)table->length, digest, e) < 0)
		return -1;
	return hash_equal(digest, table->sha256)
		       ? 0
		       : err_set(e, E_META, "a difference that gives another table");
}

static int check_differences(struct verify *v, const struct shelf *s,
	const struct plan_object *table, const struct plan_differences *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct err why = {0};
		bool good = apply_difference(s, table, &all->from[i], &why) == 0 ||
			    is_told_elsewhere(why.code) || why.code == E_COMPAT;
		if (!MUST("verify.difference", good) &&
			tell_problem(v, &all->from[i].object, &why, e) < 0)
			return -1;
	}
	return 0;
}

int verify_delta(struct verify *v, const struct manifest *m, struct err *e)
{
	const struct shelf shelf = {.publisher = v->p, .plan = &m->plan};

	for (size_t i = 0; i < m->plan.image_count; i++) {
		const struct plan_image *image = &m->plan.images[i];
		if (check_image(v, &shelf, image, e) < 0 ||
			check_differences(v, &shelf, &image->leaves, &image->leaves_from, e) < 0 ||
			check_differences(v, &shelf, &image->index, &image->index_from, e) < 0)
			return -1;
		for (size_t k = 0; k < image->patch_count; k++) {
			if (check_patch(v, &shelf, image, &image->patches[k], e) < 0)
				return -1;
		}
	}
	return 0;
}
