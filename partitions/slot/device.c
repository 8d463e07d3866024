/* SPDX-License-Identifier: Apache-2.0 */
/* One opened partition: reads and writes around the page cache. */
#include "partitions/slot/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/must.h"

/* Without O_DIRECT at most about twice this much is dirty, where the kernel would take 20 % of RAM. */
#define DIRTY_WINDOW (8u * 1024 * 1024)

static int id_of(const struct stat *st, const char *path, struct device_id *id, struct err *e)
{
	if (!S_ISBLK(st->st_mode) && !S_ISREG(st->st_mode))
		return err_set(e, E_SLOT, "%s is neither a block device nor a regular file", path);
	id->block = S_ISBLK(st->st_mode);
	id->dev = id->block ? st->st_rdev : st->st_dev;
	id->ino = id->block ? 0 : st->st_ino;
	return 0;
}

int device_identify(const char *path, struct device_id *id, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, E_SLOT, errno, "cannot find %s", path);
	return id_of(&st, path, id, e);
}

static int size_of(const struct device *d, uint64_t *size, struct err *e)
{
	struct stat st;

	if (d->id.block) {
		if (ioctl(d->fd, BLKGETSIZE64, size) < 0)
			return err_sys(e, E_SLOT, errno, "cannot get the size of %s", d->path);
		return 0;
	}
	if (fstat(d->fd, &st) < 0)
		return err_sys(e, E_SLOT, errno, "cannot get the size of %s", d->path);
	*size = (uint64_t)st.st_size;
	return 0;
}

static void set_direct(struct device *d, bool on)
{
	int flags = fcntl(d->fd, F_GETFL);

	if (flags < 0)
		return;
	flags = on ? flags | O_DIRECT : flags & ~O_DIRECT;
	/* Some file systems refuse O_DIRECT; the page cache is emptied by hand then. */
	if (fcntl(d->fd, F_SETFL, flags) == 0)
		d->direct = on;
}

/*
 * Links are followed: /dev/disk/by-partlabel/... are links, and the path comes
 * from the integrator's configuration. What was opened is what was identified,
 * or the open fails.
 */
static int open_as(const char *path, int flags, struct device *out, struct err *e)
{
	AUTO_DEVICE struct device d = {.fd = -1};
	struct device_id id;
	struct stat st;

	if (strlen(path) >= sizeof(d.path))
		return err_set(e, E_SLOT, "path of %zu bytes is too long", strlen(path));
	memcpy(d.path, path, strlen(path) + 1);
	if (device_identify(path, &id, e) < 0)
		return -1;
	if (id.block && (flags & O_ACCMODE) == O_RDWR)
		flags |= O_EXCL; /* fails when mounted, in a mapping, or claimed by another agent */
	d.fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	if (d.fd < 0)
		return err_sys(e, errno == EBUSY ? E_BUSY : E_SLOT, errno, "cannot open %s", path);
	if (fstat(d.fd, &st) < 0)
		return err_sys(e, E_SLOT, errno, "cannot stat %s", path);
	if (id_of(&st, path, &d.id, e) < 0)
		return -1;
	if (d.id.block != id.block || d.id.dev != id.dev || d.id.ino != id.ino)
		return err_set(e, E_SLOT, "%s was replaced while it was opened", path);
	if (size_of(&d, &d.size, e) < 0)
		return -1;
	*out = d;
	d.fd = -1;
	return 0;
}

void device_close(struct device *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

int device_open_read(const char *path, struct device *out, struct err *e)
{
	if (open_as(path, O_RDONLY, out, e) < 0)
		return -1;
	set_direct(out, true);
	return 0;
}

static int check_writable(const struct device *d, struct err *e)
{
	int read_only = 0;

	if (!d->id.block)
		return 0;
	if (ioctl(d->fd, BLKROGET, &read_only) < 0)
		return err_sys(e, E_SLOT, errno, "cannot ask whether %s is read-only", d->path);
	if (!MUST("slot.read-only", !read_only))
		return err_set(e, E_SLOT, "%s is read-only", d->path);
	return 0;
}

int device_open_write(const char *path, struct device *out, struct err *e)
{
	AUTO_DEVICE struct device d = {.fd = -1};

	if (open_as(path, O_RDWR, &d, e) < 0 || check_writable(&d, e) < 0)
		return -1;
	/* A file has no O_EXCL; two agents must not fill it at once all the same. */
	if (!d.id.block && flock(d.fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno == EWOULDBLOCK ? E_BUSY : E_SLOT, errno,
			"cannot lock %s for writing", path);
	set_direct(&d, true);
	*out = d;
	d.fd = -1;
	return 0;
}

/* Only clean pages are dropped; the caller has flushed. Advice may be refused without harm. */
static void drop_cache(const struct device *d, uint64_t offset, uint64_t len)
{
	if (!d->direct)
		(void)posix_fadvise(d->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
}

int device_read(struct device *d, void *data, size_t len, uint64_t offset, struct err *e)
{
	drop_cache(d, offset, len);
	int rc = file_pread_full(d->fd, data, len, offset, e);
	if (rc < 0 && d->direct && e->sys == EINVAL) {
		set_direct(d, false);
		rc = file_pread_full(d->fd, data, len, offset, e);
	}
	drop_cache(d, offset, len);
	return rc < 0 ? err_wrap(e, "%s", d->path) : 0;
}

/* Starts writing out [from, to), waits for what was started before it, forgets that. */
static int write_out_window(struct device *d, uint64_t from, uint64_t to, struct err *e)
{
	if (sync_file_range(d->fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE) < 0) {
		/* Not everywhere possible; the fsync at the end decides all the same. */
		if (errno == EINVAL || errno == ENOSYS || errno == ESPIPE)
			return 0;
		return err_sys(e, errno == ENOSPC ? E_SPACE : E_IO, errno,
			"%s: writing bytes %llu to %llu", d->path, (unsigned long long)from,
			(unsigned long long)to);
	}
	uint64_t before = from >= DIRTY_WINDOW ? from - DIRTY_WINDOW : 0;
	if (before == from)
		return 0;
	if (sync_file_range(d->fd, (off_t)before, (off_t)(from - before),
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER) < 0)
		return err_sys(e, errno == ENOSPC ? E_SPACE : E_IO, errno,
			"%s: writing bytes %llu to %llu", d->path, (unsigned long long)before,
			(unsigned long long)from);
	drop_cache(d, before, from - before);
	return 0;
}

static int bound_dirty(struct device *d, uint64_t offset, size_t len, struct err *e)
{
	if (d->direct)
		return 0;
	if (offset != d->dirty_to)
		d->dirty_from = offset; /* a gap: leaves that were right already */
	d->dirty_to = offset + len;
	if (d->dirty_to - d->dirty_from < DIRTY_WINDOW)
		return 0;
	uint64_t from = d->dirty_from;
	d->dirty_from = d->dirty_to;
	return write_out_window(d, from, d->dirty_to, e);
}

int device_write(struct device *d, const void *data, size_t len, uint64_t offset, struct err *e)
{
	int rc = file_pwrite_full(d->fd, data, len, offset, e);

	if (rc < 0 && d->direct && e->sys == EINVAL) {
		set_direct(d, false);
		rc = file_pwrite_full(d->fd, data, len, offset, e);
	}
	if (rc < 0)
		return err_wrap(e, "%s", d->path);
	return bound_dirty(d, offset, len, e);
}

int device_sync(struct device *d, struct err *e)
{
	if (file_sync(d->fd, e) < 0)
		return err_wrap(e, "%s: flushing what was written", d->path);
	(void)posix_fadvise(d->fd, 0, 0, POSIX_FADV_DONTNEED);
	d->dirty_from = d->dirty_to;
	return 0;
}
