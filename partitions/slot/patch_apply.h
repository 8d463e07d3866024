/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves out of an old image and a patch. The order is the point: read a stored
 * frame whole → its hash → decompress → check all its steps → follow them. A
 * frame is kept while leaves come from it; memory: one stored and one raw frame
 * (1 MiB each at most), a window of 256 KiB on the old image, and a decoder.
 */
#pragma once

#include "agent/base/err.h"
#include "partitions/slot/leaf_source.h"
#include "partitions/slot/slot.h"

/*
 * A source for an image of SLOT_WAY_PATCH. Tells the reader beforehand which
 * frames the leaves of `want` need; reads no others while only those are asked
 * for. Counts bytes_fetched and from_seed. `image`, `want` and `stats` are
 * borrowed until it is closed; the reader stays the caller's.
 *
 * Opening: E_COMPAT in a build without zstd, E_SLOT (the old image is missing or
 * too small), E_META (the table is another image's), E_NOMEM. Filling: E_HASH and
 * E_META name the frame that is wrong (a wrong hash is fetched once more before);
 * E_SIZE for one that is no stream of its length; E_IO; the reader's own errors.
 * `again` fetches the frames again and reads the old image again.
 */
int patch_source_open(const struct slot_image *image, const struct leaf_set *want,
	struct slot_stats *stats, struct leaf_source *out, struct err *e);
