/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in a seed: the match hash of each entry in order, and a way back from hash to entry. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"
#include "partitions/slot/scratch.h"

/* A slot of the table holds an entry's number + 1 in 22 bits. */
#define SEED_ENTRIES_MAX (SLOT_INDEX_ENTRIES_MAX - 1)

/*
 * Entries are blocks, and then their places follow from their numbers; or they are
 * content-defined and have places of their own, and only those that are not zero have
 * a row. About 13.3 bytes a block, 21.3 an entry otherwise.
 */
struct seed_table {
	uint32_t room; /* rows */
	uint32_t count; /* rows that are in use; of blocks: all */
	uint32_t found; /* entries that are there and not zero */
	struct scratch hash; /* uint64_t each; 0 = not there */
	struct scratch place; /* uint64_t each: offset << 16 | length - 1; empty for blocks */
	/*
	 * Open addressing, linear probing, at most three quarters full: 0, or
	 * number + 1 in the low 22 bits and 10 bits of the hash above them. No
	 * two slots hold entries of one hash: the first place is as good as any.
	 */
	struct scratch slots;
	uint32_t slot_count;
	size_t settled_hash; /* of the rows, while they are gone through */
	size_t settled_place;
};

/* A table for `room` entries, none of them there yet. E_NOMEM, E_SPACE, E_IO. seed_table_free. */
int seed_table_get(int dir, uint32_t room, bool with_places, struct seed_table *out, struct err *e);
void seed_table_free(struct seed_table *t);

/* Blocks in order: what was found in this one. */
void seed_table_note(struct seed_table *t, uint32_t number, uint64_t hash);

/* With places, in rising order: another entry. For one too many there is no room; it is left out. */
void seed_table_add(struct seed_table *t, uint64_t hash, uint64_t offset, uint32_t length);
bool seed_table_is_full(const struct seed_table *t);

/* After the last: makes seed_table_find possible. */
int seed_table_finish(int dir, struct seed_table *t, struct err *e);

/* The rows of hashes and places are not needed in memory for now; they are looked at in order mostly. */
void seed_table_rest(const struct seed_table *t);

/* As slot_seed_find. */
bool seed_table_find(const struct seed_table *t, uint64_t hash, uint32_t length, uint64_t near,
	uint64_t *offset);
