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
 * Entries are blocks, and then their places follow from their numbers; or they
 * have places of their own. About 13.3 bytes a block, 21.3 an entry otherwise.
 */
struct seed_table {
	uint32_t count; /* entries */
	uint32_t found; /* entries that are there and not zero */
	struct scratch hash; /* uint64_t each; 0 = not there */
	struct scratch offset; /* uint64_t each and one for the end; empty for blocks */
	/*
	 * Open addressing, linear probing, at most three quarters full: 0, or
	 * number + 1 in the low 22 bits and 10 bits of the hash above them. No
	 * two slots hold entries of one hash: the first place is as good as any.
	 */
	struct scratch slots;
	uint32_t slot_count;
	size_t settled_hash; /* of the rows, while they are gone through */
	size_t settled_offset;
};

/* A table for `count` entries, none of them there yet. E_NOMEM, E_SPACE, E_IO. seed_table_free. */
int seed_table_get(
	int dir, uint32_t count, bool with_offsets, struct seed_table *out, struct err *e);
void seed_table_free(struct seed_table *t);

/* Entries come in order: where this one lies (with offsets only), and what was found there. */
void seed_table_place(struct seed_table *t, uint32_t number, uint64_t offset);
void seed_table_note(struct seed_table *t, uint32_t number, uint64_t hash);

/* After the last: makes seed_table_find possible. */
int seed_table_finish(int dir, struct seed_table *t, struct err *e);

/* The rows of hashes and offsets are not needed in memory for now; they are looked at in order mostly. */
void seed_table_rest(const struct seed_table *t);

/* As slot_seed_find. */
bool seed_table_find(const struct seed_table *t, uint64_t hash, uint32_t length, uint64_t near,
	uint64_t *offset);
