/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries out of `data`: the order is read a stored frame whole → its hash →
 * decompress → hand out entries. Each generation's stream is read from front to
 * back, so one decompressed frame is kept for each, and what was handed out of it is
 * given back to the system.
 */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/slot.h"

struct frame_cache;

/*
 * Everything is borrowed; stats: bytes_fetched. Says to the readers which frames the
 * match needs. frame_cache_close; NULL is fine. E_COMPAT for an encoding that is
 * not built in, E_NOMEM, or a reader's error.
 */
int frame_cache_open(const struct slot_delta *delta, struct slot_stats *stats,
	struct frame_cache **out, struct err *e);
void frame_cache_close(struct frame_cache *c);

/*
 * The entry's bytes into `out`. A stored frame with a wrong hash is read once more;
 * wrong again is E_HASH, which names the frame and its bytes of `data`. E_SIZE and
 * E_META of the decoder, E_META for an entry that no frame holds, and the reader's
 * own errors, are final.
 */
int frame_cache_read(
	struct frame_cache *c, const struct slot_entry *entry, uint8_t *out, struct err *e);

/* Forgets all frames: what is asked for next is read anew. */
void frame_cache_drop(struct frame_cache *c);
