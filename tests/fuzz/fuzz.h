/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file NAME_fuzz.c with the function
 * below; `make fuzz` links it with libFuzzer, `make check` with driver.c. It may end
 * the process only where something is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input was. */
static inline void fuzz_must(bool holds)
{
	if (!holds)
		abort();
}

/* Some input. */
struct fuzz_part {
	const uint8_t *data;
	size_t len;
};

/*
 * An input of several parts has a u32 length before each; a length beyond the end means
 * all that is left. Takes the first one off *rest.
 */
static inline struct fuzz_part fuzz_take(struct fuzz_part *rest)
{
	struct fuzz_part part = *rest;

	if (rest->len >= 4) {
		uint32_t len = le32_get(rest->data);
		part.data += 4;
		part.len -= 4;
		if (len < part.len)
			part.len = len;
	}
	rest->len -= (size_t)(part.data + part.len - rest->data);
	rest->data = part.data + part.len;
	return part;
}

/* The image size that the header of a table says, 0 where there is none. */
static inline uint64_t fuzz_image_size(struct fuzz_part table)
{
	return table.len >= 16 ? le64_get(table.data + 8) : 0;
}

/* Bytes of its own, as they are mapped or allocated on a device: reading behind them is noticed. */
static inline uint8_t *fuzz_copy(struct fuzz_part p)
{
	uint8_t *copy = malloc(p.len ? p.len : 1);

	fuzz_must(copy != NULL);
	if (p.len)
		memcpy(copy, p.data, p.len);
	return copy;
}
