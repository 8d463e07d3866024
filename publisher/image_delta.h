/* SPDX-License-Identifier: Apache-2.0 */
/* What saves devices bytes: index, data and frames of an image. Used by image.c. */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "publisher/image_probe.h"

/* Smaller images have one leaf: there is nothing to save. */
#define IMAGE_DELTA_LEAST (256u * 1024)

/*
 * Adds them to *image, whose other objects are made already. Left out, with a
 * sentence to the watcher where it is not a matter of course: for images below 256
 * KiB, all zero, or too large for an index, and where the request says so. E_HASH
 * and E_META when the release before is damaged, else as image_cut.
 */
int image_add_delta(const struct image_source *s, bool packed, int objects_dir,
	struct plan_image *image, struct err *e);
