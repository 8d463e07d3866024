/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-defined entries of a stream: where it is cut does not depend on the
 * parts in which it comes. Looks at most bytes where they are; holds 64 KiB.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/* Who gets the bytes of each entry, in order. -1 ends the work. */
struct chunk_sink {
	void *ctx;
	int (*take)(void *ctx, const uint8_t *data, uint32_t len, struct err *e);
};

struct chunk_stream; /* opaque */

/* E_NOMEM. Free it with chunk_stream_free; NULL is fine there. */
int chunk_stream_make(const struct chunk_sink *sink, struct chunk_stream **out, struct err *e);
void chunk_stream_free(struct chunk_stream *s);

/* The next bytes, any number of them. Fails as the sink does. */
int chunk_stream_add(struct chunk_stream *s, const uint8_t *data, size_t len, struct err *e);

/*
 * It ends here: gives out what was held back. What is added then begins a new one, which in
 * the image begins with a block of 4 KiB.
 */
int chunk_stream_end(struct chunk_stream *s, struct err *e);
