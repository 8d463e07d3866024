/* SPDX-License-Identifier: Apache-2.0 */
/* What a patch does, as a list, before it is cut into frames. Used by patch*.c. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/patch.h"
#include "publisher/patch_text.h"

struct patch_op {
	uint32_t length;
	uint32_t old_at; /* in the old image; copy and add only */
	enum slot_patch_kind kind; /* copy, add, insert or zero */
};

struct patch_ops {
	struct patch_op *op;
	size_t count;
	size_t room;
};

/*
 * Adds one, or lengthens the last one when it goes on where that ended. Zeros
 * between two copies become a copy too where `old` has zero blocks at that place:
 * what is unchanged stays one operation. `old` may be NULL. Nothing for length 0.
 * E_NOMEM.
 */
int patch_ops_add(
	struct patch_ops *ops, const struct patch_text *old, struct patch_op op, struct err *e);

/* Forgets them and keeps the memory; or frees it. */
void patch_ops_clear(struct patch_ops *ops);
void patch_ops_free(struct patch_ops *ops);
