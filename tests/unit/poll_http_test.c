/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/http: what a hostile or broken server must not achieve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "agent/base/clock.h"
#include "agent/poll/http_transfer.h"
#include "tests/lib/odd_server.h"

#define SMALL "{\"hello\": 1}\n"

static char folder[64];
static char certs[80];
static char ca[96];
static char token[96];
static char client_cert[96];
static char client_key[96];
static struct odd_server plain;
static struct odd_server secure;
static struct odd_server other; /* another origin, TLS too */

/* One server for each certificate that is odd, started once because python is slow to start. */
static struct {
	const char *cert;
	struct odd_server server;
} shown[] = {{"selfsigned", {0}}, {"elsewhere", {0}}, {"expired", {0}}, {"future", {0}}};

#define SHOWN_COUNT (sizeof(shown) / sizeof(shown[0]))

struct answer {
	struct err e;
	struct http_hint hint;
	size_t len;
	char text[64];
	uint64_t ms;
};

/* One GET with its own connections; 0 or -1. */
static int get_with(const struct http_options *o, const char *url, size_t limit, struct answer *a)
{
	AUTO_BUF struct buf out = buf_make(limit);
	struct http *h = NULL;
	uint64_t before = clock_mono_ms();

	*a = (struct answer){0};
	if (http_open(o, &h, &a->e) < 0)
		return -1;
	int rc = http_get(h, url, NULL, NULL, &out, &a->e);
	http_get_hint(h, &a->hint);
	http_close(h);
	a->len = out.len;
	a->ms = clock_mono_ms() - before;
	snprintf(a->text, sizeof(a->text), "%s", buf_text(&out));
	return rc;
}

static struct http_options https(void)
{
	return (struct http_options){.ca_file = ca};
}

static struct http_options http(void)
{
	return (struct http_options){.allow_http = true};
}

static void assert_refused(int rc, const struct answer *a, enum err_code code, const char *word)
{
	if (rc == 0)
		fail_msg("accepted, wanted %s", err_name(code));
	if (a->e.code != code || !strstr(a->e.text, word))
		fail_msg("wanted %s with \"%s\", got %s: %s", err_name(code), word,
			err_name(a->e.code), a->e.text);
}

static void gets_a_file_over_tls(void **state)
{
	struct http_options o = https();
	struct answer a;

	(void)state;
	if (get_with(&o, odd_url(&secure, "small"), 100, &a) < 0)
		fail_msg("%s", a.e.text);
	assert_string_equal(a.text, SMALL);
	assert_int_equal(a.hint.status, 200);
}

static void stops_at_the_cap_and_does_not_read_on(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	assert_int_equal(get_with(&o, odd_url(&plain, "big"), 1024, &a), 0);
	assert_int_equal(a.len, 1024);
	assert_refused(get_with(&o, odd_url(&plain, "big"), 1023, &a), &a, E_SIZE, "announced");
	assert_refused(get_with(&o, odd_url(&plain, "~chunked/big"), 1023, &a), &a, E_SIZE, "1023");
	assert_refused(get_with(&o, odd_url(&plain, "~endless/x"), 65536, &a), &a, E_SIZE, "65536");
	/* A wrong length: too long is a broken transfer, too short is cut there. */
	assert_refused(
		get_with(&o, odd_url(&plain, "~wrong-length,9/big"), 4096, &a), &a, E_NET, "");
	assert_int_equal(get_with(&o, odd_url(&plain, "~wrong-length,-1000/big"), 4096, &a), 0);
	assert_int_equal(a.len, 24);
}

static void limits_the_headers(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	assert_int_equal(get_with(&o, odd_url(&plain, "~headers,20000/small"), 100, &a), 0);
	assert_refused(get_with(&o, odd_url(&plain, "~headers,40000/small"), 100, &a), &a, E_NET,
		"headers");
}

static void refuses_heads_that_can_be_read_in_two_ways(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	assert_refused(get_with(&o, odd_url(&plain, "~header,Content-Length,3/small"), 100, &a), &a,
		E_NET, "cannot be read");
	assert_int_equal(get_with(&o, odd_url(&plain, "~header,X-Length,3/small"), 100, &a), 0);
}

static void decodes_nothing(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	assert_refused(
		get_with(&o, odd_url(&plain, "~gzip/small"), 4096, &a), &a, E_NET, "compression");
	assert_refused(get_with(&o, odd_url(&plain, "~bomb/small"), 1 << 20, &a), &a, E_NET,
		"compression");
	assert_refused(get_with(&o, odd_url(&plain, "~te-gzip/big"), 4096, &a), &a, E_NET, "");
	json_t *log = odd_log(&plain, NULL);
	assert_null(odd_field(log, "~gzip", 0, "accept-encoding"));
	assert_null(odd_field(log, "~gzip", 0, "cookie"));
	json_decref(log);
}

static void gives_up_on_what_is_slow(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	o.low_speed_seconds = 1;
	o.metadata_seconds = 4;
	assert_refused(get_with(&o, odd_url(&plain, "~slow,20/big"), 4096, &a), &a, E_TIMEOUT,
		"bytes in 1 s");
	assert_true(a.ms < 2500);
}

static void gives_up_at_the_deadline(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	/* Fast enough for the low-speed limit, and still not to be waited for. */
	o.metadata_seconds = 1;
	o.low_speed_seconds = 4;
	assert_refused(get_with(&o, odd_url(&plain, "~slow,300/big"), 4096, &a), &a, E_TIMEOUT,
		"time limit");
	assert_true(a.ms < 2500);
	assert_refused(get_with(&o, odd_url(&plain, "~silence/big"), 4096, &a), &a, E_TIMEOUT,
		"time limit");
	assert_true(a.ms < 2500);
}

static void gives_up_on_a_handshake_that_never_comes(void **state)
{
	struct http_options o = https();
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	struct answer got;
	char url[64];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* The kernel takes the connection, nobody answers. */
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", ntohs(a.sin_port));
	o.connect_seconds = 1;
	assert_refused(get_with(&o, url, 100, &got), &got, E_TIMEOUT, "");
	assert_true(got.ms < 2500);
	close(fd);
}

static void follows_few_redirects_and_to_https_only(void **state)
{
	struct http_options o = http();
	struct answer a;
	char url[512];

	(void)state;
	o.ca_file = ca;
	/* One that is fine: http to https, and on there. */
	snprintf(url, sizeof(url), "~redirect,https%%3A%%2F%%2F127.0.0.1%%3A%u/small", secure.port);
	if (get_with(&o, odd_url(&plain, url), 100, &a) < 0)
		fail_msg("%s", a.e.text);
	assert_string_equal(a.text, SMALL);
	assert_refused(
		get_with(&o, odd_url(&plain, "~location,file%3A%2F%2F%2Fetc%2Fpasswd/x"), 4096, &a),
		&a, E_NET, "redirect refused");
	snprintf(url, sizeof(url), "~redirect,http%%3A%%2F%%2F127.0.0.1%%3A%u/small", plain.port);
	assert_refused(get_with(&o, odd_url(&plain, url), 100, &a), &a, E_NET, "redirect refused");
	o = https();
	assert_refused(
		get_with(&o, odd_url(&secure, "~loop/x"), 100, &a), &a, E_NET, "3 redirects");
	json_t *log = odd_log(&secure, ca);
	assert_int_equal(odd_count(log, "~loop"), 4);
	json_decref(log);
}

static void a_redirect_cannot_write_request_lines(void **state)
{
	struct http_options o = https();
	struct answer a;

	(void)state;
	assert_refused(get_with(&o, odd_url(&secure, "~location,%2Fsmall%0Dx/x"), 100, &a), &a,
		E_NET, "redirect refused");
	assert_refused(get_with(&o, odd_url(&secure, "~location,%2Fsmall%09y/x"), 100, &a), &a,
		E_NET, "redirect refused");
	assert_refused(get_with(&o, odd_url(&secure, "~location,%2Fsmall%20y/x"), 100, &a), &a,
		E_NET, "redirect refused");
	assert_refused(get_with(&o, odd_url(&secure, "~status,302/x"), 100, &a), &a, E_NET,
		"redirect refused");
	/* Two places: which one counts differs between clients. */
	assert_refused(
		get_with(&o, odd_url(&secure, "~location,%2Fa%0D%0ALocation%3A%20%2Fsmall/x"), 100,
			&a),
		&a, E_NET, "head cannot be read");
	/* Encoded line ends stay encoded, in the path. */
	assert_refused(
		get_with(&o, odd_url(&secure, "~location,%2Fsmall%250D%250AX-Evil%3A1/x"), 100, &a),
		&a, E_NOTFOUND, "404");
	json_t *log = odd_log(&secure, ca);
	assert_int_equal(odd_count(log, "/small%0D%0AX-Evil:1"), 1);
	json_decref(log);
}

static void credentials_stay_with_their_origin(void **state)
{
	struct http_options o = https();
	struct answer a;
	char url[512];

	(void)state;
	o.token_file = token;
	o.client_cert = client_cert;
	o.client_key = client_key;
	snprintf(url, sizeof(url), "~redirect,https%%3A%%2F%%2F127.0.0.1%%3A%u/small?away",
		other.port);
	if (get_with(&o, odd_url(&secure, url), 100, &a) < 0)
		fail_msg("%s", a.e.text);
	snprintf(url, sizeof(url), "~redirect,https%%3A%%2F%%2F127.0.0.1%%3A%u/small?here",
		secure.port);
	assert_int_equal(get_with(&o, odd_url(&secure, url), 100, &a), 0);
	json_t *mine = odd_log(&secure, ca);
	json_t *theirs = odd_log(&other, ca);
	assert_string_equal(odd_field(mine, "away", 0, "authorization"), "Bearer s3cret");
	assert_int_equal(odd_count(theirs, "away"), 1);
	assert_null(odd_field(theirs, "away", 0, "authorization"));
	assert_int_equal(odd_certs(mine, "away"), 1);
	assert_int_equal(odd_certs(theirs, "away"), 0);
	/* The same origin after a redirect is the same origin. */
	assert_string_equal(odd_field(mine, "here", 1, "authorization"), "Bearer s3cret");
	json_decref(mine);
	json_decref(theirs);
}

static void credentials_need_tls(void **state)
{
	struct http_options o = https();
	struct answer a;

	(void)state;
	o.token_file = token;
	o.allow_http = true;
	assert_refused(
		get_with(&o, odd_url(&secure, "small"), 100, &a), &a, E_CONFIG, "allow-http");
	o.allow_http = false;
	assert_refused(get_with(&o, odd_url(&plain, "small"), 100, &a), &a, E_CONFIG, "not https");
	json_t *log = odd_log(&plain, NULL);
	assert_int_equal(odd_count(log, "token-test"), 0);
	json_decref(log);
}

static void refuses_a_token_file_that_holds_no_token(void **state)
{
	static const char *const bad[] = {"", "\n", "a b\n", "a\x01\n", "\xc3\xa9\n"};
	struct http_options o = https();
	struct answer a;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/bad-token", folder);
	o.token_file = path;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		odd_write(folder, "bad-token", bad[i], strlen(bad[i]));
		assert_refused(
			get_with(&o, odd_url(&secure, "small"), 100, &a), &a, E_CONFIG, "no token");
	}
	o.token_file = "/nonexistent/token";
	assert_refused(
		get_with(&o, odd_url(&secure, "small"), 100, &a), &a, E_CONFIG, "token file");
}

static void refuses_http_unless_allowed(void **state)
{
	struct http_options o = {0};
	struct answer a;

	(void)state;
	assert_refused(get_with(&o, odd_url(&plain, "small"), 100, &a), &a, E_CONFIG, "allow-http");
	assert_refused(get_with(&o, "ftp://127.0.0.1/x", 100, &a), &a, E_CONFIG, "not https");
	assert_refused(get_with(&o, "file:///etc/passwd", 100, &a), &a, E_CONFIG, "");
	assert_refused(get_with(&o, "https://u:p@127.0.0.1/x", 100, &a), &a, E_CONFIG, "password");
	assert_refused(get_with(&o, "https://127.0.0.1/a b", 100, &a), &a, E_CONFIG, "characters");
	assert_refused(
		get_with(&o, "https://127.0.0.1/a\r\nX: y", 100, &a), &a, E_CONFIG, "characters");
}

/* A GET from a server that shows one of the odd certificates. */
static int get_from(const char *cert, const struct http_options *o, struct answer *a)
{
	for (size_t i = 0; i < SHOWN_COUNT; i++) {
		if (strcmp(shown[i].cert, cert) == 0)
			return get_with(o, odd_url(&shown[i].server, "small"), 100, a);
	}
	fail_msg("no server shows %s", cert);
	return -1;
}

static void refuses_certificates_that_do_not_fit(void **state)
{
	struct http_options o = https();
	struct http_options system = {0};
	struct answer a;

	(void)state;
	assert_refused(get_from("selfsigned", &o, &a), &a, E_TLS, "self");
	assert_refused(get_from("elsewhere", &o, &a), &a, E_TLS, "127.0.0.1");
	assert_refused(
		get_with(&system, odd_url(&secure, "small"), 100, &a), &a, E_TLS, "certificate");
	assert_false(a.hint.certificate_expired || a.hint.certificate_not_yet_valid);
	assert_refused(get_from("expired", &o, &a), &a, E_TLS, "expired");
	assert_true(a.hint.certificate_expired && !a.hint.certificate_not_yet_valid);
	assert_refused(get_from("future", &o, &a), &a, E_TLS, "not yet valid");
	assert_true(a.hint.certificate_not_yet_valid && !a.hint.certificate_expired);
}

static void can_leave_aside_certificate_dates_and_nothing_else(void **state)
{
	struct http_options o = https();
	struct answer a;

	(void)state;
	o.ignore_certificate_dates = true;
	assert_int_equal(get_from("future", &o, &a), 0);
	assert_string_equal(a.text, SMALL);
	assert_int_equal(get_from("expired", &o, &a), 0);
	assert_refused(get_from("selfsigned", &o, &a), &a, E_TLS, "self");
	assert_refused(get_from("elsewhere", &o, &a), &a, E_TLS, "127.0.0.1");
	/* Never with credentials: an old stolen certificate would get them. */
	o.token_file = token;
	assert_refused(get_with(&o, odd_url(&secure, "small"), 100, &a), &a, E_TLS, "credentials");
}

static void judges_certificates_at_the_time_given(void **state)
{
	struct http_options o = https();
	struct answer a;

	(void)state;
	o.certificate_time = clock_wall() + 366 * 86400 * 3 / 2;
	assert_int_equal(get_from("future", &o, &a), 0);
	assert_refused(get_with(&o, odd_url(&secure, "small"), 100, &a), &a, E_TLS, "expired");
}

static void changing_the_rule_drops_connections_made_under_the_old_one(void **state)
{
	const struct odd_server s = shown[SHOWN_COUNT - 1].server; /* future */
	struct http_options o = https();
	AUTO_BUF struct buf out = buf_make(100);
	struct http *h = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(http_open(&o, &h, &e), 0);
	assert_int_equal(http_get(h, odd_url(&s, "small"), NULL, NULL, &out, &e), -1);
	assert_int_equal(http_ignore_certificate_dates(h, true, &e), 0);
	assert_int_equal(http_get(h, odd_url(&s, "small"), NULL, NULL, &out, &e), 0);
	assert_int_equal(http_ignore_certificate_dates(h, false, &e), 0);
	assert_int_equal(http_get(h, odd_url(&s, "small"), NULL, NULL, &out, &e), -1);
	assert_int_equal(e.code, E_TLS);
	assert_int_equal(http_set_certificate_time(h, clock_wall() + 366 * 86400 * 3 / 2, &e), 0);
	assert_int_equal(http_get(h, odd_url(&s, "small"), NULL, NULL, &out, &e), 0);
	http_close(h);
	o.token_file = token;
	assert_int_equal(http_open(&o, &h, &e), 0);
	assert_int_equal(http_ignore_certificate_dates(h, true, &e), -1);
	assert_int_equal(e.code, E_TLS);
	http_close(h);
}

static void statuses_have_their_codes(void **state)
{
	static const struct {
		const char *path;
		enum err_code code;
		uint64_t retry;
	} rows[] = {
		{"~status,404/x", E_NOTFOUND, 0},
		{"~status,403/x", E_NOTFOUND, 0},
		{"~status,410/x", E_NET, 0},
		{"~status,401/x", E_NET, 0},
		{"~status,429,17/x", E_NET, 17},
		{"~status,503,999999/x", E_NET, 86400},
		{"~status,503/x", E_NET, 0},
		{"~status,204/x", E_NET, 0},
		{"~status,206/x", E_NET, 0},
		{"~status,304/x", E_NET, 0}, /* nobody asked */
		{"missing", E_NOTFOUND, 0},
	};
	struct http_options o = http();
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_refused(get_with(&o, odd_url(&plain, rows[i].path), 4096, &a), &a,
			rows[i].code, "");
		assert_int_equal(a.hint.retry_after, rows[i].retry);
		assert_true(a.hint.status >= 200);
	}
}

static void an_etag_saves_the_second_transfer(void **state)
{
	struct http_options o = http();
	AUTO_BUF struct buf out = buf_make(100);
	struct fetch_tag tag = {0};
	struct http *h = NULL;
	struct err e = {0};
	bool unchanged = true;

	(void)state;
	assert_int_equal(http_open(&o, &h, &e), 0);
	assert_int_equal(http_get(h, odd_url(&plain, "small?tag"), &tag, &unchanged, &out, &e), 0);
	assert_false(unchanged);
	assert_int_equal(out.len, strlen(SMALL));
	assert_int_equal(http_get(h, odd_url(&plain, "small?tag"), &tag, &unchanged, &out, &e), 0);
	assert_true(unchanged);
	assert_int_equal(out.len, 0);
	/* The tag of one URL says nothing about another (a mirror may be older). */
	assert_int_equal(
		http_get(h, odd_url(&plain, "small?other"), &tag, &unchanged, &out, &e), 0);
	assert_false(unchanged);
	/* Nor does a tag that was tampered with become a header. */
	strcpy(tag.text, "0123456789abcdef x\r\nEvil: 1");
	assert_int_equal(http_get(h, odd_url(&plain, "small?tag"), &tag, &unchanged, &out, &e), 0);
	assert_false(unchanged);
	http_close(h);
	json_t *log = odd_log(&plain, NULL);
	assert_null(odd_field(log, "?tag", 0, "if-none-match"));
	assert_non_null(odd_field(log, "?tag", 1, "if-none-match"));
	assert_null(odd_field(log, "?other", 0, "if-none-match"));
	assert_null(odd_field(log, "?tag", 2, "if-none-match"));
	json_decref(log);
}

static void one_poll_uses_one_connection(void **state)
{
	struct http_options o = https();
	AUTO_BUF struct buf out = buf_make(100);
	struct http *h = NULL;
	struct err e = {0};
	json_int_t port[3];

	(void)state;
	assert_int_equal(http_open(&o, &h, &e), 0);
	assert_int_equal(
		http_get(h, odd_url(&secure, "~status,404/one"), NULL, NULL, &out, &e), -1);
	assert_int_equal(http_get(h, odd_url(&secure, "small?one"), NULL, NULL, &out, &e), 0);
	assert_int_equal(http_get(h, odd_url(&secure, "small?one2"), NULL, NULL, &out, &e), 0);
	http_close(h);
	json_t *log = odd_log(&secure, ca);
	size_t n = json_array_size(log);
	for (size_t i = 0; i < 3; i++)
		port[i] = json_integer_value(
			json_object_get(json_array_get(log, n - 3 + i), "connection"));
	json_decref(log);
	assert_int_equal(port[0], port[1]);
	assert_int_equal(port[1], port[2]);
}

static void goes_through_a_proxy_without_showing_it_the_token(void **state)
{
	struct http_options o = https();
	struct answer a;
	char proxy[64];

	(void)state;
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", plain.port);
	o.proxy = proxy;
	o.token_file = token;
	if (get_with(&o, odd_url(&secure, "small?proxied"), 100, &a) < 0)
		fail_msg("%s", a.e.text);
	json_t *log = odd_log(&plain, NULL);
	json_t *end = odd_log(&secure, ca);
	char target[32];
	snprintf(target, sizeof(target), "127.0.0.1:%u", secure.port);
	assert_int_equal(odd_count(log, target), 1);
	assert_null(odd_field(log, target, 0, "authorization"));
	assert_string_equal(odd_field(end, "proxied", 0, "authorization"), "Bearer s3cret");
	json_decref(log);
	json_decref(end);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	int rc = get_with(&o, odd_url(&plain, "small"), 100, &a);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(rc, 0);
}

static void keeps_to_the_bandwidth(void **state)
{
	struct http_options o = http();
	struct answer a;
	static uint8_t data[200000];

	(void)state;
	odd_write(folder, "wide", data, sizeof(data));
	o.rate_limit = 200000;
	o.low_speed_seconds = 1;
	assert_int_equal(get_with(&o, odd_url(&plain, "wide"), sizeof(data), &a), 0);
	assert_int_equal(a.len, sizeof(data));
	assert_in_range(a.ms, 400, 3000);
}

static void a_dead_server_is_a_network_error(void **state)
{
	struct http_options o = http();
	struct answer a;

	(void)state;
	assert_refused(get_with(&o, "http://127.0.0.1:1/x", 100, &a), &a, E_NET, "127.0.0.1");
	assert_refused(get_with(&o, odd_url(&plain, "~cut,5/big"), 4096, &a), &a, E_NET, "");
}

static void tells_the_size(void **state)
{
	struct http_options o = http();
	struct http *h = NULL;
	struct err e = {0};
	uint64_t size = 0;

	(void)state;
	assert_int_equal(http_open(&o, &h, &e), 0);
	assert_int_equal(http_size(h, odd_url(&plain, "big"), &size, &e), 0);
	assert_int_equal(size, 1024);
	assert_int_equal(http_size(h, odd_url(&plain, "~no-range/small"), &size, &e), 0);
	assert_int_equal(size, strlen(SMALL));
	assert_int_equal(http_size(h, odd_url(&plain, "~no-range/~chunked/small"), &size, &e), -1);
	assert_int_equal(e.code, E_NET);
	assert_int_equal(http_size(h, odd_url(&plain, "missing"), &size, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	http_close(h);
}

static int start(void **state)
{
	char big[1024];

	(void)state;
	odd_make_folder(folder);
	snprintf(certs, sizeof(certs), "%s/certs", folder);
	snprintf(ca, sizeof(ca), "%s/ca.pem", certs);
	snprintf(token, sizeof(token), "%s/token", folder);
	snprintf(client_cert, sizeof(client_cert), "%s/client.pem", certs);
	snprintf(client_key, sizeof(client_key), "%s/client.key", certs);
	odd_make_certs(certs);
	memset(big, 'b', sizeof(big));
	odd_write(folder, "small", SMALL, strlen(SMALL));
	odd_write(folder, "big", big, sizeof(big));
	odd_write(folder, "token", "s3cret\n", 7);
	plain = odd_start(folder, NULL, NULL);
	secure = odd_start(folder, certs, "server");
	other = odd_start(folder, certs, "server");
	for (size_t i = 0; i < SHOWN_COUNT; i++)
		shown[i].server = odd_start(folder, certs, shown[i].cert);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	odd_stop(&plain);
	odd_stop(&secure);
	odd_stop(&other);
	for (size_t i = 0; i < SHOWN_COUNT; i++)
		odd_stop(&shown[i].server);
	odd_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gets_a_file_over_tls),
		cmocka_unit_test(stops_at_the_cap_and_does_not_read_on),
		cmocka_unit_test(limits_the_headers),
		cmocka_unit_test(refuses_heads_that_can_be_read_in_two_ways),
		cmocka_unit_test(decodes_nothing),
		cmocka_unit_test(gives_up_on_what_is_slow),
		cmocka_unit_test(gives_up_at_the_deadline),
		cmocka_unit_test(gives_up_on_a_handshake_that_never_comes),
		cmocka_unit_test(follows_few_redirects_and_to_https_only),
		cmocka_unit_test(a_redirect_cannot_write_request_lines),
		cmocka_unit_test(credentials_stay_with_their_origin),
		cmocka_unit_test(credentials_need_tls),
		cmocka_unit_test(refuses_a_token_file_that_holds_no_token),
		cmocka_unit_test(refuses_http_unless_allowed),
		cmocka_unit_test(refuses_certificates_that_do_not_fit),
		cmocka_unit_test(can_leave_aside_certificate_dates_and_nothing_else),
		cmocka_unit_test(judges_certificates_at_the_time_given),
		cmocka_unit_test(changing_the_rule_drops_connections_made_under_the_old_one),
		cmocka_unit_test(statuses_have_their_codes),
		cmocka_unit_test(an_etag_saves_the_second_transfer),
		cmocka_unit_test(one_poll_uses_one_connection),
		cmocka_unit_test(goes_through_a_proxy_without_showing_it_the_token),
		cmocka_unit_test(a_proxy_of_the_environment_is_not_used),
		cmocka_unit_test(keeps_to_the_bandwidth),
		cmocka_unit_test(a_dead_server_is_a_network_error),
		cmocka_unit_test(tells_the_size),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
