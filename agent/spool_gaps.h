/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of `data` that are close enough to be one request; private to the spool. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"

/*
 * Where the needed frames (a bit each) make more than three requests, sets the bits in
 * `bridge` of frames that are fetched along, smallest gaps first, for at most a twentieth
 * more bytes. Depends on the two tables alone. E_NOMEM.
 */
int spool_bridge_gaps(
	const struct slot_frames *f, const uint8_t *need, uint8_t *bridge, struct err *e);
