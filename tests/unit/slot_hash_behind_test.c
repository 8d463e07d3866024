/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/hash_behind: leaves are hashed beside the decoder, and nothing else changes by it. */
#include "tests/unit/slot_rig.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "partitions/slot/hash_behind.h"
#include "partitions/slot/source.h"

#define SIZE    (2u * PIECE + 5u * LEAF + SLOT_BLOCK_SIZE)
#define PATIENT 10000 /* milliseconds until a thread that must do something has failed */

int __real_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);
int __wrap_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);
int __real_inflate(z_streamp z, int flush);
int __wrap_inflate(z_streamp z, int flush);
#ifdef CONFIG_ZSTD
size_t __real_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
#endif

/* Shared between threads: counts only change through __atomic functions. */
static struct {
	pthread_t caller; /* the test's own thread */
	unsigned threads; /* asked for so far */
	unsigned refuse; /* the one (from 1) that cannot be had; 0 = none */
	unsigned by_caller; /* hashes that were begun */
	unsigned by_helper;
	unsigned working; /* the helper is inside of one */
	long slow_ms; /* the helper takes this long for each */
	const void *broken; /* what starts here cannot be hashed */
	unsigned follow; /* decoders that are this many leaves ahead wait until it began as many */
	unsigned decoder_calls;
} seen;

static void reset(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.caller = pthread_self();
}

static unsigned load(const unsigned *counter)
{
	return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* Waits until a counter is at least `least`. */
static void await(const unsigned *counter, unsigned least)
{
	for (int i = 0; load(counter) < least; i++) {
		if (i == PATIENT)
			fail_msg("the helper thread does nothing");
		sleep_ms(1);
	}
}

int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return ++seen.threads == seen.refuse ? EAGAIN
					     : __real_pthread_create(thread, attr, run, arg);
}

int __wrap_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e)
{
	bool helper = !pthread_equal(pthread_self(), seen.caller);

	__atomic_add_fetch(helper ? &seen.by_helper : &seen.by_caller, 1, __ATOMIC_SEQ_CST);
	if (seen.broken && data == seen.broken)
		return err_set(e, E_INTERNAL, "OpenSSL cannot hash");
	if (!helper)
		return __real_hash_bytes(alg, data, len, digest, e);
	__atomic_store_n(&seen.working, 1, __ATOMIC_SEQ_CST);
	sleep_ms(seen.slow_ms);
	int rc = __real_hash_bytes(alg, data, len, digest, e);
	__atomic_store_n(&seen.working, 0, __ATOMIC_SEQ_CST);
	return rc;
}

int __wrap_inflate(z_streamp z, int flush)
{
	seen.decoder_calls++;
	if (seen.follow && z->total_out >= seen.follow * LEAF)
		await(&seen.by_helper, seen.follow);
	return __real_inflate(z, flush);
}

#ifdef CONFIG_ZSTD
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in)
{
	seen.decoder_calls++;
	if (seen.follow && out->pos >= seen.follow * LEAF)
		await(&seen.by_helper, seen.follow);
	return __real_ZSTD_decompressStream(d, out, in);
}
#endif

static const enum slot_encoding encodings[] = RIG_ENCODINGS;
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

/* Three leaves and a short one. */
#define GROWN (3u * LEAF + 5u * SLOT_BLOCK_SIZE)

static struct pages new_piece(void)
{
	struct pages p = {0};
	struct err e = {0};

	assert_int_equal(pages_get(GROWN, &p, &e), 0);
	rig_fill(p.data, GROWN, 5);
	return p;
}

static void assert_digest(const struct hash_behind *h, const struct pages *piece, unsigned leaf)
{
	size_t from = (size_t)leaf * LEAF;
	uint8_t expected[HASH_SIZE];
	struct err e = {0};

	assert_int_equal(__real_hash_bytes(HASH_SHA512_256, piece->data + from,
				 GROWN - from < LEAF ? GROWN - from : LEAF, expected, &e),
		0);
	assert_memory_equal(hash_behind_digest(h, leaf), expected, HASH_SIZE);
}

static void complete_leaves_are_hashed_before_the_piece_is_whole(void **state)
{
	struct pages piece = new_piece();
	struct hash_behind *h = NULL;
	struct err e = {0};

	(void)state;
	reset();
	assert_int_equal(hash_behind_open(HASH_SHA512_256, true, &h, &e), 0);
	for (int round = 0; round < 3; round++) {
		seen.by_helper = seen.by_caller = 0;
		hash_behind_begin(h, piece.data, GROWN, 0xf);
		hash_behind_reached(h, LEAF - 1);
		hash_behind_reached(h, 2 * LEAF);
		await(&seen.by_helper, 2);
		hash_behind_reached(h, 3 * LEAF - 1);
		sleep_ms(20);
		assert_int_equal(load(&seen.by_helper), 2); /* never an incomplete one */
		assert_int_equal(load(&seen.by_caller), 0);
		assert_int_equal(hash_behind_finish(h, &e), 0);
		assert_int_equal(load(&seen.by_helper) + load(&seen.by_caller), 4);
		for (unsigned i = 0; i < 4; i++)
			assert_digest(h, &piece, i);
	}
	hash_behind_close(h);
	pages_free(&piece);
}

static void only_wanted_leaves_are_hashed(void **state)
{
	struct pages piece = new_piece();
	struct hash_behind *h = NULL;
	struct err e = {0};

	(void)state;
	reset();
	assert_int_equal(hash_behind_open(HASH_SHA512_256, true, &h, &e), 0);
	hash_behind_begin(h, piece.data, GROWN, 1u << 1 | 1u << 3);
	hash_behind_reached(h, GROWN);
	assert_int_equal(hash_behind_finish(h, &e), 0);
	assert_int_equal(load(&seen.by_helper) + load(&seen.by_caller), 2);
	assert_digest(h, &piece, 1);
	assert_digest(h, &piece, 3);
	hash_behind_close(h);
	pages_free(&piece);
}

static void without_a_thread_the_caller_hashes_all(void **state)
{
	(void)state;
	for (unsigned refuse = 0; refuse < 2; refuse++) {
		struct pages piece = new_piece();
		struct hash_behind *h = NULL;
		struct err e = {0};
		reset();
		seen.refuse = refuse;
		assert_int_equal(hash_behind_open(HASH_SHA512_256, refuse == 1, &h, &e), 0);
		assert_int_equal(seen.threads, refuse);
		hash_behind_begin(h, piece.data, GROWN, 0xf);
		hash_behind_reached(h, GROWN);
		assert_int_equal(hash_behind_finish(h, &e), 0);
		assert_int_equal(load(&seen.by_helper), 0);
		assert_int_equal(load(&seen.by_caller), 4);
		for (unsigned i = 0; i < 4; i++)
			assert_digest(h, &piece, i);
		hash_behind_abandon(h); /* harmless when there is nothing */
		hash_behind_close(h);
		pages_free(&piece);
	}
}

/* The memory goes away at once: a thread that still reads it would be killed. */
static void after_abandon_and_close_nobody_reads_the_piece(void **state)
{
	(void)state;
	for (int close_only = 0; close_only < 2; close_only++) {
		struct pages piece = new_piece();
		struct hash_behind *h = NULL;
		struct err e = {0};
		reset();
		seen.slow_ms = 100;
		assert_int_equal(hash_behind_open(HASH_SHA512_256, true, &h, &e), 0);
		hash_behind_begin(h, piece.data, GROWN, 0xf);
		hash_behind_reached(h, 3 * LEAF);
		await(&seen.working, 1);
		if (close_only)
			hash_behind_close(h);
		else
			hash_behind_abandon(h);
		assert_int_equal(load(&seen.working), 0);
		pages_free(&piece);
		sleep_ms(20);
		assert_int_equal(load(&seen.by_helper), 1);
		if (!close_only)
			hash_behind_close(h);
	}
}

static void a_hash_that_fails_is_told_and_forgotten_with_the_next_piece(void **state)
{
	(void)state;
	for (unsigned thread = 0; thread < 2; thread++) {
		struct pages piece = new_piece();
		struct hash_behind *h = NULL;
		struct err e = {0};
		reset();
		assert_int_equal(hash_behind_open(HASH_SHA512_256, thread == 1, &h, &e), 0);
		seen.broken = piece.data + LEAF;
		hash_behind_begin(h, piece.data, GROWN, 0xf);
		hash_behind_reached(h, 2 * LEAF);
		if (thread)
			await(&seen.by_helper, 2);
		assert_int_equal(hash_behind_finish(h, &e), -1);
		assert_int_equal(e.code, E_INTERNAL);
		hash_behind_begin(h, piece.data, GROWN, 0xd);
		assert_int_equal(hash_behind_finish(h, &e), 0);
		assert_digest(h, &piece, 2);
		hash_behind_close(h);
		pages_free(&piece);
	}
}

/* Each thread of an install cannot be had, one after the other: only the hasher's is not needed. */
static void an_install_needs_no_hasher_thread(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		unsigned without = 0;
		unsigned threads = 1;
		for (unsigned refuse = 1; refuse <= threads; refuse++) {
			struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
			struct slot_stats stats;
			struct err e = {0};
			rig_write_at(r, 0, "an old system's head", 20);
			reset();
			assert_int_equal(rig_install(r, &stats, &e), 0);
			threads = seen.threads;
			rig_make_target(r, SIZE + 8192);
			reset();
			seen.refuse = refuse;
			int rc = rig_install(r, &stats, &e);
			assert_true(seen.threads >= refuse);
			if (rc == 0) {
				without++;
				assert_true(rig_target_is_whole(r));
				assert_int_equal(load(&seen.by_helper), 0);
			} else {
				assert_int_equal(e.code, E_INTERNAL);
				assert_non_null(strstr(e.text, "thread"));
				assert_true(rig_head_is_spoiled(r));
			}
			rig_free(r);
		}
		assert_true(threads >= 2);
		assert_int_equal(without, encodings[i] == SLOT_NONE ? 0 : 1);
	}
}

#ifdef CONFIG_ZSTD
/* A block header's place in the last quarter of a frame. Source: RFC 8878, 3.1.1. */
static size_t late_block(const uint8_t *frame, size_t len)
{
	static const uint8_t content_size[] = {0, 2, 4, 8};
	uint8_t descriptor = frame[4];
	bool single = (descriptor & 0x20) != 0;
	size_t at = 5u + (single ? 0u : 1u) + content_size[descriptor >> 6];

	assert_int_equal(descriptor & 3, 0); /* no dictionary */
	assert_true(descriptor >> 6 != 0);
	while (at < len * 3 / 4) {
		assert_int_equal(frame[at] >> 1 & 3, 2); /* compressed */
		at += 3 +
		      (frame[at] >> 3 | (size_t)frame[at + 1] << 5 | (size_t)frame[at + 2] << 13);
	}
	return at;
}
#endif

/* Signed, but broken near its end. */
static void break_piece(struct rig *r, uint32_t piece)
{
	uint8_t *stored = r->full + r->pieces.offset[piece];
	size_t len = r->pieces.stored[piece];
	size_t at = len * 3 / 4;

	if (r->image.encoding == SLOT_ZLIB)
		memset(stored + at, 0xff, len - at);
#ifdef CONFIG_ZSTD
	if (r->image.encoding == SLOT_ZSTD)
		memset(stored + late_block(stored, len) + 3, 0xff, 8);
#endif
	rig_digest(HASH_SHA256, stored, len, r->pieces.sha256[piece]);
}

/* The caller frees its bits. */
static struct leaf_set all_leaves(void)
{
	struct leaf_set want = {.count = slot_leaf_count(SIZE)};

	want.bits = malloc(want.count / 8 + 1);
	assert_non_null(want.bits);
	memset(want.bits, 0xff, want.count / 8 + 1);
	return want;
}

static void a_decoder_that_fails_leaves_no_thread_at_the_piece(void **state)
{
	(void)state;
	for (size_t i = 1; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct leaf_set want = all_leaves();
		struct slot_stats stats = {0};
		struct source source = {0};
		struct err e = {0};
		break_piece(r, 0);
		reset();
		assert_int_equal(source_open(&r->image, &want, &stats, &source, &e), 0);
		seen.follow = 1;
		seen.slow_ms = 100;
		assert_int_equal(source_get(&source, 0, &e), -1);
		assert_true(e.code == E_META || e.code == E_SIZE);
		assert_non_null(strstr(e.text, "piece 0"));
		assert_int_equal(load(&seen.working), 0);
		unsigned begun = load(&seen.by_helper);
		assert_true(begun >= 1);
		memset(source.out.data, 0xee, source.out.size); /* a race, if anybody read it */
		sleep_ms(20);
		assert_int_equal(load(&seen.by_helper), begun);
		seen.slow_ms = 0;
		assert_int_equal(source_get(&source, 1, &e), 0);
		assert_memory_equal(source.out.data, r->content + PIECE, PIECE);
		source_close(&source);
		free(want.bits);
		rig_free(r);
	}
}

struct handed {
	struct rig *rig;
	struct source *source;
	uint64_t end;
	unsigned first_at; /* the call of the decoder after which it began */
};

static void note_handed(void *ctx, uint64_t end)
{
	struct handed *h = ctx;

	if (h->end == 0)
		h->first_at = seen.decoder_calls;
	assert_int_equal(end, h->end + 1); /* each leaf, in order, once */
	h->end = end;
	assert_memory_equal(
		h->source->out.data + (end - 1) * LEAF, h->rig->content + (end - 1) * LEAF, LEAF);
}

static void leaves_are_handed_on_while_their_piece_is_decoded(void **state)
{
	(void)state;
	for (size_t i = 1; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		struct leaf_set want = all_leaves();
		struct slot_stats stats = {0};
		struct source source = {0};
		struct handed h = {.rig = r, .source = &source};
		struct err e = {0};
		reset();
		assert_int_equal(source_open(&r->image, &want, &stats, &source, &e), 0);
		source.on_verified = note_handed;
		source.ctx = &h;
		seen.follow = 2; /* so the first one is done */
		assert_int_equal(source_get(&source, 0, &e), 0);
		assert_int_equal(h.end, SLOT_LEAVES_A_PIECE);
		assert_in_range(h.first_at, 1, seen.decoder_calls - 1);
		source_close(&source);
		free(want.bits);
		rig_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_leaves_are_hashed_before_the_piece_is_whole),
		cmocka_unit_test(only_wanted_leaves_are_hashed),
		cmocka_unit_test(without_a_thread_the_caller_hashes_all),
		cmocka_unit_test(after_abandon_and_close_nobody_reads_the_piece),
		cmocka_unit_test(a_hash_that_fails_is_told_and_forgotten_with_the_next_piece),
		cmocka_unit_test(an_install_needs_no_hasher_thread),
		cmocka_unit_test(a_decoder_that_fails_leaves_no_thread_at_the_piece),
		cmocka_unit_test(leaves_are_handed_on_while_their_piece_is_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
