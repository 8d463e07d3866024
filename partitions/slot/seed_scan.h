/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a seed through: what is really there goes into its table. */
#pragma once

#include "agent/base/err.h"
#include "partitions/slot/device.h"
#include "partitions/slot/seed_table.h"

/*
 * Reads from the front around the page cache, up to `size` bytes (whole blocks), and
 * cuts by `rule`, SLOT_RULE_BLOCKS or SLOT_RULE_CHUNKS. Zero entries and what cannot be
 * read are not there: after an unreadable place cutting begins anew and soon falls on
 * the same content again, after 16 of them nothing more is read. E_NOMEM, E_SPACE,
 * E_IO for the table, E_INTERNAL.
 */
int seed_scan(struct device *d, uint64_t size, uint16_t rule, int scratch_dir,
	struct seed_table *out, struct err *e);
