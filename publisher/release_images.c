/* SPDX-License-Identifier: Apache-2.0 */
/* The images of a manifest, as they were cut (docs/formats.md). */
#include "agent/base/hash.h"
#include "agent/base/json.h"
#include "publisher/release_json.h"

static int put_object(json_t *obj, const char *key, const struct plan_object *o, struct err *e)
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(o->sha256, hex);
	return release_put(obj, key,
		json_pack("{s:s, s:I}", "sha256", hex, "length", (json_int_t)o->length), e);
}

static int append(json_t *list, json_t *one, struct err *e)
{
	return json_array_append_new(list, one) < 0 ? err_set(e, E_NOMEM, "no memory") : 0;
}

/* A table, and its differences from older ones. */
static int put_table(json_t *obj, const char *key, const struct plan_object *o,
	const struct plan_differences *all, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	if (put_object(obj, key, o, e) < 0)
		return -1;
	for (size_t i = 0; i < all->count; i++) {
		const struct plan_difference *d = &all->from[i];
		char base[HASH_HEX_SIZE];
		char hex[HASH_HEX_SIZE];
		hash_to_hex(d->base, base);
		hash_to_hex(d->object.sha256, hex);
		json_t *one = json_pack("{s:s, s:s, s:I}", "base", base, "sha256", hex, "length",
			(json_int_t)d->object.length);
		if (append(list, one, e) < 0)
			return -1;
	}
	return all->count > 0 ? release_put(json_object_get(obj, key), "from", json_incref(list), e)
			      : 0;
}

/* The first parts of a table of frames. */
static int put_firsts(json_t *frames, const struct plan_firsts *all, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	for (size_t i = 0; i < all->count; i++) {
		const struct plan_first *f = &all->first[i];
		char hex[HASH_HEX_SIZE];
		hash_to_hex(f->part.sha256, hex);
		json_t *one = json_pack("{s:i, s:s, s:I}", "generations", (int)f->generations,
			"sha256", hex, "length", (json_int_t)f->part.length);
		if (append(list, one, e) < 0)
			return -1;
	}
	return all->count > 0 ? release_put(frames, "first", json_incref(list), e) : 0;
}

/* An object with a table of its own, below `table`. */
static int put_with_table(json_t *obj, const char *key, const struct plan_object *o,
	enum plan_encoding encoding, const char *table_key, const struct plan_object *table,
	struct err *e)
{
	if (put_object(obj, key, o, e) < 0)
		return -1;
	json_t *member = json_object_get(obj, key);
	if (release_put(member, "encoding", json_string(plan_encoding_name(encoding)), e) < 0)
		return -1;
	return put_object(member, table_key, table, e);
}

static int put_patches(json_t *obj, const struct plan_image *image, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	for (size_t i = 0; i < image->patch_count; i++) {
		const struct plan_patch *p = &image->patches[i];
		char from[HASH_HEX_SIZE];
		char hex[HASH_HEX_SIZE];
		hash_to_hex(p->from, from);
		hash_to_hex(p->patch.sha256, hex);
		json_t *one = json_pack("{s:s, s:s, s:I}", "from", from, "sha256", hex, "length",
			(json_int_t)p->patch.length);
		if (append(list, one, e) < 0)
			return -1;
		if (put_object(one, "table", &p->table, e) < 0)
			return -1;
	}
	return image->patch_count > 0 ? release_put(obj, "patches", json_incref(list), e) : 0;
}

static int put_delta(json_t *obj, const struct plan_image *image, struct err *e)
{
	if (!image->has_delta)
		return put_patches(obj, image, e);
	if (put_table(obj, "index", &image->index, &image->index_from, e) < 0 ||
		put_with_table(obj, "data", &image->data, image->data_encoding, "frames",
			&image->frames, e) < 0)
		return -1;
	json_t *frames = json_object_get(json_object_get(obj, "data"), "frames");
	if (put_firsts(frames, &image->frames_first, e) < 0)
		return -1;
	return put_patches(obj, image, e);
}

static int put_image(json_t *list, const struct plan_image *image, struct err *e)
{
	JSON_AUTO json_t *obj = json_object();

	if (release_put(obj, "name", json_string(image->name), e) < 0 ||
		release_put(obj, "format", json_string(plan_format_name(image->format)), e) < 0 ||
		release_put(obj, "size", json_integer((json_int_t)image->size), e) < 0 ||
		release_put(obj, "leaf_hash", json_string(hash_alg_name(image->leaf_alg)), e) < 0 ||
		put_table(obj, "leaves", &image->leaves, &image->leaves_from, e) < 0 ||
		put_with_table(obj, "full", &image->full, image->encoding, "pieces", &image->pieces,
			e) < 0 ||
		put_delta(obj, image, e) < 0)
		return -1;
	return json_array_append(list, obj) < 0 ? err_set(e, E_NOMEM, "no memory") : 0;
}

int release_put_images(json_t *obj, const struct plan_image *images, size_t count, struct err *e)
{
	JSON_AUTO json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		if (put_image(list, &images[i], e) < 0)
			return -1;
	}
	return release_put(obj, "images", json_incref(list), e);
}
