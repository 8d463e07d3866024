/* SPDX-License-Identifier: Apache-2.0 */
/* An image without its zero blocks. */
#include "publisher/patch_text.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "partitions/slot/format.h"

#define STEP (1024u * 1024) /* bytes read at once */

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, SLOT_BLOCK_SIZE - 1) == 0;
}

static int new_run(struct patch_text *t, uint32_t image, struct err *e)
{
	if (t->run_count == t->run_room) {
		uint32_t room = t->run_room ? 2 * t->run_room : 64;
		struct patch_run *runs = realloc(t->runs, room * sizeof(*runs));
		if (!runs)
			return err_set(e, E_NOMEM, "no memory for %u runs of blocks", room);
		t->runs = runs;
		t->run_room = room;
	}
	t->runs[t->run_count++] = (struct patch_run){.text = t->length, .image = image};
	return 0;
}

/* Keeps the blocks of data, which were read behind the text's end, that are not zero. */
static int keep_blocks(struct patch_text *t, uint32_t image, uint32_t len, struct err *e)
{
	const uint8_t *block = t->bytes + t->length;

	for (uint32_t end = image + len; image < end;
		image += SLOT_BLOCK_SIZE, block += SLOT_BLOCK_SIZE) {
		if (is_zero(block))
			continue;
		struct patch_run *last = t->run_count ? &t->runs[t->run_count - 1] : NULL;
		if (!last || last->image + last->length != image) {
			if (new_run(t, image, e) < 0)
				return -1;
			last = &t->runs[t->run_count - 1];
		}
		memmove(t->bytes + t->length, block, SLOT_BLOCK_SIZE);
		t->length += SLOT_BLOCK_SIZE;
		last->length += SLOT_BLOCK_SIZE;
	}
	return 0;
}

static int fill(const struct patch_input *in, struct patch_text *t, struct err *e)
{
	for (uint64_t at = t->from; at < t->to;) {
		uint64_t left = t->to - at;
		uint32_t n = left < STEP ? (uint32_t)left : STEP;
		/* The text is never longer than what was read, so there is room behind it. */
		if (patch_input_read(in, at, t->bytes + t->length, n, e) < 0 ||
			keep_blocks(t, (uint32_t)at, n, e) < 0)
			return -1;
		at += n;
	}
	return 0;
}

int patch_text_load(const struct patch_input *in, uint64_t from, uint64_t to,
	struct patch_text *out, struct err *e)
{
	struct patch_text t = {.from = from, .to = to};

	t.bytes = malloc((size_t)(to - from));
	if (!t.bytes)
		return err_set(e, E_NOMEM, "no memory for %llu bytes of %s",
			(unsigned long long)(to - from), in->path);
	if (fill(in, &t, e) < 0) {
		patch_text_free(&t);
		return -1;
	}
	*out = t;
	return 0;
}

void patch_text_free(struct patch_text *t)
{
	free(t->bytes);
	free(t->runs);
	*t = (struct patch_text){0};
}

uint32_t patch_text_run(const struct patch_text *t, uint32_t at)
{
	uint32_t low = 0;
	uint32_t high = t->run_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (t->runs[middle].text <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The last run that begins at or before a place of the image; NULL when there is none. */
static const struct patch_run *run_before(const struct patch_text *t, uint32_t image_at)
{
	uint32_t low = 0;
	uint32_t high = t->run_count;

	if (t->run_count == 0 || t->runs[0].image > image_at)
		return NULL;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (t->runs[middle].image <= image_at)
			low = middle;
		else
			high = middle;
	}
	return &t->runs[low];
}

uint32_t patch_text_at(const struct patch_text *t, uint32_t image_at)
{
	const struct patch_run *run = run_before(t, image_at);

	return run ? run->text + (image_at - run->image) : 0;
}

bool patch_text_is_zero(const struct patch_text *t, uint32_t image_at, uint32_t length)
{
	const struct patch_run *run = run_before(t, image_at);
	const struct patch_run *next = run ? run + 1 : t->runs;

	if (image_at + (uint64_t)length > t->to)
		return false;
	if (run && run->image + run->length > image_at)
		return false;
	return next == t->runs + t->run_count || next->image >= image_at + length;
}
