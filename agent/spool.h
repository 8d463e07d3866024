/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The needed frames of `data`, fetched before the slot is written: one range
 * after the other into cache/<sha256>.part, each frame at its own offset and
 * checked by its own hash as it comes. What is there counts by its hash alone,
 * so going on after a cut needs no record: at most the frame that was on its way
 * is fetched again. Where the data partition has no room, frames are read from
 * the source as they are needed, one reader for each generation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/plan/plan.h"
#include "agent/tables.h"
#include "partitions/slot/index.h"
#include "partitions/slot/slot.h"

#define SPOOL_JOIN_GAP (16u * 1024) /* ranges that are closer come in one request */

/* Everything is borrowed as long as the spool lives. */
struct spool_request {
	struct tables *tables; /* whose folder is used */
	const struct object_source *objects;
	const struct plan_object *data;
	const struct slot_frames *frames;
	const uint8_t *need; /* a bit for each frame */
	bool near; /* the objects lie in a file on this device: nothing is kept, all is read directly */
	const char *image; /* for messages and progress */
	const struct slot_progress *progress; /* may be NULL; of bytes that come */
};

struct spool; /* opaque */

/* Looks at what is there already. E_NOMEM. */
int spool_open(const struct spool_request *r, struct spool **out, struct err *e);

/*
 * Fetches what is missing, as far as there is room. E_HASH for a frame that is
 * wrong twice; E_NOTFOUND, E_NET … of the source.
 */
int spool_fill(struct spool *s, struct err *e);

/* Readers for struct slot_delta, valid until spool_close; what is not there comes directly. */
void spool_readers(struct spool *s, struct reader out[SLOT_GENERATIONS]);

/* Keeps the file, for the next start. NULL is fine. */
void spool_close(struct spool *s);

/*
 * Bytes and requests that are still to come: what is there already costs nothing.
 * E_NOMEM, E_NOTFOUND where the source knows that it does not have them.
 */
int spool_cost(const struct spool_request *r, uint64_t *bytes, uint64_t *requests, struct err *e);

/* Bytes and requests that fetching these ranges takes, small gaps included. */
void spool_count(
	const struct byte_range *ranges, size_t count, uint64_t *bytes, uint64_t *requests);
