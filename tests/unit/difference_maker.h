/* SPDX-License-Identifier: Apache-2.0 */
/* Differences for tests, made with the library itself: also those that no publisher would make. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <zstd.h>

struct difference_wish {
	const uint8_t *old;
	size_t old_len;
	int window_log; /* 0 = all of both */
	bool without_size;
};

/* Its length; `out` has `space` for it. */
static inline size_t difference_make(const struct difference_wish *w, const uint8_t *data,
	size_t len, uint8_t *out, size_t space)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	assert_non_null(c);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, w->window_log ? w->window_log : 23);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, !w->without_size);
	ZSTD_CCtx_refPrefix(c, w->old, w->old_len);
	size_t n = ZSTD_compress2(c, out, space, data, len);
	assert_false(ZSTD_isError(n));
	ZSTD_freeCCtx(c);
	return n;
}
