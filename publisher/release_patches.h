/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of a release (--patch-from): the old images are unpacked, and compared with the new ones. */
#pragma once

#include <stddef.h>

#include "agent/base/err.h"
#include "agent/plan/manifest.h"
#include "publisher/image.h"
#include "publisher/publisher.h"
#include "publisher/release_options.h"
#include "publisher/staging.h"

/* The releases that patches are wanted from. Zero-initialise; release_patches_free. */
struct release_patches {
	struct manifest *from[PLAN_PATCHES_MAX];
	size_t count;
};

/*
 * Reads --patch-from and the manifests of these releases, before the long work. "previous" is
 * the newest one that there is, and nothing for a first release.
 * E_USAGE (no number, too many, the same twice, no patches in this build), E_NOTFOUND.
 */
int release_patches_find(struct publisher *p, const char *product, const struct release_settings *s,
	struct release_patches *out, struct err *e);
void release_patches_free(struct release_patches *f);

/*
 * Makes the patches of one image that is cut already and adds them to it. None,
 * with a sentence to the watcher, where the old release has no such image, where an
 * image is above 1 GiB or did not change, and where a patch is no smaller than
 * `full`. E_HASH when an old release is damaged, E_NOTFOUND when its objects are not
 * here, E_NOMEM, E_IO, E_SPACE.
 */
int release_patches_add(struct publisher *p, const struct release_patches *f,
	const struct staging *staging, const struct image_request *r, struct plan_image *image,
	struct err *e);
