/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/format: numbers of an image, and a piece table that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "partitions/slot/format.h"
#include "partitions/slot/leaf.h"

#define SIZE (2u * SLOT_PIECE_SIZE + SLOT_BLOCK_SIZE)
#define FULL (100u + 200u + 50u)

/* The bytes of a right table of three pieces. */
static struct buf right_table(void)
{
	uint32_t stored[] = {100, 200, 50};
	uint8_t sha256[3][HASH_SIZE] = {{1}, {2}, {3}};
	struct slot_pieces p = {.image_size = SIZE, .count = 3, .stored = stored, .sha256 = sha256};
	struct buf b = buf_make(1000);
	struct err e = {0};

	assert_int_equal(slot_pieces_write(&p, &b, &e), 0);
	assert_int_equal(b.len, SLOT_PIECES_HEADER + 3 * SLOT_PIECES_ENTRY);
	return b;
}

static int parse(const struct buf *b, uint64_t size, uint64_t full, struct err *e)
{
	struct slot_pieces p;
	int rc = slot_pieces_parse(b->data, b->len, size, full, &p, e);

	if (rc == 0)
		slot_pieces_free(&p);
	return rc;
}

static void reads_what_it_wrote(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_pieces p;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_pieces_parse(b.data, b.len, SIZE, FULL, &p, &e), 0);
	assert_int_equal(p.image_size, SIZE);
	assert_int_equal(p.count, 3);
	assert_int_equal(p.stored[1], 200);
	assert_int_equal(p.offset[0], 0);
	assert_int_equal(p.offset[2], 300);
	assert_int_equal(p.sha256[2][0], 3);
	assert_int_equal(p.stored_total, FULL);
	slot_pieces_free(&p);
}

static void bytes_are_those_of_the_format_page(void **state)
{
	AUTO_BUF struct buf b = right_table();
	static const uint8_t head[] = {'P', 'W', 'L', 'P', 1, 0, 0, 0, 0, 0x10, 0x80, 0, 0, 0, 0, 0,
		3, 0, 0, 0, 100, 0, 0, 0, 1};

	(void)state;
	assert_memory_equal(b.data, head, sizeof(head));
}

/* One byte of the table changed to `value`: E_META with a word that names the fault. */
static void expect_lie_refused(size_t at, uint8_t value, const char *word)
{
	AUTO_BUF struct buf b = right_table();
	struct err e = {0};

	b.data[at] = value;
	assert_int_equal(parse(&b, SIZE, FULL, &e), -1);
	assert_int_equal(e.code, E_META);
	if (!strstr(e.text, word))
		fail_msg("byte %zu: \"%s\" does not say %s", at, e.text, word);
}

static void refuses_a_header_that_lies(void **state)
{
	(void)state;
	expect_lie_refused(0, 'p', "PWLP");
	expect_lie_refused(4, 2, "version");
	expect_lie_refused(6, 1, "flags");
	expect_lie_refused(9, 0x20, "image of");
	expect_lie_refused(15, 0x80, "image of");
	expect_lie_refused(16, 2, "pieces where");
	expect_lie_refused(16, 4, "pieces where");
	expect_lie_refused(18, 0x40, "pieces where"); /* 2^22 + 3: nothing is allocated for it */
	expect_lie_refused(19, 0xff, "pieces where");
}

static void refuses_lengths_that_lie(void **state)
{
	(void)state;
	expect_lie_refused(SLOT_PIECES_HEADER, 0, "stored in 0"); /* 100 is one byte */
	expect_lie_refused(SLOT_PIECES_HEADER + 3, 0xff, "stored in");
	expect_lie_refused(SLOT_PIECES_HEADER, 101, "add up");
	expect_lie_refused(SLOT_PIECES_HEADER + SLOT_PIECES_ENTRY, 199, "add up");
}

static void stored_length_ends_at_piece_and_slack(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct err e = {0};

	(void)state;
	le32_put(b.data + SLOT_PIECES_HEADER, SLOT_STORED_MAX);
	assert_int_equal(parse(&b, SIZE, SLOT_STORED_MAX + 250u, &e), 0);
	le32_put(b.data + SLOT_PIECES_HEADER, SLOT_STORED_MAX + 1);
	assert_int_equal(parse(&b, SIZE, SLOT_STORED_MAX + 251u, &e), -1);
	assert_int_equal(e.code, E_META);
}

static void refuses_every_other_length_of_the_table(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_pieces p;
	struct err e = {0};

	(void)state;
	assert_int_equal(buf_add(&b, "x", 1, &e), 0);
	for (size_t len = 0; len <= b.len; len++) {
		if (len == SLOT_PIECES_HEADER + 3 * SLOT_PIECES_ENTRY)
			continue;
		assert_int_equal(slot_pieces_parse(b.data, len, SIZE, FULL, &p, &e), -1);
		assert_int_equal(e.code, E_META);
		/* Not a byte behind the end was looked at to say so. */
		if (len < SLOT_PIECES_HEADER)
			assert_non_null(strstr(e.text, "less than its header"));
	}
}

static void refuses_sizes_that_no_image_has(void **state)
{
	static const uint64_t bad[] = {0, 1, 4095, 4097, SIZE + 1, (UINT64_C(2) << 30) - 1,
		(UINT64_C(2) << 30) + 1, SLOT_IMAGE_MAX + SLOT_BLOCK_SIZE, UINT64_MAX,
		UINT64_MAX - 4095};
	AUTO_BUF struct buf b = right_table();
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(slot_image_size_ok(bad[i]));
		le64_put(b.data + 8, bad[i]);
		assert_int_equal(parse(&b, bad[i], FULL, &e), -1);
		assert_int_equal(e.code, E_META);
		if (!strstr(e.text, "multiple"))
			fail_msg("%s", e.text);
	}
	/* Odd by one byte, and otherwise a right table. */
	le64_put(b.data + 8, SIZE - 1);
	assert_int_equal(parse(&b, SIZE - 1, FULL, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_true(slot_image_size_ok(SLOT_IMAGE_MAX));
	assert_true(slot_image_size_ok(SLOT_BLOCK_SIZE));
}

static void counts_and_lengths_are_right_around_4_gib(void **state)
{
	const uint64_t size = (UINT64_C(8) << 30) + SLOT_BLOCK_SIZE;

	(void)state;
	assert_int_equal(slot_leaf_count(size), 32769);
	assert_int_equal(slot_piece_count(size), 2049);
	assert_int_equal(slot_leaf_length(size, 32767), SLOT_LEAF_SIZE);
	assert_int_equal(slot_leaf_length(size, 32768), SLOT_BLOCK_SIZE);
	assert_int_equal(slot_leaf_length(size, 32769), 0);
	assert_int_equal(slot_piece_length(size, 2047), SLOT_PIECE_SIZE);
	assert_int_equal(slot_piece_length(size, 2048), SLOT_BLOCK_SIZE);
	assert_int_equal(slot_leaf_length(size, UINT64_MAX / SLOT_LEAF_SIZE), 0);
	assert_int_equal(slot_leaf_length(size, UINT64_MAX), 0);
	assert_int_equal(slot_leaf_count(UINT64_C(2) << 30), 8192);
	assert_int_equal(slot_leaf_count((UINT64_C(2) << 30) - SLOT_BLOCK_SIZE), 8192);
	assert_int_equal(slot_leaf_count((UINT64_C(2) << 30) + SLOT_BLOCK_SIZE), 8193);
	assert_int_equal(slot_leaf_count(UINT64_MAX), UINT64_MAX / SLOT_LEAF_SIZE + 1);
	assert_int_equal(slot_leaf_count(0), 0);
}

/* Also the known digest of zeros, and where the one byte that is not zero hides. */
static void the_digest_of_a_leaf_is_its_hash(void **state)
{
	static uint8_t leaf[SLOT_LEAF_SIZE];
	static const size_t places[] = {0, 1, 4095, SLOT_LEAF_SIZE / 2, SLOT_LEAF_SIZE - 1};
	uint8_t digest[HASH_SIZE];
	uint8_t expected[HASH_SIZE];
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < 2 * HASH_ALG_COUNT * 7; i++) {
		enum hash_alg alg = (enum hash_alg)(i % HASH_ALG_COUNT);
		size_t len = i / HASH_ALG_COUNT % 2 ? SLOT_LEAF_SIZE : SLOT_LEAF_SIZE - 4096;
		unsigned place = i / (2 * HASH_ALG_COUNT);
		memset(leaf, place == 5 ? 1 : 0, sizeof(leaf)); /* 6: zeros */
		if (place < 5)
			leaf[places[place]] = 1;
		assert_int_equal(hash_bytes(alg, leaf, len, expected, &e), 0);
		assert_int_equal(slot_leaf_digest(alg, leaf, len, digest, &e), 0);
		assert_memory_equal(digest, expected, HASH_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_digest_of_a_leaf_is_its_hash),
		cmocka_unit_test(reads_what_it_wrote),
		cmocka_unit_test(bytes_are_those_of_the_format_page),
		cmocka_unit_test(refuses_a_header_that_lies),
		cmocka_unit_test(refuses_lengths_that_lie),
		cmocka_unit_test(stored_length_ends_at_piece_and_slack),
		cmocka_unit_test(refuses_every_other_length_of_the_table),
		cmocka_unit_test(refuses_sizes_that_no_image_has),
		cmocka_unit_test(counts_and_lengths_are_right_around_4_gib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
