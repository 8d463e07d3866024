/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/chunk, chunk_stream: the documented rule, whatever the parts in which content comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "partitions/slot/chunk.h"
#include "partitions/slot/chunk_stream.h"
#include "partitions/slot/index.h"

#define KIB  1024u
#define SIZE (512 * KIB)

static uint8_t data[SIZE];
static uint64_t state_of_random;
static struct chunk_gear gear;

static uint32_t random_below(uint32_t n)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return (uint32_t)(state_of_random >> 32) % n;
}

static void make_noise(uint64_t seed)
{
	state_of_random = seed * UINT64_C(88172645463325252) + 1;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)random_below(256);
}

static int set_up(void **state)
{
	(void)state;
	chunk_make_gear(&gear);
	make_noise(1);
	return 0;
}

/* Zeros and short periods between noise, their lengths around all that the rule knows. */
static void make_mixture(uint64_t seed)
{
	static const uint32_t about[] = {1, 64, 1024, 2048, 3072, 4096, 65536};

	make_noise(seed);
	for (size_t at = random_below(9000); at < SIZE;) {
		uint32_t len = about[random_below(7)] + random_below(9);
		uint8_t byte = random_below(4) == 0 ? 'x' : 0;
		len = len > 4 ? len - 4 : len;
		if (len > SIZE - at)
			len = (uint32_t)(SIZE - at);
		memset(data + at, byte, len);
		/* Now and then it is a directory that ends with its block. */
		if (at + len >= 8 && random_below(2) == 0)
			memcpy(data + (at + len) / 4096 * 4096 - ((at + len) >= 4096 ? 8 : 0),
				"\x0c\0\0\xde", 4);
		at += len + (random_below(3) == 0 ? random_below(3) : random_below(9000));
	}
}

/* The rule word by word, byte by byte. */
static uint32_t by_the_book(const uint8_t *p, size_t len, uint64_t offset)
{
	size_t limit = len < 65536 ? len : 65536;
	size_t zeros = 0;
	uint64_t h = 0;

	while (zeros < limit && p[zeros] == 0)
		zeros++;
	if (zeros >= 2048 || zeros == limit)
		return (uint32_t)zeros;
	zeros = 0;
	for (size_t n = 1; n <= limit; n++) {
		uint8_t text[10] = "pawl-gear";
		text[9] = p[n - 1];
		zeros = p[n - 1] ? 0 : zeros + 1;
		if (zeros == 2048)
			return (uint32_t)(n - 2048);
		h = 2 * h + (n == 1 ? slot_match_hash(text, 10) : gear.of[p[n - 1]]);
		if (n > 1024 && h >> (64 - (n > 3072 ? 10 : 13)) == 0)
			return (uint32_t)n;
		if ((offset + n) % 4096 == 0 && n >= 8 &&
			(zeros >= 8 || memcmp(p + n - 8, "\x0c\0\0\xde", 4) == 0))
			return (uint32_t)n;
	}
	return (uint32_t)limit;
}

static void the_rule_is_the_documented_one(void **state)
{
	size_t rows = 0;
	size_t blocks = 0;

	(void)state;
	assert_true(gear.of[0] == slot_match_hash("pawl-gear\0", 10));
	assert_true(gear.of['x'] == slot_match_hash("pawl-gearx", 10));
	for (uint64_t seed = 1; seed < 12; seed++) {
		make_mixture(seed);
		for (size_t at = 0; at < SIZE;) {
			uint32_t n = chunk_next(&gear, data + at, SIZE - at, at);
			if (n != by_the_book(data + at, SIZE - at, at))
				fail_msg("seed %u, byte %zu: %u, and not %u", (unsigned)seed, at, n,
					by_the_book(data + at, SIZE - at, at));
			blocks += n < SIZE - at && (at + n) % 4096 == 0;
			rows += n >= CHUNK_ZEROS && slot_is_zero(data + at, n);
			at += n;
		}
	}
	assert_true(rows > 50);
	assert_true(blocks > 50);
}

static void every_beginning_and_every_end_follows_the_rule(void **state)
{
	uint8_t was[CHUNK_ZEROS + 2];

	(void)state;
	make_mixture(77);
	for (size_t at = 0; at < 40000; at += 31)
		assert_int_equal(chunk_next(&gear, data + at, SIZE - at, at),
			by_the_book(data + at, SIZE - at, at));
	for (size_t len = 1; len < 6000; len++)
		assert_int_equal(chunk_next(&gear, data + 1000, len, len),
			by_the_book(data + 1000, len, len));
	/* A row of zeros on each side of where it counts, at each place of a step. */
	make_noise(3);
	for (uint32_t at = 0; at < 4200; at += at < 40 ? 1 : 13) {
		memcpy(was, data + at, sizeof(was));
		for (uint32_t row = CHUNK_ZEROS - 2; row <= CHUNK_ZEROS + 2; row++) {
			memset(data + at, 0, row);
			assert_int_equal(
				chunk_next(&gear, data, SIZE, at), by_the_book(data, SIZE, at));
			assert_int_equal(chunk_next(&gear, data, at + row, 9),
				by_the_book(data, at + row, 9));
		}
		memcpy(data + at, was, sizeof(was));
	}
}

/* Releases that were published must be found again by later versions. */
static void the_rule_does_not_change(void **state)
{
	uint32_t n[4];
	size_t at = 0;

	(void)state;
	make_noise(1);
	for (size_t i = 0; i < 4; at += n[i++])
		n[i] = chunk_next(&gear, data + at, SIZE - at, at);
	assert_int_equal(n[0], 3849);
	assert_int_equal(n[1], 4301);
	assert_int_equal(n[2], 4059);
	assert_int_equal(n[3], 3381);
}

/* --- Streams ------------------------------------------------------------------------ */

struct taken {
	uint32_t length[SIZE / 512];
	uint64_t hash[SIZE / 512];
	size_t count;
	size_t fail_at;
};

static int take(void *ctx, const uint8_t *bytes, uint32_t len, struct err *e)
{
	struct taken *t = ctx;

	if (t->count == t->fail_at)
		return err_set(e, E_NOMEM, "enough");
	assert_true(t->count < SIZE / 512);
	t->length[t->count] = len;
	t->hash[t->count++] = slot_match_hash(bytes, len);
	return 0;
}

/* The first `size` bytes as they are cut when all of them are there. */
static void expect_cuts_of(const struct taken *t, size_t size)
{
	size_t i = 0;

	for (size_t at = 0; at < size; i++) {
		uint32_t n = chunk_next(&gear, data + at, size - at, at);
		assert_true(i < t->count);
		assert_int_equal(t->length[i], n);
		assert_true(t->hash[i] == slot_match_hash(data + at, n));
		at += n;
	}
	assert_int_equal(t->count, i);
}

static struct chunk_stream *stream_to(struct taken *t)
{
	const struct chunk_sink sink = {.ctx = t, .take = take};
	struct chunk_stream *s = NULL;
	struct err e = {0};

	*t = (struct taken){.fail_at = SIZE_MAX};
	assert_int_equal(chunk_stream_make(&sink, &s, &e), 0);
	return s;
}

static void parts_of_a_stream_do_not_matter(void **state)
{
	static const uint32_t parts[] = {
		1, 4095, 65535, 65536, 65537, 131071, 131072, 200000, SIZE};
	static struct taken t;
	struct err e = {0};

	(void)state;
	for (uint64_t seed = 1; seed < 4; seed++) {
		make_mixture(seed);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			struct chunk_stream *s = stream_to(&t);
			for (size_t at = 0; at < SIZE; at += parts[i]) {
				size_t left = SIZE - at;
				assert_int_equal(chunk_stream_add(s, data + at,
							 left < parts[i] ? left : parts[i], &e),
					0);
			}
			assert_int_equal(chunk_stream_end(s, &e), 0);
			expect_cuts_of(&t, SIZE);
			chunk_stream_free(s);
		}
	}
}

static void any_size_in_any_parts_is_cut_alike(void **state)
{
	static struct taken t;
	struct err e = {0};

	(void)state;
	make_mixture(5);
	struct chunk_stream *s = stream_to(&t);
	for (size_t round = 0; round < 200; round++) {
		size_t size = round < 20 ? round : 131072 - 100 + random_below(70000);
		t.count = 0;
		for (size_t at = 0; at < size;) {
			size_t n = random_below(random_below(2) ? 100000 : 300);
			n = n < size - at ? n : size - at;
			assert_int_equal(chunk_stream_add(s, data + at, n, &e), 0);
			at += n;
		}
		/* And after the end it begins anew. */
		assert_int_equal(chunk_stream_end(s, &e), 0);
		expect_cuts_of(&t, size);
	}
	chunk_stream_free(s);
	chunk_stream_free(NULL);
}

static void what_the_sink_says_ends_the_stream(void **state)
{
	static struct taken t;

	(void)state;
	make_noise(1);
	for (size_t part = 1000; part <= SIZE; part += SIZE - 1000) {
		for (size_t fail_at = 0; fail_at < 3; fail_at++) {
			struct err e = {0};
			struct chunk_stream *s = stream_to(&t);
			size_t at = 0;
			t.fail_at = fail_at;
			while (at < SIZE && chunk_stream_add(s, data + at, part, &e) == 0)
				at += part;
			assert_true(at < SIZE);
			assert_int_equal(e.code, E_NOMEM);
			assert_int_equal(t.count, fail_at);
			chunk_stream_free(s);
		}
	}
	struct err e = {0};
	struct chunk_stream *s = stream_to(&t);
	t.fail_at = 0;
	assert_int_equal(chunk_stream_add(s, data, 100, &e), 0);
	assert_int_equal(chunk_stream_end(s, &e), -1);
	assert_int_equal(e.code, E_NOMEM);
	chunk_stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rule_is_the_documented_one),
		cmocka_unit_test(every_beginning_and_every_end_follows_the_rule),
		cmocka_unit_test(the_rule_does_not_change),
		cmocka_unit_test(parts_of_a_stream_do_not_matter),
		cmocka_unit_test(any_size_in_any_parts_is_cut_alike),
		cmocka_unit_test(what_the_sink_says_ends_the_stream),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
