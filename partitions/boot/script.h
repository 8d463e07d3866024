/* SPDX-License-Identifier: Apache-2.0 */
/* A boot loader behind an executable of the integrator. Contract: docs/boot.md. */
#pragma once

#include "partitions/boot/boot.h"

extern const struct boot_ops script_ops;
