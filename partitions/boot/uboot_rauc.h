/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U-Boot with RAUC's boot script, unchanged: BOOT_ORDER, BOOT_A_LEFT,
 * BOOT_B_LEFT. The script knows no committed slot, so pawl_slot and pawl_trial
 * stand beside its variables and change in the same store.
 */
#pragma once

#include "partitions/boot/boot.h"

extern const struct boot_ops uboot_rauc_ops;
