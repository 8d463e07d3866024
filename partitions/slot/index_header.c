/* SPDX-License-Identifier: Apache-2.0 */
/* The header of index and frames. */
#include "partitions/slot/index_header.h"

#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/index.h"

#define INDEX_VERSION 1

int index_header_read(const struct index_kind *kind, const uint8_t *data, size_t len,
	uint64_t image_size, uint32_t *count, struct err *e)
{
	if (!MUST("slot.index-image-size", slot_image_size_ok(image_size)))
		return err_set(e, E_META,
			"%s: an image of %llu bytes: not a multiple of %u between %u bytes and 64 GiB",
			kind->name, (unsigned long long)image_size, SLOT_BLOCK_SIZE,
			SLOT_BLOCK_SIZE);
	if (!MUST("slot.index-header", len >= SLOT_INDEX_HEADER))
		return err_set(
			e, E_META, "%s: %zu bytes are less than its header", kind->name, len);
	if (!MUST("slot.index-magic", memcmp(data, kind->magic, 4) == 0))
		return err_set(e, E_META, "%s: does not begin with %s", kind->name, kind->magic);
	if (!MUST("slot.index-version", le16_get(data + 4) == INDEX_VERSION))
		return err_set(
			e, E_META, "%s: version %u is not known", kind->name, le16_get(data + 4));
	if (!MUST("slot.index-flags", (le16_get(data + 6) & ~kind->flags) == 0))
		return err_set(
			e, E_META, "%s: flags %u are not known", kind->name, le16_get(data + 6));
	if (!MUST("slot.index-image", le64_get(data + 8) == image_size))
		return err_set(e, E_META, "%s: made for an image of %llu bytes, not %llu",
			kind->name, (unsigned long long)le64_get(data + 8),
			(unsigned long long)image_size);
	if (!MUST("slot.index-count", le32_get(data + 16) <= SLOT_INDEX_ENTRIES_MAX))
		return err_set(e, E_META, "%s: %u entries are more than %u", kind->name,
			le32_get(data + 16), SLOT_INDEX_ENTRIES_MAX);
	*count = le32_get(data + 16);
	return 0;
}

int index_header_write(const struct index_kind *kind, uint16_t flags, uint64_t image_size,
	uint32_t count, struct buf *out, struct err *e)
{
	uint8_t header[SLOT_INDEX_HEADER];

	memcpy(header, kind->magic, 4);
	le16_put(header + 4, INDEX_VERSION);
	le16_put(header + 6, flags);
	le64_put(header + 8, image_size);
	le32_put(header + 16, count);
	return buf_add(out, header, sizeof(header), e);
}
