/* SPDX-License-Identifier: Apache-2.0 */
/* factory.json: what the slot that was flashed holds. */
#include "agent/factory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "partitions/slot/format.h"

#define FACTORY_NAME "factory.json"
#define NUMBER_MAX   (INT64_C(1) << 53)

static int read_hash(const json_t *obj, const char *key, uint8_t out[HASH_SIZE], struct err *e)
{
	const char *hex;

	if (json_want_string(obj, key, FACTORY_NAME, &hex, e) < 0)
		return -1;
	return hash_from_hex(hex, out, e) < 0 ? err_wrap(e, "\"%s\"", key) : 0;
}

static int read_text(const json_t *obj, const char *key, char *out, size_t size, struct err *e)
{
	const char *text;

	if (json_want_string(obj, key, FACTORY_NAME, &text, e) < 0)
		return -1;
	if (strlen(text) >= size)
		return err_set(e, E_META, "\"%s\" is too long", key);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int read_object(const json_t *obj, const char *key, struct plan_object *out, struct err *e)
{
	json_t *o;
	int64_t length;

	if (json_want_object(obj, key, FACTORY_NAME, &o, e) < 0 ||
		read_hash(o, "sha256", out->sha256, e) < 0 ||
		json_want_int(o, "length", FACTORY_NAME, 1, NUMBER_MAX, &length, e) < 0)
		return -1;
	out->length = (uint64_t)length;
	return 0;
}

static int read_image(const json_t *obj, struct plan_image *out, struct err *e)
{
	struct plan_image i = {0};
	const char *alg;
	int64_t size;

	if (read_text(obj, "name", i.name, sizeof(i.name), e) < 0 ||
		json_want_int(obj, "size", FACTORY_NAME, 1, (int64_t)SLOT_IMAGE_MAX, &size, e) <
			0 ||
		json_want_string(obj, "leaf_hash", FACTORY_NAME, &alg, e) < 0 ||
		read_object(obj, "leaves", &i.leaves, e) < 0)
		return -1;
	/* Images without an index have none. */
	if (json_object_get(obj, "index") && read_object(obj, "index", &i.index, e) < 0)
		return -1;
	i.size = (uint64_t)size;
	i.leaf_alg = hash_alg_find(alg);
	if (i.leaf_alg == HASH_ALG_COUNT || !slot_image_size_ok(i.size) ||
		i.leaves.length != slot_leaf_count(i.size) * HASH_SIZE)
		return err_set(e, E_META,
			"image %s: size, leaf hash and leaves do not fit each other", i.name);
	*out = i;
	return 0;
}

static int read_images(const json_t *obj, struct state_slot *out, struct err *e)
{
	json_t *list;

	if (json_want_array(obj, "images", FACTORY_NAME, &list, e) < 0)
		return -1;
	if (json_array_size(list) > PLAN_IMAGES_MAX)
		return err_set(e, E_META, "more than %d images", PLAN_IMAGES_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (read_image(json_array_get(list, i), &out->images[i], e) < 0)
			return -1;
	}
	out->image_count = json_array_size(list);
	return 0;
}

static int read_all(
	const json_t *obj, char product[PLAN_NAME_SIZE], struct state_slot *out, struct err *e)
{
	int64_t n;

	if (json_want_int(obj, "schema", FACTORY_NAME, 1, 1, &n, e) < 0 ||
		read_text(obj, "product", product, PLAN_NAME_SIZE, e) < 0 ||
		json_want_int(obj, "release", FACTORY_NAME, 1, NUMBER_MAX, &n, e) < 0 ||
		read_text(obj, "version", out->version, sizeof(out->version), e) < 0 ||
		read_hash(obj, "manifest", out->manifest, e) < 0)
		return -1;
	out->release = (uint64_t)n;
	return read_images(obj, out, e);
}

int factory_load(int data, const char *product, const struct backstop *b, struct state_slot *slot,
	struct err *e)
{
	AUTO_BUF struct buf text = buf_make(FACTORY_FILE_MAX);
	JSON_AUTO json_t *obj = NULL;
	struct state_slot found = *slot;
	char named[PLAN_NAME_SIZE];

	if (file_read(data, FACTORY_NAME, &text, e) < 0)
		return -1;
	if (json_read(text.data, text.len, &obj, e) < 0 || read_all(obj, named, &found, e) < 0)
		return err_wrap(e, FACTORY_NAME);
	if (!MUST("factory.product", strcmp(named, product) == 0))
		return err_set(e, E_POLICY, FACTORY_NAME " is for product %s", named);
	if (!MUST("factory.release", !b->present || found.release == b->release))
		return err_set(e, E_POLICY,
			FACTORY_NAME " is for release %" PRIu64 ", the image is release %" PRIu64,
			found.release, b->release);
	*slot = found;
	return 0;
}
