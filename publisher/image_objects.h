/* SPDX-License-Identifier: Apache-2.0 */
/* Which objects an image consists of: one list for all who store, check or copy them. */
#pragma once

#include <stddef.h>

#include "agent/plan/plan.h"

#define IMAGE_OBJECTS_MAX (6 + 2 * PLAN_PATCHES_MAX + 2 * PLAN_BASES_MAX)

/* Fills `out` (pointers into the image) with what is there; gives how many. */
size_t image_objects(
	const struct plan_image *image, const struct plan_object *out[IMAGE_OBJECTS_MAX]);
