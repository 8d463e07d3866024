/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts an image that streams by into the entries of an index (docs/formats.md),
 * as blocks and, at the same time, by content.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"

enum cutter_kind { CUTTER_BLOCKS, CUTTER_CHUNKS, CUTTER_KINDS };

/* Who gets the entries of one kind, in order; `generation` is 0. -1 ends the work. */
struct cutter_sink {
	void *ctx;
	int (*take)(
		void *ctx, const struct slot_index_item *item, struct err *e); /* NULL: not cut */
};

struct cutter; /* opaque */

/* E_NOMEM. Free it with cutter_free. */
int cutter_make(const struct cutter_sink sinks[CUTTER_KINDS], struct cutter **out, struct err *e);
void cutter_free(struct cutter *c);

/* Parts of the image in order, of any length; blocks need the sum to be a multiple of 4096. */
int cutter_add(struct cutter *c, const uint8_t *data, size_t len, struct err *e);

/* The image ends here: gives out what was held back. */
int cutter_end(struct cutter *c, struct err *e);
