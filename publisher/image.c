/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts an image into leaves, full and pieces; image_delta.c does the rest. */
#include "publisher/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "partitions/slot/format.h"
#include "publisher/compress.h"
#include "publisher/image_delta.h"
#include "publisher/image_probe.h"
#include "publisher/object.h"
#include "publisher/workers.h"

/* Memory of one thread and of one slot (workers.h). */
struct cut_worker {
	struct compressor *compressor;
	uint8_t *raw; /* one piece as it is in the image */
};

struct cut {
	const struct image_request *request;
	const struct image_source *source;
	uint64_t size; /* with padding */
	size_t room; /* of a slot */
	struct cut_worker *worker;
	uint8_t **stored; /* of each slot: one piece as it is stored */
	uint8_t *leaves; /* 32 bytes for each leaf */
	struct slot_pieces table;
	struct object_writer full;
};

static void cut_free(struct cut *c)
{
	for (unsigned i = 0; c->worker && i < c->request->threads; i++) {
		compressor_free(c->worker[i].compressor);
		free(c->worker[i].raw);
	}
	for (unsigned i = 0; c->stored && i < workers_slots(c->request->threads); i++)
		free(c->stored[i]);
	free(c->worker);
	free(c->stored);
	free(c->leaves);
	slot_pieces_free(&c->table);
	object_abort(&c->full);
}

static int no_memory(const struct cut *c, struct err *e)
{
	return err_set(e, E_NOMEM, "no memory for image %s with %u threads; try fewer --threads",
		c->request->name, c->request->threads);
}

/* Tables of the whole image: 32 bytes for each 256 KiB, and 44 for each 4 MiB. */
static int allocate_tables(struct cut *c, struct err *e)
{
	uint64_t pieces = slot_piece_count(c->size);

	c->table.image_size = c->size;
	c->table.count = (uint32_t)pieces;
	c->table.stored = calloc((size_t)pieces, sizeof(*c->table.stored));
	c->table.sha256 = calloc((size_t)pieces, sizeof(*c->table.sha256));
	c->leaves = calloc((size_t)slot_leaf_count(c->size), HASH_SIZE);
	return c->table.stored && c->table.sha256 && c->leaves ? 0 : no_memory(c, e);
}

static int allocate_workers(struct cut *c, struct err *e)
{
	const struct image_request *r = c->request;

	c->worker = calloc(r->threads, sizeof(*c->worker));
	c->stored = calloc(workers_slots(r->threads), sizeof(*c->stored));
	if (!c->worker || !c->stored)
		return no_memory(c, e);
	for (unsigned i = 0; i < r->threads; i++) {
		if (compressor_make(r->encoding, r->level, &c->worker[i].compressor, e) < 0)
			return -1;
		c->worker[i].raw = malloc(SLOT_PIECE_SIZE);
		if (!c->worker[i].raw)
			return no_memory(c, e);
	}
	c->room = compressor_room(c->worker[0].compressor, SLOT_PIECE_SIZE);
	for (unsigned i = 0; i < workers_slots(r->threads); i++) {
		c->stored[i] = malloc(c->room);
		if (!c->stored[i])
			return no_memory(c, e);
	}
	return 0;
}

static int hash_leaves(
	const struct cut *c, uint64_t piece, const uint8_t *raw, size_t len, struct err *e)
{
	uint8_t *digest = c->leaves + piece * SLOT_LEAVES_A_PIECE * HASH_SIZE;

	for (size_t at = 0; at < len; at += SLOT_LEAF_SIZE, digest += HASH_SIZE) {
		size_t n = len - at < SLOT_LEAF_SIZE ? len - at : SLOT_LEAF_SIZE;
		if (hash_bytes(c->request->leaf_alg, raw + at, n, digest, e) < 0)
			return -1;
	}
	return 0;
}

/* One piece, in a thread: every array is written at the piece's own place only. */
static int make_piece(void *ctx, const struct workers_item *item, struct err *e)
{
	struct cut *c = ctx;
	const struct cut_worker *w = &c->worker[item->worker];
	uint8_t *stored = c->stored[item->slot];
	size_t len = slot_piece_length(c->size, item->index);
	size_t n = 0;

	if (image_read(c->source, item->index * SLOT_PIECE_SIZE, w->raw, len, e) < 0 ||
		hash_leaves(c, item->index, w->raw, len, e) < 0 ||
		compressor_piece(w->compressor, w->raw, len, stored, c->room, &n, e) < 0)
		return -1;
	if (n > (size_t)SLOT_PIECE_SIZE + SLOT_STORED_SLACK)
		return err_set(e, E_INTERNAL, "piece %llu of image %s grew to %zu bytes",
			(unsigned long long)item->index, c->request->name, n);
	c->table.stored[item->index] = (uint32_t)n;
	return hash_bytes(HASH_SHA256, stored, n, c->table.sha256[item->index], e);
}

static int take_piece(void *ctx, const struct workers_item *item, struct err *e)
{
	struct cut *c = ctx;
	const struct image_watcher *w = &c->request->watcher;

	if (object_add(&c->full, c->stored[item->slot], c->table.stored[item->index], e) < 0)
		return -1;
	if (w->progress) {
		uint64_t done =
			item->index * SLOT_PIECE_SIZE + slot_piece_length(c->size, item->index);
		w->progress(w->ctx, c->request->name, done, c->size);
	}
	return 0;
}

static int write_full(struct cut *c, int objects_dir, struct plan_object *out, struct err *e)
{
	const struct workers_task task = {.count = c->table.count,
		.threads = c->request->threads,
		.ctx = c,
		.work = make_piece,
		.take = take_piece};

	if (object_begin(&c->full, objects_dir, e) < 0 || workers_run(&task, e) < 0)
		return -1;
	return object_finish(&c->full, out, e);
}

static int write_tables(struct cut *c, int objects_dir, struct plan_image *out, struct err *e)
{
	size_t room = SLOT_PIECES_HEADER + (size_t)c->table.count * SLOT_PIECES_ENTRY;
	AUTO_BUF struct buf table = buf_make(room);

	if (slot_pieces_write(&c->table, &table, e) < 0 ||
		object_write(objects_dir, table.data, table.len, &out->pieces, e) < 0)
		return -1;
	return object_write(objects_dir, c->leaves, (size_t)slot_leaf_count(c->size) * HASH_SIZE,
		&out->leaves, e);
}

static void describe(
	const struct image_request *r, const struct image_probe *probe, struct plan_image *out)
{
	*out = (struct plan_image){.format = probe->format,
		.size = probe->size,
		.leaf_alg = r->leaf_alg,
		.encoding = r->encoding};
	snprintf(out->name, sizeof(out->name), "%s", r->name);
}

/* Its memory is given back before index and data are made. */
static int cut_full(
	const struct image_source *source, int objects_dir, struct plan_image *out, struct err *e)
{
	__attribute__((cleanup(cut_free))) struct cut c = {.request = source->request,
		.source = source,
		.size = source->size,
		.full = {.fd = -1}};

	if (allocate_tables(&c, e) < 0 || allocate_workers(&c, e) < 0 ||
		write_full(&c, objects_dir, &out->full, e) < 0)
		return -1;
	return write_tables(&c, objects_dir, out, e);
}

int image_cut(const struct image_request *r, int objects_dir, struct plan_image *out,
	struct image_facts *facts, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct image_probe probe;
	struct plan_image image;

	if (image_open(r, &fd, &probe, e) < 0)
		return -1;
	describe(r, &probe, &image);
	const struct image_source source = {.request = r,
		.fd = fd,
		.file_size = (uint64_t)probe.st.st_size,
		.size = probe.size};
	if (cut_full(&source, objects_dir, &image, e) < 0 ||
		image_add_delta(&source, probe.packed, objects_dir, &image, e) < 0)
		return -1;
	/* Half of an old and half of a new image would be signed without anybody noticing. */
	if (!image_is_unchanged(fd, &probe))
		return err_set(
			e, E_IO, "image %s: %s was changed while it was read", r->name, r->path);
	*out = image;
	*facts = probe.facts;
	return 0;
}

int image_probe(const struct image_request *r, struct plan_image *out, struct image_facts *facts,
	struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct image_probe probe;

	if (image_open(r, &fd, &probe, e) < 0)
		return -1;
	describe(r, &probe, out);
	*facts = probe.facts;
	return 0;
}
