/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of images: fetched once, verified each time. */
#include "agent/tables.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/must.h"
#include "agent/tables_parts.h"

#define FETCH_CHUNK (256u * 1024)
#define RESERVE_MAX (8u << 20) /* left free for state, journal and others; or 5 % if that is less */

void table_free(struct table *t)
{
	if (t->mapped)
		munmap((void *)(uintptr_t)t->data, t->len);
	else
		free((void *)(uintptr_t)t->data);
	*t = (struct table){0};
}

int tables_open(int data, const struct log *log, struct tables *out, struct err *e)
{
	int dir = -1;

	if (file_make_dir(data, "cache", &dir, e) < 0)
		return err_wrap(e, "cache of tables");
	*out = (struct tables){.dir = dir, .log = log};
	return 0;
}

void tables_close(struct tables *t)
{
	if (t->dir >= 0)
		close(t->dir);
	t->dir = -1;
}

bool tables_has(const struct tables *t, const struct plan_object *o)
{
	char name[HASH_HEX_SIZE];
	struct stat st;

	hash_to_hex(o->sha256, name);
	return fstatat(t->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == o->length;
}

bool tables_has_room(const struct tables *t, uint64_t bytes)
{
	struct statvfs v;
	uint64_t room;
	uint64_t all;

	if (fstatvfs(t->dir, &v) < 0 || size_mul_over(v.f_bavail, v.f_frsize, &room) ||
		size_mul_over(v.f_blocks, v.f_frsize, &all))
		return false;
	uint64_t reserve = all / 20 < RESERVE_MAX ? all / 20 : RESERVE_MAX;
	return room >= reserve && room - reserve >= bytes;
}

bool tables_is_right(const struct plan_object *o, const uint8_t *data, size_t len)
{
	uint8_t digest[HASH_SIZE];
	struct err e = {0};

	return len == o->length && hash_bytes(HASH_SHA256, data, len, digest, &e) == 0 &&
	       hash_equal(digest, o->sha256);
}

static int wrong_hash(const struct table_request *r, struct err *e)
{
	return err_set(e, E_HASH, "%s differs from its signed hash", r->what);
}

/* --- What is kept -------------------------------------------------------------- */

int tables_map(int fd, size_t len, struct table *out, struct err *e)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_sys(e, E_NOMEM, errno, "cannot map a table");
	*out = (struct table){.data = p, .len = len, .mapped = true};
	return 0;
}

static int read_file(int fd, size_t len, struct table *out, struct err *e)
{
	AUTO_FREE uint8_t *data = malloc(len);

	if (!data)
		return err_set(e, E_NOMEM, "no memory for a table of %zu bytes", len);
	if (file_pread_full(fd, data, len, 0, e) < 0)
		return -1;
	*out = (struct table){.data = steal_ptr(data), .len = len};
	return 0;
}

static int open_kept(int fd, const struct table_request *r, struct table *out, struct err *e)
{
	size_t len = (size_t)r->object->length;
	struct table found = {0};
	uint8_t digest[HASH_SIZE];

	if (r->map ? tables_digest(fd, len, digest, e) < 0
		   : read_file(fd, len, &found, e) < 0 ||
				hash_bytes(HASH_SHA256, found.data, len, digest, e) < 0) {
		table_free(&found);
		return -1;
	}
	if (!MUST("tables.kept-hash", hash_equal(digest, r->object->sha256))) {
		table_free(&found);
		return wrong_hash(r, e);
	}
	if (r->map)
		return tables_map(fd, len, out, e);
	*out = found;
	return 0;
}

/* A kept table, if it is there and right; a wrong one is removed. */
static bool load_kept(struct tables *t, const struct table_request *r, struct table *out)
{
	char name[HASH_HEX_SIZE];
	struct table found = {0};
	struct err e = {0};

	if (!tables_has(t, r->object))
		return false;
	hash_to_hex(r->object->sha256, name);
	AUTO_CLOSE int fd = openat(t->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	if (open_kept(fd, r, &found, &e) == 0) {
		*out = found;
		return true;
	}
	log_line(t->log, LOG_LEVEL_WARN, "cache-damaged file=%s reason=\"%s\"", name, e.text);
	unlinkat(t->dir, name, 0);
	return false;
}

/* --- What is fetched ------------------------------------------------------------ */

void tables_keep(struct tables *t, const struct table_request *r, const struct table *table)
{
	char name[HASH_HEX_SIZE];
	struct err e = {0};

	if (!tables_has_room(t, table->len))
		return;
	hash_to_hex(r->object->sha256, name);
	if (file_replace(t->dir, name, table->data, table->len, 0600, &e) < 0)
		log_line(t->log, LOG_LEVEL_DEBUG, "not-kept what=\"%s\" reason=\"%s\"", r->what,
			e.text);
}

/* A part of an object is asked for by itself. */
static int open_object(const struct table_request *r, struct reader *out, struct err *e)
{
	const struct plan_object *o = r->within ? r->within : r->object;
	const struct byte_range part = {.length = r->object->length};

	if (r->objects->open(r->objects->ctx, o->sha256, o->length, out, e) < 0)
		return -1;
	if (!r->within || !out->expect || out->expect(out->ctx, &part, 1, e) == 0)
		return 0;
	reader_close(out);
	return -1;
}

int tables_fetch(const struct table_request *r, struct table *out, struct err *e)
{
	size_t len = (size_t)r->object->length;
	struct reader from = {0};
	AUTO_FREE uint8_t *data = malloc(len);

	if (!data)
		return err_set(e, E_NOMEM, "no memory for %s", r->what);
	if (open_object(r, &from, e) < 0)
		return err_wrap(e, "%s", r->what);
	int rc = from.read(from.ctx, 0, data, len, e);
	reader_close(&from);
	if (rc < 0)
		return err_wrap(e, "%s", r->what);
	if (!MUST("tables.hash", tables_is_right(r->object, data, len)))
		return wrong_hash(r, e);
	*out = (struct table){.data = steal_ptr(data), .len = len, .fetched = len};
	return 0;
}

/* The digest of what comes, which goes into `fd` (-1: nowhere). *here: the file failed, not the source. */
static int stream(struct reader *from, uint64_t length, int fd, uint8_t digest[HASH_SIZE],
	bool *here, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(FETCH_CHUNK);
	struct hash *h = NULL;
	int rc = 0;

	if (!chunk)
		return err_set(e, E_NOMEM, "no memory for a chunk");
	if (hash_start(HASH_SHA256, &h, e) < 0)
		return -1;
	for (uint64_t at = 0; rc == 0 && at < length; at += FETCH_CHUNK) {
		size_t len = length - at < FETCH_CHUNK ? (size_t)(length - at) : FETCH_CHUNK;
		rc = from->read(from->ctx, at, chunk, len, e);
		if (rc == 0)
			rc = hash_update(h, chunk, len, e);
		if (rc == 0 && fd >= 0 && file_write_full(fd, chunk, len, e) < 0) {
			*here = true;
			rc = -1;
		}
	}
	if (rc == 0)
		rc = hash_finish(h, digest, e);
	hash_free(h);
	return rc;
}

static int read_kept(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const int *fd = ctx;

	return file_pread_full(*fd, data, len, offset, e);
}

int tables_digest(int fd, size_t len, uint8_t digest[HASH_SIZE], struct err *e)
{
	struct reader from = {.ctx = &fd, .read = read_kept};
	bool ignored = false;

	return stream(&from, len, -1, digest, &ignored, e);
}

static int stream_object(
	const struct table_request *r, int fd, uint8_t digest[HASH_SIZE], bool *here, struct err *e)
{
	const struct plan_object *o = r->object;
	struct reader from = {0};

	if (open_object(r, &from, e) < 0)
		return -1;
	int rc = stream(&from, o->length, fd, digest, here, e);
	reader_close(&from);
	return rc;
}

/* *here: the cache failed, not what it was to hold. */
static int fetch_to_file(struct tables *t, const struct table_request *r, struct table *out,
	bool *here, struct err *e)
{
	char name[HASH_HEX_SIZE];
	uint8_t digest[HASH_SIZE];

	AUTO_CLOSE int fd = openat(t->dir, TABLES_PART_NAME,
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	*here = fd < 0;
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "%s: no file in the cache", r->what);
	int rc = stream_object(r, fd, digest, here, e);
	if (rc == 0 && !MUST("tables.stream-hash", hash_equal(digest, r->object->sha256)))
		rc = wrong_hash(r, e);
	else if (rc < 0)
		err_wrap(e, "%s", r->what);
	hash_to_hex(r->object->sha256, name);
	/* Not flushed: after a power cut its hash says whether it is there. No name, no harm. */
	if (rc < 0 || renameat(t->dir, TABLES_PART_NAME, t->dir, name) < 0)
		unlinkat(t->dir, TABLES_PART_NAME, 0);
	if (rc < 0)
		return -1;
	if (tables_map(fd, (size_t)r->object->length, out, e) < 0)
		return -1;
	out->fetched = r->object->length;
	return 0;
}

int tables_get(struct tables *t, const struct table_request *r, struct table *out, struct err *e)
{
	const struct plan_object *o = r->object;

	if (!MUST("tables.cap", o->length > 0 && o->length <= r->cap))
		return err_set(
			e, E_META, "%s is signed with %" PRIu64 " bytes", r->what, o->length);
	if (load_kept(t, r, out))
		return 0;
	if (!r->objects)
		return err_set(e, E_NOTFOUND, "%s is not in the cache", r->what);
	if (r->map && tables_has_room(t, o->length)) {
		bool here = false;
		if (fetch_to_file(t, r, out, &here, e) == 0)
			return 0;
		if (!here || o->length > TABLES_MEMORY_MAX)
			return -1;
		log_line(t->log, LOG_LEVEL_WARN, "cache-fails reason=\"%s\"", e->text);
	} else if (r->map && o->length > TABLES_MEMORY_MAX)
		return err_set(e, E_SPACE,
			"%s: no room for %" PRIu64 " bytes on the data partition", r->what,
			o->length);
	if (tables_fetch(r, out, e) < 0)
		return -1;
	tables_keep(t, r, out);
	return 0;
}

void tables_sweep(
	struct tables *t, bool (*is_needed)(const void *ctx, const char *name), const void *ctx)
{
	int fd = openat(t->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (!is_needed(ctx, d->d_name))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
}
