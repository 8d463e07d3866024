/* SPDX-License-Identifier: Apache-2.0 */
/* How a length is spelled in a patch: LEB128. Used by patch*.c. */
#pragma once

#include <stdint.h>

#include "partitions/slot/patch.h"

/* Bytes that it takes. */
static inline uint32_t patch_number_size(uint32_t length)
{
	uint32_t size = 1;

	while (length >= 0x80) {
		length >>= 7;
		size++;
	}
	return size;
}

/* Writes it and returns how many bytes it took. */
static inline uint32_t patch_number_put(uint8_t out[SLOT_PATCH_LENGTH_MAX], uint32_t length)
{
	uint32_t size = 0;

	while (length >= 0x80) {
		out[size++] = (uint8_t)(length | 0x80);
		length >>= 7;
	}
	out[size++] = (uint8_t)length;
	return size;
}
