/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/hash and hex: known answers, and what is no digest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/hash.h"
#include "agent/base/hex.h"

static struct err e;

/* FIPS 180-4 examples: "abc". */
static const char sha256_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char sha512_256_abc[] =
	"53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23";

static void gives_the_published_answers(void **state)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	(void)state;
	assert_int_equal(hash_bytes(HASH_SHA256, "abc", 3, digest, &e), 0);
	hash_to_hex(digest, hex);
	assert_string_equal(hex, sha256_abc);
	assert_int_equal(hash_bytes(HASH_SHA512_256, "abc", 3, digest, &e), 0);
	hash_to_hex(digest, hex);
	assert_string_equal(hex, sha512_256_abc);
}

static void parts_give_the_same_as_the_whole(void **state)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];
	struct hash *h = NULL;

	(void)state;
	assert_int_equal(hash_start(HASH_SHA512_256, &h, &e), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(hash_update(h, "a", 1, &e), 0);
		assert_int_equal(hash_update(h, "bc", 2, &e), 0);
		assert_int_equal(hash_finish(h, digest, &e), 0);
		hash_to_hex(digest, hex);
		assert_string_equal(hex, sha512_256_abc);
		assert_int_equal(hash_restart(h, &e), 0);
	}
	hash_free(h);
	hash_free(NULL);
}

static void names_are_those_of_the_manifest(void **state)
{
	(void)state;
	assert_string_equal(hash_alg_name(HASH_SHA256), "sha256");
	assert_string_equal(hash_alg_name(HASH_SHA512_256), "sha512-256");
	assert_int_equal(hash_alg_find("sha512-256"), HASH_SHA512_256);
	assert_int_equal(hash_alg_find("sha512"), HASH_ALG_COUNT);
	assert_int_equal(hash_alg_find(""), HASH_ALG_COUNT);
}

static void a_digest_is_64_lower_case_digits(void **state)
{
	char hex[70];
	uint8_t digest[HASH_SIZE];
	uint8_t wanted[HASH_SIZE];

	(void)state;
	assert_int_equal(hash_bytes(HASH_SHA256, "abc", 3, wanted, &e), 0);
	assert_int_equal(hash_from_hex(sha256_abc, digest, &e), 0);
	assert_true(hash_equal(digest, wanted));
	memset(digest, 7, sizeof(digest));
	for (size_t i = 0; i < 6; i++) {
		snprintf(hex, sizeof(hex), "%s", sha256_abc);
		const char *bad = hex;
		if (i == 0)
			bad = "";
		else if (i == 1)
			hex[63] = 0;
		else if (i == 2)
			memcpy(hex + 64, "0", 2);
		else if (i == 3)
			hex[0] = 'B';
		else if (i == 4)
			hex[63] = 'g';
		else
			hex[0] = ' ';
		assert_int_equal(hash_from_hex(bad, digest, &e), -1);
		assert_int_equal(e.code, E_META);
		assert_int_equal(digest[0], 7);
	}
}

static void digests_that_differ_in_one_bit_are_not_equal(void **state)
{
	uint8_t a[HASH_SIZE] = {0};
	uint8_t b[HASH_SIZE] = {0};

	(void)state;
	assert_true(hash_equal(a, b));
	for (size_t i = 0; i < HASH_SIZE; i++) {
		b[i] ^= 0x80;
		assert_false(hash_equal(a, b));
		b[i] ^= 0x80;
	}
}

static void hex_goes_both_ways(void **state)
{
	uint8_t all[256];
	uint8_t back[256];
	char text[513];

	(void)state;
	for (size_t i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	hex_encode(all, 256, text);
	assert_int_equal(strlen(text), 512);
	assert_true(hex_decode(text, back, 256));
	assert_memory_equal(all, back, 256);
	assert_false(hex_decode("0", back, 1));
	assert_false(hex_decode("0A", back, 1));
	assert_false(hex_decode("", back, 1));
	assert_false(hex_decode("x0", back, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_published_answers),
		cmocka_unit_test(parts_give_the_same_as_the_whole),
		cmocka_unit_test(names_are_those_of_the_manifest),
		cmocka_unit_test(a_digest_is_64_lower_case_digits),
		cmocka_unit_test(digests_that_differ_in_one_bit_are_not_equal),
		cmocka_unit_test(hex_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
