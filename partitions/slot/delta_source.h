/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves put together from what the device has and what it fetches: old content
 * where the match says so, each entry checked by its match hash; what is not there
 * any more, and all else, out of `data`.
 */
#pragma once

#include "agent/base/err.h"
#include "partitions/slot/device.h"
#include "partitions/slot/leaf_source.h"
#include "partitions/slot/slot.h"

/*
 * `target` is the part that is being written; it is opened once more, for reading.
 * Everything is borrowed. Its leaves must be asked for in rising order, one of them
 * again only before the next one. E_META when the tables do not belong to the
 * image or to each other; E_COMPAT, E_NOMEM, E_SLOT, or a reader's error.
 */
int delta_source_open(const struct slot_image *image, const struct device *target,
	struct slot_stats *stats, struct leaf_source *out, struct err *e);
