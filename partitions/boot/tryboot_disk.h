/* SPDX-License-Identifier: Apache-2.0 */
/* Is the disk one on which the Raspberry Pi firmware reads autoboot.txt? */
#pragma once

#include "agent/base/err.h"

/*
 * Looks at the disk that the partition `autoboot` is on (found through
 * <root>/sys/class/block, opened as <root>/dev/NAME). E_BOOTENV: it is no
 * partition, the disk has a GPT or no MBR, `autoboot` is not its first FAT
 * partition (the firmware reads the first), or the boot partitions `a` and `b`
 * (1 to 4) are not FAT partitions of the same disk.
 */
int tryboot_disk_check(
	const char *root, const char *autoboot, unsigned a, unsigned b, struct err *e);
