/* SPDX-License-Identifier: Apache-2.0 */
/* A table out of an older one and a difference. */
#include "partitions/slot/difference.h"

#include <stdbool.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "agent/base/buf.h"
#include "agent/base/must.h"

#ifdef CONFIG_ZSTD

#define ZSTD_MAGIC      0xFD2FB528u
#define ZSTD_HEADER_MIN 6u /* magic, descriptor, content size */
#define SINGLE_SEGMENT  0x20u
#define DICTIONARY_ID   0x03u

/*
 * The frame header, before libzstd sees the frame. A single segment has no window but its
 * content, whose length is checked here, so nothing is ever allocated for what a header
 * says. Source: RFC 8878, 3.1.1.1.
 */
static int check_header(const struct slot_difference *d, size_t out_len, struct err *e)
{
	bool is_frame = d->len >= ZSTD_HEADER_MIN && d->len <= SLOT_DIFFERENCE_MAX &&
			le32_get(d->data) == ZSTD_MAGIC;

	if (!MUST("slot.difference-magic", is_frame))
		return err_set(e, E_META, "difference: not a zstd frame");
	bool plain = (d->data[4] & (SINGLE_SEGMENT | DICTIONARY_ID)) == SINGLE_SEGMENT;
	if (!MUST("slot.difference-window", plain))
		return err_set(e, E_META,
			"difference: its frame has a window of its own, or a dictionary");
	unsigned long long content = ZSTD_getFrameContentSize(d->data, d->len);
	if (!MUST("slot.difference-content", content == out_len))
		return err_set(e, E_SIZE,
			"difference: its frame does not say that it holds the %zu bytes of the table",
			out_len);
	size_t frame = ZSTD_findFrameCompressedSize(d->data, d->len);
	if (!MUST("slot.difference-trailing", frame == d->len))
		return err_set(e, E_SIZE, "difference: its frame is cut, or something follows it");
	return 0;
}

/* One call with room for the table and no more: libzstd has no way of writing beyond it. */
static int decode(ZSTD_DCtx *zstd, const struct slot_difference *d, uint8_t *out, size_t out_len,
	struct err *e)
{
	if (ZSTD_isError(ZSTD_DCtx_refPrefix(zstd, d->old, d->old_len)))
		return err_set(e, E_INTERNAL, "libzstd takes no prefix");
	size_t n = ZSTD_decompressDCtx(zstd, out, out_len, d->data, d->len);
	if (ZSTD_isError(n))
		return err_set(e, E_META, "difference: %s", ZSTD_getErrorName(n));
	if (n != out_len)
		return err_set(e, E_SIZE, "difference: gives %zu bytes of %zu", n, out_len);
	return 0;
}

int slot_difference_apply(
	const struct slot_difference *d, uint8_t *out, size_t out_len, struct err *e)
{
	if (check_header(d, out_len, e) < 0)
		return -1;
	ZSTD_DCtx *zstd = ZSTD_createDCtx();
	if (!zstd)
		return err_set(e, E_NOMEM, "no memory for a zstd decoder");
	int rc = decode(zstd, d, out, out_len, e);
	ZSTD_freeDCtx(zstd);
	return rc;
}

#else

int slot_difference_apply(
	const struct slot_difference *d, uint8_t *out, size_t out_len, struct err *e)
{
	(void)d, (void)out, (void)out_len;
	return err_set(e, E_COMPAT, "this agent is built without zstd");
}

#endif
