/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences of tables (docs/formats.md): leaves and index out of the same tables of
 * earlier releases, so that a device that has those fetches only what changed in them.
 */
#pragma once

#include <stddef.h>

#include "agent/base/err.h"
#include "agent/plan/manifest.h"
#include "publisher/image.h"
#include "publisher/publisher.h"
#include "publisher/shelf.h"

#define DIFFERENCES_DEFAULT 4 /* releases that they are made from */

/* The releases, the newest first. Zero-initialise; differences_free. */
struct differences {
	struct publisher *publisher;
	const struct manifest *newest; /* borrowed; NULL = there is none */
	struct manifest *older[PLAN_BASES_MAX];
	size_t count; /* with the newest */
};

/* Finds at most `count` of them: `newest` (may be NULL) and those below it. E_IO, E_META. */
int differences_find(struct publisher *p, const char *product, const struct manifest *newest,
	size_t count, struct differences *out, struct err *e);
void differences_free(struct differences *d);

/*
 * Adds them to an image that is cut already: those that are at most three quarters of
 * their table and at most 1 MiB, one for each old table. Nothing where an old release has
 * no such image, or its objects are not here. The result depends on the tables only.
 * E_HASH when an old release is damaged, E_NOMEM, E_IO, E_SPACE.
 */
int differences_add(const struct differences *d, const struct image_request *r, int objects_dir,
	struct plan_image *image, struct err *e);

/* From one release only. */
int differences_add_from(const struct shelf *before, const struct image_request *r, int objects_dir,
	struct plan_image *image, struct err *e);
