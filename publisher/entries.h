/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of one image that is being released: a list in memory, 16 bytes each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "partitions/slot/index.h"
#include "publisher/index_set.h"

/* Zero-initialise; entries_free. */
struct entries {
	struct slot_index_item *item;
	uint32_t count;
	uint32_t room;
	uint32_t stored; /* entries that are not zero */
	uint64_t stored_bytes; /* their content */
	bool too_many; /* more than an index can hold: what is here is not all */
};

/* Takes the next entry; for a cutter_sink with `ctx` = the list. E_NOMEM. */
int entries_take(void *ctx, const struct slot_index_item *item, struct err *e);
void entries_free(struct entries *l);
#define AUTO_ENTRIES __attribute__((cleanup(entries_free)))

/* Bytes of content that are not in `before`, each time they occur. */
uint64_t entries_fresh(const struct entries *l, const struct index_set *before);

/* Bytes of the index that the list makes. */
uint64_t entries_index_size(const struct entries *l, bool content_defined);

/*
 * Sets the generations (docs/formats.md): one more than in `before`, at most 15; 0
 * for what is not there, also when it was in older releases.
 */
void entries_age(struct entries *l, const struct index_set *before);

/* Content that follows each other in the image, as `data` stores it: by generation, then place. */
struct entries_order {
	uint64_t *offset; /* in the image, of each stored entry */
	uint32_t *length;
	uint32_t first[SLOT_GENERATIONS + 1]; /* generation g: first[g] … first[g + 1] - 1 */
};

/* E_NOMEM. entries_order_free. */
int entries_sort(const struct entries *l, struct entries_order *out, struct err *e);
void entries_order_free(struct entries_order *o);
