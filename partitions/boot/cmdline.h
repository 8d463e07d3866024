/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel command line: what the boot loader says it started. It is the only
 * witness of the running slot that the environment cannot contradict.
 */
#pragma once

#include "agent/base/err.h"
#include "partitions/boot/boot.h"

#define CMDLINE_ROOT_SIZE 256
#define CMDLINE_MAX       8192

struct cmdline {
	char slot; /* pawl.slot, 0 = not said */
	char id[BOOT_ID_SIZE]; /* pawl.id, "" = not said */
	char rauc_slot[16]; /* rauc.slot of RAUC's boot script, as it is; "" = not said */
	char root
		[CMDLINE_ROOT_SIZE]; /* root=, "" = not said; the last one counts, as for the kernel */
};

/*
 * Reads <root>/proc/cmdline. E_BOOTENV when it cannot be read, when pawl.slot is
 * neither A nor B, when pawl.id is not 32 hexadecimal digits, or when either is
 * said twice with different values (an old value left in bootargs).
 */
int cmdline_read(const char *root, struct cmdline *out, struct err *e);
