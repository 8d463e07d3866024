/* SPDX-License-Identifier: Apache-2.0 */
/* Index, data, frames and patches of an image: what the size permits, before anything is fetched. */
#include "agent/plan/manifest_delta.h"

#include <inttypes.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/plan/manifest_field.h"

/* The same numbers as in partitions/slot/index.h and patch.h, which plan may not include. */
#define INDEX_HEAD      UINT64_C(20)
#define ENTRIES_MAX     (UINT64_C(1) << 22)
#define ENTRY_BYTES     UINT64_C(512) /* an index has at most one entry for so much image */
#define FRAMES_HEAD     UINT64_C(20)
#define FRAMES_ENTRY    UINT64_C(41)
#define FRAME_BYTES     (UINT64_C(128) * 1024) /* all frames but a generation's last hold more */
#define FRAME_SLACK     UINT64_C(4096)
#define GENERATIONS     UINT64_C(16)
#define PATCH_HEAD      UINT64_C(28)
#define PATCH_ENTRY     UINT64_C(44)
#define PATCH_BYTES     UINT64_C(4096) /* a patch has at most one frame for so much image */
#define PATCH_SLACK     UINT64_C(8192)
#define PATCH_IMAGE_MAX (UINT64_C(1) << 30)
#define DIFFERENCE_MAX  (UINT64_C(1) << 20)

/* An index of so many entries with lengths of their own, none of them zero. */
static uint64_t index_limit(uint64_t size)
{
	uint64_t n = size / ENTRY_BYTES + 1;

	if (n > ENTRIES_MAX)
		n = ENTRIES_MAX;
	return INDEX_HEAD + 2 * n + (n + 7) / 8 + (n + 1) / 2 + 8 * n;
}

/* A table of `head` and rows of `row` bytes, 1 to `most` of them. */
static bool is_table(uint64_t length, uint64_t head, uint64_t row, uint64_t most)
{
	return length >= head + row && (length - head) % row == 0 && (length - head) / row <= most;
}

static int check_index(const struct plan_image *i, struct err *e)
{
	uint64_t most = index_limit(i->size);

	if (!MUST("manifest.index-length", i->index.length <= most))
		return err_set(e, E_META,
			"index is %" PRIu64 " bytes, but the size permits %" PRIu64 " at most",
			i->index.length, most);
	return 0;
}

static int check_data(const struct plan_image *i, struct err *e)
{
	uint64_t most = i->size / FRAME_BYTES + GENERATIONS;
	bool good = is_table(i->frames.length, FRAMES_HEAD, FRAMES_ENTRY, most);

	if (!MUST("manifest.frames-length", good))
		return err_set(e, E_META,
			"frames are %" PRIu64 " bytes, not a table of 1 to %" PRIu64 " frames",
			i->frames.length, most);
	uint64_t frames = i->frames.length / FRAMES_ENTRY; /* the head is less than one more */
	bool fits = i->data.length <= i->size + frames * FRAME_SLACK;
	if (!MUST("manifest.data-length", fits))
		return err_set(e, E_META,
			"data is %" PRIu64 " bytes, more than its frames can hold", i->data.length);
	return 0;
}

/* Each has more generations and more frames than the one before, and not all frames. */
static int check_first(const struct plan_image *i, const struct plan_first *f, struct err *e)
{
	size_t n = i->frames_first.count;
	const struct plan_first *before = n > 0 ? &i->frames_first.first[n - 1] : NULL;
	uint64_t length = f->part.length;
	uint64_t most = i->frames.length / FRAMES_ENTRY - 1;

	if (!MUST("manifest.first-length",
		    length < i->frames.length && is_table(length, FRAMES_HEAD, FRAMES_ENTRY, most)))
		return err_set(e, E_META,
			"the first %" PRIu64 " bytes of frames are no part of %" PRIu64, length,
			i->frames.length);
	bool rises =
		!before || (f->generations > before->generations && length > before->part.length);
	if (!MUST("manifest.first-order", rises))
		return err_set(e, E_META, "first parts of frames are not in rising order");
	return 0;
}

static int read_first(const json_t *obj, struct plan_image *out, struct err *e)
{
	struct plan_first f = {0};
	uint64_t generations;

	if (!json_is_object(obj))
		return err_set(e, E_META, "every entry of \"first\" must be an object");
	if (field_number(obj, "generations", 1, GENERATIONS - 1, &generations, e) < 0 ||
		field_digest(obj, "sha256", f.part.sha256, e) < 0 ||
		field_number(obj, "length", 1, FIELD_INT_MAX, &f.part.length, e) < 0)
		return -1;
	f.generations = (unsigned)generations;
	if (check_first(out, &f, e) < 0)
		return -1;
	out->frames_first.first[out->frames_first.count++] = f;
	return 0;
}

/* The first parts of the table of frames, whose length was checked. */
static int read_firsts(const json_t *frames, struct plan_image *out, struct err *e)
{
	json_t *list;
	json_t *entry;
	size_t i;

	if (!json_object_get(frames, "first"))
		return 0;
	if (json_want_array(frames, "first", "frames", &list, e) < 0)
		return -1;
	if (!MUST("manifest.first-count", json_array_size(list) <= PLAN_FIRST_MAX))
		return err_set(e, E_META, "%zu first parts of frames, more than %d",
			json_array_size(list), PLAN_FIRST_MAX);
	json_array_foreach (list, i, entry) {
		if (read_first(entry, out, e) < 0)
			return err_wrap(e, "\"frames\"");
	}
	return 0;
}

static int read_data(const json_t *obj, struct plan_image *out, struct err *e)
{
	json_t *data;

	if (manifest_read_object(obj, "index", &out->index, e) < 0 ||
		manifest_read_object(obj, "data", &out->data, e) < 0 ||
		json_want_object(obj, "data", "image", &data, e) < 0 ||
		manifest_read_encoding(data, &out->data_encoding, e) < 0 ||
		manifest_read_object(data, "frames", &out->frames, e) < 0)
		return -1;
	out->has_delta = true;
	if (check_index(out, e) < 0 || check_data(out, e) < 0)
		return -1;
	return read_firsts(json_object_get(data, "frames"), out, e);
}

static int check_patch(const struct plan_image *i, const struct plan_patch *p, struct err *e)
{
	uint64_t most = i->size / PATCH_BYTES;
	bool good = is_table(p->table.length, PATCH_HEAD, PATCH_ENTRY, most);

	if (!MUST("manifest.patch-table-length", good))
		return err_set(e, E_META,
			"the table of a patch is %" PRIu64 " bytes, not one of 1 to %" PRIu64
			" frames",
			p->table.length, most);
	uint64_t frames = p->table.length / PATCH_ENTRY;
	bool fits = p->patch.length <= 2 * i->size + frames * PATCH_SLACK;
	if (!MUST("manifest.patch-length", fits))
		return err_set(e, E_META, "a patch of %" PRIu64 " bytes is larger than two images",
			p->patch.length);
	return 0;
}

/* Which of two would count? */
static int check_twins(const struct plan_image *i, const struct plan_patch *p, struct err *e)
{
	for (size_t k = 0; k < i->patch_count; k++) {
		bool other = !hash_equal(i->patches[k].from, p->from);
		if (!MUST("manifest.patch-twice", other))
			return err_set(e, E_META, "two patches are from the same image");
	}
	return 0;
}

/* The entry is an object that gives hash and length of the patch itself. */
static int read_patch(const json_t *obj, struct plan_image *out, struct err *e)
{
	struct plan_patch patch = {0};

	if (!json_is_object(obj))
		return err_set(e, E_META, "every entry of \"patches\" must be an object");
	if (field_digest(obj, "from", patch.from, e) < 0 ||
		field_digest(obj, "sha256", patch.patch.sha256, e) < 0 ||
		field_number(obj, "length", 1, FIELD_INT_MAX, &patch.patch.length, e) < 0 ||
		manifest_read_object(obj, "table", &patch.table, e) < 0)
		return err_wrap(e, "\"patches\"");
	if (check_patch(out, &patch, e) < 0 || check_twins(out, &patch, e) < 0)
		return -1;
	out->patches[out->patch_count++] = patch;
	return 0;
}

static int read_patches(const json_t *obj, struct plan_image *out, struct err *e)
{
	json_t *list;
	json_t *entry;
	size_t i;

	if (json_want_array(obj, "patches", "image", &list, e) < 0)
		return -1;
	if (!MUST("manifest.patch-count", json_array_size(list) <= PLAN_PATCHES_MAX))
		return err_set(e, E_META, "%zu patches, more than %d", json_array_size(list),
			PLAN_PATCHES_MAX);
	bool small = json_array_size(list) == 0 || out->size <= PATCH_IMAGE_MAX;
	if (!MUST("manifest.patch-image", small))
		return err_set(e, E_META, "patches of an image above 1 GiB");
	json_array_foreach (list, i, entry) {
		if (read_patch(entry, out, e) < 0)
			return -1;
	}
	return 0;
}

/* --- Differences of tables ------------------------------------------------------------- */

static int check_difference(const struct plan_object *table, const struct plan_differences *all,
	const struct plan_difference *d, struct err *e)
{
	bool small = d->object.length < table->length && d->object.length <= DIFFERENCE_MAX;

	if (!MUST("manifest.difference-length", small))
		return err_set(e, E_META,
			"a difference is %" PRIu64 " bytes, not less than its table (%" PRIu64
			") and 1 MiB",
			d->object.length, table->length);
	bool other = !hash_equal(d->base, table->sha256);
	for (size_t i = 0; i < all->count; i++)
		other = other && !hash_equal(d->base, all->from[i].base);
	if (!MUST("manifest.difference-twice", other))
		return err_set(
			e, E_META, "two differences are from the same table, or one from itself");
	return 0;
}

static int read_difference(const json_t *obj, const struct plan_object *table,
	struct plan_differences *out, struct err *e)
{
	struct plan_difference d = {0};

	if (!json_is_object(obj))
		return err_set(e, E_META, "every entry of \"from\" must be an object");
	if (field_digest(obj, "base", d.base, e) < 0 ||
		field_digest(obj, "sha256", d.object.sha256, e) < 0 ||
		field_number(obj, "length", 1, FIELD_INT_MAX, &d.object.length, e) < 0 ||
		check_difference(table, out, &d, e) < 0)
		return -1;
	out->from[out->count++] = d;
	return 0;
}

/* The differences of the table at `key`, whose hash and length are in `table`. */
static int read_differences(const json_t *image, const char *key, const struct plan_object *table,
	struct plan_differences *out, struct err *e)
{
	const json_t *obj = json_object_get(image, key);
	json_t *list;
	json_t *entry;
	size_t i;

	if (!json_object_get(obj, "from"))
		return 0;
	if (json_want_array(obj, "from", key, &list, e) < 0)
		return -1;
	if (!MUST("manifest.difference-count", json_array_size(list) <= PLAN_BASES_MAX))
		return err_set(e, E_META, "\"%s\": %zu differences, more than %d", key,
			json_array_size(list), PLAN_BASES_MAX);
	json_array_foreach (list, i, entry) {
		if (read_difference(entry, table, out, e) < 0)
			return err_wrap(e, "\"%s\"", key);
	}
	return 0;
}

int manifest_parse_delta(const json_t *obj, struct plan_image *out, struct err *e)
{
	bool index = json_object_get(obj, "index") != NULL;
	bool data = json_object_get(obj, "data") != NULL;

	/* One alone would be a plan that cannot be carried out. */
	if (!MUST("manifest.index-with-data", index == data))
		return err_set(e, E_META, "\"%s\" without \"%s\"", index ? "index" : "data",
			index ? "data" : "index");
	if (index && read_data(obj, out, e) < 0)
		return -1;
	if (read_differences(obj, "leaves", &out->leaves, &out->leaves_from, e) < 0 ||
		(index && read_differences(obj, "index", &out->index, &out->index_from, e) < 0))
		return -1;
	return json_object_get(obj, "patches") ? read_patches(obj, out, e) : 0;
}
