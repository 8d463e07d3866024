/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a block: its match hash, and whether it is all zero. */
#include <string.h>
#include <xxhash.h>

#include "partitions/slot/index.h"

uint64_t slot_match_hash(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

/* All bytes equal the one before them, and the first is 0; memcmp is as fast as the machine. */
bool slot_is_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}
