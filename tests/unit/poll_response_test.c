/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/http_response, http_url: heads and URLs are read strictly or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/poll/http_response.h"
#include "agent/poll/http_url.h"

static struct http_response read_head(const char *const *lines)
{
	struct http_response r = {0};

	for (; *lines; lines++)
		http_response_add(&r, *lines, strlen(*lines));
	return r;
}

#define HEAD(...) read_head((const char *const[]){"HTTP/1.1 206 Part\r\n", __VA_ARGS__, NULL})

static void reads_the_fields_that_count(void **state)
{
	struct http_response r =
		HEAD("Content-Length: 11\r\n", "content-RANGE:bytes 5-15/100  \r\n",
			"ETag: \"abc\"\r\n", "Location: /x\r\n", "X: y\r\n", "\r\n");

	(void)state;
	assert_int_equal(r.status, 206);
	assert_true(r.has_length && r.length == 11);
	assert_true(
		r.has_range && r.range_first == 5 && r.range_last == 15 && r.range_total == 100);
	assert_string_equal(r.etag, "\"abc\"");
	assert_true(http_response_has_strong_etag(&r));
	assert_string_equal(r.location, "/x");
	assert_false(r.is_broken || r.is_encoded || r.is_chunked);
	/* The next status line starts over: 100 Continue leaves nothing behind. */
	http_response_add(&r, "HTTP/2 404 \r\n", 13);
	assert_int_equal(r.status, 404);
	assert_false(r.has_length || r.has_range || r.etag[0] || r.location[0]);
}

static void refuses_ranges_that_make_no_sense(void **state)
{
	static const char *const bad[] = {"bytes 5-4/100", "bytes 5-100/100", "bytes 0-0/0",
		"bytes 5-15/*", "bytes */100", "bytes 5-15", "items 5-15/100", "bytes 5-15/100,",
		"bytes -5-15/100", "bytes 5-15/18446744073709551616", "bytes  5-15/100",
		"bytes 5 -15/100", ""};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "Content-Range: %s\r\n", bad[i]);
		struct http_response r = HEAD(line);
		if (r.has_range)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void marks_heads_that_clients_read_differently(void **state)
{
	static char with_nul[] = "Content-Length: 1\0001\r\n";
	char line[3000];

	(void)state;
	assert_true(HEAD("Content-Length: 5\r\n", "Content-Length: 6\r\n").is_broken);
	assert_false(HEAD("Content-Length: 5\r\n", "Content-Length: 5\r\n").is_broken);
	assert_true(HEAD("Content-Length: -5\r\n").is_broken);
	assert_true(HEAD("Content-Length: 0x5\r\n").is_broken);
	assert_true(HEAD("Content-Length: 99999999999999999999\r\n").is_broken);
	assert_true(HEAD("Location: /a\r\n", "Location: /b\r\n").is_broken);
	memset(line, 'a', sizeof(line));
	memcpy(line, "Location: ", 10);
	line[sizeof(line) - 1] = 0;
	assert_true(HEAD(line).is_broken);
	struct http_response r = {0};
	http_response_add(&r, with_nul, sizeof(with_nul) - 1);
	assert_true(r.is_broken);
}

static void knows_what_is_encoded(void **state)
{
	(void)state;
	assert_true(HEAD("Content-Encoding: gzip\r\n").is_encoded);
	assert_true(HEAD("Content-Encoding: br\r\n").is_encoded);
	assert_true(
		HEAD("Content-Encoding: gzip\r\n", "Content-Encoding: identity\r\n").is_encoded);
	assert_false(HEAD("Content-Encoding: Identity\r\n").is_encoded);
	assert_true(HEAD("Transfer-Encoding: gzip, chunked\r\n").is_encoded);
	assert_false(HEAD("Transfer-Encoding: chunked\r\n").is_encoded);
	assert_true(HEAD("Transfer-Encoding: chunked\r\n").is_chunked);
}

static void keeps_only_etags_that_can_go_back_into_a_request(void **state)
{
	static const char *const bad[] = {"abc", "\"abc", "\"a\"b\"", "\"a\"; x", "\"a b\"",
		"W/abc", "\"a\tb\"", "\"\x80\"", "\"", "w/\"a\""};
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "ETag: %s\r\n", bad[i]);
		struct http_response r = HEAD(line);
		if (r.etag[0])
			fail_msg("accepted: %s", bad[i]);
	}
	memset(line, 'a', 300);
	memcpy(line, "ETag: \"", 7);
	memcpy(line + 300, "\"\r\n", 4);
	assert_string_equal(HEAD(line).etag, "");
	struct http_response weak = HEAD("ETag: W/\"abc\"\r\n");
	assert_string_equal(weak.etag, "W/\"abc\"");
	assert_false(http_response_has_strong_etag(&weak));
}

static void retry_after_is_judged_by_the_servers_clock(void **state)
{
	struct http_response seconds = HEAD("Retry-After: 120\r\n");
	struct http_response dates = HEAD("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
		"Retry-After: Sun, 06 Nov 1994 08:59:37 GMT\r\n");
	struct http_response alone = HEAD("Retry-After: Sun, 06 Nov 1994 08:59:37 GMT\r\n");
	struct http_response odd = HEAD("Retry-After: soon\r\n");
	struct http_response negative = HEAD("Retry-After: -1\r\n");
	struct http_response far = HEAD("Retry-After: Fri, 06 Nov 2099 08:59:37 GMT\r\n");

	(void)state;
	assert_int_equal(http_response_retry_after(&seconds, 0), 120);
	assert_int_equal(http_response_retry_after(&dates, 0), 600);
	assert_int_equal(http_response_retry_after(&dates, INT64_C(4000000000)), 600);
	assert_int_equal(http_response_retry_after(&alone, 784112377 - 5), 5);
	assert_int_equal(http_response_retry_after(&alone, INT64_C(4000000000)), 0);
	assert_int_equal(http_response_retry_after(&odd, 0), 0);
	assert_int_equal(http_response_retry_after(&negative, 0), 0);
	assert_int_equal(http_response_retry_after(&far, 1800000000), 86400);
}

static enum err_code check(const char *url, bool allow_http)
{
	struct http_origin o;
	struct err e = {0};

	return http_url_check(url, allow_http, &o, &e) == 0 ? E_OK : e.code;
}

static void lets_through_plain_urls_only(void **state)
{
	static const char *const bad[] = {"", "x", "/x", "//h/x", "https://", "https:///x",
		"ftp://h/x", "file:///x", "gopher://h/x", "https://u@h/x", "https://u:p@h/x",
		"https://:p@h/x", "https://h/a b", "https://h/a\tb", "https://h/\x7f",
		"https://h/\xc3\xa9", "https://h/a\\b", "https://h:99999/x", "https://h:x/",
		" https://h/", "javascript:x"};
	static char far[HTTP_URL_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (check(bad[i], true) != E_CONFIG)
			fail_msg("accepted: %s", bad[i]);
	}
	assert_int_equal(check("http://h/x", false), E_CONFIG);
	assert_int_equal(check("http://h/x", true), E_OK);
	assert_int_equal(check("HTTPS://h/x", false), E_OK);
	assert_int_equal(check("https://[::1]:8443/x", false), E_OK);
	memset(far, 'a', sizeof(far) - 1);
	memcpy(far, "https://h/", 10);
	assert_int_equal(check(far, false), E_CONFIG);
	far[HTTP_URL_SIZE - 1] = 0;
	assert_int_equal(check(far, false), E_OK);
}

static bool same(const char *a, const char *b)
{
	struct http_origin one;
	struct http_origin two;
	struct err e = {0};

	assert_int_equal(http_url_check(a, true, &one, &e), 0);
	assert_int_equal(http_url_check(b, true, &two, &e), 0);
	return http_origin_is_same(&one, &two);
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	(void)state;
	assert_true(same("https://h/a", "https://H:443/b?c"));
	assert_false(same("https://h/a", "https://h:8443/a"));
	assert_false(same("https://h/a", "http://h:443/a"));
	assert_false(same("https://h/a", "https://h.evil/a"));
	assert_false(same("https://h/a", "https://g/a"));
}

static void resolves_where_a_redirect_goes(void **state)
{
	static const char *const rows[][2] = {
		{"/y", "https://h:8443/y"},
		{"y", "https://h:8443/a/y"},
		{"//g/y", "https://g/y"},
		{"http://g/y", "http://g/y"},
	};
	static const char *const bad[] = {"", "a b", "/a\rb", "/a\nb"};
	char url[HTTP_URL_SIZE];
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(http_url_resolve("https://h:8443/a/x", rows[i][0], url, &e), 0);
		assert_string_equal(url, rows[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(http_url_resolve("https://h:8443/a/x", bad[i], url, &e), -1);
		assert_int_equal(e.code, E_NET);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_fields_that_count),
		cmocka_unit_test(refuses_ranges_that_make_no_sense),
		cmocka_unit_test(marks_heads_that_clients_read_differently),
		cmocka_unit_test(knows_what_is_encoded),
		cmocka_unit_test(keeps_only_etags_that_can_go_back_into_a_request),
		cmocka_unit_test(retry_after_is_judged_by_the_servers_clock),
		cmocka_unit_test(lets_through_plain_urls_only),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(resolves_where_a_redirect_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
