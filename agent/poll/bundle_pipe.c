/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle that comes out of a pipe. */
#include "agent/poll/bundle_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/poll/bundle_tar.h"

#define CHUNK     16384
#define ROOM_LEFT (1024 * 1024) /* free bytes that are left in the folder for state and journal */
#define POLL_MS   1000

struct bundle_pipe {
	int fd;
	int spool;
	uint64_t pos; /* of the next byte that comes */
};

/* A file that no name leads to, so that a cut leaves nothing behind. */
static int make_spool(int dir, struct err *e)
{
	static const char name[] = "bundle.spool";
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* Some file systems have no nameless files (overlayfs, older UBIFS). */
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "a file for what is kept of a pipe");
	unlinkat(dir, name, 0);
	return fd;
}

int bundle_pipe_open(int fd, int spool_dir, struct bundle_pipe **out, struct err *e)
{
	struct bundle_pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, E_NOMEM, "no memory for a pipe");
	p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	p->spool = -1;
	if (p->fd < 0) {
		err_sys(e, E_IO, errno, "the pipe of a bundle");
		bundle_pipe_close(p);
		return -1;
	}
	p->spool = make_spool(spool_dir, e);
	if (p->spool < 0) {
		bundle_pipe_close(p);
		return -1;
	}
	*out = p;
	return 0;
}

void bundle_pipe_close(struct bundle_pipe *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	if (p->spool >= 0)
		close(p->spool);
	free(p);
}

static int kept_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct bundle_pipe *p = ctx;

	return file_pread_full(p->spool, data, len, offset, e);
}

struct reader bundle_pipe_kept(struct bundle_pipe *p)
{
	return (struct reader){.ctx = p, .read = kept_read};
}

/* --- Reading on ------------------------------------------------------------------- */

/* Whoever feeds the pipe may fall silent; the agent must not hold its lock for ever. */
static int wait_for_bytes(const struct bundle_pipe *p, struct err *e)
{
	struct pollfd f = {.fd = p->fd, .events = POLLIN};

	for (int waited = 0; waited < BUNDLE_PIPE_WAIT; waited += POLL_MS / 1000) {
		int rc = poll(&f, 1, POLL_MS);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return err_sys(e, E_IO, errno, "waiting for the pipe");
	}
	return err_set(e, E_TIMEOUT, "no byte came out of the pipe for %d s", BUNDLE_PIPE_WAIT);
}

int bundle_pipe_read(struct bundle_pipe *p, void *data, size_t len, size_t *got, struct err *e)
{
	uint8_t *to = data;
	size_t done = 0;

	while (done < len) {
		if (wait_for_bytes(p, e) < 0)
			return -1;
		ssize_t n = read(p->fd, to + done, len - done);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return err_sys(e, E_IO, errno, "reading the pipe");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	p->pos += done;
	*got = done;
	return 0;
}

static int read_exactly(struct bundle_pipe *p, void *data, size_t len, struct err *e)
{
	size_t got;

	if (bundle_pipe_read(p, data, len, &got, e) < 0)
		return -1;
	if (!MUST("bundle.pipe-end", got == len))
		return err_set(e, E_BUNDLE, "the pipe ended at byte %llu: truncated?",
			(unsigned long long)p->pos);
	return 0;
}

/* Goes on to `to`, and stores what comes where `keep` is set. */
static int go_on(struct bundle_pipe *p, uint64_t to, bool keep, struct err *e)
{
	uint8_t chunk[CHUNK];
	size_t len;

	for (uint64_t at = p->pos; at < to; at += len) {
		len = to - at < sizeof(chunk) ? (size_t)(to - at) : sizeof(chunk);
		if (read_exactly(p, chunk, len, e) < 0)
			return -1;
		if (keep && file_pwrite_full(p->spool, chunk, len, at, e) < 0)
			return err_wrap(e, "keeping a part of the bundle");
	}
	return 0;
}

/* --- Members ------------------------------------------------------------------------ */

static bool has_room(const struct bundle_pipe *p, uint64_t size)
{
	struct statvfs f;

	if (fstatvfs(p->spool, &f) < 0)
		return false;
	return (uint64_t)f.f_bavail * f.f_frsize >= size + ROOM_LEFT;
}

bool bundle_pipe_keeps(const struct bundle *b, const struct bundle_member *m)
{
	if (bundle_group_of(m->name) != BUNDLE_OBJECTS)
		return true;
	return (m->size <= BUNDLE_KEEP_MAX || bundle_is_head(m->name)) &&
	       has_room(b->pipe, m->size);
}

int bundle_pipe_keep(struct bundle *b, struct bundle_member *m, struct err *e)
{
	if (m->state != BUNDLE_COMING || b->pipe->pos != m->offset)
		return 0;
	if (!bundle_pipe_keeps(b, m)) {
		if (!bundle_is_head(m->name))
			return 0; /* forward it can be read all the same */
		return err_set(e, E_SPACE,
			"the data folder has no room for the %llu MiB of %s, which cannot be read "
			"out of a pipe: install from a file, or take a full bundle",
			(unsigned long long)(m->size >> 20), m->name);
	}
	if (go_on(b->pipe, m->offset + m->size, true, e) < 0)
		return -1;
	m->state = BUNDLE_STORED;
	return 0;
}

int bundle_pipe_pass(struct bundle *b, uint64_t to, struct err *e)
{
	struct bundle_member *m = b->count ? &b->members[b->count - 1] : NULL;

	if (m && m->state == BUNDLE_COMING && bundle_pipe_keeps(b, m) &&
		bundle_pipe_keep(b, m, e) < 0)
		return -1;
	if (m && m->state == BUNDLE_COMING)
		m->state = BUNDLE_GONE;
	return go_on(b->pipe, to, false, e);
}

int bundle_pipe_serve(struct bundle *b, struct bundle_member *m, uint64_t offset, void *data,
	size_t len, struct err *e)
{
	uint64_t at = m->offset + offset;

	if (!MUST("bundle.pipe-forward", m->state == BUNDLE_COMING && at >= b->pipe->pos))
		return err_set(e, E_IO,
			"it has gone by in the pipe, which cannot be read twice: install from a file");
	if (go_on(b->pipe, at, false, e) < 0)
		return -1;
	return read_exactly(b->pipe, data, len, e);
}
