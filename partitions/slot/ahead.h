/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader thread with two buffers: the medium reads the next chunk while this
 * one is hashed. O_DIRECT has no read-ahead of the kernel's, and on small boards
 * hashing takes as long as reading.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"

#define READ_AHEAD_CHUNK (1024u * 1024)

struct read_ahead;

/*
 * Reads [from, to) in order, in chunks that end at multiples of the chunk size.
 * The device belongs to the thread until read_ahead_stop. E_NOMEM, E_INTERNAL.
 */
int read_ahead_start(
	struct device *d, uint64_t from, uint64_t to, struct read_ahead **out, struct err *e);

/*
 * The next chunk, valid until the next call; *len is 0 behind the end. An error
 * of the chunk is returned at its turn, and the thread has then ended.
 */
int read_ahead_next(struct read_ahead *r, const uint8_t **data, size_t *len, struct err *e);

/* Ends the thread (after the read it is in) and frees everything; NULL is fine. */
void read_ahead_stop(struct read_ahead *r);
