/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a seed through: what is really there goes into its table. */
#pragma once

#include "agent/base/err.h"
#include "partitions/slot/device.h"
#include "partitions/slot/seed_table.h"

/*
 * Reads entries from the front around the page cache, up to `size` bytes: those of
 * `lengths` (each kept only if its hash is the one that is said there), or blocks
 * when it is NULL. Zero entries and what cannot be read are not there; after 16
 * unreadable places nothing more is. E_NOMEM, E_SPACE, E_IO for the table, E_INTERNAL.
 */
int seed_scan(struct device *d, uint64_t size, const struct slot_index *lengths, int scratch_dir,
	struct seed_table *out, struct err *e);
