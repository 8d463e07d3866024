/* SPDX-License-Identifier: Apache-2.0 */
/*
 * autoboot.txt on its partition: read around the page cache, changed by one
 * write of one sector. Storage takes a sector as a whole or not at all, so
 * after a power cut the firmware finds the old text or the new one.
 */
#pragma once

#include <stddef.h>

#include "agent/base/err.h"
#include "partitions/boot/autoboot.h"

struct autoboot_text {
	char text[AUTOBOOT_MAX];
	size_t len;
	struct autoboot said; /* what it says */
};

/* Reads and understands the file on `device`. Changes nothing; a mount does not matter. E_BOOTENV. */
int autoboot_load(const char *device, struct autoboot_text *out, struct err *e);

/* Could autoboot_change write now? E_BUSY when the partition is mounted, E_BOOTENV. */
int autoboot_check_writable(const char *device, struct err *e);

/*
 * Makes `normal` the partition of a normal boot and `trial` that of a tryboot,
 * flushes, reads back from the medium and compares. Nothing is written when the
 * file says so already. When it fails, the old sector is put back where that is
 * possible, and the message says whether it was. E_BUSY when the partition is
 * mounted (the file system's own write would undo this one), E_BOOTENV.
 */
int autoboot_change(const char *device, unsigned normal, unsigned trial, struct err *e);
