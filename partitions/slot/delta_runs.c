/* SPDX-License-Identifier: Apache-2.0 */
/* Reading old content in runs. */
#include "partitions/slot/delta_runs.h"

/* A medium that fails so often is left alone: each failure may cost seconds of the kernel's retries. */
#define READ_ERRORS_MAX 16
#define TARGET          SLOT_SEEDS_MAX /* its number among what is read */

/* Bytes of the image that lie in a row in one place. */
struct run {
	unsigned medium; /* seed, or TARGET */
	uint64_t at; /* in it */
	uint64_t offset; /* in the image */
	uint64_t length;
};

int delta_runs_open(struct delta_runs *r, const struct slot_delta *delta,
	const struct device *target, struct err *e)
{
	*r = (struct delta_runs){.delta = delta, .target = {.fd = -1}};
	if (device_open_read(target->path, &r->target, e) < 0)
		return -1;
	const struct device_id *a = &r->target.id;
	const struct device_id *b = &target->id;
	if (a->block != b->block || a->dev != b->dev || a->ino != b->ino)
		return err_set(e, E_SLOT, "%s was replaced after it was opened", target->path);
	return 0;
}

void delta_runs_close(struct delta_runs *r)
{
	device_close(&r->target);
}

static unsigned medium_of(uint64_t place)
{
	return place == SLOT_PLACE_TARGET ? TARGET : (unsigned)(place >> SLOT_PLACE_SEED_SHIFT);
}

/* Around the page cache only whole blocks can be read. */
static bool is_aligned(const struct slot_entry *entry)
{
	return entry->offset % SLOT_BLOCK_SIZE == 0 && entry->length % SLOT_BLOCK_SIZE == 0;
}

uint64_t delta_runs_place(const struct delta_runs *r, const struct slot_entry *entry)
{
	if (entry->zero)
		return SLOT_PLACE_DATA;
	const uint64_t *places = r->delta->match->place.data;
	uint64_t place = places[entry->stored_number];
	if (place == SLOT_PLACE_DATA)
		return place;
	unsigned medium = medium_of(place);
	bool usable = medium == TARGET ? place == SLOT_PLACE_TARGET && is_aligned(entry)
				       : medium < r->delta->seed_count;
	return usable && r->errors[medium] < READ_ERRORS_MAX ? place : SLOT_PLACE_DATA;
}

static struct run run_of(uint64_t place, const struct slot_entry *entry)
{
	unsigned medium = medium_of(place);

	return (struct run){.medium = medium,
		.at = medium == TARGET ? entry->offset
				       : place & ((UINT64_C(1) << SLOT_PLACE_SEED_SHIFT) - 1),
		.offset = entry->offset,
		.length = entry->length};
}

static bool follows(const struct run *before, const struct run *next)
{
	return before->length > 0 && before->medium == next->medium &&
	       before->at + before->length == next->at &&
	       before->offset + before->length == next->offset;
}

static int read_run(struct delta_runs *r, const struct run *run, uint8_t *out, struct err *e)
{
	size_t len = (size_t)run->length;
	int rc = run->medium == TARGET
			 ? device_read(&r->target, out, len, run->at, e)
			 : slot_seed_read(r->delta->seeds[run->medium], run->at, out, len, e);

	if (rc < 0)
		r->errors[run->medium]++;
	return rc;
}

void delta_runs_read(struct delta_runs *r, const struct delta_walk *begin, uint64_t from,
	uint64_t to, uint8_t *out)
{
	struct run run = {0};
	struct err ignored;

	for (struct delta_walk w = *begin; delta_walk_before(&w, to); delta_walk_next(&w)) {
		const struct slot_entry *entry = &w.entry;
		if (entry->offset < from || entry->offset + entry->length > to)
			continue;
		uint64_t place = delta_runs_place(r, entry);
		if (place == SLOT_PLACE_DATA)
			continue;
		struct run next = run_of(place, entry);
		if (follows(&run, &next)) {
			run.length += next.length;
			continue;
		}
		if (run.length > 0)
			(void)read_run(r, &run, out + (run.offset - from), &ignored);
		run = next;
	}
	if (run.length > 0)
		(void)read_run(r, &run, out + (run.offset - from), &ignored);
}

bool delta_runs_seed(struct delta_runs *r, const struct slot_entry *entry, uint8_t *out)
{
	uint64_t place = delta_runs_place(r, entry);
	struct err ignored;

	if (place == SLOT_PLACE_DATA || place == SLOT_PLACE_TARGET)
		return false;
	struct run run = run_of(place, entry);
	return read_run(r, &run, out, &ignored) == 0;
}
