/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where autoboot.txt lies on its FAT partition. The file system is read as
 * bytes and is never mounted: a mount would write into it (dirty flag, times),
 * and an update through it touches FAT, folder and data one after another.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define FAT_SECTOR 512

/* One sector; aligned, so that it may go around the page cache (O_DIRECT). */
struct fat_sector {
	_Alignas(4096) uint8_t bytes[FAT_SECTOR];
};

struct fat_place {
	uint64_t offset; /* of the sector that holds the file, from the start of the partition */
	size_t size; /* of the file, 1 to FAT_SECTOR */
};

/* Reads the sector at `offset` (a multiple of FAT_SECTOR). E_BOOTENV. */
int fat_read_sector(int fd, uint64_t offset, struct fat_sector *out, struct err *e);

/*
 * Finds AUTOBOOT.TXT in the root folder of the FAT12, FAT16 or FAT32 on `fd`.
 * E_BOOTENV: no such file system (with sectors of 512 bytes), no such file, or
 * one that does not lie in one sector of one cluster. Everything that is read is
 * bounded; the medium may hold anything.
 */
int fat_find_autoboot(int fd, struct fat_place *out, struct err *e);
