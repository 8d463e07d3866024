/* SPDX-License-Identifier: Apache-2.0 */
/* autoboot.txt on its partition: one write of one sector is the commit. */
#include "partitions/boot/autoboot_sector.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/boot/autoboot_fat.h"

_Static_assert(AUTOBOOT_MAX == FAT_SECTOR, "what the firmware reads is one sector");

/* The sector that holds the file, and what it says. */
struct sector {
	struct fat_place place;
	struct fat_sector data;
	struct autoboot said;
};

/*
 * On a block device around the page cache, so that the medium answers and
 * nothing is written but this sector. O_EXCL when writing: the kernel refuses
 * it while the partition is mounted.
 */
static int open_device(const char *device, int mode, int *out, struct err *e)
{
	struct stat st;

	if (stat(device, &st) < 0)
		return err_sys(e, E_BOOTENV, errno, "autoboot partition %s", device);
	bool block = S_ISBLK(st.st_mode);
	int flags = O_CLOEXEC | mode | (block ? O_DIRECT : 0);
	if (mode == O_RDWR)
		flags |= O_SYNC | (block ? O_EXCL : 0);
	int fd = open(device, flags);
	if (fd < 0 && errno == EBUSY)
		return err_set(e, E_BUSY,
			"the autoboot partition %s is mounted: unmount it, and take it out of fstab",
			device);
	if (fd < 0)
		return err_sys(
			e, E_BOOTENV, errno, "cannot open the autoboot partition %s", device);
	*out = fd;
	return 0;
}

static int read_sector(int fd, struct sector *s, struct err *e)
{
	if (fat_find_autoboot(fd, &s->place, e) < 0 ||
		fat_read_sector(fd, s->place.offset, &s->data, e) < 0)
		return -1;
	return autoboot_parse((const char *)s->data.bytes, s->place.size, &s->said, e);
}

int autoboot_load(const char *device, struct autoboot_text *out, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct sector s;

	if (open_device(device, O_RDONLY, &fd, e) < 0)
		return -1;
	if (read_sector(fd, &s, e) < 0)
		return err_wrap(e, "%s", device);
	memcpy(out->text, s.data.bytes, s.place.size);
	out->len = s.place.size;
	out->said = s.said;
	return 0;
}

int autoboot_check_writable(const char *device, struct err *e)
{
	AUTO_CLOSE int fd = -1;

	return open_device(device, O_RDWR, &fd, e);
}

static int write_sector(
	int fd, const struct fat_place *p, const struct fat_sector *data, struct err *e)
{
	if (file_pwrite_full(fd, data->bytes, FAT_SECTOR, p->offset, e) < 0 ||
		file_sync(fd, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "writing the sector of autoboot.txt");
	}
	return 0;
}

/* Reads through a descriptor of its own, so that nothing but the medium can answer. */
static int compare_sector(const char *device, const struct fat_place *p,
	const struct fat_sector *wanted, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct fat_sector got;

	if (open_device(device, O_RDONLY, &fd, e) < 0)
		return err_wrap(e, "reading back");
	posix_fadvise(fd, (off_t)p->offset, FAT_SECTOR, POSIX_FADV_DONTNEED);
	if (fat_read_sector(fd, p->offset, &got, e) < 0)
		return err_wrap(e, "reading back");
	if (!MUST("boot.autoboot.readback", memcmp(got.bytes, wanted->bytes, FAT_SECTOR) == 0))
		return err_set(e, E_BOOTENV,
			"the sector of autoboot.txt on %s reads back as something else than was "
			"written; the storage is to blame",
			device);
	return 0;
}

static int replace_sector(const char *device, int fd, const struct sector *old,
	const struct fat_sector *data, struct err *e)
{
	struct err ignored;

	/* The commit point: before this write the old slot boots, after it the new one. */
	if (write_sector(fd, &old->place, data, e) == 0 &&
		compare_sector(device, &old->place, data, e) == 0)
		return 0;
	/* What was reported as failed must not boot later on. */
	if (write_sector(fd, &old->place, &old->data, &ignored) == 0 &&
		compare_sector(device, &old->place, &old->data, &ignored) == 0)
		return err_wrap(e, "nothing was changed");
	return err_wrap(e, "it is not sure what autoboot.txt says now, look at it before a reboot");
}

int autoboot_change(const char *device, unsigned normal, unsigned trial, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct sector old;

	if (open_device(device, O_RDWR, &fd, e) < 0)
		return -1;
	if (read_sector(fd, &old, e) < 0)
		return err_wrap(e, "%s", device);
	if (old.said.normal == normal && old.said.trial == trial)
		return 0;
	struct fat_sector data = old.data;
	if (autoboot_set(&old.said, (char *)data.bytes, normal, trial, e) < 0)
		return -1;
	return replace_sector(device, fd, &old, &data, e);
}
