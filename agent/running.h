/* SPDX-License-Identifier: Apache-2.0 */
/* Which slot really runs, and which may be written: boot loader, kernel and configuration agree. */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/config.h"
#include "partitions/boot/boot.h"

struct running {
	struct boot_facts facts;
	char booted; /* 'A' or 'B' */
	char committed;
	char target; /* neither booted nor committed; 0 = there is none */
	bool on_trial; /* the booted slot is the one on trial */
	bool fallback; /* booted is not committed, and no trial explains it */
};

/*
 * Reads the boot loader's facts and checks them against the kernel command line
 * and the device that the root file system is on. E_BOOT or E_BOOTENV say what
 * was seen, what was expected and how to repair.
 */
int running_identify(const struct config *c, struct boot *b, struct running *out, struct err *e);

/* The root check alone (doctor): is the root file system on the rootfs part of `slot`? */
int running_check_root(const struct config *c, char slot, struct err *e);

/* Index of the part that carries the root file system ("rootfs", else the first). */
size_t running_root_part(const struct config_slot *slot);
