/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of a release: which, from what, and whether they are worth it. */
#include "publisher/release_patches.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "partitions/slot/patch.h"
#include "publisher/compress.h"
#include "publisher/history.h"
#include "publisher/object.h"
#include "publisher/patch.h"
#include "publisher/release.h"
#include "publisher/shelf.h"

/* The unpacked old image, in the folder of the unfinished release. */
#define OLD_IMAGE "old-image"

#ifdef CONFIG_PUBLISHER_PATCH
#define HAVE_PATCH true
#else
#define HAVE_PATCH false
#endif

void release_patches_free(struct release_patches *f)
{
	for (size_t i = 0; i < f->count; i++)
		manifest_free(f->from[i]);
	*f = (struct release_patches){0};
}

static bool has_release(const struct release_patches *f, uint64_t release)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->from[i]->plan.release == release)
			return true;
	}
	return false;
}

/* By its number or as "previous"; *out is NULL for a first release, which has none before it. */
static int find_release(struct publisher *p, const char *product, const char *text,
	struct manifest **out, struct err *e)
{
	uint64_t release = 0;

	if (strcmp(text, "previous") == 0)
		return history_newest(p, product, out, e);
	if (release_parse_number(text, "--patch-from", 1, UINT64_C(1) << 53, &release, e) < 0)
		return err_set(e, E_USAGE,
			"--patch-from is \"%s\", must be the number of a release or \"previous\"",
			text);
	if (history_find(p, product, release, out, e) < 0)
		return err_wrap(e, "--patch-from");
	return 0;
}

int release_patches_find(struct publisher *p, const char *product, const struct release_settings *s,
	struct release_patches *out, struct err *e)
{
	const struct release_value *v = &s->value[RELEASE_PATCH_FROM];

	if (v->count > 0 && !HAVE_PATCH)
		return err_set(e, E_USAGE, "--patch-from: patches are not in this build");
	if (v->count > PLAN_PATCHES_MAX)
		return err_set(e, E_USAGE, "--patch-from: more than %d releases", PLAN_PATCHES_MAX);
	for (size_t i = 0; i < v->count; i++) {
		AUTO_MANIFEST struct manifest *from = NULL;
		if (find_release(p, product, v->text[i], &from, e) < 0)
			return -1;
		if (!from)
			continue;
		if (has_release(out, from->plan.release))
			return err_set(e, E_USAGE,
				"--patch-from: release %" PRIu64 " is given twice",
				from->plan.release);
		out->from[out->count++] = steal_ptr(from);
	}
	return 0;
}

#ifdef CONFIG_PUBLISHER_PATCH

/* One image and one old release. */
struct patching {
	struct shelf old;
	const struct staging *staging;
	const struct image_request *request;
	struct plan_image *image;
	char path[1024]; /* of the unpacked old image */
};

static void tell(const struct patching *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(const struct patching *p, const char *fmt, ...)
{
	const struct image_watcher *w = &p->request->watcher;
	char said[160];
	char text[260];
	va_list args;

	if (!w->tell)
		return;
	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "image %s: patch from release %" PRIu64 ": %s",
		p->request->name, p->old.plan->release, said);
	w->tell(w->ctx, false, text);
}

static bool is_twin(const struct plan_image *image, const struct plan_image *old)
{
	for (size_t i = 0; i < image->patch_count; i++) {
		if (hash_equal(image->patches[i].from, old->leaves.sha256))
			return true;
	}
	return false;
}

/* Is there anything to be made? The reason where there is not. */
static const char *find_obstacle(const struct patching *p, const struct plan_image *old)
{
	if (!old)
		return "none, it has no such image";
	if (old->size > SLOT_PATCH_IMAGE_MAX || p->image->size > SLOT_PATCH_IMAGE_MAX)
		return "none, patches are for images up to 1 GiB";
	if (hash_equal(old->leaves.sha256, p->image->leaves.sha256))
		return "none, the image did not change";
	return is_twin(p->image, old) ? "the same as that of another release" : NULL;
}

static int take_content(void *ctx, const uint8_t *data, size_t len, struct err *e)
{
	return file_write_full(*(const int *)ctx, data, len, e);
}

static int unpack_old(const struct patching *p, const struct plan_image *old, struct err *e)
{
	AUTO_CLOSE int fd = openat(p->staging->dir, OLD_IMAGE,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	const struct shelf_sink sink = {.ctx = &fd, .take = take_content};

	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot make %s", p->path);
	return shelf_unpack(&p->old, old, &sink, e);
}

static int make_patch(const struct patching *p, const struct plan_image *old,
	struct plan_patch *out, struct err *e)
{
	const struct image_request *r = p->request;
	const struct patch_request request = {.name = r->name,
		.old_path = p->path,
		.new_path = r->path,
		.threads = r->threads,
		.level = r->encoding == PLAN_ZSTD ? r->level : compress_default_level(PLAN_ZSTD),
		.objects_dir = p->staging->objects};

	if (unpack_old(p, old, e) < 0)
		return -1;
	memcpy(out->from, old->leaves.sha256, HASH_SIZE);
	return patch_make(&request, &out->patch, &out->table, e);
}

/* An object that nobody refers to would be published by no one, but lie in staging/. */
static void drop_object(const struct patching *p, const struct plan_object *o)
{
	char name[OBJECT_NAME_SIZE];

	object_name(o->sha256, name);
	unlinkat(p->staging->objects, name, 0);
}

static int add_patch(struct patching *p, struct err *e)
{
	const struct plan_image *old = shelf_image(&p->old, p->request->name);
	const char *obstacle = find_obstacle(p, old);
	struct plan_patch patch;

	if (obstacle) {
		tell(p, "%s", obstacle);
		return 0;
	}
	int rc = make_patch(p, old, &patch, e);
	unlinkat(p->staging->dir, OLD_IMAGE, 0);
	if (rc < 0)
		return err_wrap(e, "image %s: patch from release %" PRIu64, p->request->name,
			p->old.plan->release);
	if (patch.patch.length + patch.table.length >= p->image->full.length) {
		tell(p, "none, it would be no smaller than the image");
		drop_object(p, &patch.patch);
		drop_object(p, &patch.table);
		return 0;
	}
	tell(p, "%.3f MiB", (double)patch.patch.length / (1024.0 * 1024.0));
	p->image->patches[p->image->patch_count++] = patch;
	return 0;
}

int release_patches_add(struct publisher *p, const struct release_patches *f,
	const struct staging *staging, const struct image_request *r, struct plan_image *image,
	struct err *e)
{
	struct patching one = {.staging = staging, .request = r, .image = image};

	if (snprintf(one.path, sizeof(one.path), "%s/staging/%s/" OLD_IMAGE, p->dir,
		    staging->temporary) >= (int)sizeof(one.path))
		return err_set(e, E_CONFIG, "path too long: %s", p->dir);
	for (size_t i = 0; i < f->count; i++) {
		one.old = (struct shelf){.publisher = p, .plan = &f->from[i]->plan};
		if (add_patch(&one, e) < 0)
			return -1;
	}
	return 0;
}

#else

int release_patches_add(struct publisher *p, const struct release_patches *f,
	const struct staging *staging, const struct image_request *r, struct plan_image *image,
	struct err *e)
{
	(void)p;
	(void)f;
	(void)staging;
	(void)r;
	(void)image;
	(void)e;
	return 0; /* none were asked for, or release_patches_find had refused */
}

#endif
