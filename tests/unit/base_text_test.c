/* SPDX-License-Identifier: Apache-2.0 */
/* What text from outside must not hold when people see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/base/err.h"
#include "agent/base/text.h"

static void test_letters_of_any_language_are_harmless(void **state)
{
	static const char text[] = "a~ \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80";
	size_t n;

	(void)state;
	for (const char *p = text; *p; p += n) {
		assert_int_equal(text_unsafe_length(p), 0);
		n = text_length(p);
	}
	assert_int_equal(text_length("\xe6\x97\xa5x"), 3);
	assert_int_equal(text_unsafe_length(""), 0);
}

static void test_control_characters_and_marks_of_direction_are_unsafe(void **state)
{
	static const char *const unsafe[] = {
		"\x01", "\n", "\x1b[2J", "\x7f", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6"};

	(void)state;
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		assert_true(text_unsafe_length(unsafe[i]) > 0);
}

static void test_a_byte_that_is_no_character_is_unsafe(void **state)
{
	static const char *const lone[] = {
		"\x9b", "\x80x", "\xff", "\xc3", "\xe6\x97", "\xe6\x97x", "\xf0\x9f\x98"};

	(void)state;
	for (size_t i = 0; i < sizeof(lone) / sizeof(lone[0]); i++) {
		assert_int_equal(text_unsafe_length(lone[i]), 1);
		assert_int_equal(text_length(lone[i]), 1);
	}
}

static void test_messages_hold_neither(void **state)
{
	struct err e = {0};

	(void)state;
	err_set(&e, E_NET,
		"a\x9b"
		"b\x1b"
		"c\xe6\x97\xa5\xc2\x9b.");
	assert_string_equal(e.text, "a?b?c\xe6\x97\xa5??.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_letters_of_any_language_are_harmless),
		cmocka_unit_test(test_control_characters_and_marks_of_direction_are_unsafe),
		cmocka_unit_test(test_a_byte_that_is_no_character_is_unsafe),
		cmocka_unit_test(test_messages_hold_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
