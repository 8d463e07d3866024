/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/canonical: the form that is signed, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/json.h"
#include "agent/trust/canonical.h"

static void gives(const char *text, const char *want)
{
	AUTO_BUF struct buf out = buf_make(4096);
	JSON_AUTO json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
	struct err e = {0};

	assert_non_null(value);
	assert_int_equal(canonical_write(value, &out, &e), 0);
	assert_string_equal(buf_text(&out), want);
}

static void sorts_keys_and_drops_white_space(void **state)
{
	(void)state;
	gives("{ \"b\" : [ 1 , -2, true,false,null ], \"a\" : {} , \"B\": [] }",
		"{\"B\":[],\"a\":{},\"b\":[1,-2,true,false,null]}");
	gives("{\"ab\":1,\"a\":{\"z\":{\"y\":[[]]}}}", "{\"a\":{\"z\":{\"y\":[[]]}},\"ab\":1}");
	gives("9223372036854775807", "9223372036854775807");
}

static void keys_are_in_the_order_of_code_points(void **state)
{
	(void)state;
	gives("{\"\\u00e9\":1,\"z\":2,\"\\ud83d\\ude00\":3,\"\\uffee\":4}",
		"{\"z\":2,\"\xc3\xa9\":1,\"\xef\xbf\xae\":4,\"\xf0\x9f\x98\x80\":3}");
}

static void strings_keep_all_but_quote_and_backslash_raw(void **state)
{
	(void)state;
	gives("\"a\\\"b\\\\c\\n\\t\\u007f\\/\"", "\"a\\\"b\\\\c\n\t\x7f/\"");
	gives("\"\\\\\"", "\"\\\\\"");
	gives("\"\"", "\"\"");
	gives("\"\\u00e9\"", "\"\xc3\xa9\"");
}

static void refuses_reals_depth_and_size(void **state)
{
	AUTO_BUF struct buf out = buf_make(64);
	AUTO_BUF struct buf tiny = buf_make(4);
	JSON_AUTO json_t *real = json_loads("[1.5]", 0, NULL);
	JSON_AUTO json_t *deep = json_loads("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 0, NULL);
	JSON_AUTO json_t *text = json_loads("[\"long\"]", 0, NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(canonical_write(real, &out, &e), -1);
	assert_int_equal(e.code, E_JSON);
	assert_int_equal(canonical_write(deep, &out, &e), -1);
	assert_int_equal(e.code, E_JSON);
	assert_int_equal(canonical_write(text, &tiny, &e), -1);
	assert_int_equal(e.code, E_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_keys_and_drops_white_space),
		cmocka_unit_test(keys_are_in_the_order_of_code_points),
		cmocka_unit_test(strings_keep_all_but_quote_and_backslash_raw),
		cmocka_unit_test(refuses_reals_depth_and_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
