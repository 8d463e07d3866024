/* SPDX-License-Identifier: Apache-2.0 */
/* What an image consists of, to be asked by content: match hash and length, and the generation. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"

/*
 * Open addressing, at most half full: 24 to 48 bytes for each entry, 48 MiB for the
 * blocks of 8 GiB. Zero-initialise; index_set_free.
 */
struct index_set {
	uint64_t *hash;
	uint32_t *info; /* 0 = free; else length, and the generation above it */
	size_t room; /* a power of two, or 0 */
	size_t count;
};

/* Of two of the same content the older generation counts. E_NOMEM. */
int index_set_add(
	struct index_set *s, uint64_t hash, uint32_t length, uint8_t generation, struct err *e);

/* All entries of an index that are not zero. E_NOMEM. */
int index_set_add_all(struct index_set *s, const struct slot_index *index, struct err *e);

/* Is it there? *generation may be NULL; it is untouched where it is not. */
bool index_set_has(const struct index_set *s, uint64_t hash, uint32_t length, uint8_t *generation);

void index_set_free(struct index_set *s);
#define AUTO_INDEX_SET __attribute__((cleanup(index_set_free)))
