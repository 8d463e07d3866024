/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a patch (docs/formats.md, partitions/slot/patch.h): what turns one old
 * image into the new one, in the manner of bsdiff. Content is found by suffix
 * sorting, wherever it was in the old image; what moved and differs a little, as
 * programs do that were compiled again, is stored as differences.
 */
#pragma once

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/*
 * Memory, for n bytes of the old image that are not in zero blocks: 5 n while
 * suffixes are sorted, up to 6 n while content is looked for (measured 2.1 GiB for
 * 370 MiB; 5.5 GiB for a full image of 1 GiB), then n; 12 bytes for each operation;
 * and 16 MiB for each thread. Sorting takes one processor, all else as many as there
 * are threads: about a minute for 384 MiB on two.
 */
struct patch_request {
	const char *name; /* of the image, for messages */
	const char *old_path; /* regular files, as they were given to image_cut */
	const char *new_path;
	unsigned threads;
	int level; /* of zstd */
	int objects_dir;
};

/*
 * Writes the patch and its table as objects. The result depends on the two
 * contents and on the level only. E_USAGE for what is no image or larger than 1 GiB,
 * E_NOMEM, E_IO also when a file changed meanwhile; objects may then be left
 * behind.
 */
int patch_make(const struct patch_request *r, struct plan_object *patch, struct plan_object *table,
	struct err *e);
