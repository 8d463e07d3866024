/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of images (leaves, pieces, index, frames, tables of patches): fetched
 * once, verified before anybody looks into them, kept in cache/ below the data
 * folder and verified again when they are found there. Everything in cache/ may
 * be deleted at any time; it only saves a second fetch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/base/log.h"
#include "agent/plan/plan.h"

#define TABLES_INDEX_MAX  (44u << 20) /* 2^22 entries with lengths */
#define TABLES_MEMORY_MAX (1024u * 1024) /* a mapped table without room on disk: up to here */

/* The verified bytes of a table, in memory or mapped. Zero-initialised = none. */
struct table {
	const uint8_t *data;
	size_t len;
	bool mapped;
	uint64_t fetched; /* bytes that came for it; 0: it was kept */
};
void table_free(struct table *t);
#define AUTO_TABLE __attribute__((cleanup(table_free)))

/* The folder of the cache. */
struct tables {
	int dir;
	const struct log *log; /* borrowed */
};

/* Opens cache/ below `data`, making it when it is missing. tables_close. */
int tables_open(int data, const struct log *log, struct tables *out, struct err *e);
void tables_close(struct tables *t);

struct table_request {
	const struct object_source *objects; /* NULL: only what is kept */
	const struct plan_object *object;
	const struct plan_object
		*within; /* whose first bytes `object` is; NULL: it is one itself */
	size_t cap; /* a longer one is refused before anything is fetched */
	const char *what; /* for messages: "leaves of rootfs" */
	/*
	 * Large, and only hints: streamed into a file and mapped, not held in
	 * memory. What guards a decompressor or a slot is not: a page that changes
	 * on disk after it was verified would be believed.
	 */
	bool map;
};

/*
 * The table out of the cache, else from the objects. E_META when its signed length
 * is 0 or above the cap, E_HASH when it differs from its hash, E_NOTFOUND, E_SPACE
 * where a large one has no room on the data partition, or the reader's errors.
 * What could not be kept in the cache is no error.
 */
int tables_get(struct tables *t, const struct table_request *r, struct table *out, struct err *e);

/* Is a file of this table's length kept? It may still be wrong. */
bool tables_has(const struct tables *t, const struct plan_object *o);

/* May `bytes` more be written there, and state and journal still find room? */
bool tables_has_room(const struct tables *t, uint64_t bytes);

/* Removes every file whose name `is_needed` does not claim ("<sha256>", "<sha256>.part"). */
void tables_sweep(
	struct tables *t, bool (*is_needed)(const void *ctx, const char *name), const void *ctx);
