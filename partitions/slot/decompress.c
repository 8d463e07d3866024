/* SPDX-License-Identifier: Apache-2.0 */
/* One stored piece or frame to its exact output: zlib and zstd behind one function. */
#include "partitions/slot/decompress.h"

#include <stdlib.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#define ZSTD_STATIC_LINKING_ONLY /* for the name of ZSTD_d_stableOutBuffer alone */
#include <zstd.h>
#endif

#include "agent/base/buf.h"
#include "agent/base/must.h"

/* Stored bytes that are decoded before their memory is given back, and the output is reported. */
#define STEP (64u * 1024)

struct decoder {
	enum slot_encoding encoding;
	const struct pages *stored; /* borrowed: emptied as it is decoded; may be NULL */
	void (*grown)(void *ctx, size_t len); /* may be NULL */
	void *grown_ctx; /* borrowed */
	z_stream zlib;
	bool zlib_ready;
#ifdef CONFIG_ZSTD
	ZSTD_DCtx *zstd;
#endif
};

#define ZLIB_WRAPPER_BITS 15 /* zlib header only: neither gzip nor raw deflate */

static int open_zlib(struct decoder *d, struct err *e)
{
	if (inflateInit2(&d->zlib, ZLIB_WRAPPER_BITS) != Z_OK)
		return err_set(e, E_NOMEM, "no memory for a zlib decoder");
	d->zlib_ready = true;
	return 0;
}

/* The end of the next step of a stream of `len` bytes, of which `done` are decoded. */
static size_t step_end(size_t done, size_t len)
{
	return len - done > STEP ? done + STEP : len;
}

/*
 * After a step. What was put out is final: zlib appends and keeps a window of its own to
 * look back to; libzstd looks back into the output itself, and for that it must stay as
 * it is (zstd.h on ZSTD_d_stableOutBuffer). Both may use the room behind it as scratch.
 */
static void note_step(const struct decoder *d, size_t decoded, size_t put_out)
{
	if (d->stored)
		pages_empty(d->stored, 0, decoded);
	if (d->grown)
		d->grown(d->grown_ctx, put_out);
}

/* Step by step until the stream ends, the output is full, or there is no more input. */
static int inflate_steps(struct decoder *d, const uint8_t *in, size_t in_len)
{
	z_stream *z = &d->zlib;
	const uint8_t *out = z->next_out;
	size_t done = 0;
	int rc;

	do {
		/* zlib's interface has no const and 32-bit counts; what is stored is far below 4 GiB. */
		z->next_in = (Bytef *)(uintptr_t)(in + done);
		z->avail_in = (uInt)(step_end(done, in_len) - done);
		rc = inflate(z, Z_NO_FLUSH);
		done = step_end(done, in_len) - z->avail_in;
		note_step(d, done, (size_t)(z->next_out - out));
	} while (rc == Z_OK && done < in_len);
	return rc;
}

static int run_zlib(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out,
	size_t out_len, struct err *e)
{
	z_stream *z = &d->zlib;

	if (inflateReset(z) != Z_OK)
		return err_set(e, E_INTERNAL, "zlib cannot start again");
	z->next_out = out;
	z->avail_out = (uInt)out_len;
	int rc = inflate_steps(d, in, in_len);
	if (rc == Z_DATA_ERROR || rc == Z_NEED_DICT || rc == Z_STREAM_ERROR)
		return err_set(
			e, E_META, "not a zlib stream: %s", z->msg ? z->msg : "wrong header");
	if (rc == Z_MEM_ERROR)
		return err_set(e, E_NOMEM, "no memory for zlib");
	if (!MUST("slot.zlib-exact", rc == Z_STREAM_END && z->avail_out == 0))
		return err_set(
			e, E_SIZE, "zlib stream does not give exactly its %zu bytes", out_len);
	size_t rest = in_len - (size_t)(z->next_in - in);
	if (!MUST("slot.zlib-trailing", rest == 0))
		return err_set(e, E_SIZE, "%zu bytes follow after the zlib stream", rest);
	return 0;
}

#ifdef CONFIG_ZSTD

#define ZSTD_MAGIC      0xFD2FB528u
#define ZSTD_HEADER_MIN 6u /* magic, descriptor, window or content size */

/*
 * The frame header, before libzstd sees the frame: its own limit of the window is
 * 128 MiB, and it may be built to take its unsafe old formats and skippable frames. Source: RFC 8878, 3.1.1.1.
 */
static int check_zstd_header(const uint8_t *in, size_t in_len, size_t out_len, struct err *e)
{
	if (!MUST("slot.zstd-magic", in_len >= ZSTD_HEADER_MIN && le32_get(in) == ZSTD_MAGIC))
		return err_set(e, E_META, "not a zstd frame");
	uint8_t descriptor = in[4];
	bool single_segment = (descriptor & 0x20) != 0;
	/* A single segment has no window field; its window is its content, checked below. */
	uint64_t base = UINT64_C(1) << (10 + (in[5] >> 3));
	uint64_t window = single_segment ? 0 : base + base / 8 * (in[5] & 7);
	if (!MUST("slot.zstd-window", window <= UINT64_C(1) << SLOT_ZSTD_WINDOW_LOG))
		return err_set(e, E_SIZE,
			"zstd frame wants a window of %llu bytes; 4 MiB are allowed",
			(unsigned long long)window);
	unsigned long long content = ZSTD_getFrameContentSize(in, in_len);
	if (!MUST("slot.zstd-content", content == out_len))
		return err_set(
			e, E_SIZE, "zstd frame does not say that it holds its %zu bytes", out_len);
	return 0;
}

/* Straight into `out`, which libzstd takes for its window too: no buffer of 4 MiB of its own. */
static int decode_steps(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out,
	size_t out_len, struct err *e)
{
	ZSTD_inBuffer from = {.src = in};
	ZSTD_outBuffer to = {.dst = out, .size = out_len};
	size_t rc;

	ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
	do {
		from.size = step_end(from.pos, in_len);
		rc = ZSTD_decompressStream(d->zstd, &to, &from);
		if (ZSTD_isError(rc))
			return err_set(
				e, E_META, "zstd frame is broken: %s", ZSTD_getErrorName(rc));
		note_step(d, from.pos, to.pos);
	} while (rc > 0 && from.pos < in_len);
	if (rc > 0 || to.pos != out_len)
		return err_set(
			e, E_SIZE, "zstd frame gives %zu bytes instead of %zu", to.pos, out_len);
	return 0;
}

static int run_zstd(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out,
	size_t out_len, struct err *e)
{
	if (check_zstd_header(in, in_len, out_len, e) < 0)
		return -1;
	size_t frame = ZSTD_findFrameCompressedSize(in, in_len);
	if (ZSTD_isError(frame))
		return err_set(e, E_SIZE, "zstd frame is cut: %s", ZSTD_getErrorName(frame));
	if (!MUST("slot.zstd-trailing", frame == in_len))
		return err_set(e, E_SIZE, "%zu bytes follow after the zstd frame", in_len - frame);
	return decode_steps(d, in, frame, out, out_len, e);
}

static int open_zstd(struct decoder *d, struct err *e)
{
	d->zstd = ZSTD_createDCtx();
	if (!d->zstd)
		return err_set(e, E_NOMEM, "no memory for a zstd decoder");
	/* Marked experimental, unchanged since libzstd 1.4.5; a unit test notices when it is not. */
	if (ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_stableOutBuffer, 1)))
		return err_set(e, E_COMPAT, "libzstd is older than 1.4.5");
	return 0;
}

static void close_zstd(struct decoder *d)
{
	ZSTD_freeDCtx(d->zstd);
}

#else

static int run_zstd(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out,
	size_t out_len, struct err *e)
{
	(void)d, (void)in, (void)in_len, (void)out, (void)out_len;
	return err_set(e, E_COMPAT, "this agent is built without zstd");
}

static int open_zstd(struct decoder *d, struct err *e)
{
	(void)d;
	return err_set(
		e, E_COMPAT, "the image is encoded with zstd; this agent is built without it");
}

static void close_zstd(struct decoder *d)
{
	(void)d;
}

#endif

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	if (d->zlib_ready)
		inflateEnd(&d->zlib);
	close_zstd(d);
	free(d);
}

int decoder_open(enum slot_encoding encoding, struct decoder **out, struct err *e)
{
	struct decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, E_NOMEM, "no memory for a decoder");
	d->encoding = encoding;
	if ((encoding == SLOT_ZLIB && open_zlib(d, e) < 0) ||
		(encoding == SLOT_ZSTD && open_zstd(d, e) < 0)) {
		decoder_free(d);
		return -1;
	}
	*out = d;
	return 0;
}

void decoder_empty_input(struct decoder *d, const struct pages *stored)
{
	d->stored = stored;
}

void decoder_watch(struct decoder *d, void (*grown)(void *ctx, size_t len), void *ctx)
{
	d->grown = grown;
	d->grown_ctx = ctx;
}

int decoder_run(struct decoder *d, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_len,
	struct err *e)
{
	switch (d->encoding) {
	case SLOT_ZLIB:
		return run_zlib(d, in, in_len, out, out_len, e);
	case SLOT_ZSTD:
		return run_zstd(d, in, in_len, out, out_len, e);
	case SLOT_NONE:
		break;
	}
	return err_set(e, E_INTERNAL, "what is stored plain needs no decoder");
}
