/* SPDX-License-Identifier: Apache-2.0 */
/* `data` and its frames: planned from the entries, compressed in threads, written in order. */
#include "publisher/data.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/base/buf.h"
#include "publisher/compress.h"
#include "publisher/object.h"
#include "publisher/workers.h"

/* A frame ends before an entry that does not fit, so all but a generation's last hold more. */
#define FRAME_LEAST (SLOT_FRAME_SIZE - SLOT_CHUNK_MAX)

/* A line of the manifest is a tenth of this. */
#define FIRST_SAVES 1024u

struct data_worker {
	struct compressor *compressor;
	uint8_t *raw; /* one frame as it is in the image */
};

struct data_job {
	const struct image_source *source;
	const struct image_request *request;
	struct entries_order order;
	struct slot_frames frames;
	uint32_t *
		start; /* the first entry (in `order`) of each frame, and where the last one ends */
	uint64_t raw_done;
	uint64_t raw_total;
	char label[PLAN_NAME_SIZE + 8]; /* for progress */
	size_t room;
	struct data_worker *worker;
	uint8_t **stored; /* of each slot: one frame as it is stored */
	struct object_writer object;
};

static void job_free(struct data_job *j)
{
	for (unsigned i = 0; j->worker && i < j->request->threads; i++) {
		compressor_free(j->worker[i].compressor);
		free(j->worker[i].raw);
	}
	for (unsigned i = 0; j->stored && i < workers_slots(j->request->threads); i++)
		free(j->stored[i]);
	free(j->worker);
	free(j->stored);
	free(j->start);
	entries_order_free(&j->order);
	slot_frames_free(&j->frames);
	object_abort(&j->object);
}

static int no_memory(const struct data_job *j, struct err *e)
{
	return err_set(e, E_NOMEM, "no memory for image %s with %u threads; try fewer --threads",
		j->request->name, j->request->threads);
}

static int allocate_frames(struct data_job *j, const struct entries *l, struct err *e)
{
	size_t most = (size_t)(l->stored_bytes / FRAME_LEAST) + SLOT_GENERATIONS;

	j->frames.image_size = j->source->size;
	j->frames.stored = calloc(most, sizeof(*j->frames.stored));
	j->frames.raw = calloc(most, sizeof(*j->frames.raw));
	j->frames.sha256 = calloc(most, sizeof(*j->frames.sha256));
	j->start = calloc(most + 1, sizeof(*j->start));
	return j->frames.stored && j->frames.raw && j->frames.sha256 && j->start ? 0
										 : no_memory(j, e);
}

static int allocate_workers(struct data_job *j, struct err *e)
{
	const struct image_request *r = j->request;

	j->worker = calloc(r->threads, sizeof(*j->worker));
	j->stored = calloc(workers_slots(r->threads), sizeof(*j->stored));
	if (!j->worker || !j->stored)
		return no_memory(j, e);
	for (unsigned i = 0; i < r->threads; i++) {
		if (compressor_make(r->encoding, r->level, &j->worker[i].compressor, e) < 0)
			return -1;
		j->worker[i].raw = malloc(SLOT_FRAME_SIZE);
		if (!j->worker[i].raw)
			return no_memory(j, e);
	}
	j->room = compressor_room(j->worker[0].compressor, SLOT_FRAME_SIZE);
	for (unsigned i = 0; i < workers_slots(r->threads); i++) {
		j->stored[i] = malloc(j->room);
		if (!j->stored[i])
			return no_memory(j, e);
	}
	return 0;
}

/* Cuts one generation into frames of whole entries. */
static int plan_generation(struct data_job *j, unsigned g, struct err *e)
{
	struct slot_frames *f = &j->frames;
	bool open = false;

	f->first[g] = f->count;
	for (uint32_t i = j->order.first[g]; i < j->order.first[g + 1]; i++) {
		uint32_t length = j->order.length[i];
		if (length == 0 || length > SLOT_CHUNK_MAX)
			return err_set(e, E_INTERNAL, "an entry of %u bytes", length);
		if (!open || f->raw[f->count - 1] + length > SLOT_FRAME_SIZE) {
			j->start[f->count++] = i;
			open = true;
		}
		f->raw[f->count - 1] += length;
	}
	return 0;
}

static int plan_frames(struct data_job *j, const struct entries *l, struct err *e)
{
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++) {
		if (plan_generation(j, g, e) < 0)
			return -1;
	}
	j->frames.first[SLOT_GENERATIONS] = j->frames.count;
	j->start[j->frames.count] = l->stored;
	j->raw_total = l->stored_bytes;
	return 0;
}

/* The content of a frame; entries that are neighbours in the image are read as one. */
static int read_frame(const struct data_job *j, uint64_t frame, uint8_t *raw, struct err *e)
{
	const uint64_t *offset = j->order.offset;
	const uint32_t *length = j->order.length;
	uint32_t i = j->start[frame];

	while (i < j->start[frame + 1]) {
		uint64_t from = offset[i];
		uint32_t n = 0;
		do
			n += length[i++];
		while (i < j->start[frame + 1] && offset[i] == from + n);
		if (image_read(j->source, from, raw, n, e) < 0)
			return -1;
		raw += n;
	}
	return 0;
}

/* One frame, in a thread: every array is written at the frame's own place only. */
static int make_frame(void *ctx, const struct workers_item *item, struct err *e)
{
	struct data_job *j = ctx;
	const struct data_worker *w = &j->worker[item->worker];
	uint8_t *stored = j->stored[item->slot];
	size_t n = 0;

	if (read_frame(j, item->index, w->raw, e) < 0 ||
		compressor_piece(w->compressor, w->raw, j->frames.raw[item->index], stored, j->room,
			&n, e) < 0)
		return -1;
	if (n > SLOT_FRAME_STORED_MAX)
		return err_set(e, E_INTERNAL, "frame %llu of image %s grew to %zu bytes",
			(unsigned long long)item->index, j->request->name, n);
	j->frames.stored[item->index] = (uint32_t)n;
	return hash_bytes(HASH_SHA256, stored, n, j->frames.sha256[item->index], e);
}

static int take_frame(void *ctx, const struct workers_item *item, struct err *e)
{
	struct data_job *j = ctx;
	const struct image_watcher *w = &j->request->watcher;

	if (object_add(&j->object, j->stored[item->slot], j->frames.stored[item->index], e) < 0)
		return -1;
	j->raw_done += j->frames.raw[item->index];
	if (w->progress)
		w->progress(w->ctx, j->label, j->raw_done, j->raw_total);
	return 0;
}

static int write_data(struct data_job *j, int objects_dir, struct plan_object *out, struct err *e)
{
	const struct workers_task task = {.count = j->frames.count,
		.threads = j->request->threads,
		.ctx = j,
		.work = make_frame,
		.take = take_frame};

	if (object_begin(&j->object, objects_dir, e) < 0 || workers_run(&task, e) < 0)
		return -1;
	return object_finish(&j->object, out, e);
}

/* A device that is so many releases behind finds all that it needs in as many generations. */
static const unsigned first_parts[] = {4, 2, 1};

/*
 * The first parts of the table that are worth their lines in the manifest, which every
 * device fetches: at most three quarters of the table, and 1 KiB less than the next longer.
 */
static int add_firsts(
	const struct data_job *j, const struct buf *table, struct plan_firsts *out, struct err *e)
{
	struct plan_first found[PLAN_FIRST_MAX];
	uint64_t longer = table->len;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(first_parts) / sizeof(first_parts[0]); i++) {
		unsigned g = first_parts[i];
		uint64_t length =
			SLOT_FRAMES_HEADER + (uint64_t)j->frames.first[g] * SLOT_FRAMES_ENTRY;
		if (length == SLOT_FRAMES_HEADER || length > table->len - table->len / 4 ||
			length + FIRST_SAVES > longer)
			continue;
		found[n] = (struct plan_first){.generations = g, .part.length = length};
		if (hash_bytes(HASH_SHA256, table->data, (size_t)length, found[n].part.sha256, e) <
			0)
			return -1;
		longer = length;
		n++;
	}
	*out = (struct plan_firsts){.count = n};
	for (size_t i = 0; i < n; i++)
		out->first[i] = found[n - 1 - i];
	return 0;
}

static int write_table(
	const struct data_job *j, int objects_dir, struct plan_image *out, struct err *e)
{
	size_t room = SLOT_FRAMES_HEADER + (size_t)j->frames.count * SLOT_FRAMES_ENTRY;
	AUTO_BUF struct buf table = buf_make(room);

	if (slot_frames_write(&j->frames, &table, e) < 0 ||
		add_firsts(j, &table, &out->frames_first, e) < 0)
		return -1;
	return object_write(objects_dir, table.data, table.len, &out->frames, e);
}

int data_write(const struct image_source *s, const struct entries *l, int objects_dir,
	struct plan_image *out, struct err *e)
{
	__attribute__((cleanup(job_free))) struct data_job j = {
		.source = s, .request = s->request, .object = {.fd = -1}};

	snprintf(j.label, sizeof(j.label), "%s data", s->request->name);
	if (entries_sort(l, &j.order, e) < 0 || allocate_frames(&j, l, e) < 0 ||
		plan_frames(&j, l, e) < 0 || allocate_workers(&j, e) < 0 ||
		write_data(&j, objects_dir, &out->data, e) < 0 ||
		write_table(&j, objects_dir, out, e) < 0)
		return -1;
	out->data_encoding = s->request->encoding;
	return 0;
}
