/* SPDX-License-Identifier: Apache-2.0 */
/* The copies of the boot environment as bytes on a medium. */
#include "partitions/boot/env_media.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

uint32_t env_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Bytes before the variables: checksum, and one of flags when there are two copies. */
static size_t header_size(size_t copies)
{
	return copies > 1 ? 5 : 4;
}

/* libubootenv decides by the name that is left when links are resolved. */
static bool is_flash(const char *real)
{
	return strncmp(real, "/dev/mtd", 8) == 0 || strncmp(real, "/dev/ubi", 8) == 0;
}

/* A negative offset counts from the end of a block device; libubootenv knows no other case. */
static int resolve_offset(int fd, const struct env_place *p, uint64_t *out, struct err *e)
{
	uint64_t size = 0;

	if (p->offset >= 0) {
		*out = (uint64_t)p->offset;
		return 0;
	}
	uint64_t back = (uint64_t) - (p->offset + 1) + 1;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return err_sys(e, E_BOOTENV, errno, "%s: a negative offset needs a block device",
			p->device);
	if (back > size)
		return err_set(e, E_BOOTENV, "%s: offset %lld is before its start", p->device,
			(long long)p->offset);
	*out = size - back;
	return 0;
}

static int open_copy(const struct env_media *m, size_t index, struct env_copy *c, struct err *e)
{
	const struct env_place *p = &m->config.place[index];
	size_t header = header_size(m->config.count);
	AUTO_FREE char *real = realpath(p->device, NULL);
	uint32_t stored;

	/* A UBI volume is named DEVICE:VOLUME, which is no path. */
	if (is_flash(real ? real : p->device))
		return 0;
	if (!real)
		return err_sys(e, E_BOOTENV, errno, "boot environment %s", p->device);
	c->fd = open(real, O_RDONLY | O_CLOEXEC);
	if (c->fd < 0)
		return err_sys(
			e, E_BOOTENV, errno, "cannot open the boot environment %s", p->device);
	if (resolve_offset(c->fd, p, &c->offset, e) < 0)
		return -1;
	c->data = malloc(p->size);
	if (!c->data)
		return err_set(e, E_NOMEM, "boot environment of %zu bytes", p->size);
	if (file_pread_full(c->fd, c->data, p->size, c->offset, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "boot environment %s", p->device);
	}
	memcpy(&stored, c->data, sizeof(stored));
	c->bad = stored != env_crc32(c->data + header, p->size - header);
	return 0;
}

static bool is_same_medium(int a, int b)
{
	struct stat sa;
	struct stat sb;

	if (fstat(a, &sa) < 0 || fstat(b, &sb) < 0 ||
		(sa.st_mode & S_IFMT) != (sb.st_mode & S_IFMT))
		return false;
	if (S_ISBLK(sa.st_mode))
		return sa.st_rdev == sb.st_rdev;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool copies_overlap(const struct env_media *m)
{
	const struct env_copy *a = &m->copy[0];
	const struct env_copy *b = &m->copy[1];
	uint64_t apart = a->offset > b->offset ? a->offset - b->offset : b->offset - a->offset;

	if (m->config.count < 2 || a->fd < 0 || b->fd < 0 || !is_same_medium(a->fd, b->fd))
		return false;
	return apart < m->config.place[0].size;
}

int env_media_open(const struct env_config *c, struct env_media *m, struct err *e)
{
	*m = (struct env_media){.config = *c, .copy = {{.fd = -1}, {.fd = -1}}};
	for (size_t i = 0; i < c->count; i++) {
		if (open_copy(m, i, &m->copy[i], e) < 0) {
			env_media_close(m);
			return -1;
		}
	}
	if (!MUST("boot.env.apart", !copies_overlap(m))) {
		env_media_close(m);
		return err_set(e, E_BOOTENV,
			"the two copies of the boot environment overlap on %s; give each its own "
			"place in fw_env.config and in U-Boot",
			c->place[0].device);
	}
	return 0;
}

static bool is_erased(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != data[0])
			return false;
	}
	return data[0] == 0 || data[0] == 0xff;
}

static bool is_text_byte(uint8_t byte)
{
	return byte == '\t' || byte == '\n' || byte == '\r' || (byte >= 0x20 && byte < 0x7f);
}

/*
 * name=value, NUL, ... up to the empty string that ends it. What comes behind is
 * whatever was in libubootenv's memory. A partition table or a file system has
 * no '=' in its first words, or is not text.
 */
static bool is_variables(const uint8_t *data, size_t len)
{
	const uint8_t *first = memchr(data, 0, len);

	if (!first || !memchr(data, '=', (size_t)(first - data)))
		return false;
	for (size_t i = 0; i + 1 < len && (data[i] || data[i + 1]); i++) {
		if (data[i] && !is_text_byte(data[i]))
			return false;
	}
	return true;
}

bool env_media_looks_own(const struct env_media *m)
{
	size_t header = header_size(m->config.count);

	for (size_t i = 0; i < m->config.count; i++) {
		const uint8_t *data = m->copy[i].data;
		size_t len = m->config.place[i].size - header;
		if (!data || !(is_erased(data + header, len) || is_variables(data + header, len)))
			return false;
	}
	return true;
}

void env_media_close(struct env_media *m)
{
	for (size_t i = 0; i < m->config.count; i++) {
		if (m->copy[i].fd >= 0)
			close(m->copy[i].fd);
		free(m->copy[i].data);
		m->copy[i] = (struct env_copy){.fd = -1};
	}
	m->config.count = 0;
}

size_t env_media_count_bad(const struct env_media *m)
{
	size_t bad = 0;

	for (size_t i = 0; i < m->config.count; i++)
		bad += m->copy[i].bad;
	return bad;
}

int env_media_sync(const struct env_media *m, struct err *e)
{
	for (size_t i = 0; i < m->config.count; i++) {
		const struct env_copy *c = &m->copy[i];
		if (c->fd < 0)
			continue;
		if (!MUST("boot.env.fsync", fsync(c->fd) == 0))
			return err_sys(e, E_BOOTENV, errno,
				"flushing the boot environment %s; check the storage",
				m->config.place[i].device);
		posix_fadvise(c->fd, (off_t)c->offset, (off_t)m->config.place[i].size,
			POSIX_FADV_DONTNEED);
	}
	return 0;
}

/* Is the copy what it was when it was opened? What cannot be read counts as changed. */
static bool is_unchanged(const struct env_media *m, size_t index)
{
	const struct env_copy *c = &m->copy[index];
	size_t size = m->config.place[index].size;
	AUTO_FREE uint8_t *now = malloc(size);
	struct err ignored;

	return now && file_pread_full(c->fd, now, size, c->offset, &ignored) == 0 &&
	       memcmp(now, c->data, size) == 0;
}

static bool put_back_copy(const struct env_media *m, size_t index)
{
	const struct env_place *p = &m->config.place[index];
	const struct env_copy *c = &m->copy[index];
	AUTO_CLOSE int fd = open(p->device, O_RDWR | O_CLOEXEC);
	struct err ignored;

	if (fd < 0 || !is_same_medium(fd, c->fd))
		return false;
	return file_pwrite_full(fd, c->data, p->size, c->offset, &ignored) == 0 &&
	       file_sync(fd, &ignored) == 0 && is_unchanged(m, index);
}

bool env_media_put_back(const struct env_media *m)
{
	size_t changed = 0;
	size_t which = 0;

	for (size_t i = 0; i < m->config.count; i++) {
		if (m->copy[i].fd < 0)
			return false;
		if (!is_unchanged(m, i)) {
			changed++;
			which = i;
		}
	}
	if (changed == 0)
		return true;
	return changed == 1 && put_back_copy(m, which);
}
