/* SPDX-License-Identifier: Apache-2.0 */
/* Index and data of an image: the order of steps. */
#include "publisher/image_delta.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/buf.h"
#include "publisher/before.h"
#include "publisher/choice.h"
#include "publisher/data.h"
#include "publisher/entries.h"
#include "publisher/object.h"
#include "publisher/trial.h"

#define CHUNK (1024u * 1024)

struct making_delta {
	const struct image_source *source;
	bool packed;
	bool wanted[CUTTER_KINDS];
	struct before before;
	struct entries entries[CUTTER_KINDS];
	struct choice choice;
};

static void making_free(struct making_delta *m)
{
	before_free(&m->before);
	for (int k = 0; k < CUTTER_KINDS; k++)
		entries_free(&m->entries[k]);
}

static void tell(const struct making_delta *m, bool warning, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(const struct making_delta *m, bool warning, const char *fmt, ...)
{
	const struct image_request *r = m->source->request;
	char said[240];
	char text[300];
	va_list args;

	if (!r->watcher.tell)
		return;
	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "image %s: %s", r->name, said);
	r->watcher.tell(r->watcher.ctx, warning, text);
}

/* Both kinds only where they are to be compared. */
static void find_wanted(struct making_delta *m)
{
	enum choice_wish wish = m->source->request->index;

	m->wanted[CUTTER_BLOCKS] = wish != CHOICE_CHUNKS;
	m->wanted[CUTTER_CHUNKS] = wish != CHOICE_BLOCKS;
}

static int cut_stream(const struct image_source *s, struct cutter *cutter, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);

	if (!chunk)
		return err_set(e, E_NOMEM, "no memory to cut image %s", s->request->name);
	for (uint64_t at = 0; at < s->size; at += CHUNK) {
		size_t n = s->size - at < CHUNK ? (size_t)(s->size - at) : CHUNK;
		if (image_read(s, at, chunk, n, e) < 0 || cutter_add(cutter, chunk, n, e) < 0)
			return -1;
	}
	return cutter_end(cutter, e);
}

static int cut_entries(struct making_delta *m, struct err *e)
{
	struct cutter_sink sinks[CUTTER_KINDS] = {0};
	struct cutter *cutter = NULL;

	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (m->wanted[k])
			sinks[k] =
				(struct cutter_sink){.ctx = &m->entries[k], .take = entries_take};
	}
	if (cutter_make(sinks, &cutter, e) < 0)
		return -1;
	int rc = cut_stream(m->source, cutter, e);
	cutter_free(cutter);
	return rc;
}

/*
 * New content, compressed, and the index: of one of the same kind before, what is new comes
 * as the difference. Not at the rate of the whole image: new inodes of an ext4 are many
 * bytes and compress to nearly nothing, new programs do not.
 */
static int predict(
	const struct making_delta *m, enum cutter_kind kind, uint64_t *cost, struct err *e)
{
	const struct entries *l = &m->entries[kind];
	const struct index_set *before = &m->before.content[kind];
	double content = (double)(l->stored_bytes ? l->stored_bytes : 1);
	double index = (double)entries_index_size(l, kind == CUTTER_CHUNKS);
	uint64_t fresh = 0;

	if (trial_fresh(m->source, l, before, &fresh, e) < 0)
		return -1;
	if (m->before.has_index && m->before.kind == kind)
		index *= (double)entries_fresh(l, before) / content;
	*cost = fresh + (uint64_t)index;
	return 0;
}

static int choose(struct making_delta *m, const struct plan_image *image, struct err *e)
{
	struct choice_facts f = {.wish = m->source->request->index,
		.format = image->format,
		.packed = m->packed,
		.before_has_index = m->before.has_index,
		.before = m->before.kind};

	for (int k = 0; k < CUTTER_KINDS; k++) {
		f.possible[k] = m->wanted[k] && !m->entries[k].too_many;
		f.tried[k] = f.possible[k] && m->before.known[k];
	}
	bool both = f.tried[CUTTER_BLOCKS] && f.tried[CUTTER_CHUNKS];
	for (int k = 0; both && k < CUTTER_KINDS; k++) {
		if (predict(m, (enum cutter_kind)k, &f.cost[k], e) < 0)
			return -1;
	}
	choice_make(&f, &m->choice);
	tell(m, false, "index of %s: %s", choice_kind_name(m->choice.kind), m->choice.why);
	if (m->before.missing[0])
		tell(m, true, "%s; devices may fetch more for it", m->before.missing);
	return 0;
}

static int write_index(
	const struct making_delta *m, int objects_dir, struct plan_image *image, struct err *e)
{
	const struct entries *l = &m->entries[m->choice.kind];
	bool chunks = m->choice.kind == CUTTER_CHUNKS;
	AUTO_BUF struct buf bytes = buf_make((size_t)entries_index_size(l, chunks));

	if (slot_index_write(m->source->size, chunks, l->item, l->count, &bytes, e) < 0)
		return err_wrap(e, "image %s", image->name);
	return object_write(objects_dir, bytes.data, bytes.len, &image->index, e);
}

static int make_delta(
	struct making_delta *m, int objects_dir, struct plan_image *image, struct err *e)
{
	struct entries *chosen = &m->entries[m->choice.kind];

	entries_age(chosen, &m->before.content[m->choice.kind]);
	/* What was only needed for the choice makes room for compression. */
	before_free(&m->before);
	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (&m->entries[k] != chosen)
			entries_free(&m->entries[k]);
	}
	if (write_index(m, objects_dir, image, e) < 0 ||
		data_write(m->source, chosen, objects_dir, image, e) < 0)
		return -1;
	image->has_delta = true;
	return 0;
}

/* Nothing of an image that is all zero is ever fetched. */
static bool is_all_zero(const struct making_delta *m)
{
	return m->entries[CUTTER_BLOCKS].stored == 0 && m->entries[CUTTER_CHUNKS].stored == 0;
}

static bool fits_an_index(const struct making_delta *m)
{
	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (m->wanted[k] && !m->entries[k].too_many)
			return true;
	}
	return false;
}

int image_add_delta(const struct image_source *s, bool packed, int objects_dir,
	struct plan_image *image, struct err *e)
{
	__attribute__((cleanup(making_free))) struct making_delta m = {
		.source = s, .packed = packed};
	const struct image_request *r = s->request;

	if (r->index == CHOICE_NO_DELTA || s->size < IMAGE_DELTA_LEAST)
		return 0;
	find_wanted(&m);
	if (cut_entries(&m, e) < 0)
		return -1;
	if (!fits_an_index(&m)) {
		tell(&m, true, "too large for an index: devices fetch it whole");
		return 0;
	}
	if (is_all_zero(&m))
		return 0;
	if (before_load(r->before, r->name, m.wanted, &m.before, e) < 0)
		return err_wrap(e, "image %s: --no-delta does without the release before", r->name);
	if (choose(&m, image, e) < 0)
		return -1;
	return make_delta(&m, objects_dir, image, e);
}
