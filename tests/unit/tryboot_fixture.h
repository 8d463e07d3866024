/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Raspberry Pi out of files, for the tests of partitions/boot: device tree,
 * partition table, the FAT with autoboot.txt, and the firmware's rules, written
 * here anew from the firmware's documentation. Include after <cmocka.h>.
 */
#pragma once

#include <ctype.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "partitions/boot/boot.h"

#define PI_AUTOBOOT "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n# kept\n"

/* Where things are in a FAT made by pi_make_fat; the file is in cluster 5. */
struct pi_fat {
	unsigned bits;
	unsigned reserved, fat_sectors, root_sectors;
	unsigned total;
	unsigned file_sector;
	unsigned folder_sector;
};

struct pi {
	char root[64];
	char autoboot[96]; /* dev/mmcblk0p1 */
	char disk[96];
	char state[96];
	char reboot[96]; /* a command that keeps its argument */
	struct pi_fat fat;
	struct boot_options options;
};

static inline void pi_path(const struct pi *p, const char *name, char path[192])
{
	snprintf(path, 192, "%s/%s", p->root, name);
}

static inline void pi_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static inline void pi_write_below(
	const struct pi *p, const char *name, const void *data, size_t len)
{
	char path[192];

	pi_path(p, name, path);
	pi_write(path, data, len);
}

static inline void pi_poke(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static inline void pi_peek(const char *path, void *data, size_t len, off_t at)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static inline void pi_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void pi_put32(uint8_t *p, unsigned v)
{
	pi_put16(p, v & 0xffff);
	pi_put16(p + 2, v >> 16);
}

/* Entry `cluster` of the FAT. */
static inline void pi_set_entry(
	const char *path, const struct pi_fat *f, unsigned cluster, unsigned value)
{
	off_t start = (off_t)f->reserved * 512;
	uint8_t b[4];

	if (f->bits == 12) {
		off_t at = start + cluster + cluster / 2;
		pi_peek(path, b, 2, at);
		if (cluster & 1)
			pi_put16(b, (b[0] & 0xfu) | (value & 0xfff) << 4);
		else
			pi_put16(b, ((unsigned)(b[1] & 0xf0) << 8) | (value & 0xfff));
		pi_poke(path, b, 2, at);
		return;
	}
	pi_put32(b, value);
	pi_poke(path, b, f->bits / 8, start + (off_t)cluster * (f->bits / 8));
}

static inline void pi_folder_entry(uint8_t *e, const char *name, unsigned attr, unsigned size)
{
	memset(e, 0, 32);
	memcpy(e, name, 11);
	e[11] = (uint8_t)attr;
	pi_put16(e + 26, 5);
	pi_put32(e + 28, size);
}

/* A small FAT with decoys before the file, as mkfs and other systems leave them. */
static inline void pi_make_fat(
	const char *path, struct pi_fat *f, unsigned bits, const char *text, size_t len)
{
	uint8_t s[512] = {0xeb, 0x3c, 0x90};
	uint8_t folder[512] = {0};
	char data[512];

	*f = (struct pi_fat){.bits = bits, .reserved = 1, .root_sectors = 1};
	f->fat_sectors = bits == 12 ? 1 : bits == 16 ? 20 : 513;
	if (bits == 32)
		f->reserved = 32, f->root_sectors = 0;
	unsigned start = f->reserved + 2 * f->fat_sectors + f->root_sectors;
	f->total = start + (bits == 12 ? 60 : bits == 16 ? 5000 : 65600);
	f->file_sector = start + 3;
	f->folder_sector = bits == 32 ? start : f->reserved + 2 * f->fat_sectors;
	pi_put16(s + 11, 512);
	s[13] = 1;
	pi_put16(s + 14, f->reserved);
	s[16] = 2;
	pi_put16(s + 17, bits == 32 ? 0 : 16);
	pi_put16(s + 19, bits == 32 ? 0 : f->total);
	pi_put16(s + 22, bits == 32 ? 0 : f->fat_sectors);
	pi_put32(s + 32, bits == 32 ? f->total : 0);
	pi_put32(s + 36, bits == 32 ? f->fat_sectors : 0);
	pi_put32(s + 44, bits == 32 ? 2 : 0);
	s[510] = 0x55;
	s[511] = 0xaa;
	pi_write(path, s, sizeof(s));
	assert_int_equal(truncate(path, (off_t)f->total * 512), 0);
	pi_folder_entry(folder, "AUTOBOOT   ", 0x08, 0);
	pi_folder_entry(folder + 32, "AUTOBOOTTXT", 0x0f, 7);
	pi_folder_entry(folder + 64, "\xe5UTOBOOTTXT", 0x20, 7);
	pi_folder_entry(folder + 96, "AUTOBOOTTXT", 0x10, 0);
	pi_folder_entry(folder + 128, "AUTOBOOTTXT", 0x20, (unsigned)len);
	pi_poke(path, folder, sizeof(folder), (off_t)f->folder_sector * 512);
	pi_set_entry(path, f, 2, 0x0fffffff);
	pi_set_entry(path, f, 5, 0x0fffffff);
	/* What lies behind the file in its sector must stay. */
	memset(data, 0xa5, sizeof(data));
	memcpy(data, text, len < sizeof(data) ? len : sizeof(data));
	pi_poke(path, data, sizeof(data), (off_t)f->file_sector * 512);
}

static inline void pi_set_text(struct pi *p, const char *text)
{
	pi_make_fat(p->autoboot, &p->fat, 12, text, strlen(text));
}

/* The sector with the file. */
static inline void pi_sector(const struct pi *p, char sector[513])
{
	pi_peek(p->autoboot, sector, 512, (off_t)p->fat.file_sector * 512);
	sector[512] = 0;
}

static inline void pi_set_tree(const struct pi *p, const char *name, uint32_t value)
{
	const uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
		(uint8_t)value};
	char path[96];

	snprintf(path, sizeof(path), "proc/device-tree/chosen/bootloader/%s", name);
	pi_write_below(p, path, b, 4);
}

static inline void pi_remove_below(const struct pi *p, const char *name)
{
	char path[192];

	pi_path(p, name, path);
	unlink(path);
}

/* Starts a partition, as the firmware tells it to Linux. */
static inline void pi_start(const struct pi *p, unsigned partition, bool tryboot)
{
	char line[80];

	pi_set_tree(p, "partition", partition);
	pi_set_tree(p, "tryboot", tryboot);
	int len = snprintf(line, sizeof(line), "root=/dev/mmcblk0p%u pawl.slot=%c\n", partition + 3,
		partition == 2 ? 'A' : 'B');
	pi_write_below(p, "proc/cmdline", line, (size_t)len);
}

/* What the firmware takes from autoboot.txt: the last boot_partition that holds. */
static inline unsigned pi_firmware_partition(const char *text, size_t len, bool tryboot)
{
	unsigned found = 0;
	bool holds = true;

	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		size_t n = 0;
		while (at + n < len && line[n] != '\n')
			n++;
		if (n >= 5 && strncasecmp(line, "[all]", 5) == 0)
			holds = true;
		else if (n >= 9 && strncasecmp(line, "[tryboot]", 9) == 0)
			holds = tryboot;
		else if (n >= 1 && line[0] == '[')
			holds = false;
		else if (holds && n >= 16 && strncmp(line, "boot_partition=", 15) == 0)
			found = (unsigned)atoi(line + 15);
		at += n + 1;
	}
	return found;
}

/* One boot. The flag is the firmware's own and is gone with this. */
static inline char pi_boot(const struct pi *p)
{
	char path[192];
	char asked[32] = "";
	char sector[513];
	uint8_t size[4];

	pi_path(p, "run/asked", path);
	int fd = open(path, O_RDONLY);
	if (fd >= 0) {
		assert_true(read(fd, asked, sizeof(asked) - 1) >= 0);
		close(fd);
		unlink(path);
	}
	bool tryboot = strstr(asked, " tryboot") != NULL;
	pi_sector(p, sector);
	pi_peek(p->autoboot, size, 4, (off_t)p->fat.folder_sector * 512 + 128 + 28);
	unsigned partition = pi_firmware_partition(sector, size[0] + 256u * size[1], tryboot);
	if (partition != 2 && partition != 3)
		return 0;
	pi_start(p, partition, tryboot);
	return partition == 2 ? 'A' : 'B';
}

static inline void pi_set_types(const struct pi *p, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	uint8_t mbr[1024] = {0};

	mbr[446 + 4] = a;
	mbr[446 + 16 + 4] = b;
	mbr[446 + 32 + 4] = c;
	mbr[446 + 48 + 4] = d;
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	pi_write(p->disk, mbr, sizeof(mbr));
}

static inline void pi_make(struct pi *p)
{
	static const char *const dirs[] = {"proc", "proc/device-tree", "proc/device-tree/chosen",
		"proc/device-tree/chosen/bootloader", "dev", "run", "sys", "sys/class",
		"sys/class/block", "sys/devices", "sys/devices/mmcblk0",
		"sys/devices/mmcblk0/mmcblk0p1", "state"};
	static const char command[] = "#!/bin/sh\nprintf '%s' \"$1\" >\"${0%/*}/run/asked\"\n";
	const char *tmp = getenv("TMPDIR");
	char path[192];

	memset(p, 0, sizeof(*p));
	snprintf(p->root, sizeof(p->root), "%.40s/pi.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->root));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		pi_path(p, dirs[i], path);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(p->autoboot, sizeof(p->autoboot), "%.63s/dev/mmcblk0p1", p->root);
	snprintf(p->disk, sizeof(p->disk), "%.63s/dev/mmcblk0", p->root);
	snprintf(p->state, sizeof(p->state), "%.63s/state", p->root);
	snprintf(p->reboot, sizeof(p->reboot), "%.63s/reboot", p->root);
	pi_write(p->reboot, command, sizeof(command) - 1);
	assert_int_equal(chmod(p->reboot, 0755), 0);
	pi_write_below(p, "sys/devices/mmcblk0/mmcblk0p1/partition", "1\n", 2);
	pi_path(p, "sys/class/block/mmcblk0p1", path);
	assert_int_equal(symlink("../../devices/mmcblk0/mmcblk0p1", path), 0);
	pi_write_below(p, "dev/vcio", "", 0);
	pi_set_types(p, 0x0c, 0x0c, 0x0c, 0x05);
	pi_set_text(p, PI_AUTOBOOT);
	pi_start(p, 2, false);
	p->options = (struct boot_options){
		.root = p->root,
		.loader = "tryboot",
		.autoboot = p->autoboot,
		.partition = {2, 3},
		.state_dir = p->state,
		.reboot_command = p->reboot,
	};
}

static inline int pi_remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
	(void)st;
	(void)kind;
	(void)w;
	return remove(path);
}

static inline void pi_remove(struct pi *p)
{
	nftw(p->root, pi_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
