/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of records that could not be written, kept over restarts. Internal. */
#pragma once

#include <stdint.h>

#include "agent/journal/line.h"

/*
 * Kept in a small file that is made while there is room, and overwritten in
 * place: that works on a full disk, too.
 */
struct losses {
	int fd; /* -1: in memory only */
	uint64_t pending[CHAIN_KINDS];
};

/* Opens or makes the file `name` in `dir`; without it counts are in memory only. */
void losses_open(struct losses *l, int dir, const char *name);

/* Sets the count of one chain. */
void losses_set(struct losses *l, enum chain_kind k, uint64_t count);

void losses_close(struct losses *l);
