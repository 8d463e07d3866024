/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device fetches of `data`: the same rule as on the device (an entry whose
 * match hash and length are in the old image is not needed), so that what is
 * predicted here is what is fetched there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/plan/plan.h"
#include "partitions/slot/index.h"
#include "publisher/index_set.h"
#include "publisher/shelf.h"

/* Index and frames of an image, checked against each other. Zero-initialise; delta_free. */
struct delta_tables {
	struct buf index_bytes;
	struct slot_index index; /* views into index_bytes */
	struct slot_frames frames;
};

/*
 * Loads them from a workspace. E_NOTFOUND where the image has none or they are not
 * here; E_HASH, E_SIZE; E_META where they do not parse or do not fit.
 */
int delta_load(const struct shelf *s, const struct plan_image *image, struct delta_tables *out,
	struct err *e);
void delta_free(struct delta_tables *t);
#define AUTO_DELTA __attribute__((cleanup(delta_free)))

/* The content of an image as a device that runs it finds it: entries of `like`'s kind. */
int delta_content(const struct shelf *s, const struct plan_image *old,
	const struct slot_index *like, struct index_set *out, struct err *e);

/* Which frames of `data` are needed. Zero-initialise; delta_need_free. */
struct delta_need {
	uint8_t *frames; /* a bit for each frame */
	uint32_t count; /* frames that are needed */
	uint64_t bytes; /* of these in `data` */
	size_t ranges; /* of neighbouring frames */
	/* As they travel: ranges that are less than 16 KiB apart come in one request. */
	uint64_t travel;
	size_t requests;
	uint64_t content; /* bytes of the image that the device does not have */
};

/* For a device that has this content and whose target slot is empty. E_NOMEM. */
int delta_need_of(const struct index_set *have, const struct slot_index *index,
	const struct slot_frames *frames, struct delta_need *out, struct err *e);

/* The same for a device that has the index of its image, of the same kind as `index`. */
int delta_need(const struct slot_index *old, const struct slot_index *index,
	const struct slot_frames *frames, struct delta_need *out, struct err *e);

/*
 * Bytes of the table of frames that such a device fetches: its shortest first part that has
 * all generations that are needed, or all of it.
 */
uint64_t delta_frames_bytes(const struct plan_image *image, const struct slot_frames *frames,
	const struct delta_need *need);
void delta_need_free(struct delta_need *n);
#define AUTO_NEED __attribute__((cleanup(delta_need_free)))
