/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/decompress: bombs, cut streams, trailing bytes, windows, other formats. */
#include "tests/unit/slot_rig.h"

#include <sys/mman.h>

#include "agent/base/buf.h"
#include "partitions/slot/decompress.h"

#define LEN   (300u * 1024)
#define GUARD 64u

static uint8_t content[LEN];
static uint8_t packed[8u << 20];

/* Runs one decoder on `n` packed bytes for `want` bytes of output; nothing may be written behind them. */
static int run(enum slot_encoding encoding, size_t n, size_t want, struct err *e)
{
	struct decoder *d = NULL;
	uint8_t *out = malloc(want + GUARD);

	assert_non_null(out);
	memset(out, 0xa5, want + GUARD);
	assert_int_equal(decoder_open(encoding, &d, e), 0);
	int rc = decoder_run(d, packed, n, out, want, e);
	for (size_t i = 0; i < GUARD; i++)
		assert_int_equal(out[want + i], 0xa5);
	if (rc == 0 && want == LEN)
		assert_memory_equal(out, content, LEN);
	/* A decoder that met rubbish is good for the next piece. */
	decoder_free(d);
	free(out);
	return rc;
}

static void refused(enum slot_encoding encoding, size_t n, size_t want, enum err_code code)
{
	struct err e = {0};

	assert_int_equal(run(encoding, n, want, &e), -1);
	if (e.code != code)
		fail_msg("%s instead of %s: %s", err_name(e.code), err_name(code), e.text);
}

/* Bytes of a buffer that are in memory now. */
static size_t resident(const struct pages *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t count = (p->size + page - 1) / page;
	unsigned char *in = calloc(count, 1);
	size_t n = 0;

	assert_non_null(in);
	assert_int_equal(mincore(p->data, p->size, in), 0);
	for (size_t i = 0; i < count; i++)
		n += in[i] & 1;
	free(in);
	return n * page;
}

static size_t pack(enum slot_encoding encoding, size_t len)
{
	return rig_encode(encoding, content, len, packed, sizeof(packed));
}

static void every_stream_gives_exactly_its_output(void **state)
{
	static const enum slot_encoding all[] = RIG_ENCODINGS;
	struct err e = {0};

	(void)state;
	rig_fill(content, LEN, 3);
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = pack(all[i], LEN);
		assert_int_equal(run(all[i], n, LEN, &e), 0);
		refused(all[i], n, LEN - 1, E_SIZE); /* one byte more than allowed */
		refused(all[i], n, LEN + 1, E_SIZE);
	}
}

static void the_input_is_given_back_while_it_is_decoded(void **state)
{
	static const enum slot_encoding all[] = RIG_ENCODINGS;
	uint8_t *noise = malloc(PIECE);
	struct err e = {0};

	(void)state;
	assert_non_null(noise);
	uint64_t x = 88172645463325252u;
	for (size_t i = 0; i < PIECE; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		le64_put(noise + i, x); /* does not compress: many steps */
	}
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		struct pages stored;
		struct pages out;
		struct decoder *d = NULL;
		assert_int_equal(pages_get(SLOT_STORED_MAX, &stored, &e), 0);
		assert_int_equal(pages_get(PIECE, &out, &e), 0);
		assert_int_equal(decoder_open(all[i], &d, &e), 0);
		decoder_empty_input(d, &stored);
		for (int round = 0; round < 2; round++) {
			size_t n = rig_encode(all[i], noise, PIECE, stored.data, stored.size);
			assert_true(n > PIECE && resident(&stored) >= n);
			assert_int_equal(decoder_run(d, stored.data, n, out.data, PIECE, &e), 0);
			assert_memory_equal(out.data, noise, PIECE);
			assert_true(resident(&stored) <= 2 * PAGES_ALIGN);
			/* And the output, when the next piece is fetched. */
			pages_empty(&out, 0, out.size);
			assert_int_equal(resident(&out), 0);
		}
		decoder_free(d);
		pages_free(&stored);
		pages_free(&out);
	}
	free(noise);
}

struct growth {
	const uint8_t *out;
	const uint8_t *expected;
	size_t len;
	unsigned calls;
};

static void note_growth(void *ctx, size_t len)
{
	struct growth *g = ctx;

	assert_true(len >= g->len && len <= PIECE);
	/* Right at once, and not only in the end: somebody may be reading it already. */
	assert_memory_equal(g->out + g->len, g->expected + g->len, len - g->len);
	g->len = len;
	g->calls++;
}

static void the_output_that_is_reported_is_final(void **state)
{
	static const enum slot_encoding all[] = RIG_ENCODINGS;
	uint8_t *expected = malloc(PIECE);
	uint8_t *out = malloc(PIECE);
	struct err e = {0};

	(void)state;
	assert_true(expected && out);
	rig_fill(expected, PIECE, 9);
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		struct growth g = {.out = out, .expected = expected};
		struct decoder *d = NULL;
		size_t n = rig_encode(all[i], expected, PIECE, packed, sizeof(packed));
		assert_int_equal(decoder_open(all[i], &d, &e), 0);
		decoder_watch(d, note_growth, &g);
		assert_int_equal(decoder_run(d, packed, n, out, PIECE, &e), 0);
		assert_true(g.calls >= 4);
		assert_int_equal(g.len, PIECE);
		assert_memory_equal(out, expected, PIECE);
		decoder_free(d);
	}
	free(expected);
	free(out);
}

static void a_cut_stream_is_refused_at_every_length(void **state)
{
	static const enum slot_encoding all[] = RIG_ENCODINGS;

	(void)state;
	rig_fill(content, LEN, 3);
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = pack(all[i], LEN);
		for (size_t cut = 12; cut < n; cut += cut < 40 || cut + 40 > n ? 1 : 997)
			refused(all[i], cut, LEN, E_SIZE);
		refused(all[i], n - 1, LEN, E_SIZE);
	}
}

static void bytes_after_the_stream_are_refused(void **state)
{
	static const enum slot_encoding all[] = RIG_ENCODINGS;

	(void)state;
	rig_fill(content, LEN, 3);
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t n = pack(all[i], LEN);
		packed[n] = 0;
		refused(all[i], n + 1, LEN, E_SIZE);
		memcpy(packed + n, packed, n); /* a second whole stream */
		refused(all[i], 2 * n, LEN, E_SIZE);
		refused(all[i], 2 * n, LEN + LEN, E_SIZE);
	}
}

static void a_zlib_bomb_stops_at_the_limit(void **state)
{
	uint8_t *zeros = calloc(1, 64u << 20);
	uLongf n = sizeof(packed);

	(void)state;
	assert_non_null(zeros);
	assert_int_equal(compress2(packed, &n, zeros, 64u << 20, 9), Z_OK);
	free(zeros);
	refused(SLOT_ZLIB, n, PIECE, E_SIZE);
}

static void other_formats_are_not_zlib(void **state)
{
	z_stream z = {0};

	(void)state;
	rig_fill(content, LEN, 3);
	/* gzip (wrapper 31) and raw deflate (-15) of the same content */
	static const int wrappers[] = {31, -15};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, wrappers[i], 8, 0), Z_OK);
		z.next_in = content;
		z.avail_in = LEN;
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		refused(SLOT_ZLIB, sizeof(packed) - z.avail_out, LEN, E_META);
		deflateEnd(&z);
	}
	size_t n = pack(SLOT_ZLIB, LEN);
	packed[n - 1] ^= 1; /* Adler-32 */
	refused(SLOT_ZLIB, n, LEN, E_META);
}

static void a_zlib_stream_with_a_dictionary_is_refused(void **state)
{
	z_stream z = {0};

	(void)state;
	rig_fill(content, LEN, 3);
	assert_int_equal(deflateInit(&z, 1), Z_OK);
	assert_int_equal(deflateSetDictionary(&z, (const Bytef *)"dictionary", 10), Z_OK);
	z.next_in = content;
	z.avail_in = LEN;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	refused(SLOT_ZLIB, sizeof(packed) - z.avail_out, LEN, E_META);
	deflateEnd(&z);
}

#ifdef CONFIG_ZSTD

static size_t zstd_pack(const uint8_t *data, size_t len, int window_log, int content_size)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = {.src = data, .size = len};
	ZSTD_outBuffer out = {.dst = packed, .size = sizeof(packed)};

	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, content_size);
	if (content_size)
		ZSTD_CCtx_setPledgedSrcSize(c, len);
	/* In two steps, so that the encoder makes no single segment of it. */
	assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush)));
	assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(c);
	return out.pos;
}

static void a_zstd_window_above_4_mib_is_refused(void **state)
{
	size_t len = 9u << 20; /* more than the window, or the encoder makes a single segment */
	uint8_t *data = calloc(1, len);
	struct err e = {0};

	(void)state;
	assert_non_null(data);
	size_t n = zstd_pack(data, PIECE, 22, 1);
	assert_int_equal(run(SLOT_ZSTD, n, PIECE, &e), 0);
	n = zstd_pack(data, len, 23, 1);
	assert_int_equal(packed[4] & 0x20, 0); /* it has a window field */
	refused(SLOT_ZSTD, n, len, E_SIZE);
	/* A window of 4.5 MiB: exponent 12, mantissa 1. */
	packed[5] = 12 << 3 | 1;
	refused(SLOT_ZSTD, n, len, E_SIZE);
	packed[5] = 31 << 3 | 7; /* the largest that can be said: 3.75 TiB */
	refused(SLOT_ZSTD, n, len, E_SIZE);
	free(data);
}

static void a_zstd_bomb_is_refused_by_its_header_or_its_content(void **state)
{
	size_t len = 64u << 20;
	uint8_t *zeros = calloc(1, len);

	(void)state;
	assert_non_null(zeros);
	size_t n = rig_encode(SLOT_ZSTD, zeros, len, packed, sizeof(packed));
	refused(SLOT_ZSTD, n, PIECE, E_SIZE);
	/* No content size: it could be anything. */
	n = zstd_pack(zeros, LEN, 20, 0);
	refused(SLOT_ZSTD, n, LEN, E_SIZE);
	/* The header says 4 MiB, the blocks say 64 MiB. */
	n = zstd_pack(zeros, len, 22, 1);
	assert_int_equal(packed[4] >> 6, 2); /* four bytes of content size after the window */
	le32_put(packed + 6, PIECE);
	refused(SLOT_ZSTD, n, PIECE, E_META);
	free(zeros);
}

static void only_todays_zstd_frames_are_zstd(void **state)
{
	static const uint32_t magics[] = {0x184D2A50, 0x184D2A5F, 0xFD2FB527, 0xFD2FB526,
		0xFD2FB525, 0xEC30A437, 0x28B52FFD, 0};

	(void)state;
	rig_fill(content, LEN, 3);
	size_t n = pack(SLOT_ZSTD, LEN);
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		le32_put(packed, magics[i]);
		refused(SLOT_ZSTD, n, LEN, E_META);
	}
	for (size_t len = 0; len < 6; len++)
		refused(SLOT_ZSTD, len, LEN, E_META);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stream_gives_exactly_its_output),
		cmocka_unit_test(the_input_is_given_back_while_it_is_decoded),
		cmocka_unit_test(the_output_that_is_reported_is_final),
		cmocka_unit_test(a_cut_stream_is_refused_at_every_length),
		cmocka_unit_test(bytes_after_the_stream_are_refused),
		cmocka_unit_test(a_zlib_bomb_stops_at_the_limit),
		cmocka_unit_test(other_formats_are_not_zlib),
		cmocka_unit_test(a_zlib_stream_with_a_dictionary_is_refused),
#ifdef CONFIG_ZSTD
		cmocka_unit_test(a_zstd_window_above_4_mib_is_refused),
		cmocka_unit_test(a_zstd_bomb_is_refused_by_its_header_or_its_content),
		cmocka_unit_test(only_todays_zstd_frames_are_zstd),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
