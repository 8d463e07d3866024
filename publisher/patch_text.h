/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text: an image or a part of one without its zero blocks, and how its places
 * map back. Zero blocks would only be sorted and never looked for; and where both
 * images have the same ones, content goes on in the text as if they were not
 * there. Used by patch*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/patch_input.h"

/* Blocks that follow each other in the image and in the text. */
struct patch_run {
	uint32_t text; /* place in the text */
	uint32_t image; /* place in the image */
	uint32_t length;
};

struct patch_text {
	uint8_t *bytes;
	uint32_t length;
	uint64_t from; /* the part of the image that this is */
	uint64_t to;
	struct patch_run *runs;
	uint32_t run_count;
	uint32_t run_room;
};

/* Reads [from, to) of an image, whole blocks. E_NOMEM, E_IO. Freed with patch_text_free. */
int patch_text_load(const struct patch_input *in, uint64_t from, uint64_t to,
	struct patch_text *out, struct err *e);
void patch_text_free(struct patch_text *t);

/* The number of the run that holds a place of the text, which must be inside of it. */
uint32_t patch_text_run(const struct patch_text *t, uint32_t at);

/*
 * The place in the text of a place of the image, which is in no zero block; and
 * whether all of [at, at + length) lies in zero blocks.
 */
uint32_t patch_text_at(const struct patch_text *t, uint32_t image_at);
bool patch_text_is_zero(const struct patch_text *t, uint32_t image_at, uint32_t length);
