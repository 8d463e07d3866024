/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of one frame of a patch: its operations read one by one, each checked
 * against the frame's parts and the old image before anybody acts on it. Knows
 * neither devices nor networks. Used by patch_apply.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/patch.h"

/* What is left of one part of a frame; borrowed. */
struct patch_bytes {
	const uint8_t *data;
	size_t left;
};

/* A decompressed frame and how far its operations were read. */
struct patch_steps {
	struct patch_bytes ops;
	struct patch_bytes lengths[SLOT_PATCH_KINDS];
	struct patch_bytes differences;
	struct patch_bytes literals;
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
 * output given, and all its parts used up. E_META else.
 */
int patch_steps_next(struct patch_steps *s, struct patch_step *out, bool *more, struct err *e);
