/* SPDX-License-Identifier: Apache-2.0 */
/* How an operation of a patch is spelled: LEB128 of length and kind. Used by patch*.c. */
#pragma once

#include <stdint.h>

#include "partitions/slot/patch.h"

#define PATCH_NUMBER_MAX 5u

/* Bytes of an operation with this length, whatever its kind. */
static inline uint32_t patch_number_size(uint32_t length)
{
	uint64_t number = (uint64_t)length << SLOT_PATCH_KIND_BITS | SLOT_PATCH_KIND_MASK;
	uint32_t size = 1;

	while (number >= 0x80) {
		number >>= 7;
		size++;
	}
	return size;
}

/* Writes it and returns how many bytes it took. */
static inline uint32_t patch_number_put(
	uint8_t out[PATCH_NUMBER_MAX], enum slot_patch_kind kind, uint32_t length)
{
	uint64_t number = (uint64_t)length << SLOT_PATCH_KIND_BITS | (unsigned)kind;
	uint32_t size = 0;

	while (number >= 0x80) {
		out[size++] = (uint8_t)(number | 0x80);
		number >>= 7;
	}
	out[size++] = (uint8_t)number;
	return size;
}
