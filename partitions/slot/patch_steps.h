/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of one frame of a patch: its operations read one by one, each checked
 * against the frame's lengths and the old image before anybody acts on it.
 * Knows neither devices nor networks. Used by patch_apply.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/patch.h"

/* A decompressed frame and how far its operations were read. */
struct patch_steps {
	const uint8_t *ops; /* not yet read ones begin here; borrowed, as the next two */
	const uint8_t *differences;
	const uint8_t *literals;
	size_t ops_left;
	size_t differences_left;
	size_t literals_left;
	uint64_t output_left; /* bytes that are still to be given */
	uint64_t old_at; /* place in the old image */
	uint64_t old_size;
};

/* One step that gives output; moves of the old place are already done. */
struct patch_step {
	enum slot_patch_kind kind; /* copy, add, insert or zero */
	uint32_t length;
	uint64_t old_at; /* copy, add: inside the old image with its whole length */
	const uint8_t *data; /* add: differences; insert: literals */
};

/* A frame's raw bytes, of which `output` bytes of the new image come. E_META. */
int patch_steps_begin(const uint8_t *raw, size_t len, uint32_t output, uint64_t old_size,
	struct patch_steps *out, struct err *e);

/*
 * The next step; *more is false when the frame ended as it must: exactly its
 * output given, and operations, differences and literals used up. E_META else.
 */
int patch_steps_next(struct patch_steps *s, struct patch_step *out, bool *more, struct err *e);
