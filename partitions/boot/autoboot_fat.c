/* SPDX-License-Identifier: Apache-2.0 */
/* Where autoboot.txt lies on its FAT partition, which is read as bytes. */
#include "partitions/boot/autoboot_fat.h"

#include <stdbool.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"

#define DIR_SECTORS_MAX  512 /* 8192 entries; a folder with one file has one sector */
#define ENTRY_SIZE       32
#define ENTRY_END        0x00
#define ENTRY_DELETED    0xe5
#define ATTR_LABEL       0x08 /* also set in the entries of long names */
#define ATTR_FOLDER      0x10
#define FAT12_CLUSTERS   4085 /* fewer than this: FAT12; Microsoft's rule, and the only one */
#define FAT16_CLUSTERS   65525
#define FAT32_ENTRY_MASK 0x0fffffff

static const uint8_t wanted_name[11] = "AUTOBOOTTXT";

/* The file system; all places are sectors from its start. */
struct fat {
	unsigned bits; /* 12, 16 or 32 */
	uint32_t cluster_sectors;
	uint64_t fat_start;
	uint64_t root_start; /* FAT12 and FAT16 only */
	uint64_t root_sectors;
	uint32_t root_cluster; /* FAT32 only */
	uint64_t data_start;
	uint64_t clusters; /* numbers 2 to clusters + 1 */
};

int fat_read_sector(int fd, uint64_t offset, struct fat_sector *out, struct err *e)
{
	if (file_pread_full(fd, out->bytes, FAT_SECTOR, offset, e) == 0)
		return 0;
	e->code = E_BOOTENV;
	return err_wrap(e, "autoboot partition");
}

/* Fields of the boot sector that decide where everything is. */
struct fields {
	uint32_t cluster_sectors, reserved, fats, root_entries;
	uint64_t total, fat_sectors;
};

static bool fields_make_sense(const struct fields *f)
{
	bool power = f->cluster_sectors > 0 && (f->cluster_sectors & (f->cluster_sectors - 1)) == 0;

	return power && f->reserved > 0 && f->fats >= 1 && f->fats <= 2 && f->fat_sectors > 0;
}

static int compute_places(const struct fields *in, uint32_t root_cluster, struct fat *f)
{
	f->cluster_sectors = in->cluster_sectors;
	f->fat_start = in->reserved;
	f->root_start = in->reserved + in->fats * in->fat_sectors;
	f->root_sectors = ((uint64_t)in->root_entries * ENTRY_SIZE + FAT_SECTOR - 1) / FAT_SECTOR;
	f->data_start = f->root_start + f->root_sectors;
	f->root_cluster = root_cluster;
	if (f->data_start >= in->total)
		return -1;
	f->clusters = (in->total - f->data_start) / in->cluster_sectors;
	f->bits = f->clusters < FAT12_CLUSTERS ? 12 : f->clusters < FAT16_CLUSTERS ? 16 : 32;
	bool root_fits = (f->bits == 32) == (in->root_entries == 0);
	bool fat_fits = in->fat_sectors * FAT_SECTOR * 8 / f->bits >= f->clusters + 2;
	return root_fits && fat_fits ? 0 : -1;
}

static int read_head(int fd, struct fat *f, struct err *e)
{
	struct fat_sector s;

	if (fat_read_sector(fd, 0, &s, e) < 0)
		return -1;
	const uint8_t *b = s.bytes;
	struct fields in = {
		.cluster_sectors = b[13],
		.reserved = le16_get(b + 14),
		.fats = b[16],
		.root_entries = le16_get(b + 17),
		.total = le16_get(b + 19) ? le16_get(b + 19) : le32_get(b + 32),
		.fat_sectors = le16_get(b + 22) ? le16_get(b + 22) : le32_get(b + 36),
	};
	bool good = b[510] == 0x55 && b[511] == 0xaa && fields_make_sense(&in);
	if (!MUST("boot.fat.head", good && compute_places(&in, le32_get(b + 44), f) == 0))
		return err_set(e, E_BOOTENV,
			"the autoboot partition holds no FAT file system that can be understood");
	/* Where a sector is larger, one write is no longer the smallest unit. */
	if (!MUST("boot.fat.sector", le16_get(b + 11) == FAT_SECTOR))
		return err_set(e, E_BOOTENV,
			"the FAT of the autoboot partition has sectors of %u bytes, not %d",
			le16_get(b + 11), FAT_SECTOR);
	return 0;
}

/* Entry `cluster` of the first FAT. The caller has checked that it is a cluster. */
static int read_entry(int fd, const struct fat *f, uint32_t cluster, uint32_t *out, struct err *e)
{
	uint64_t byte = f->bits == 12 ? cluster + cluster / 2 : (uint64_t)cluster * (f->bits / 8);
	uint64_t sector = f->fat_start + byte / FAT_SECTOR;
	size_t at = byte % FAT_SECTOR;
	uint8_t two[2 * FAT_SECTOR] = {0}; /* an entry of FAT12 may lie across a border */
	struct fat_sector s;

	for (size_t i = 0; i < 2; i++) {
		/* The sector behind the last one of the FAT need not be there. */
		if (i == 1 && at + f->bits / 8 < FAT_SECTOR)
			break;
		if (fat_read_sector(fd, (sector + i) * FAT_SECTOR, &s, e) < 0)
			return -1;
		memcpy(two + i * FAT_SECTOR, s.bytes, FAT_SECTOR);
	}
	if (f->bits == 32)
		*out = le32_get(two + at) & FAT32_ENTRY_MASK;
	else if (f->bits == 16)
		*out = le16_get(two + at);
	else
		*out = (cluster & 1) ? le16_get(two + at) >> 4 : le16_get(two + at) & 0xfff;
	return 0;
}

static bool is_cluster(const struct fat *f, uint32_t number)
{
	return number >= 2 && number - 2 < f->clusters;
}

static bool is_last(const struct fat *f, uint32_t entry)
{
	uint32_t least = f->bits == 12 ? 0xff8 : f->bits == 16 ? 0xfff8 : 0x0ffffff8;

	return entry >= least;
}

static uint64_t sector_of(const struct fat *f, uint32_t cluster)
{
	return f->data_start + (uint64_t)(cluster - 2) * f->cluster_sectors;
}

/* Walks the sectors of the root folder. */
struct walk {
	uint32_t cluster; /* FAT32: the one that is read */
	uint64_t index; /* of the next sector in the cluster, or in the fixed folder */
	size_t seen;
};

/* 1: *sector is the next one; 0: the folder ends; -1. */
static int next_sector(int fd, const struct fat *f, struct walk *w, uint64_t *sector, struct err *e)
{
	uint64_t limit = f->bits == 32 ? f->cluster_sectors : f->root_sectors;

	/* A chain that runs in a circle has no end of its own. */
	if (!MUST("boot.fat.endless", w->seen < DIR_SECTORS_MAX))
		return err_set(
			e, E_BOOTENV, "the root folder of the autoboot partition has no end");
	w->seen++;
	if (w->index == limit) {
		uint32_t next;
		if (f->bits != 32)
			return 0;
		if (read_entry(fd, f, w->cluster, &next, e) < 0)
			return -1;
		if (is_last(f, next))
			return 0;
		w->cluster = next;
		w->index = 0;
	}
	if (f->bits == 32 && !MUST("boot.fat.folder", is_cluster(f, w->cluster)))
		return err_set(e, E_BOOTENV,
			"the root folder of the autoboot partition leads to cluster %u, which is none",
			w->cluster);
	*sector = (f->bits == 32 ? sector_of(f, w->cluster) : f->root_start) + w->index++;
	return 1;
}

enum look { LOOK_ON, LOOK_FOUND, LOOK_END };

/* Looks for the file in one sector of the folder. */
static enum look look_in(const struct fat_sector *s, uint32_t *cluster, uint32_t *size)
{
	for (const uint8_t *d = s->bytes; d < s->bytes + FAT_SECTOR; d += ENTRY_SIZE) {
		if (d[0] == ENTRY_END)
			return LOOK_END;
		if (d[0] == ENTRY_DELETED || (d[11] & (ATTR_LABEL | ATTR_FOLDER)) ||
			memcmp(d, wanted_name, sizeof(wanted_name)) != 0)
			continue;
		*cluster = (uint32_t)le16_get(d + 20) << 16 | le16_get(d + 26);
		*size = le32_get(d + 28);
		return LOOK_FOUND;
	}
	return LOOK_ON;
}

static int find_file(int fd, const struct fat *f, uint32_t *cluster, uint32_t *size, struct err *e)
{
	struct walk w = {.cluster = f->root_cluster};
	enum look look = LOOK_ON;

	while (look == LOOK_ON) {
		struct fat_sector s;
		uint64_t sector = 0;
		int rc = next_sector(fd, f, &w, &sector, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
		if (fat_read_sector(fd, sector * FAT_SECTOR, &s, e) < 0)
			return -1;
		look = look_in(&s, cluster, size);
	}
	if (look == LOOK_FOUND)
		return 0;
	return err_set(e, E_BOOTENV, "there is no autoboot.txt on the autoboot partition");
}

int fat_find_autoboot(int fd, struct fat_place *out, struct err *e)
{
	uint32_t cluster = 0;
	uint32_t size = 0;
	uint32_t entry;
	struct fat f;

	if (read_head(fd, &f, e) < 0 || find_file(fd, &f, &cluster, &size, e) < 0)
		return -1;
	/* What lies across sectors cannot be changed in one. */
	if (!MUST("boot.fat.size", size >= 1 && size <= FAT_SECTOR))
		return err_set(e, E_BOOTENV,
			"autoboot.txt has %u bytes, 1 to %d are wanted: the firmware reads one sector",
			size, FAT_SECTOR);
	/* Only FAT32 knows the high half of the number. */
	if (f.bits != 32)
		cluster &= 0xffff;
	if (!MUST("boot.fat.cluster", is_cluster(&f, cluster)))
		return err_set(
			e, E_BOOTENV, "autoboot.txt lies in cluster %u, which is none", cluster);
	if (read_entry(fd, &f, cluster, &entry, e) < 0)
		return -1;
	if (!MUST("boot.fat.chain", is_last(&f, entry)))
		return err_set(e, E_BOOTENV,
			"the FAT of the autoboot partition does not say that autoboot.txt is one "
			"cluster; repair it with fsck.vfat");
	*out = (struct fat_place){.offset = sector_of(&f, cluster) * FAT_SECTOR, .size = size};
	return 0;
}
