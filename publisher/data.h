/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the `data` object of an image and its table of frames (docs/formats.md):
 * all entries that are not zero, by generation and place, compressed in frames.
 * The result does not depend on the number of threads. Memory: about 30 MiB for
 * each thread at level 19, and 12 bytes for each entry.
 */
#pragma once

#include "agent/base/err.h"
#include "publisher/entries.h"
#include "publisher/image_probe.h"

/*
 * Gives hash and length of both objects, the first parts of the table that are worth it,
 * and the encoding in *out, which is the image's. E_IO, E_SPACE, E_NOMEM; E_INTERNAL when
 * an entry is not 1 … 64 KiB.
 */
int data_write(const struct image_source *s, const struct entries *l, int objects_dir,
	struct plan_image *out, struct err *e);
