/* SPDX-License-Identifier: Apache-2.0 */
/* The Raspberry Pi firmware's own A/B: autoboot.txt says what boots, tryboot tries once. */
#pragma once

#include "partitions/boot/boot.h"

extern const struct boot_ops tryboot_ops;
