/* SPDX-License-Identifier: Apache-2.0 */
/* Differences of tables: from which, and whether they are worth it. */
#include "publisher/differences.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/slot/difference.h"
#include "publisher/compress.h"
#include "publisher/history.h"
#include "publisher/object.h"

/* One table of the new image. */
struct table {
	const struct plan_object *object;
	struct plan_differences *all;
	struct buf bytes;
};

void differences_free(struct differences *d)
{
	for (size_t i = 1; i < d->count; i++)
		manifest_free(d->older[i]);
	*d = (struct differences){0};
}

int differences_find(struct publisher *p, const char *product, const struct manifest *newest,
	size_t count, struct differences *out, struct err *e)
{
	const struct manifest *last = newest;

	out->publisher = p;
	out->newest = newest;
	while (last && out->count < count) {
		out->count++;
		if (out->count == count || last->plan.release <= 1)
			break;
		struct manifest **next = &out->older[out->count];
		if (history_before(p, product, last->plan.release, next, e) < 0)
			return -1;
		last = *next;
	}
	return 0;
}

/* Its bytes were written a moment ago. */
static int read_table(int objects_dir, struct table *t, struct err *e)
{
	char name[OBJECT_NAME_SIZE];

	object_name(t->object->sha256, name);
	t->bytes = buf_make((size_t)t->object->length);
	return file_read(objects_dir, name, &t->bytes, e);
}

/* What a device would not accept must not leave this machine. */
static int check(
	const struct table *t, const struct buf *old, const struct buf *difference, struct err *e)
{
	const struct slot_difference d = {.old = old->data,
		.old_len = old->len,
		.data = difference->data,
		.len = difference->len};
	AUTO_FREE uint8_t *out = malloc(t->bytes.len);

	if (!out)
		return err_set(e, E_NOMEM, "no memory for a table");
	if (slot_difference_apply(&d, out, t->bytes.len, e) < 0)
		return -1;
	return memcmp(out, t->bytes.data, t->bytes.len) == 0
		       ? 0
		       : err_set(e, E_INTERNAL, "zstd gives another table back");
}

static bool is_worth_it(const struct table *t, const struct buf *difference)
{
	return difference->len <= SLOT_DIFFERENCE_MAX &&
	       difference->len <= t->bytes.len - t->bytes.len / 4;
}

static int add(int objects_dir, struct table *t, const struct plan_object *old_object,
	const struct buf *old, struct err *e)
{
	AUTO_BUF struct buf difference = {0};
	struct plan_difference *d = &t->all->from[t->all->count];

	if (compress_difference(old, &t->bytes, &difference, e) < 0)
		return -1;
	if (!is_worth_it(t, &difference))
		return 0;
	if (check(t, old, &difference, e) < 0 ||
		object_write(objects_dir, difference.data, difference.len, &d->object, e) < 0)
		return -1;
	memcpy(d->base, old_object->sha256, HASH_SIZE);
	t->all->count++;
	return 0;
}

static bool is_there(const struct table *t, const struct plan_object *old)
{
	for (size_t i = 0; i < t->all->count; i++) {
		if (hash_equal(t->all->from[i].base, old->sha256))
			return true;
	}
	return hash_equal(t->object->sha256, old->sha256);
}

/* An object that is not here (moved to the server) is a fact, not a failure. */
static int add_from(int objects_dir, struct table *t, const struct shelf *shelf,
	const struct plan_object *old, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};

	if (t->all->count == PLAN_BASES_MAX || is_there(t, old))
		return 0;
	if (shelf_read(shelf, old, &bytes, e) < 0) {
		if (e->code != E_NOTFOUND)
			return -1;
		*e = (struct err){0};
		return 0;
	}
	return add(objects_dir, t, old, &bytes, e);
}

static int add_table(int objects_dir, struct table t, const struct shelf *shelf,
	const struct plan_object *old, struct err *e)
{
	int rc = read_table(objects_dir, &t, e);

	if (rc == 0)
		rc = add_from(objects_dir, &t, shelf, old, e);
	buf_free(&t.bytes);
	return rc;
}

int differences_add_from(const struct shelf *before, const struct image_request *r, int objects_dir,
	struct plan_image *image, struct err *e)
{
	const struct table leaves = {.object = &image->leaves, .all = &image->leaves_from};
	const struct table index = {.object = &image->index, .all = &image->index_from};
	const struct plan_image *old = shelf_image(before, r->name);

	/* Who has no index of the image wants no difference of its leaves, either. */
	if (!compress_has_zstd() || !old || !old->has_delta || !image->has_delta)
		return 0;
	if (add_table(objects_dir, leaves, before, &old->leaves, e) < 0 ||
		add_table(objects_dir, index, before, &old->index, e) < 0)
		return err_wrap(e, "image %s: tables from release %" PRIu64, image->name,
			before->plan->release);
	return 0;
}

/* For people: what a device on the release before fetches of them. */
static void tell(const struct image_request *r, const struct plan_image *image)
{
	const struct plan_differences *l = &image->leaves_from;
	const struct plan_differences *i = &image->index_from;
	char text[200];

	if (!r->watcher.tell || (l->count == 0 && i->count == 0))
		return;
	snprintf(text, sizeof(text),
		"image %s: tables from earlier releases: leaves %zu, from %" PRIu64
		" bytes on; index %zu, from %" PRIu64 " bytes on",
		image->name, l->count, l->count > 0 ? l->from[0].object.length : 0, i->count,
		i->count > 0 ? i->from[0].object.length : 0);
	r->watcher.tell(r->watcher.ctx, false, text);
}

int differences_add(const struct differences *d, const struct image_request *r, int objects_dir,
	struct plan_image *image, struct err *e)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct manifest *m = i == 0 ? d->newest : d->older[i];
		const struct shelf shelf = {.publisher = d->publisher, .plan = &m->plan};
		if (differences_add_from(&shelf, r, objects_dir, image, e) < 0)
			return -1;
	}
	tell(r, image);
	return 0;
}
