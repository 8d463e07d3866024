/* SPDX-License-Identifier: Apache-2.0 */
/* The table of frames: as much of it as this device needs. */
#include <string.h>

#include "agent/base/must.h"
#include "agent/ways_parts.h"

/* Frames are full but for the ends of generations; content-defined entries leave a quarter. */
#define FRAMES_CAP(size)                                                                           \
	(SLOT_FRAMES_HEADER + SLOT_FRAMES_ENTRY * ((size_t)((size) / (SLOT_FRAME_SIZE / 2)) +      \
							  4 * SLOT_GENERATIONS))

static struct ways_table whole_of(const struct plan_image *i)
{
	return (struct ways_table){
		.object = &i->frames, .cap = FRAMES_CAP(i->size), .what = "frames"};
}

static struct ways_table part_of(const struct plan_image *i, const struct plan_first *f)
{
	return (struct ways_table){.object = &f->part,
		.within = &i->frames,
		.cap = FRAMES_CAP(i->size),
		.what = "frames"};
}

/* The first part that costs least and has these generations; NULL: the whole table is better. */
static const struct plan_first *find_first(
	const struct ways *w, const struct plan_image *i, unsigned generations, uint64_t *cost)
{
	const struct ways_table whole = whole_of(i);
	const struct plan_first *best = NULL;

	*cost = ways_table_cost(w, &whole);
	/* Of a bundle, what is not read saves nothing, and a pipe is not read twice. */
	for (size_t k = 0; !w->from_bundle && k < i->frames_first.count; k++) {
		const struct plan_first *f = &i->frames_first.first[k];
		const struct ways_table part = part_of(i, f);
		if (f->generations < generations || ways_table_cost(w, &part) >= *cost)
			continue;
		*cost = ways_table_cost(w, &part);
		best = f;
	}
	return best;
}

uint64_t ways_frames_cost(const struct ways *w, const struct ways_image *im, unsigned generations)
{
	uint64_t cost;

	find_first(w, im->image, generations, &cost);
	return cost;
}

static int load_whole(struct ways *w, const struct ways_image *im, struct table *bytes,
	struct slot_frames *out, struct err *e)
{
	const struct plan_image *i = im->image;
	const struct ways_table t = whole_of(i);

	if (ways_get_table(w, im, &t, bytes, e) < 0)
		return -1;
	if (slot_frames_parse(bytes->data, bytes->len, i->size, i->data.length, out, e) < 0)
		return err_wrap(e, "frames of %s", i->name);
	if (slot_frames_check(out, &im->delta.index, e) == 0)
		return 0;
	slot_frames_free(out);
	return err_wrap(e, "frames of %s", i->name);
}

static int load_part(struct ways *w, const struct ways_image *im, const struct plan_first *f,
	struct slot_frames *out, struct err *e)
{
	const struct plan_image *i = im->image;
	const struct ways_table t = part_of(i, f);
	AUTO_TABLE struct table bytes = {0};

	if (ways_get_table(w, im, &t, &bytes, e) < 0)
		return -1;
	const struct slot_frames_part part = {.data = bytes.data,
		.len = bytes.len,
		.generations = f->generations,
		.table_length = i->frames.length};
	if (slot_frames_parse_first(&part, i->size, i->data.length, out, e) < 0)
		return err_wrap(e, "first frames of %s", i->name);
	if (slot_frames_check(out, &im->delta.index, e) == 0)
		return 0;
	slot_frames_free(out);
	return err_wrap(e, "first frames of %s", i->name);
}

/* One try with a first part at most; where the object is missing, so is all of it. */
static int load(struct ways *w, struct ways_image *im, unsigned generations, struct err *e)
{
	struct slot_frames *out = &im->delta.frames;
	AUTO_TABLE struct table bytes = {0};
	struct err why = {0};
	uint64_t cost;
	const struct plan_first *f = find_first(w, im->image, generations, &cost);

	if (!f)
		return load_whole(w, im, &bytes, out, e);
	if (load_part(w, im, f, out, &why) == 0)
		return 0;
	if (!ways_can_be_planned_without(why.code) || why.code == E_NOTFOUND) {
		*e = why;
		return -1;
	}
	const struct ways_table t = part_of(im->image, f);
	ways_note_unused(w, "first", &t, &why);
	return load_whole(w, im, &bytes, out, e);
}

int ways_load_frames(struct ways *w, struct ways_image *im, unsigned generations, struct err *e)
{
	uint64_t before = w->meter.bytes;
	int rc = load(w, im, generations, e);

	im->cost[WAY_DELTA].tables += w->meter.bytes - before;
	return rc;
}

/* The frames that are planned with must be the same ones in both. */
static int check_beginning(const struct slot_frames *part, const struct slot_frames *whole,
	const char *image, struct err *e)
{
	size_t n = part->count;
	bool same = n <= whole->count && slot_frames_total(part) == whole->count &&
		    memcmp(part->stored, whole->stored, n * sizeof(*part->stored)) == 0 &&
		    memcmp(part->raw, whole->raw, n * sizeof(*part->raw)) == 0 &&
		    memcmp(part->sha256, whole->sha256, n * sizeof(*part->sha256)) == 0;

	for (unsigned g = 0; g < part->generations; g++)
		same = same && part->first[g + 1] == whole->first[g + 1];
	if (!MUST("ways.frames-beginning", same))
		return err_set(e, E_META,
			"frames of %s: the table does not begin as its first part", image);
	return 0;
}

int ways_complete_frames(struct ways *w, struct ways_image *im, struct err *e)
{
	struct slot_frames *f = &im->delta.frames;
	struct slot_frames whole = {0};
	AUTO_TABLE struct table bytes = {0};

	if (load_whole(w, im, &bytes, &whole, e) < 0)
		return -1;
	if (check_beginning(f, &whole, im->image->name, e) < 0) {
		slot_frames_free(&whole);
		return -1;
	}
	slot_frames_free(f);
	*f = whole;
	return 0;
}
