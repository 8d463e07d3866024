/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/difference: the exact table or an error, whatever the bytes are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "partitions/slot/difference.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/difference_maker.h"

#define LEN   300000u
#define GUARD 64u

static uint8_t old[LEN];
static uint8_t table[LEN];
static uint8_t out[LEN + GUARD];
static uint8_t packed[2u << 20];
static size_t packed_len;
static struct err e;

static const struct difference_wish as_published = {.old = old, .old_len = LEN};

/* The new table: the old one, moved by some bytes, with other content in three places. */
static int make(void **state)
{
	(void)state;
	noise(old, LEN, 1);
	memcpy(table, old + 4000, LEN - 4000);
	noise(table + LEN - 4000, 4000, 2);
	noise(table + 1000, 80, 3);
	noise(table + 200000, 800, 4);
	packed_len = difference_make(&as_published, table, LEN, packed, sizeof(packed));
	return 0;
}

static int apply_to(const uint8_t *base, size_t base_len, size_t want)
{
	const struct slot_difference d = {
		.old = base, .old_len = base_len, .data = packed, .len = packed_len};

	e = (struct err){0};
	memset(out, 0xa5, sizeof(out));
	int rc = slot_difference_apply(&d, out, want, &e);
	for (size_t i = want; i < want + GUARD && i < sizeof(out); i++)
		assert_int_equal(out[i], 0xa5);
	return rc;
}

static int apply(size_t want)
{
	return apply_to(old, LEN, want);
}

static void refused(size_t want, enum err_code code)
{
	assert_int_equal(apply(want), -1);
	if (e.code != code)
		fail_msg("%s instead of %s: %s", err_name(e.code), err_name(code), e.text);
}

static void gives_the_table_out_of_the_old_one(void **state)
{
	(void)state;
	assert_true(packed_len < 8000);
	if (apply(LEN) < 0)
		fail_msg("%s", e.text);
	assert_memory_equal(out, table, LEN);
}

static void small_and_equal_tables_work_too(void **state)
{
	(void)state;
	for (size_t len = 1; len < 3000; len += 333) {
		packed_len = difference_make(&as_published, old, len, packed, sizeof(packed));
		if (apply(len) < 0)
			fail_msg("%zu: %s", len, e.text);
		assert_memory_equal(out, old, len);
	}
}

static void another_old_table_gives_no_more_than_rubbish(void **state)
{
	static uint8_t other[LEN];

	(void)state;
	noise(other, LEN, 9);
	if (apply_to(other, LEN, LEN) == 0)
		assert_memory_not_equal(out, table, LEN);
	assert_int_equal(apply_to(old, LEN / 3, LEN), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(apply_to(NULL, 0, LEN), -1);
	assert_int_equal(e.code, E_META);
}

static void what_is_no_zstd_frame_is_refused(void **state)
{
	(void)state;
	packed[0] ^= 1;
	refused(LEN, E_META);
	assert_non_null(strstr(e.text, "not a zstd frame"));
	packed[0] ^= 1;
	packed_len = 5;
	refused(LEN, E_META);
	packed_len = 0;
	refused(LEN, E_META);
	/* A skippable frame in front would hide what follows. */
	memcpy(packed, "\x50\x2a\x4d\x18\4\0\0\0", 8);
	packed_len = 12;
	refused(LEN, E_META);
}

static void a_difference_above_a_mebibyte_is_refused(void **state)
{
	static uint8_t large[SLOT_DIFFERENCE_MAX + 100];

	(void)state;
	noise(large, sizeof(large), 5);
	packed_len = difference_make(&as_published, large, sizeof(large), packed, sizeof(packed));
	assert_true(packed_len > SLOT_DIFFERENCE_MAX);
	uint8_t *room = malloc(sizeof(large));
	const struct slot_difference d = {
		.old = old, .old_len = LEN, .data = packed, .len = packed_len};
	assert_non_null(room);
	e = (struct err){0};
	assert_int_equal(slot_difference_apply(&d, room, sizeof(large), &e), -1);
	assert_int_equal(e.code, E_META);
	free(room);
}

static void a_window_of_its_own_is_refused(void **state)
{
	struct difference_wish w = as_published;

	(void)state;
	w.window_log = 12;
	packed_len = difference_make(&w, table, LEN, packed, sizeof(packed));
	assert_int_equal(packed[4] & 0x20, 0);
	refused(LEN, E_META);
	assert_non_null(strstr(e.text, "window"));
	/* The largest that a header can say: nothing is taken for it. */
	packed[5] = 0xff;
	refused(LEN, E_META);
	assert_non_null(strstr(e.text, "window"));
}

static void a_dictionary_id_is_refused(void **state)
{
	(void)state;
	memmove(packed + 6, packed + 5, packed_len - 5);
	packed[4] |= 1;
	packed[5] = 7;
	packed_len++;
	refused(LEN, E_META);
	assert_non_null(strstr(e.text, "dictionary"));
}

static void another_content_size_than_the_tables_is_refused(void **state)
{
	struct difference_wish w = as_published;

	(void)state;
	refused(LEN - 1, E_SIZE);
	refused(1, E_SIZE);
	packed_len = difference_make(&as_published, table, LEN - 1, packed, sizeof(packed));
	refused(LEN, E_SIZE);
	assert_non_null(strstr(e.text, "does not say"));
	w.without_size = true;
	packed_len = difference_make(&w, table, LEN, packed, sizeof(packed));
	assert_int_equal(apply(LEN), -1);
}

/* The header says what is wanted, the blocks give more, or less. */
static void a_bomb_ends_at_the_length_of_the_table(void **state)
{
	static uint8_t zeros[LEN];

	(void)state;
	packed_len = difference_make(&as_published, zeros, LEN, packed, sizeof(packed));
	assert_int_equal(packed[4] & 0xe0, 0xa0); /* four bytes of content size, single segment */
	const uint32_t lies[] = {70000, LEN - 1, LEN + 1, LEN + 60};
	for (size_t i = 0; i < 4; i++) {
		le32_put(packed + 5, lies[i]);
		size_t want = lies[i] > LEN ? LEN + (lies[i] - LEN) : lies[i];
		if (want > LEN + GUARD)
			continue;
		assert_int_equal(apply(want), -1);
		assert_true(e.code == E_META || e.code == E_SIZE);
	}
}

static void cut_and_trailing_bytes_are_refused(void **state)
{
	size_t whole = packed_len;

	(void)state;
	for (size_t cut = 1; cut < 40; cut += 13) {
		packed_len = whole - cut;
		refused(LEN, E_SIZE);
	}
	packed_len = whole + 1;
	packed[whole] = 0;
	refused(LEN, E_SIZE);
	/* An empty frame behind it, and a skippable one, which libzstd would take. */
	memcpy(packed + whole, "\x50\x2a\x4d\x18\0\0\0\0", 8);
	packed_len = whole + 8;
	refused(LEN, E_SIZE);
}

static void damaged_bytes_give_an_error_or_other_bytes(void **state)
{
	(void)state;
	for (size_t at = 4; at < packed_len; at += packed_len / 97 + 1) {
		packed[at] ^= 0x55;
		if (apply(LEN) == 0)
			assert_memory_not_equal(out, table, LEN);
		packed[at] ^= 0x55;
	}
	assert_int_equal(apply(LEN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(gives_the_table_out_of_the_old_one, make),
		cmocka_unit_test_setup(small_and_equal_tables_work_too, make),
		cmocka_unit_test_setup(another_old_table_gives_no_more_than_rubbish, make),
		cmocka_unit_test_setup(what_is_no_zstd_frame_is_refused, make),
		cmocka_unit_test_setup(a_difference_above_a_mebibyte_is_refused, make),
		cmocka_unit_test_setup(a_window_of_its_own_is_refused, make),
		cmocka_unit_test_setup(a_dictionary_id_is_refused, make),
		cmocka_unit_test_setup(another_content_size_than_the_tables_is_refused, make),
		cmocka_unit_test_setup(a_bomb_ends_at_the_length_of_the_table, make),
		cmocka_unit_test_setup(cut_and_trailing_bytes_are_refused, make),
		cmocka_unit_test_setup(damaged_bytes_give_an_error_or_other_bytes, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
