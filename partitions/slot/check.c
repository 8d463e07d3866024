/* SPDX-License-Identifier: Apache-2.0 */
/* Is an image whole where it lies? */
#include "agent/base/must.h"
#include "partitions/slot/device.h"
#include "partitions/slot/scan.h"
#include "partitions/slot/slot.h"

static int check_leaf(
	void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE], struct err *e)
{
	if (!MUST("slot.check-leaf", right))
		return scan_end_at(ctx, leaf, digest, e);
	return 0;
}

int slot_check(
	const char *path, uint64_t size, enum hash_alg alg, const uint8_t *leaves, struct err *e)
{
	AUTO_DEVICE struct device d = {.fd = -1};
	struct scan_wrong wrong = {0};
	struct scan s = {.device = &d,
		.image_size = size,
		.alg = alg,
		.leaves = leaves,
		.leaf = check_leaf,
		.ctx = &wrong};

	if (!slot_image_size_ok(size))
		return err_set(
			e, E_META, "an image of %llu bytes cannot be", (unsigned long long)size);
	if (device_open_read(path, &d, e) < 0)
		return -1;
	if (!MUST("slot.check-size", d.size >= size))
		return err_set(e, E_SLOT, "%s has %llu bytes, the image %llu", path,
			(unsigned long long)d.size, (unsigned long long)size);
	int rc = scan_leaves(&s, e);
	return wrong.found ? scan_blame(&s, E_HASH, &wrong, e) : rc;
}
