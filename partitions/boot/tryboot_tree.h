/* SPDX-License-Identifier: Apache-2.0 */
/* What the Raspberry Pi firmware tells Linux: chosen/bootloader of the device tree. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"

struct tryboot_tree {
	uint32_t partition; /* that the firmware started from */
	bool tryboot; /* by a tryboot */
	bool knows_tryboot; /* the firmware says so at all */
	uint32_t capabilities; /* of the EEPROM; valid with has_capabilities */
	uint32_t built; /* seconds since 1970, 0 = not said */
	bool has_capabilities;
};

/*
 * Reads <root>/proc/device-tree/chosen/bootloader. E_BOOTENV: no partition is
 * said (no Raspberry Pi, or a firmware of before 2022), or a property has
 * another size than 4 bytes.
 */
int tryboot_tree_read(const char *root, struct tryboot_tree *out, struct err *e);

/* Can this firmware do tryboot with partitions? E_BOOTENV says what is too old. */
int tryboot_tree_check(const struct tryboot_tree *t, struct err *e);
