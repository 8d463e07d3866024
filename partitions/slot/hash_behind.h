/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves are hashed while the rest of their piece is still being decoded. This only
 * computes digests: what they must be is the caller's to compare, before anything
 * of a leaf is written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "partitions/slot/format.h"

struct hash_behind;

/*
 * Freed with hash_behind_close. `with_thread`: start a helper thread; where none can be
 * had, the caller's thread hashes everything in hash_behind_finish. E_NOMEM.
 */
int hash_behind_open(enum hash_alg alg, bool with_thread, struct hash_behind **out, struct err *e);

/* Ends the thread after the leaf it is at; the piece must stay until then. NULL is fine. */
void hash_behind_close(struct hash_behind *h);

/*
 * A piece of `len` bytes will grow at `data`, from its start; of its leaves those are
 * hashed whose bit (1 << place in the piece) is in `wanted`. Borrowed until
 * hash_behind_finish or hash_behind_abandon, one of which must follow.
 */
void hash_behind_begin(struct hash_behind *h, const uint8_t *data, size_t len, uint32_t wanted);

/* The first `len` bytes of the piece will not change any more. For decoder_watch. */
void hash_behind_reached(void *hash_behind, size_t len);

/*
 * The whole piece is there: hashes what is left, together with the thread. When it
 * returns, nobody reads the piece any more. E_INTERNAL when a leaf cannot be hashed.
 */
int hash_behind_finish(struct hash_behind *h, struct err *e);

/* The piece is not to be had: when this returns, nobody reads its memory any more. */
void hash_behind_abandon(struct hash_behind *h);

/*
 * All wanted leaves before this place in the piece have their digests. For the thread that
 * calls hash_behind_begin; rises until hash_behind_finish, after which all have them.
 */
unsigned hash_behind_ready(struct hash_behind *h);

/* Of a wanted leaf that is ready, by its place in the piece; valid until the next piece. */
const uint8_t *hash_behind_digest(const struct hash_behind *h, unsigned place);
