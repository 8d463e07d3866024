/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo factory: what the data partition of a freshly flashed device should hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/json.h"
#include "publisher/history.h"
#include "publisher/release.h"
#include "publisher/shelf.h"

enum { PRODUCT, OUTPUT, OPTION_COUNT };
const struct verb_option publisher_factory_options[] = {
	[PRODUCT] = {"--product", "NAME", "another product than the workspace's"},
	[OUTPUT] = {"--output", "DIR", "where to write; made when it is missing"},
	[OPTION_COUNT] = {NULL, NULL, NULL},
};

/* One release and the folder that it is written to. */
struct factory {
	struct shelf shelf;
	const char *output;
	int leaves; /* folders */
	int cache;
	uint64_t bytes;
};

static void factory_close(struct factory *f)
{
	cleanup_close(&f->leaves);
	cleanup_close(&f->cache);
}

static int open_folder(const char *output, const char *name, int *fd, struct err *e)
{
	char path[1024];

	if (file_join(path, sizeof(path), output, name, e) < 0 || file_make_path(path, 0755, e) < 0)
		return -1;
	return file_open_dir(path, fd, e);
}

/* Copies an object under its hash; what it is goes into the JSON. */
static int put_object(struct factory *f, int dir, json_t *image, const char *key,
	const struct plan_object *o, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	char hex[HASH_HEX_SIZE];

	hash_to_hex(o->sha256, hex);
	if (shelf_read(&f->shelf, o, &bytes, e) < 0 ||
		file_replace(dir, hex, bytes.data, bytes.len, 0644, e) < 0)
		return err_wrap(e, "%s", key);
	f->bytes += bytes.len;
	if (json_object_set_new(image, key,
		    json_pack("{s:s, s:I}", "sha256", hex, "length", (json_int_t)o->length)) < 0)
		return err_set(e, E_NOMEM, "no memory");
	return 0;
}

static int put_image(
	struct factory *f, json_t *images, const struct plan_image *image, struct err *e)
{
	json_t *obj = json_pack("{s:s, s:I, s:s}", "name", image->name, "size",
		(json_int_t)image->size, "leaf_hash", hash_alg_name(image->leaf_alg));

	if (json_array_append_new(images, obj) < 0)
		return err_set(e, E_NOMEM, "no memory");
	if (put_object(f, f->leaves, obj, "leaves", &image->leaves, e) < 0 ||
		(image->has_delta && put_object(f, f->cache, obj, "index", &image->index, e) < 0))
		return err_wrap(e, "image %s", image->name);
	return 0;
}

static int describe(struct factory *f, json_t **out, struct err *e)
{
	const struct plan *plan = f->shelf.plan;
	JSON_AUTO json_t *images = json_array();
	char hex[HASH_HEX_SIZE];

	for (size_t i = 0; i < plan->image_count; i++) {
		if (put_image(f, images, &plan->images[i], e) < 0)
			return -1;
	}
	hash_to_hex(plan->manifest, hex);
	*out = json_pack("{s:i, s:s, s:I, s:s, s:I, s:s, s:O}", "schema", 1, "product",
		plan->product, "release", (json_int_t)plan->release, "version", plan->version,
		"epoch", (json_int_t)plan->epoch, "manifest", hex, "images", images);
	return *out ? 0 : err_set(e, E_NOMEM, "no memory");
}

/* factory.json comes last: what it names is there. */
static int write_all(struct factory *f, struct err *e)
{
	JSON_AUTO json_t *obj = NULL;
	AUTO_CLOSE int dir = -1;

	if (open_folder(f->output, "leaves", &f->leaves, e) < 0 ||
		open_folder(f->output, "cache", &f->cache, e) < 0 || describe(f, &obj, e) < 0)
		return -1;
	AUTO_FREE char *text = json_dumps(obj, JSON_INDENT(1));
	if (!text)
		return err_set(e, E_NOMEM, "no memory");
	if (file_open_dir(f->output, &dir, e) < 0)
		return -1;
	return file_replace(dir, "factory.json", text, strlen(text), 0644, e);
}

static int make_factory(
	struct publisher *p, const char *const *values, uint64_t release, struct err *e)
{
	const char *product = values[PRODUCT] ? values[PRODUCT] : p->product;
	AUTO_MANIFEST struct manifest *m = NULL;

	if (!manifest_name_is_valid(product))
		return err_set(e, E_USAGE, "product \"%s\" is not a name", product);
	if (history_find(p, product, release, &m, e) < 0)
		return -1;
	__attribute__((cleanup(factory_close))) struct factory f = {
		.shelf = {.publisher = p, .plan = &m->plan},
		.output = values[OUTPUT],
		.leaves = -1,
		.cache = -1};
	if (write_all(&f, e) < 0)
		return -1;
	publisher_say(p,
		"%s: release %" PRIu64 " of %s, %.2f MiB; its files belong into the data "
		"folder of the device (/var/lib/pawl)",
		f.output, release, product, (double)f.bytes / (1024.0 * 1024.0));
	return 0;
}

int cmd_factory(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	const char *values[OPTION_COUNT];
	uint64_t release = 0;
	int rest = 0;

	if (verb_read_options(publisher_factory_options, argc, argv, values, &rest, e) < 0)
		return -1;
	if (rest != 1 || !values[OUTPUT])
		return err_set(e, E_USAGE, "factory needs one release number and --output DIR");
	if (release_parse_number(argv[0], "release", 1, UINT64_C(1) << 53, &release, e) < 0 ||
		publisher_open(p, false, e) < 0)
		return -1;
	int rc = make_factory(p, values, release, e);
	publisher_close(p);
	return rc;
}
