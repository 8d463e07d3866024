/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A difference of a table: whatever it says, just the table's room is written, and nothing
 * behind old table and difference is read. Input: old table, u32 length of the new one,
 * difference.
 */
#include "partitions/slot/difference.h"
#include "tests/fuzz/fuzz.h"

#define ROOM  (256u * 1024)
#define GUARD 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part rest = {.data = data, .len = size};
	struct fuzz_part old = fuzz_take(&rest);
	struct err e = {0};

	if (rest.len < 4)
		return 0;
	size_t want = le32_get(rest.data) % ROOM;
	struct fuzz_part difference = {.data = rest.data + 4, .len = rest.len - 4};
	AUTO_FREE uint8_t *old_bytes = fuzz_copy(old);
	AUTO_FREE uint8_t *bytes = fuzz_copy(difference);
	AUTO_FREE uint8_t *out = malloc(want + GUARD);
	const struct slot_difference d = {
		.old = old_bytes, .old_len = old.len, .data = bytes, .len = difference.len};

	fuzz_must(out != NULL);
	memset(out, 0xa5, want + GUARD);
	(void)slot_difference_apply(&d, out, want, &e);
	for (size_t i = 0; i < GUARD; i++)
		fuzz_must(out[want + i] == 0xa5);
	return 0;
}
