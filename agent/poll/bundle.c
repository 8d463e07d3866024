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
#include "agent/poll/bundle_pipe.h"
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

struct bundle_file {
	int fd;
	uint64_t start; /* of the bundle in the file */
};

static int file_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct bundle_file *f = ctx;

	return file_pread_full(f->fd, data, len, f->start + offset, e);
}

static void file_close(void *ctx)
{
	struct bundle_file *f = ctx;

	close(f->fd);
	free(f);
}

/* Takes over `fd`: bytes from `start` to the end of a regular file. */
static int open_file(
	int *fd, uint64_t start, uint64_t end, const char *name, struct bundle **out, struct err *e)
{
	struct bundle_file *f = malloc(sizeof(*f));

	if (!f)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	*f = (struct bundle_file){.fd = steal_fd(fd), .start = start};
	struct reader from = {.ctx = f, .read = file_read_at, .close = file_close};
	return bundle_open_reader(&from, end > start ? end - start : 0, name, out, e);
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
	return open_file(&fd, 0, (uint64_t)st.st_size, path, out, e);
}

void bundle_close(struct bundle *b)
{
	if (!b)
		return;
	bundle_walk_end(b);
	for (size_t i = 0; i < b->count; i++)
		free(b->members[i].name);
	free(b->members);
	reader_close(&b->from);
	if (bundle_pipe_of(b))
		bundle_pipe_close(b->pipe);
	free(b);
}

/* --- A pipe ------------------------------------------------------------------------ */

static int open_pipe(int fd, int spool_dir, const char *name, struct bundle **out, struct err *e)
{
	__attribute__((cleanup(cleanup_bundle))) struct bundle *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	b->size = UINT64_MAX;
	snprintf(b->name, sizeof(b->name), "%s", name);
	if (bundle_pipe_open(fd, spool_dir, &b->pipe, e) < 0)
		return -1;
	b->from = bundle_pipe_kept(b->pipe);
	if (bundle_read_directory(b, e) < 0)
		return err_wrap(e, "bundle %.200s", name);
	*out = steal_ptr(b);
	return 0;
}

int bundle_open_stream(int fd, int spool_dir, const char *name, struct bundle **out, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, E_IO, errno, "bundle %s", name);
	if (S_ISDIR(st.st_mode))
		return err_set(e, E_BUNDLE, "bundle %s is a folder", name);
	off_t start = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	if (start < 0)
		return open_pipe(fd, spool_dir, name, out, e);
	AUTO_CLOSE int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return err_sys(e, E_IO, errno, "bundle %s", name);
	return open_file(&copy, (uint64_t)start, (uint64_t)st.st_size, name, out, e);
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
