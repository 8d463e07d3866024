/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of an image out of a reader that nobody trusts. The order is the
 * point: read a stored piece whole → its hash → decompress, hashing each leaf as soon as
 * it is complete → compare that leaf's hash → hand it on.
 */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/reader.h"
#include "partitions/slot/decompress.h"
#include "partitions/slot/hash_behind.h"
#include "partitions/slot/pages.h"
#include "partitions/slot/queue.h"
#include "partitions/slot/slot.h"

struct source {
	const struct slot_image *image; /* borrowed */
	const struct leaf_set *want; /* borrowed: only these leaves are fetched or looked at */
	struct slot_stats *stats; /* borrowed: bytes_fetched */
	struct write_queue
		*writing; /* borrowed: what may still write parts of `out`; NULL = nothing */
	struct byte_range *ranges; /* kept, a network reader may look at them later */
	struct decoder *decoder; /* NULL for what is stored plain */
	struct hash_behind *hasher; /* of what is decoded; NULL like the decoder */
	struct pages stored; /* one stored piece */
	/*
	 * May be NULL: within source_get, all wanted leaves of the piece before `end` are
	 * verified and lie in `out`, where they stay; the others are still being decoded. `end`
	 * rises, but begins again when the piece is fetched again.
	 */
	void (*on_verified)(void *ctx, uint64_t end);
	void *ctx; /* of on_verified; borrowed */
	uint64_t piece; /* the last one that was asked for */
	uint64_t verified; /* the leaf of it that will be verified next */
	struct pages out; /* one piece of the image; valid until the next source_get */
};

/* Zero-initialised; says to the reader which ranges will be read. Closed with source_close. */
int source_open(const struct slot_image *image, const struct leaf_set *want,
	struct slot_stats *stats, struct source *out, struct err *e);
void source_close(struct source *s);

/*
 * Fills `out.data` with the piece, as `writing` sets it free: what is fetched, and what
 * waits to be written, together need the memory of one piece; all wanted leaves of it are verified (others
 * are rubbish). Content that is wrong is fetched once more; wrong again is
 * E_HASH, which names image, leaf and place. E_SIZE and E_META of a decoder,
 * and the reader's own errors, are final.
 */
int source_get(struct source *s, uint64_t piece, struct err *e);
