/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stored piece or frame to its exact output. Decoders are the code most likely to
 * have a flaw, so they only ever see bytes whose hash was signed, and they
 * have no way to write more than `out_len` bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/pages.h"
#include "partitions/slot/slot.h"

struct decoder;

/* Freed with decoder_free. E_COMPAT for an encoding that is not built in, E_NOMEM. */
int decoder_open(enum slot_encoding encoding, struct decoder **out, struct err *e);
void decoder_free(struct decoder *d);

/*
 * From now on decoder_run is only given bytes from the start of `stored`, and empties
 * it from the front while the output grows: both together need the memory of one.
 * Borrowed while the decoder lives.
 */
void decoder_empty_input(struct decoder *d, const struct pages *stored);

/*
 * From now on decoder_run calls `grown` from time to time with the number of output
 * bytes that are there and will not change any more, even if the rest fails. `ctx` is
 * borrowed while the decoder lives.
 */
void decoder_watch(struct decoder *d, void (*grown)(void *ctx, size_t len), void *ctx);

/*
 * `in` must be one whole stream and nothing else, and give exactly `out_len`
 * bytes: E_SIZE when it is longer, shorter, cut, followed by other bytes, or
 * when it wants a window above 4 MiB; E_META when it is no such stream at all.
 * `out` then holds rubbish. Source: RFC 1950, RFC 8878.
 */
int decoder_run(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len,
	struct err *e);
