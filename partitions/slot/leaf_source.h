/* SPDX-License-Identifier: Apache-2.0 */
/* What gives the writer the leaves of an image: full, data with seeds, or a patch. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

/*
 * Filled in by who makes it. Nothing that it gives is trusted: the writer hashes
 * each leaf, and asks once more, with `again`, when it is wrong.
 */
struct leaf_source {
	void *ctx;
	/*
	 * Fills `out` with the `len` bytes of a leaf; leaves are asked for in
	 * rising order. `again`: what was given was wrong; nothing that was kept
	 * or read from a seed may be used this time, where that is possible.
	 */
	int (*fill)(void *ctx, uint64_t leaf, bool again, uint8_t *out, size_t len, struct err *e);
	void (*close)(void *ctx); /* frees ctx */
};
