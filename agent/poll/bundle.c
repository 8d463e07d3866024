/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle: opened once, its directory judged as a whole, then members are served from it. */
#include "agent/poll/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/poll/bundle_directory.h"
#include "agent/poll/bundle_tar.h"

static void cleanup_bundle(struct bundle **b)
{
	bundle_close(*b);
}

static int read_bytes(
	const struct bundle *b, uint64_t offset, void *data, size_t len, struct err *e)
{
	return b->from.read(b->from.ctx, offset, data, len, e);
}

int bundle_open_reader(
	struct reader *from, uint64_t size, const char *name, struct bundle **out, struct err *e)
{
	__attribute__((cleanup(cleanup_bundle))) struct bundle *b = calloc(1, sizeof(*b));

	if (!b) {
		reader_close(from);
		return err_set(e, E_NOMEM, "no memory for a bundle");
	}
	b->from = *from;
	*from = (struct reader){0};
	b->size = size;
	snprintf(b->name, sizeof(b->name), "%s", name);
	if (bundle_read_directory(b, e) < 0)
		return err_wrap(e, "bundle %.200s", name);
	*out = steal_ptr(b);
	return 0;
}

/* --- A file ------------------------------------------------------------------------ */

static int file_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	return file_pread_full(*(int *)ctx, data, len, offset, e);
}

static void file_close(void *ctx)
{
	close(*(int *)ctx);
	free(ctx);
}

int bundle_open(const char *path, struct bundle **out, struct err *e)
{
	/* O_NONBLOCK: a FIFO or a dead device must not hold the agent for ever. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(
			e, E_BUNDLE, "bundle %s is a symbolic link: name the file itself", path);
	if (fd < 0)
		return err_sys(e, errno == ENOENT ? E_NOTFOUND : E_IO, errno, "bundle %s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, E_IO, errno, "bundle %s", path);
	if (!MUST("bundle.regular", S_ISREG(st.st_mode)))
		return err_set(e, E_BUNDLE, "bundle %s is not a regular file", path);
	int *ctx = malloc(sizeof(*ctx));
	if (!ctx)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	*ctx = steal_fd(&fd);
	struct reader from = {.ctx = ctx, .read = file_read_at, .close = file_close};
	return bundle_open_reader(&from, (uint64_t)st.st_size, path, out, e);
}

void bundle_close(struct bundle *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->count; i++)
		free(b->members[i].name);
	free(b->members);
	reader_close(&b->from);
	free(b);
}

/* --- Serving members ----------------------------------------------------------------- */

int bundle_release_path(const struct bundle *b, char *path, size_t size, struct err *e)
{
	return bundle_target_path(b->target->name, path, size, e);
}

static int get_small(struct bundle *b, const char *folder, const char *name, struct fetch_tag *tag,
	bool *unchanged, struct buf *out, struct err *e)
{
	char full[TAR_NAME_SIZE];
	uint8_t chunk[16384];

	buf_clear(out);
	const struct bundle_member *m = NULL;
	if (snprintf(full, sizeof(full), "%s/%s", folder, name) < (int)sizeof(full))
		m = bundle_find(b, full);
	if (!m)
		return err_set(e, E_NOTFOUND, "bundle %s has no %s/%.100s", b->name, folder, name);
	for (uint64_t at = 0; at < m->size; at += sizeof(chunk)) {
		size_t len = m->size - at < sizeof(chunk) ? (size_t)(m->size - at) : sizeof(chunk);
		if (read_bytes(b, m->offset + at, chunk, len, e) < 0)
			return err_wrap(e, "bundle %s: %s", b->name, full);
		if (buf_add(out, chunk, len, e) < 0)
			return err_wrap(e, "bundle %s: %s", b->name, full);
	}
	if (tag) {
		tag->text[0] = 0;
		*unchanged = false;
	}
	return 0;
}

static int get_metadata(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	return get_small(ctx, "metadata", name, tag, unchanged, out, e);
}

static int get_target(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	return get_small(ctx, "targets", name, tag, unchanged, out, e);
}

struct fetcher bundle_metadata(struct bundle *b)
{
	return (struct fetcher){.ctx = b, .get = get_metadata};
}

struct fetcher bundle_targets(struct bundle *b)
{
	return (struct fetcher){.ctx = b, .get = get_target};
}

struct bundle_object {
	struct bundle *b;
	const struct bundle_member *member;
	struct byte_range *ranges; /* what will be read, in places of the bundle */
	size_t count;
};

static int object_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct bundle_object *o = ctx;
	struct byte_range *moved = calloc(count ? count : 1, sizeof(*moved));

	if (!moved)
		return err_set(e, E_NOMEM, "no memory for %zu ranges", count);
	for (size_t i = 0; i < count; i++)
		moved[i] =
			(struct byte_range){o->member->offset + ranges[i].offset, ranges[i].length};
	free(o->ranges);
	o->ranges = moved;
	o->count = count;
	o->b->announced = NULL;
	return 0;
}

/* Several objects share one reader below: it is told whose turn it is. */
static int announce(const struct bundle_object *o, struct err *e)
{
	const struct byte_range whole = {o->member->offset, o->member->size};
	struct reader *from = &o->b->from;

	if (!from->expect || o->b->announced == o)
		return 0;
	if (from->expect(from->ctx, o->ranges ? o->ranges : &whole, o->ranges ? o->count : 1, e) <
		0)
		return -1;
	o->b->announced = o;
	return 0;
}

static int object_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct bundle_object *o = ctx;

	if (!MUST("bundle.object-place",
		    offset <= o->member->size && len <= o->member->size - offset))
		return err_set(e, E_SIZE, "bundle %s: no bytes %llu+%zu in %s", o->b->name,
			(unsigned long long)offset, len, o->member->name);
	if (announce(o, e) < 0 || read_bytes(o->b, o->member->offset + offset, data, len, e) < 0)
		return err_wrap(e, "bundle %s: %s", o->b->name, o->member->name);
	return 0;
}

static void object_close(void *ctx)
{
	struct bundle_object *o = ctx;

	if (o->b->announced == o)
		o->b->announced = NULL;
	free(o->ranges);
	free(o);
}

static int object_open(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct reader *out, struct err *e)
{
	struct bundle *b = ctx;
	char hex[HASH_HEX_SIZE];
	char name[HASH_HEX_SIZE + 16];

	hash_to_hex(sha256, hex);
	snprintf(name, sizeof(name), "objects/%.2s/%s", hex, hex);
	const struct bundle_member *m = bundle_find(b, name);
	if (!m)
		return err_set(e, E_NOTFOUND, "bundle %s has no %s", b->name, name);
	if (!MUST("bundle.object-size", m->size == length))
		return err_set(e, E_SIZE, "bundle %s: %s has %llu bytes, signed are %llu", b->name,
			name, (unsigned long long)m->size, (unsigned long long)length);
	struct bundle_object *o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(e, E_NOMEM, "no memory for an object");
	o->b = b;
	o->member = m;
	*out = (struct reader){
		.ctx = o, .expect = object_expect, .read = object_read, .close = object_close};
	return 0;
}

struct object_source bundle_objects(struct bundle *b)
{
	return (struct object_source){.ctx = b, .open = object_open};
}
