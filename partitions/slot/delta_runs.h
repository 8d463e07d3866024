/* SPDX-License-Identifier: Apache-2.0 */
/* Old content for the leaves of a delta: entries that follow each other are read at once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/delta_walk.h"
#include "partitions/slot/device.h"
#include "partitions/slot/slot.h"

struct delta_runs {
	const struct slot_delta *delta; /* borrowed */
	struct device target; /* a descriptor of its own: the writer thread has the other one */
	unsigned errors[SLOT_SEEDS_MAX + 1]; /* failed reads of each seed, and of the target */
};

/* E_SLOT when the target is not what `target` was opened as. Closed with delta_runs_close. */
int delta_runs_open(struct delta_runs *r, const struct slot_delta *delta,
	const struct device *target, struct err *e);
void delta_runs_close(struct delta_runs *r);

/*
 * Where an entry that lies within one leaf comes from: SLOT_PLACE_TARGET,
 * SLOT_PLACE_DATA or a place of a seed; DATA also for what the match should not say
 * and for a medium that failed too often.
 */
uint64_t delta_runs_place(const struct delta_runs *r, const struct slot_entry *entry);

/*
 * Reads old content of [from, to) to its places in `out`, from the entry of `begin` on;
 * only what lies within. What cannot be read is left out: every entry is checked by
 * its hash afterwards.
 */
void delta_runs_read(struct delta_runs *r, const struct delta_walk *begin, uint64_t from,
	uint64_t to, uint8_t *out);

/* Reads one entry whole out of its seed; false when it has none or cannot be read. */
bool delta_runs_seed(struct delta_runs *r, const struct slot_entry *entry, uint8_t *out);
