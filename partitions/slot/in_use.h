/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a device in use, and do two devices share bytes? Asked before a target is
 * opened for writing, because O_EXCL alone does not see a file under a loop
 * device, and gives no reason. `root` is put before /proc/self/mountinfo,
 * /sys/dev/block and /sys/block ("" but in tests).
 */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"

/*
 * Refuses (E_SLOT, with the reason) a device that is mounted or held by another
 * one (device mapper, RAID, swap by O_EXCL later), and a file that a loop
 * device shows. `path` is for the message.
 */
int in_use_check(const char *root, const struct device_id *id, const char *path, struct err *e);

/*
 * Do both reach the same bytes: the same device or file, a disk and its
 * partition, a mapping and what it lies on, a loop device and its file?
 */
bool in_use_overlap(const char *root, const struct device_id *a, const struct device_id *b);
