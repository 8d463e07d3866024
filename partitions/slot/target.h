/* SPDX-License-Identifier: Apache-2.0 */
/* An opened target slot from the inside: what the files of this folder share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"
#include "partitions/slot/pages.h"
#include "partitions/slot/slot.h"

/* One part, and what slot_write leaves for slot_finish. */
struct target_part {
	struct device device;
	char image[33];
	bool filled; /* all leaves but the first are written */
	uint64_t image_size;
	enum hash_alg leaf_alg;
	const uint8_t *leaves; /* borrowed from the caller of slot_write */
	struct pages leaf0; /* verified, not written yet */
};

struct slot_target {
	size_t count;
	bool spoiled; /* no head is left: only now may anything be written */
	struct target_part part[SLOT_PARTS_MAX];
};

/* The one zeroing of heads, also when a finish fails half-way: all parts, the first error counts. */
int target_zero_heads(struct slot_target *t, struct err *e);
