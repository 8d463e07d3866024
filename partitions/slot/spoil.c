/* SPDX-License-Identifier: Apache-2.0 */
/* Zeroing the heads of a slot, so that no boot loader and no kernel takes it for a system. */
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/target.h"

static int zero_head(struct device *d, uint8_t *block, struct err *e)
{
	memset(block, 0, SLOT_BLOCK_SIZE);
	if (device_write(d, block, SLOT_BLOCK_SIZE, 0, e) < 0 || device_sync(d, e) < 0)
		return -1;
	/* A card at the end of its life may say yes and write nothing: better known before than after. */
	block[0] = 1;
	if (device_read(d, block, SLOT_BLOCK_SIZE, 0, e) < 0)
		return -1;
	uint8_t bits = 0;
	for (size_t i = 0; i < SLOT_BLOCK_SIZE; i++)
		bits |= block[i];
	if (!MUST("slot.spoil-readback", bits == 0))
		return err_set(e, E_READBACK,
			"%s: byte 0 does not read back zero; writing is to blame", d->path);
	return 0;
}

int target_zero_heads(struct slot_target *t, struct err *e)
{
	AUTO_PAGES struct pages block = {0};
	struct err later;
	int rc = 0;

	if (pages_get(SLOT_BLOCK_SIZE, &block, e) < 0)
		return -1;
	for (size_t i = 0; i < t->count; i++) {
		if (zero_head(&t->part[i].device, block.data, rc == 0 ? e : &later) < 0)
			rc = -1;
	}
	return rc;
}

int slot_spoil(struct slot_target *t, struct err *e)
{
	if (target_zero_heads(t, e) < 0)
		return -1;
	t->spoiled = true;
	return 0;
}

int slot_spoil_parts(const struct slot_part *parts, size_t count, const struct slot_part *forbidden,
	size_t forbidden_count, struct err *e)
{
	struct slot_target *t = NULL;

	if (slot_open_target(parts, NULL, count, forbidden, forbidden_count, &t, e) < 0)
		return -1;
	int rc = slot_spoil(t, e);
	slot_close_target(t);
	return rc;
}
