/* SPDX-License-Identifier: Apache-2.0 */
/* The 20 bytes that index and frames both begin with: magic, version, flags, image size, count. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* One kind of table. */
struct index_kind {
	const char *name; /* for messages */
	const char *magic; /* four letters */
	uint16_t flags; /* the flags that are known */
};

/*
 * Checks a header against an image of `image_size` bytes; E_META for anything but
 * the right magic, version and size, known flags, and a count of at most 2^22.
 */
int index_header_read(const struct index_kind *kind, const uint8_t *data, size_t len,
	uint64_t image_size, uint32_t *count, struct err *e);

/* Appends a header to `out`. */
int index_header_write(const struct index_kind *kind, uint16_t flags, uint64_t image_size,
	uint32_t count, struct buf *out, struct err *e);
