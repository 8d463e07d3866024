/* SPDX-License-Identifier: Apache-2.0 */
/* What new content takes when it is compressed: tried, as no average tells. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/entries.h"
#include "publisher/image_probe.h"

/*
 * Bytes of what `data` would hold of the entries that are not in `before`, each time they
 * occur: in frames, in the encoding of the request, at a quick level. For comparing two kinds
 * of entries; what is released is smaller. E_IO, E_NOMEM.
 */
int trial_fresh(const struct image_source *s, const struct entries *l,
	const struct index_set *before, uint64_t *bytes, struct err *e);
