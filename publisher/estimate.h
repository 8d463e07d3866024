/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device on one release fetches for another: each way in bytes, and the way
 * that it takes. As on the device: the target slot is taken as empty, so a device
 * whose other slot holds something similar fetches less, never more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/shelf.h"

/* Of equals the device takes the one that stands first. */
enum estimate_way {
	ESTIMATE_COPY, /* the image did not change */
	ESTIMATE_PATCH,
	ESTIMATE_DELTA,
	ESTIMATE_FULL,
	ESTIMATE_WAYS
};

struct estimate_cost {
	bool possible;
	uint64_t data;
	uint64_t tables; /* besides the leaves, which every way needs */
	size_t requests; /* for data */
};

struct estimate_image {
	const struct plan_image *image; /* of the new release */
	uint64_t leaves; /* bytes that come for them */
	struct estimate_cost cost[ESTIMATE_WAYS];
	enum estimate_way best;
	bool content_defined; /* the new index */
	uint64_t fresh; /* bytes of the image that the old one has not, for the delta */
	uint64_t index; /* bytes that come for it; less than its length where it is a difference */
	char no_delta[160]; /* why there is no delta */
};

/* "copy", "patch", "delta", "full". */
const char *estimate_way_name(enum estimate_way way);

/*
 * One image of the new release. `old` is the release that the device runs. Objects
 * that are not here make the delta impossible, with the reason. E_HASH, E_META for
 * damaged ones, E_IO, E_NOMEM.
 */
int estimate_image(const struct shelf *old, const struct shelf *new_release,
	const struct plan_image *image, struct estimate_image *out, struct err *e);

/* Bytes of a way with all tables. */
uint64_t estimate_total(const struct estimate_image *i, enum estimate_way way);
