/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of one piece of `full`: zstd, zlib, or none. */
#include "publisher/compress.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "agent/base/buf.h"
#include "partitions/slot/format.h"

struct compressor {
	enum plan_encoding encoding;
	int level;
#ifdef CONFIG_ZSTD
	ZSTD_CCtx *zstd;
#endif
};

struct encoding {
	const char *name;
	bool built_in;
	int level_min;
	int level_max;
	int level_default;
};

#ifdef CONFIG_ZSTD
#define HAVE_ZSTD true
#else
#define HAVE_ZSTD false
#endif

static const struct encoding encodings[] = {
	[PLAN_NONE] = {"none", true, 0, 0, 0},
	[PLAN_ZLIB] = {"zlib", true, 1, 9, 9},
	[PLAN_ZSTD] = {"zstd", HAVE_ZSTD, 1, 22, 19},
};

int compress_default_level(enum plan_encoding encoding)
{
	return encodings[encoding].level_default;
}

enum plan_encoding compress_default_encoding(void)
{
	return HAVE_ZSTD ? PLAN_ZSTD : PLAN_ZLIB;
}

int compress_find_encoding(const char *name, enum plan_encoding *out, struct err *e)
{
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		if (strcmp(encodings[i].name, name) != 0)
			continue;
		if (!encodings[i].built_in)
			return err_set(e, E_USAGE, "encoding %s is not in this build", name);
		*out = (enum plan_encoding)i;
		return 0;
	}
	return err_set(e, E_USAGE, "encoding \"%s\" is not known; there are %szlib and none", name,
		HAVE_ZSTD ? "zstd, " : "");
}

#ifdef CONFIG_ZSTD
static int zstd_make(struct compressor *c, struct err *e)
{
	c->zstd = ZSTD_createCCtx();
	if (!c->zstd)
		return err_set(e, E_NOMEM, "no memory for zstd");
	/* The device refuses larger windows, so it is set and not left to the level. */
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, c->level)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(
			c->zstd, ZSTD_c_windowLog, (int)SLOT_ZSTD_WINDOW_LOG)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_contentSizeFlag, 1)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 0)))
		return err_set(e, E_INTERNAL, "zstd refuses its parameters");
	return 0;
}

static int zstd_piece(struct compressor *c, const uint8_t *data, size_t len, uint8_t *out,
	size_t room, size_t *stored, struct err *e)
{
	size_t n = ZSTD_compress2(c->zstd, out, room, data, len);

	if (ZSTD_isError(n))
		return err_set(e, E_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
	*stored = n;
	return 0;
}
#endif

static int zlib_piece(const struct compressor *c, const uint8_t *data, size_t len, uint8_t *out,
	size_t room, size_t *stored, struct err *e)
{
	uLongf n = (uLongf)room;
	int rc = compress2(out, &n, data, (uLong)len, c->level);

	if (rc != Z_OK)
		return err_set(e, rc == Z_MEM_ERROR ? E_NOMEM : E_INTERNAL, "zlib: error %d", rc);
	*stored = n;
	return 0;
}

int compress_check_level(enum plan_encoding encoding, int level, struct err *e)
{
	const struct encoding *row = &encodings[encoding];

	if (level >= row->level_min && level <= row->level_max)
		return 0;
	if (row->level_max == 0)
		return err_set(e, E_USAGE, "level %d: encoding %s has no levels", level, row->name);
	return err_set(e, E_USAGE, "level %d: %s has levels %d to %d", level, row->name,
		row->level_min, row->level_max);
}

int compressor_make(enum plan_encoding encoding, int level, struct compressor **out, struct err *e)
{
	if (!encodings[encoding].built_in)
		return err_set(
			e, E_USAGE, "encoding %s is not in this build", encodings[encoding].name);
	if (compress_check_level(encoding, level, e) < 0)
		return -1;
	struct compressor *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, E_NOMEM, "no memory for a compressor");
	c->encoding = encoding;
	c->level = level;
#ifdef CONFIG_ZSTD
	if (encoding == PLAN_ZSTD && zstd_make(c, e) < 0) {
		compressor_free(c);
		return -1;
	}
#endif
	*out = c;
	return 0;
}

void compressor_free(struct compressor *c)
{
	if (!c)
		return;
#ifdef CONFIG_ZSTD
	ZSTD_freeCCtx(c->zstd);
#endif
	free(c);
}

size_t compressor_room(const struct compressor *c, size_t len)
{
#ifdef CONFIG_ZSTD
	if (c->encoding == PLAN_ZSTD)
		return ZSTD_compressBound(len);
#endif
	return c->encoding == PLAN_ZLIB ? compressBound((uLong)len) : len;
}

int compressor_piece(struct compressor *c, const uint8_t *data, size_t len, uint8_t *out,
	size_t room, size_t *stored, struct err *e)
{
	if (room < compressor_room(c, len))
		return err_set(e, E_INTERNAL, "no room to compress %zu bytes", len);
#ifdef CONFIG_ZSTD
	if (c->encoding == PLAN_ZSTD)
		return zstd_piece(c, data, len, out, room, stored, e);
#endif
	if (c->encoding == PLAN_ZLIB)
		return zlib_piece(c, data, len, out, room, stored, e);
	memcpy(out, data, len);
	*stored = len;
	return 0;
}

bool compress_has_zstd(void)
{
	return HAVE_ZSTD;
}

#ifdef CONFIG_ZSTD

#define DIFFERENCE_LEVEL 19 /* tables are small */
#define WINDOW_LOG_MIN   10
#define WINDOW_LOG_MAX   27 /* two indexes of 2^22 entries are below 128 MiB */

/* Both tables fit the window, so the frame is a single segment that sees all of the old one. */
static int set_up_difference(ZSTD_CCtx *c, const struct buf *old, size_t len, struct err *e)
{
	int window = WINDOW_LOG_MIN;

	while (window < WINDOW_LOG_MAX && UINT64_C(1) << window < (uint64_t)old->len + len)
		window++;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, DIFFERENCE_LEVEL)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 1)) ||
		ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0)) ||
		ZSTD_isError(ZSTD_CCtx_refPrefix(c, old->data, old->len)))
		return err_set(e, E_INTERNAL, "zstd refuses its parameters");
	return 0;
}

static int make_difference(
	ZSTD_CCtx *c, const struct buf *old, const struct buf *data, struct buf *out, struct err *e)
{
	size_t room = ZSTD_compressBound(data->len);
	AUTO_FREE uint8_t *stored = malloc(room);

	if (!stored)
		return err_set(e, E_NOMEM, "no memory for a difference");
	if (set_up_difference(c, old, data->len, e) < 0)
		return -1;
	size_t n = ZSTD_compress2(c, stored, room, data->data, data->len);
	if (ZSTD_isError(n))
		return err_set(e, E_INTERNAL, "zstd: %s", ZSTD_getErrorName(n));
	buf_free(out);
	*out = buf_make(n);
	return buf_add(out, stored, n, e);
}

int compress_difference(
	const struct buf *old, const struct buf *data, struct buf *out, struct err *e)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (!c)
		return err_set(e, E_NOMEM, "no memory for zstd");
	int rc = make_difference(c, old, data, out, e);
	ZSTD_freeCCtx(c);
	return rc;
}

#else

int compress_difference(
	const struct buf *old, const struct buf *data, struct buf *out, struct err *e)
{
	(void)old, (void)data, (void)out;
	return err_set(e, E_USAGE, "zstd is not in this build");
}

#endif
