/* SPDX-License-Identifier: Apache-2.0 */
/* Is the disk one on which the Raspberry Pi firmware reads autoboot.txt? */
#include "partitions/boot/tryboot_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/boot/autoboot.h"

#define MBR_SIZE  512
#define MBR_TABLE 446
#define MBR_ROW   16
#define TYPE_GPT  0xee
#define SYS_BLOCK "sys/class/block"

/* The last part of a path. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The number that sysfs gives the partition, 1 to 4; anything else is none of an MBR's first. */
static int read_number(const char *folder, unsigned *number, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(16);
	char path[512];

	if (file_join(path, sizeof(path), folder, "partition", e) < 0 ||
		file_read(AT_FDCWD, path, &text, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "is [boot] autoboot a partition?");
	}
	const char *t = buf_text(&text);
	if (t[0] < '1' || t[0] > '0' + AUTOBOOT_PARTITION_MAX || (t[1] != '\n' && t[1] != 0))
		return err_set(e, E_BOOTENV,
			"[boot] autoboot is partition %.8s; it must be a primary one, 1 to %d", t,
			AUTOBOOT_PARTITION_MAX);
	*number = (unsigned)(t[0] - '0');
	return 0;
}

/* /sys/class/block/mmcblk0p1 leads to .../mmcblk0/mmcblk0p1: the disk is the folder above. */
static int find_disk(const char *root, const char *autoboot, char *disk, size_t size,
	unsigned *number, struct err *e)
{
	AUTO_FREE char *real = realpath(autoboot, NULL);
	char link[512];
	char dev[320];

	if (!real)
		return err_sys(e, E_BOOTENV, errno, "autoboot partition %s", autoboot);
	snprintf(dev, sizeof(dev), SYS_BLOCK "/%.255s", name_of(real));
	if (file_join(link, sizeof(link), root, dev, e) < 0)
		return -1;
	AUTO_FREE char *folder = realpath(link, NULL);
	if (!folder)
		return err_sys(e, E_BOOTENV, errno, "%s is no partition: %s", autoboot, link);
	if (read_number(folder, number, e) < 0)
		return -1;
	*strrchr(folder, '/') = 0;
	snprintf(dev, sizeof(dev), "dev/%.255s", name_of(folder));
	return file_join(disk, size, root, dev, e);
}

static int read_mbr(const char *disk, uint8_t mbr[MBR_SIZE], struct err *e)
{
	AUTO_CLOSE int fd = open(disk, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, E_BOOTENV, errno, "cannot open the disk %s", disk);
	if (file_pread_full(fd, mbr, MBR_SIZE, 0, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "partition table of %s", disk);
	}
	return 0;
}

static uint8_t type_of(const uint8_t mbr[MBR_SIZE], unsigned number)
{
	return mbr[MBR_TABLE + (number - 1) * MBR_ROW + 4];
}

static bool is_fat(uint8_t type)
{
	static const uint8_t types[] = {0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e};

	return memchr(types, type, sizeof(types)) != NULL;
}

/* Number of the first FAT partition, 0 = there is none. */
static unsigned first_fat(const uint8_t mbr[MBR_SIZE])
{
	for (unsigned n = 1; n <= AUTOBOOT_PARTITION_MAX; n++) {
		if (is_fat(type_of(mbr, n)))
			return n;
	}
	return 0;
}

static bool has_gpt(const uint8_t mbr[MBR_SIZE])
{
	bool gpt = false;

	for (unsigned n = 1; n <= AUTOBOOT_PARTITION_MAX; n++)
		gpt = gpt || type_of(mbr, n) == TYPE_GPT;
	return gpt;
}

int tryboot_disk_check(
	const char *root, const char *autoboot, unsigned a, unsigned b, struct err *e)
{
	uint8_t mbr[MBR_SIZE];
	char disk[512];
	unsigned number = 0;

	if (find_disk(root, autoboot, disk, sizeof(disk), &number, e) < 0 ||
		read_mbr(disk, mbr, e) < 0)
		return -1;
	if (!MUST("boot.disk.mbr", mbr[510] == 0x55 && mbr[511] == 0xaa))
		return err_set(e, E_BOOTENV, "%s has no MBR partition table", disk);
	if (!MUST("boot.disk.gpt", !has_gpt(mbr)))
		return err_set(e, E_BOOTENV,
			"%s has a GPT; an MBR is wanted, where partition numbers are what "
			"autoboot.txt means",
			disk);
	if (!MUST("boot.disk.first", first_fat(mbr) == number))
		return err_set(e, E_BOOTENV,
			"%s is partition %u of %s, but the firmware reads autoboot.txt from the first "
			"FAT partition, %u",
			autoboot, number, disk, first_fat(mbr));
	bool fit = is_fat(type_of(mbr, a)) && is_fat(type_of(mbr, b)) && a != number && b != number;
	if (!MUST("boot.disk.boot-parts", fit))
		return err_set(e, E_BOOTENV,
			"the boot partitions %u and %u of the slots are not two FAT partitions of %s "
			"beside the autoboot partition; correct partition-a and partition-b",
			a, b, disk);
	return 0;
}
