/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer thread with two buffers, so that fetching, decompressing and hashing
 * go on while the medium works. Only bytes that were verified are put in.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"

#define WRITE_QUEUE_CHUNK (512u * 1024)

struct write_queue;

/* The device belongs to the queue until write_queue_end. E_NOMEM, E_INTERNAL. */
int write_queue_start(struct device *d, struct write_queue **out, struct err *e);

/*
 * Copies at most WRITE_QUEUE_CHUNK bytes and returns as soon as a buffer is
 * free. The error of an earlier write is returned here and by every later call.
 */
int write_queue_put(
	struct write_queue *q, const void *data, size_t len, uint64_t offset, struct err *e);

/* Waits until all is written and ends the thread; the first error of any write. Frees the queue. */
int write_queue_end(struct write_queue *q, struct err *e);
