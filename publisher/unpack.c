/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of one piece: zstd, zlib, or none. */
#include "publisher/unpack.h"

#include <string.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

static int unpack_none(
	const uint8_t *stored, size_t stored_len, uint8_t *out, size_t len, struct err *e)
{
	if (stored_len != len)
		return err_set(e, E_META, "%zu bytes instead of %zu", stored_len, len);
	memcpy(out, stored, len);
	return 0;
}

static int unpack_zlib(
	const uint8_t *stored, size_t stored_len, uint8_t *out, size_t len, struct err *e)
{
	uLongf n = (uLongf)len;
	uLong used = (uLong)stored_len;
	int rc = uncompress2(out, &n, stored, &used);

	if (rc != Z_OK || n != len || used != stored_len)
		return err_set(e, rc == Z_MEM_ERROR ? E_NOMEM : E_META,
			"not a zlib stream of %zu bytes", len);
	return 0;
}

#ifdef CONFIG_ZSTD
static int unpack_zstd(
	const uint8_t *stored, size_t stored_len, uint8_t *out, size_t len, struct err *e)
{
	size_t n = ZSTD_decompress(out, len, stored, stored_len);

	if (ZSTD_isError(n) || n != len)
		return err_set(e, E_META, "not a zstd frame of %zu bytes", len);
	return 0;
}
#else
static int unpack_zstd(
	const uint8_t *stored, size_t stored_len, uint8_t *out, size_t len, struct err *e)
{
	(void)stored;
	(void)stored_len;
	(void)out;
	(void)len;
	return err_set(e, E_USAGE, "encoding zstd is not in this build");
}
#endif

int unpack_piece(enum plan_encoding encoding, const uint8_t *stored, size_t stored_len,
	uint8_t *out, size_t len, struct err *e)
{
	switch (encoding) {
	case PLAN_ZSTD:
		return unpack_zstd(stored, stored_len, out, len, e);
	case PLAN_ZLIB:
		return unpack_zlib(stored, stored_len, out, len, e);
	case PLAN_NONE:
		break;
	}
	return unpack_none(stored, stored_len, out, len, e);
}
