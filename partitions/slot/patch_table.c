/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a patch: reading it strictly, writing it, and which frames leaves need. */
#include "partitions/slot/patch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"

static const uint8_t patch_magic[4] = {'P', 'W', 'L', 'D'};

#define PATCH_VERSION 1

/* Sums of the lengths of all frames stay far below 64 bits. */
_Static_assert(SLOT_PATCH_TABLE_MAX < UINT32_MAX, "a patch table fits 32 bits");

/* Everything is kept in 32 bits, and a larger image is no case for a patch. */
static bool size_ok(uint64_t size)
{
	return slot_image_size_ok(size) && size <= SLOT_PATCH_IMAGE_MAX;
}

static int check_header(const uint8_t *data, size_t len, uint64_t image_size, struct err *e)
{
	if (!MUST("slot.patch-table-length", len >= SLOT_PATCH_HEADER))
		return err_set(e, E_META, "patch table: %zu bytes are less than its header", len);
	if (!MUST("slot.patch-table-magic", memcmp(data, patch_magic, sizeof(patch_magic)) == 0))
		return err_set(e, E_META, "patch table: does not begin with PWLD");
	if (!MUST("slot.patch-table-version", le16_get(data + 4) == PATCH_VERSION))
		return err_set(
			e, E_META, "patch table: version %u is not known", le16_get(data + 4));
	if (!MUST("slot.patch-table-flags", le16_get(data + 6) == 0))
		return err_set(
			e, E_META, "patch table: flags %u are not known", le16_get(data + 6));
	if (!MUST("slot.patch-table-image", le64_get(data + 8) == image_size))
		return err_set(e, E_META, "patch table: made for an image of %llu bytes, not %llu",
			(unsigned long long)le64_get(data + 8), (unsigned long long)image_size);
	return 0;
}

static int check_sizes(const uint8_t *data, uint64_t image_size, struct err *e)
{
	uint64_t old_size = le64_get(data + 20);

	if (!MUST("slot.patch-image-size", size_ok(image_size)))
		return err_set(e, E_META,
			"patch table: an image of %llu bytes: not a multiple of %u up to 1 GiB",
			(unsigned long long)image_size, SLOT_BLOCK_SIZE);
	if (!MUST("slot.patch-old-size", size_ok(old_size)))
		return err_set(e, E_META,
			"patch table: an old image of %llu bytes: not a multiple of %u up to 1 GiB",
			(unsigned long long)old_size, SLOT_BLOCK_SIZE);
	return 0;
}

/* Before memory is spent: the count is bounded, and the file really has so many entries. */
static int check_count(const uint8_t *data, size_t len, struct err *e)
{
	uint32_t count = le32_get(data + 16);

	if (!MUST("slot.patch-table-count", count > 0 && count <= SLOT_PATCH_FRAMES_MAX))
		return err_set(e, E_META, "patch table: %u frames; 1 to %u are allowed", count,
			SLOT_PATCH_FRAMES_MAX);
	uint64_t want = SLOT_PATCH_HEADER + (uint64_t)count * SLOT_PATCH_ENTRY;
	if (!MUST("slot.patch-table-size", len == want))
		return err_set(e, E_META, "patch table: %zu bytes where %u frames need %llu", len,
			count, (unsigned long long)want);
	return 0;
}

static int allocate(struct slot_patch_table *t, uint32_t count, struct err *e)
{
	t->count = count;
	t->output = calloc(count, sizeof(*t->output));
	t->stored = calloc(count, sizeof(*t->stored));
	t->raw = calloc(count, sizeof(*t->raw));
	t->offset = calloc(count, sizeof(*t->offset));
	t->at = calloc(count, sizeof(*t->at));
	t->sha256 = calloc(count, sizeof(*t->sha256));
	if (!t->output || !t->stored || !t->raw || !t->offset || !t->at || !t->sha256)
		return err_set(e, E_NOMEM, "no memory for a table of %u frames", count);
	return 0;
}

static int check_lengths(const struct slot_patch_table *t, uint32_t i, struct err *e)
{
	if (!MUST("slot.patch-output", t->output[i] > 0))
		return err_set(e, E_META, "patch table: frame %u gives no output", i);
	if (!MUST("slot.patch-stored", t->stored[i] > 0 && t->stored[i] <= SLOT_PATCH_STORED_MAX))
		return err_set(e, E_META,
			"patch table: frame %u is stored in %u bytes; 1 to %u are allowed", i,
			t->stored[i], SLOT_PATCH_STORED_MAX);
	if (!MUST("slot.patch-raw",
		    t->raw[i] >= SLOT_PATCH_FRAME_HEAD && t->raw[i] <= SLOT_PATCH_RAW_MAX))
		return err_set(e, E_META,
			"patch table: frame %u has %u bytes when decompressed; %u to %u are allowed",
			i, t->raw[i], SLOT_PATCH_FRAME_HEAD, SLOT_PATCH_RAW_MAX);
	return 0;
}

/* *output gets the sum of what the frames give: at most 2^16 numbers of 32 bits, no overflow. */
static int read_entries(
	const uint8_t *entry, struct slot_patch_table *t, uint64_t *output, struct err *e)
{
	*output = 0;
	for (uint32_t i = 0; i < t->count; i++, entry += SLOT_PATCH_ENTRY) {
		t->output[i] = le32_get(entry);
		t->stored[i] = le32_get(entry + 4);
		t->raw[i] = le32_get(entry + 8);
		if (check_lengths(t, i, e) < 0)
			return -1;
		memcpy(t->sha256[i], entry + 12, HASH_SIZE);
		t->offset[i] = t->stored_total;
		t->at[i] = *output;
		t->stored_total += t->stored[i];
		*output += t->output[i];
	}
	return 0;
}

static int check_sums(
	const struct slot_patch_table *t, uint64_t output, uint64_t patch_length, struct err *e)
{
	if (!MUST("slot.patch-table-sum", output == t->image_size))
		return err_set(e, E_META, "patch table: frames give %llu bytes, the image has %llu",
			(unsigned long long)output, (unsigned long long)t->image_size);
	if (!MUST("slot.patch-stored-sum", t->stored_total == patch_length))
		return err_set(e, E_META,
			"patch table: frames add up to %llu bytes, the patch has %llu",
			(unsigned long long)t->stored_total, (unsigned long long)patch_length);
	return 0;
}

#define AUTO_TABLE __attribute__((cleanup(slot_patch_table_free)))

int slot_patch_table_parse(const uint8_t *data, size_t len, uint64_t image_size,
	uint64_t patch_length, struct slot_patch_table *out, struct err *e)
{
	AUTO_TABLE struct slot_patch_table t = {.image_size = image_size};
	uint64_t output;

	if (check_header(data, len, image_size, e) < 0 || check_sizes(data, image_size, e) < 0 ||
		check_count(data, len, e) < 0)
		return -1;
	t.old_size = le64_get(data + 20);
	if (allocate(&t, le32_get(data + 16), e) < 0 ||
		read_entries(data + SLOT_PATCH_HEADER, &t, &output, e) < 0 ||
		check_sums(&t, output, patch_length, e) < 0)
		return -1;
	*out = t;
	t = (struct slot_patch_table){0};
	return 0;
}

void slot_patch_table_free(struct slot_patch_table *t)
{
	free(t->output);
	free(t->stored);
	free(t->raw);
	free(t->offset);
	free(t->at);
	free(t->sha256);
	*t = (struct slot_patch_table){0};
}

int slot_patch_table_write(const struct slot_patch_table *t, struct buf *out, struct err *e)
{
	uint8_t header[SLOT_PATCH_HEADER];
	uint8_t entry[SLOT_PATCH_ENTRY];

	memcpy(header, patch_magic, sizeof(patch_magic));
	le16_put(header + 4, PATCH_VERSION);
	le16_put(header + 6, 0);
	le64_put(header + 8, t->image_size);
	le32_put(header + 16, t->count);
	le64_put(header + 20, t->old_size);
	if (buf_add(out, header, sizeof(header), e) < 0)
		return err_wrap(e, "patch table");
	for (uint32_t i = 0; i < t->count; i++) {
		le32_put(entry, t->output[i]);
		le32_put(entry + 4, t->stored[i]);
		le32_put(entry + 8, t->raw[i]);
		memcpy(entry + 12, t->sha256[i], HASH_SIZE);
		if (buf_add(out, entry, sizeof(entry), e) < 0)
			return err_wrap(e, "patch table");
	}
	return 0;
}

uint32_t slot_patch_find(const struct slot_patch_table *t, uint64_t at)
{
	uint32_t low = 0;
	uint32_t high = t->count;

	/* The last frame that begins at or before `at`. */
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (t->at[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Is any leaf that the frame gives a part of wanted? */
static bool frame_is_wanted(
	const struct slot_patch_table *t, uint32_t frame, const struct leaf_set *wanted)
{
	uint64_t last = (t->at[frame] + t->output[frame] - 1) / SLOT_LEAF_SIZE;

	for (uint64_t leaf = t->at[frame] / SLOT_LEAF_SIZE; leaf <= last; leaf++) {
		if (leaf_set_has(wanted, leaf))
			return true;
	}
	return false;
}

int slot_patch_ranges(const struct slot_patch_table *t, const struct leaf_set *wanted,
	struct byte_range **out, size_t *count, uint64_t *bytes, struct err *e)
{
	AUTO_FREE struct byte_range *ranges = calloc(t->count, sizeof(*ranges));
	uint64_t sum = 0;
	size_t n = 0;

	if (!ranges)
		return err_set(e, E_NOMEM, "no memory for %u ranges", t->count);
	for (uint32_t i = 0; i < t->count; i++) {
		if (!frame_is_wanted(t, i, wanted))
			continue;
		if (n > 0 && ranges[n - 1].offset + ranges[n - 1].length == t->offset[i])
			ranges[n - 1].length += t->stored[i];
		else
			ranges[n++] =
				(struct byte_range){.offset = t->offset[i], .length = t->stored[i]};
		sum += t->stored[i];
	}
	*out = steal_ptr(ranges);
	*count = n;
	if (bytes)
		*bytes = sum;
	return 0;
}
