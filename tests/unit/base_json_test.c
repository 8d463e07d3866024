/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/json: what is refused before jansson spends memory on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/json.h"

static int scan(const char *text)
{
	struct err e = {0};
	int rc = json_scan((const uint8_t *)text, strlen(text), &e);

	if (rc < 0)
		assert_int_equal(e.code, E_JSON);
	return rc;
}

static void accepts_plain_json(void **state)
{
	(void)state;
	assert_int_equal(
		scan("{\"a\": [1, -2, true, null, \"x\\n\\u00e9\\ud83d\\ude00\"], \"b\": {}}"), 0);
	assert_int_equal(scan("9223372036854775807"), 0);
	assert_int_equal(scan("-9223372036854775808"), 0);
	assert_int_equal(scan("[]"), 0);
}

static void refuses_what_parsers_disagree_on(void **state)
{
	static const char *const bad[] = {"", "{", "[1,]", "{\"a\":1,}", "[1 2]", "NaN", "1e9",
		"1.0", "01", "-0", "9223372036854775808", "\xef\xbb\xbf{}", "{} x", "\"\\u0000\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\n\"", "{1:2}",
		"[", "]", "{\"a\"}", "\"abc", "[}", "truex"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (scan(bad[i]) == 0)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void limits_depth_and_nodes(void **state)
{
	static char deep[64];
	static char wide[2 * JSON_NODES_MAX + 4];

	(void)state;
	memset(deep, '[', JSON_DEPTH_MAX);
	memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_int_equal(scan(deep), 0);
	memset(deep, '[', JSON_DEPTH_MAX + 1);
	memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	assert_int_equal(scan(deep), -1);
	wide[0] = '[';
	for (size_t i = 0; i < JSON_NODES_MAX; i++)
		memcpy(wide + 1 + 2 * i, "1,", 2);
	wide[2 * JSON_NODES_MAX] = ']';
	assert_int_equal(scan(wide), -1);
	/* The list itself counts as three. */
	wide[2 * JSON_NODES_MAX - 6] = ']';
	wide[2 * JSON_NODES_MAX - 5] = 0;
	assert_int_equal(scan(wide), 0);
}

/* A list of `n` times `value`. */
static int scan_list(const char *value, size_t n)
{
	size_t len = strlen(value);
	char *text = malloc(n * (len + 1) + 3);
	size_t at = 0;

	assert_non_null(text);
	text[at++] = '[';
	for (size_t i = 0; i < n; i++, at += len + 1) {
		memcpy(text + at, value, len);
		text[at + len] = ',';
	}
	text[at - 1] = ']';
	text[at] = 0;
	int rc = scan(text);
	free(text);
	return rc;
}

static void counts_values_as_what_they_cost(void **state)
{
	static const struct {
		const char *value;
		size_t cost;
	} all[] = {{"1", 1}, {"null", 1}, {"\"x\"", 2}, {"[]", 3}, {"{}", 5}, {"{\"x\":1}", 8},
		{"[{\"x\":\"y\"},1]", 13}};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t most = (JSON_NODES_MAX - 3) / all[i].cost;
		assert_int_equal(scan_list(all[i].value, most), 0);
		assert_int_equal(scan_list(all[i].value, most + 1), -1);
	}
}

static void refuses_duplicate_keys(void **state)
{
	const char *text = "{\"a\": 1, \"a\": 2}";
	json_t *j = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(json_read((const uint8_t *)text, strlen(text), &j, &e), -1);
	assert_int_equal(e.code, E_JSON);
	assert_null(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_plain_json),
		cmocka_unit_test(refuses_what_parsers_disagree_on),
		cmocka_unit_test(limits_depth_and_nodes),
		cmocka_unit_test(counts_values_as_what_they_cost),
		cmocka_unit_test(refuses_duplicate_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
