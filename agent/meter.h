/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what objects really gave: the numbers of the record are measured, not planned. */
#pragma once

#include <stdint.h>

#include "agent/base/fetcher.h"

/* Zero-initialise and set `from` (borrowed). */
struct meter {
	const struct object_source *from;
	uint64_t bytes; /* handed out by all readers */
};

/* The same objects through the meter, which outlives all readers. */
struct object_source meter_objects(struct meter *m);
