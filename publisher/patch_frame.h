/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts operations into frames, and makes the raw bytes of one. Used by patch.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/patch_input.h"
#include "publisher/patch_ops.h"
#include "publisher/patch_text.h"

/* Raw bytes of a frame at most; docs/decisions.md has the figures. */
#define PATCH_FRAME_RAW (512u * 1024)

/* Where a frame begins: operation `op`, of which `skip` bytes are in the frame before. */
struct patch_cut {
	size_t op;
	uint32_t skip;
	uint32_t image; /* place in the new image */
};

/* One more cut than there are frames: the last one is the end. */
struct patch_cuts {
	struct patch_cut *cut;
	uint32_t frames;
	uint32_t room;
};

/* E_NOMEM; E_SIZE for more frames than a table holds. Freed with patch_cuts_free. */
int patch_cuts_make(const struct patch_ops *ops, struct patch_cuts *out, struct err *e);
void patch_cuts_free(struct patch_cuts *c);

/* Memory for making frames, of one thread. */
struct patch_framer {
	const struct patch_ops *ops;
	const struct patch_text *old;
	const struct patch_input *image; /* the new one */
	uint8_t *raw; /* a frame: PATCH_FRAME_RAW bytes */
	uint8_t *parts; /* what goes into it, part by part: as much for each */
	uint8_t *window; /* bytes of the new image */
	uint64_t window_at;
	size_t window_len;
};

/* E_NOMEM. Freed with patch_framer_free. */
int patch_framer_make(const struct patch_ops *ops, const struct patch_text *old,
	const struct patch_input *image, struct patch_framer *out, struct err *e);
void patch_framer_free(struct patch_framer *f);

/* The raw bytes of the frame between two cuts go to f->raw, their number to *len. E_IO. */
int patch_framer_fill(struct patch_framer *f, const struct patch_cut *from,
	const struct patch_cut *to, size_t *len, struct err *e);
