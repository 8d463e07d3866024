/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer thread, so that fetching goes on while the medium works. Only bytes
 * that were verified are put in. They are not copied: who fills their place again
 * asks write_queue_wait first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"

struct write_queue;

/* The device belongs to the queue until write_queue_end. E_NOMEM, E_INTERNAL. */
int write_queue_start(struct device *d, struct write_queue **out, struct err *e);

/*
 * The bytes stay as they are until they are written. The error of an earlier write is
 * returned here and by every later call.
 */
int write_queue_put(
	struct write_queue *q, const uint8_t *data, size_t len, uint64_t offset, struct err *e);

/* Waits until none of the bytes at addresses [from, end) is still to be written. Errors as above. */
int write_queue_wait(struct write_queue *q, const uint8_t *from, const uint8_t *end, struct err *e);

/* Waits until all is written and ends the thread; the first error of any write. Frees the queue. */
int write_queue_end(struct write_queue *q, struct err *e);
