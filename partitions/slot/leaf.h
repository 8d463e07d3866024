/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of one leaf, whatever it came from. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"

/*
 * Exactly what hash_bytes gives, but sooner where a whole leaf is zeros, as free space of an
 * image is: reading it costs a tenth of hashing it, and less on processors without SHA
 * instructions. E_INTERNAL.
 */
int slot_leaf_digest(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);
