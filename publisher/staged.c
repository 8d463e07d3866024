/* SPDX-License-Identifier: Apache-2.0 */
/* Releases that wait in staging/: read for publishing, put into public/, cleared away. */
#include "publisher/staged.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "publisher/image_objects.h"
#include "publisher/staging.h"

void staged_free(struct staged_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		buf_free(&l->item[i].bytes);
		manifest_free(l->item[i].manifest);
	}
	l->count = 0;
}

static int read_one(int staging, const char *folder, struct staged *s, struct err *e)
{
	char path[96];
	char name[64];

	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	snprintf(path, sizeof(path), "%s/manifest.json", s->folder);
	s->bytes = buf_make(MANIFEST_MAX);
	if (file_read(staging, path, &s->bytes, e) < 0 ||
		manifest_parse(s->bytes.data, s->bytes.len, &s->manifest, e) < 0)
		return err_wrap(e, "staging/%s", path);
	hash_to_hex(s->manifest->plan.manifest, s->hash);
	snprintf(name, sizeof(name), "%s-%" PRIu64, s->manifest->plan.product,
		s->manifest->plan.release);
	if (strcmp(name, folder) != 0)
		return err_set(e, E_META, "staging/%s holds release %" PRIu64 " of %s", folder,
			s->manifest->plan.release, s->manifest->plan.product);
	return 0;
}

static int by_product_and_release(const void *a, const void *b)
{
	const struct plan *x = &((const struct staged *)a)->manifest->plan;
	const struct plan *y = &((const struct staged *)b)->manifest->plan;
	int order = strcmp(x->product, y->product);

	if (order != 0)
		return order;
	return (x->release > y->release) - (x->release < y->release);
}

int staged_read(struct publisher *p, struct staged_list *out, struct err *e)
{
	AUTO_CLOSE int staging = -1;
	int rc = 0;
	struct dirent *d;

	out->count = 0;
	if (publisher_open_dir(p, "staging", true, &staging, e) < 0)
		return -1;
	int copy = openat(staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, E_IO, errno, "cannot list staging");
	while (rc == 0 && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (out->count == STAGED_MAX) {
			rc = err_set(
				e, E_CONFIG, "staging holds more than %d releases", STAGED_MAX);
			break;
		}
		struct staged *s = &out->item[out->count++];
		*s = (struct staged){0};
		if (strlen(d->d_name) >= sizeof(s->folder))
			rc = err_set(e, E_META, "staging/%s is no release", d->d_name);
		else
			rc = read_one(staging, d->d_name, s, e);
	}
	closedir(dir);
	if (rc == 0)
		qsort(out->item, out->count, sizeof(out->item[0]), by_product_and_release);
	return rc;
}

static int store_one(int objects, const char *from, const struct plan_object *o, struct err *e)
{
	char hex[HASH_HEX_SIZE];
	char path[1024];

	hash_to_hex(o->sha256, hex);
	if (snprintf(path, sizeof(path), "%s/%.2s/%s", from, hex, hex) >= (int)sizeof(path))
		return err_set(e, E_CONFIG, "path too long: %s", from);
	return publisher_store_object(objects, path, o->sha256, e);
}

static int store_objects(struct publisher *p, const struct staged *s, struct err *e)
{
	AUTO_CLOSE int objects = -1;
	char from[768];

	snprintf(from, sizeof(from), "%s/staging/%s/objects", p->dir, s->folder);
	if (publisher_open_dir(p, "public/objects", true, &objects, e) < 0)
		return -1;
	for (size_t i = 0; i < s->manifest->plan.image_count; i++) {
		const struct plan_image *image = &s->manifest->plan.images[i];
		const struct plan_object *all[IMAGE_OBJECTS_MAX];
		size_t count = image_objects(image, all);
		for (size_t k = 0; k < count; k++) {
			if (store_one(objects, from, all[k], e) < 0)
				return err_wrap(e, "image %s", image->name);
		}
	}
	return 0;
}

static int write_manifest(int dir, const struct staged *s, const char *last, struct err *e)
{
	char name[HASH_HEX_SIZE + 64];

	snprintf(name, sizeof(name), "%s.%s.json", s->hash, last);
	return file_replace(dir, name, s->bytes.data, s->bytes.len, 0644, e);
}

int staged_store(struct publisher *p, const struct staged *s, struct err *e)
{
	AUTO_CLOSE int channels = -1;
	AUTO_CLOSE int releases = -1;
	char path[128];
	char number[32];

	if (store_objects(p, s, e) < 0)
		return err_wrap(e, "staging/%s", s->folder);
	snprintf(path, sizeof(path), "public/targets/%s", s->manifest->plan.product);
	if (publisher_open_dir(p, path, true, &channels, e) < 0)
		return -1;
	snprintf(path, sizeof(path), "public/targets/%s/releases", s->manifest->plan.product);
	if (publisher_open_dir(p, path, true, &releases, e) < 0)
		return -1;
	snprintf(number, sizeof(number), "%" PRIu64, s->manifest->plan.release);
	if (write_manifest(releases, s, number, e) < 0)
		return err_wrap(e, "public/targets");
	for (size_t i = 0; i < s->manifest->channel_count; i++) {
		if (write_manifest(channels, s, s->manifest->channels[i], e) < 0)
			return err_wrap(e, "public/targets");
	}
	return 0;
}

int staged_remove(struct publisher *p, const struct staged *s, struct err *e)
{
	AUTO_CLOSE int staging = -1;
	char hidden[80];

	/* The name of an unfinished release: whoever makes or removes it next clears what a cut left. */
	snprintf(hidden, sizeof(hidden), ".%s.new", s->folder);
	if (publisher_open_dir(p, "staging", true, &staging, e) < 0)
		return -1;
	if (staging_clear(staging, hidden, e) < 0)
		return -1;
	if (renameat(staging, s->folder, staging, hidden) < 0)
		return err_sys(e, E_IO, errno, "cannot rename staging/%s", s->folder);
	if (file_sync(staging, e) < 0)
		return err_wrap(e, "staging");
	/* It is published: files of somebody else in it are no reason to call that a failure. */
	struct err ignored = {0};
	(void)staging_clear(staging, hidden, &ignored);
	return 0;
}
