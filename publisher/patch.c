/* SPDX-License-Identifier: Apache-2.0 */
/* Making a patch: load and sort the old image, match the new one, cut, compress. */
#include "publisher/patch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "publisher/compress.h"
#include "publisher/object.h"
#include "publisher/patch_frame.h"
#include "publisher/patch_input.h"
#include "publisher/patch_match.h"
#include "publisher/patch_ops.h"
#include "publisher/patch_search.h"
#include "publisher/patch_text.h"
#include "publisher/workers.h"

/* Bytes of the new image that one thread matches at once; cuts alignments, so not too small. */
#define PART_SIZE (4u * 1024 * 1024)

/* Memory of one thread. */
struct patch_worker {
	struct compressor *compressor;
	struct patch_framer framer;
};

/* What a thread has made and nobody has taken yet. */
struct patch_slot {
	struct patch_ops ops; /* matching */
	uint8_t *stored; /* compressing */
};

struct patching {
	const struct patch_request *request;
	struct patch_input old_image;
	struct patch_input new_image;
	struct patch_text old;
	struct patch_search search;
	struct patch_ops ops;
	struct patch_cuts cuts;
	struct patch_worker *worker;
	struct patch_slot *slot;
	size_t room; /* of a slot's stored bytes */
	struct slot_patch_table table;
	struct object_writer object;
};

static void patching_free(struct patching *p)
{
	unsigned slots = workers_slots(p->request->threads);

	for (unsigned i = 0; p->worker && i < p->request->threads; i++) {
		compressor_free(p->worker[i].compressor);
		patch_framer_free(&p->worker[i].framer);
	}
	for (unsigned i = 0; p->slot && i < slots; i++) {
		patch_ops_free(&p->slot[i].ops);
		free(p->slot[i].stored);
	}
	free(p->worker);
	free(p->slot);
	patch_input_close(&p->old_image);
	patch_input_close(&p->new_image);
	patch_text_free(&p->old);
	patch_search_free(&p->search);
	patch_ops_free(&p->ops);
	patch_cuts_free(&p->cuts);
	slot_patch_table_free(&p->table);
	object_abort(&p->object);
}

static int no_memory(const struct patching *p, struct err *e)
{
	return err_set(e, E_NOMEM, "no memory for a patch with %u threads; try fewer --threads",
		p->request->threads);
}

static int open_images(struct patching *p, struct err *e)
{
	const struct patch_request *r = p->request;

	p->worker = calloc(r->threads, sizeof(*p->worker));
	p->slot = calloc(workers_slots(r->threads), sizeof(*p->slot));
	if (!p->worker || !p->slot)
		return no_memory(p, e);
	if (patch_input_open(r->old_path, &p->old_image, e) < 0)
		return -1;
	return patch_input_open(r->new_path, &p->new_image, e);
}

/* One part of the new image, in a thread. */
static int match_part(void *ctx, const struct workers_item *item, struct err *e)
{
	struct patching *p = ctx;
	uint64_t from = item->index * PART_SIZE;
	uint64_t left = p->new_image.size - from;
	struct patch_text part;

	patch_ops_clear(&p->slot[item->slot].ops);
	if (patch_text_load(&p->new_image, from, from + (left < PART_SIZE ? left : PART_SIZE),
		    &part, e) < 0)
		return -1;
	int rc = patch_match_part(&p->search, &part, &p->slot[item->slot].ops, e);
	patch_text_free(&part);
	return rc;
}

static int take_part(void *ctx, const struct workers_item *item, struct err *e)
{
	struct patching *p = ctx;
	const struct patch_ops *ops = &p->slot[item->slot].ops;

	for (size_t i = 0; i < ops->count; i++) {
		if (patch_ops_add(&p->ops, &p->old, ops->op[i], e) < 0)
			return -1;
	}
	return 0;
}

/* Suffixes are given back before frames are compressed. */
static int match(struct patching *p, struct err *e)
{
	const struct workers_task task = {.count = (p->new_image.size + PART_SIZE - 1) / PART_SIZE,
		.threads = p->request->threads,
		.ctx = p,
		.work = match_part,
		.take = take_part};

	if (patch_text_load(&p->old_image, 0, p->old_image.size, &p->old, e) < 0 ||
		patch_search_make(&p->old, &p->search, e) < 0 || workers_run(&task, e) < 0)
		return -1;
	patch_search_free(&p->search);
	return patch_cuts_make(&p->ops, &p->cuts, e);
}

/* One frame, in a thread: the table is written at the frame's own place only. */
static int make_frame(void *ctx, const struct workers_item *item, struct err *e)
{
	struct patching *p = ctx;
	struct patch_worker *w = &p->worker[item->worker];
	const struct patch_cut *cut = &p->cuts.cut[item->index];
	uint8_t *stored = p->slot[item->slot].stored;
	size_t raw;
	size_t n;

	if (patch_framer_fill(&w->framer, cut, cut + 1, &raw, e) < 0 ||
		compressor_piece(w->compressor, w->framer.raw, raw, stored, p->room, &n, e) < 0)
		return -1;
	p->table.output[item->index] = cut[1].image - cut->image;
	p->table.raw[item->index] = (uint32_t)raw;
	p->table.stored[item->index] = (uint32_t)n;
	return hash_bytes(HASH_SHA256, stored, n, p->table.sha256[item->index], e);
}

static int take_frame(void *ctx, const struct workers_item *item, struct err *e)
{
	struct patching *p = ctx;

	return object_add(&p->object, p->slot[item->slot].stored, p->table.stored[item->index], e);
}

static int allocate_frames(struct patching *p, struct err *e)
{
	const struct patch_request *r = p->request;
	struct slot_patch_table *t = &p->table;

	t->image_size = p->new_image.size;
	t->old_size = p->old_image.size;
	t->count = p->cuts.frames;
	t->output = calloc(t->count, sizeof(*t->output));
	t->stored = calloc(t->count, sizeof(*t->stored));
	t->raw = calloc(t->count, sizeof(*t->raw));
	t->sha256 = calloc(t->count, sizeof(*t->sha256));
	if (!t->output || !t->stored || !t->raw || !t->sha256)
		return no_memory(p, e);
	for (unsigned i = 0; i < r->threads; i++) {
		if (compressor_make(PLAN_ZSTD, r->level, &p->worker[i].compressor, e) < 0 ||
			patch_framer_make(
				&p->ops, &p->old, &p->new_image, &p->worker[i].framer, e) < 0)
			return -1;
	}
	p->room = compressor_room(p->worker[0].compressor, PATCH_FRAME_RAW);
	for (unsigned i = 0; i < workers_slots(r->threads); i++) {
		p->slot[i].stored = malloc(p->room);
		if (!p->slot[i].stored)
			return no_memory(p, e);
	}
	return 0;
}

static int write_frames(struct patching *p, struct plan_object *out, struct err *e)
{
	const struct workers_task task = {.count = p->cuts.frames,
		.threads = p->request->threads,
		.ctx = p,
		.work = make_frame,
		.take = take_frame};

	if (allocate_frames(p, e) < 0 || object_begin(&p->object, p->request->objects_dir, e) < 0 ||
		workers_run(&task, e) < 0)
		return -1;
	/* A patch from half of one image and half of another would be of use to nobody. */
	if (patch_input_check(&p->old_image, e) < 0 || patch_input_check(&p->new_image, e) < 0)
		return -1;
	return object_finish(&p->object, out, e);
}

static int write_table(const struct patching *p, struct plan_object *out, struct err *e)
{
	AUTO_BUF struct buf table = buf_make(SLOT_PATCH_TABLE_MAX);

	if (slot_patch_table_write(&p->table, &table, e) < 0)
		return -1;
	return object_write(p->request->objects_dir, table.data, table.len, out, e);
}

int patch_make(const struct patch_request *r, struct plan_object *patch, struct plan_object *table,
	struct err *e)
{
	__attribute__((cleanup(patching_free))) struct patching p = {.request = r,
		.old_image = {.fd = -1},
		.new_image = {.fd = -1},
		.object = {.fd = -1}};
	struct plan_object made;

	if (compress_check_level(PLAN_ZSTD, r->level, e) < 0 || open_images(&p, e) < 0 ||
		match(&p, e) < 0 || write_frames(&p, &made, e) < 0 || write_table(&p, table, e) < 0)
		return err_wrap(e, "patch of image %s", r->name);
	*patch = made;
	return 0;
}
