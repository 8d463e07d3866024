/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U-Boot with Mender's boot code, unchanged (SWUpdate is often used with the
 * same variables): mender_boot_part, mender_boot_part_hex, upgrade_available,
 * bootcount, bootlimit.
 */
#pragma once

#include "partitions/boot/boot.h"

extern const struct boot_ops uboot_mender_ops;
