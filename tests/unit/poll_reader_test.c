/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/http_reader: right bytes or a clear error, and no byte twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/poll/http_ranges.h"
#include "agent/poll/http_transfer.h"
#include "tests/lib/odd_server.h"

#define SIZE  (1024 * 1024)
#define PIECE (64 * 1024)
#define SHORT 70000

static char folder[64];
static uint8_t object[SIZE];
static uint8_t got[SIZE];
static struct odd_server server;

/* Time passes without waiting for it (--wrap). */
static uint64_t clock_ahead;
uint64_t __real_clock_mono_ms(void);
uint64_t __wrap_clock_mono_ms(void);
uint64_t __wrap_clock_mono_ms(void)
{
	return __real_clock_mono_ms() + clock_ahead;
}

static struct http_options options(void)
{
	return (struct http_options){
		.allow_http = true, .retry_pause_ms = 1, .retries = 3, .object_seconds = 10};
}

struct session {
	struct http *http;
	struct reader reader;
	struct err e;
};

static void open_with(
	struct session *s, const struct http_options *o, const char *path, uint64_t length)
{
	*s = (struct session){0};
	memset(got, 0, sizeof(got));
	assert_int_equal(http_open(o, &s->http, &s->e), 0);
	assert_int_equal(
		http_reader(s->http, odd_url(&server, path), length, &s->reader, &s->e), 0);
}

static void open_reader(struct session *s, const char *path)
{
	const struct http_options o = options();

	open_with(s, &o, path, SIZE);
}

static void close_reader(struct session *s)
{
	reader_close(&s->reader);
	assert_int_equal(s->http->active, 0);
	http_close(s->http);
}

static int read_at(struct session *s, uint64_t offset, size_t len)
{
	return s->reader.read(s->reader.ctx, offset, got + offset, len, &s->e);
}

static int read_all(struct session *s)
{
	for (uint64_t at = 0; at < SIZE; at += PIECE) {
		if (read_at(s, at, PIECE) < 0)
			return -1;
	}
	return 0;
}

static void assert_same(uint64_t offset, size_t len)
{
	assert_memory_equal(got + offset, object + offset, len);
}

static void assert_fails(int rc, const struct session *s, enum err_code code, const char *word)
{
	if (rc == 0)
		fail_msg("accepted, wanted %s", err_name(code));
	if (s->e.code != code || !strstr(s->e.text, word))
		fail_msg("wanted %s with \"%s\", got %s: %s", err_name(code), word,
			err_name(s->e.code), s->e.text);
}

static void assert_log(const char *part, size_t requests, uint64_t bytes)
{
	json_t *log = odd_log(&server, NULL);
	size_t n = odd_count(log, part);
	uint64_t sent = odd_sent(log, part);

	json_decref(log);
	if (n != requests || sent != bytes)
		fail_msg("%s: %zu requests and %llu bytes, wanted %zu and %llu", part, n,
			(unsigned long long)sent, requests, (unsigned long long)bytes);
}

static void reads_from_front_to_back_with_one_request(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "object?front");
	if (read_all(&s) < 0)
		fail_msg("%s", s.e.text);
	assert_same(0, SIZE);
	close_reader(&s);
	assert_log("?front", 1, SIZE);
	json_t *log = odd_log(&server, NULL);
	assert_null(odd_field(log, "?front", 0, "range"));
	json_decref(log);
}

static void asks_for_just_what_was_announced(void **state)
{
	/* The first two share a request over a gap of 1000 bytes, the third is far away. */
	static const struct byte_range ranges[] = {{1000, 5000}, {7000, 3000}, {500000, 4096}};
	struct session s;

	(void)state;
	open_reader(&s, "object?ranges");
	assert_int_equal(s.reader.expect(s.reader.ctx, ranges, 3, &s.e), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(read_at(&s, ranges[i].offset, 100), 0);
		assert_int_equal(
			read_at(&s, ranges[i].offset + 100, (size_t)ranges[i].length - 100), 0);
		assert_same(ranges[i].offset, (size_t)ranges[i].length);
	}
	assert_log("?ranges", 2, 9000 + 4096);
	/* A read elsewhere still works, and costs what it reads; so does a second read. */
	assert_int_equal(read_at(&s, 900000, 10), 0);
	assert_same(900000, 10);
	assert_int_equal(read_at(&s, 500000, 4096), 0);
	assert_same(500000, 4096);
	close_reader(&s);
	assert_log("?ranges", 4, 9000 + 4096 + 10 + 4096);
	json_t *log = odd_log(&server, NULL);
	assert_string_equal(odd_field(log, "?ranges", 0, "range"), "bytes=1000-9999");
	assert_string_equal(odd_field(log, "?ranges", 1, "range"), "bytes=500000-504095");
	assert_null(odd_field(log, "?ranges", 0, "if-range"));
	assert_non_null(odd_field(log, "?ranges", 1, "if-range"));
	json_decref(log);
}

static void refuses_announcements_out_of_order(void **state)
{
	static const struct byte_range bad[][2] = {
		{{100, 50}, {120, 10}},
		{{0, 10}, {SIZE - 5, 6}},
		{{0, 10}, {UINT64_MAX, 2}},
	};
	struct session s;

	(void)state;
	open_reader(&s, "object?order");
	for (size_t i = 0; i < 3; i++)
		assert_fails(
			s.reader.expect(s.reader.ctx, bad[i], 2, &s.e), &s, E_INTERNAL, "range");
	assert_fails(s.reader.read(s.reader.ctx, SIZE - 5, got, 6, &s.e), &s, E_SIZE, "no bytes");
	assert_fails(s.reader.read(s.reader.ctx, UINT64_MAX, got, 6, &s.e), &s, E_SIZE, "no bytes");
	close_reader(&s);
	assert_log("?order", 0, 0);
}

static void goes_on_where_the_connection_broke(void **state)
{
	struct session s;

	(void)state;
	/* Every answer breaks after 300,000 bytes, as if the address changed each time. */
	open_reader(&s, "~cut,300000/object");
	if (read_all(&s) < 0)
		fail_msg("%s", s.e.text);
	assert_same(0, SIZE);
	close_reader(&s);
	assert_log("~cut,300000/", 4, SIZE);
	json_t *log = odd_log(&server, NULL);
	assert_string_equal(odd_field(log, "~cut,300000", 1, "range"), "bytes=300000-1048575");
	assert_non_null(odd_field(log, "~cut,300000", 1, "if-range"));
	json_decref(log);
}

static void gives_up_when_nothing_comes_any_more(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "~cut,1000/object");
	assert_fails(read_all(&s), &s, E_NET, "");
	close_reader(&s);
	assert_log("~cut,1000/", 4, 4000);
	/* The very first failure is for the next mirror, not for waiting. */
	open_reader(&s, "~status,502/object");
	assert_fails(read_all(&s), &s, E_NET, "502");
	close_reader(&s);
	assert_log("~status,502/", 1, 25);
}

static void a_hiccup_of_a_gateway_is_passed_over(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "~cut,600000,1/~status-once,2,502/object");
	if (read_all(&s) < 0)
		fail_msg("%s", s.e.text);
	assert_same(0, SIZE);
	close_reader(&s);
	open_reader(&s, "~cut,600000,1/~status-once,2,503/object");
	assert_fails(read_all(&s), &s, E_NET, "503");
	close_reader(&s);
}

static void a_stall_is_noticed_and_resumed(void **state)
{
	struct http_options o = options();
	struct session s;

	(void)state;
	o.low_speed_seconds = 1;
	o.object_seconds = 5;
	open_with(&s, &o, "~stall,400000,1/object", SIZE);
	if (read_all(&s) < 0)
		fail_msg("%s", s.e.text);
	assert_same(0, SIZE);
	close_reader(&s);
	assert_log("~stall,400000,1/", 2, SIZE);
}

static void time_is_up_for_an_object_that_trickles(void **state)
{
	struct http_options o = options();
	struct session s;
	uint64_t before = clock_mono_ms();

	(void)state;
	o.object_seconds = 1;
	open_with(&s, &o, "~slow,20000/short", SHORT);
	assert_fails(read_at(&s, 0, SHORT), &s, E_TIMEOUT, "time limit");
	assert_true(clock_mono_ms() - before < 2500);
	close_reader(&s);
}

static void a_server_without_ranges_gives_one_stream(void **state)
{
	static const struct byte_range ranges[] = {{1000, 5000}, {500000, 4096}};
	struct session s;

	(void)state;
	open_reader(&s, "~no-range/object");
	assert_int_equal(s.reader.expect(s.reader.ctx, ranges, 2, &s.e), 0);
	assert_int_equal(read_at(&s, 1000, 5000), 0);
	assert_int_equal(read_at(&s, 500000, 4096), 0);
	assert_same(1000, 5000);
	assert_same(500000, 4096);
	/* Backwards: asked again. */
	assert_int_equal(read_at(&s, 1000, 5000), 0);
	assert_same(1000, 5000);
	close_reader(&s);
	json_t *log = odd_log(&server, NULL);
	assert_int_equal(odd_count(log, "~no-range/object"), 2);
	json_decref(log);
}

static void a_server_without_ranges_does_not_cost_without_end(void **state)
{
	struct session s;
	int rc = 0;
	int reads = 0;

	(void)state;
	open_reader(&s, "~no-range/object?waste");
	while (rc == 0 && reads < 40) {
		rc = read_at(&s, SIZE - 100, 10);
		reads++;
	}
	assert_fails(rc, &s, E_NET, "no ranges");
	assert_int_equal(reads, 9);
	close_reader(&s);
}

static void refuses_parts_that_were_not_asked_for(void **state)
{
	static const struct {
		const char *path;
		enum err_code code;
		const char *word;
	} rows[] = {
		{"~wrong-range/object", E_NET, "asked for bytes"},
		{"~short-range,10/object", E_NET, "asked for bytes"},
		{"~wrong-total,1/object", E_SIZE, "signed are"},
		{"~no-content-range/object", E_NET, "Content-Range"},
		{"~wrong-length,7/object", E_SIZE, "announced"},
		{"~wrong-length,-7/object", E_SIZE, "announced"},
		{"~gzip/object", E_NET, "compression"},
		{"~chunked,5/object", E_SIZE, "more bytes"},
		{"~status,404/object", E_NOTFOUND, "404"},
		{"~status,416/object", E_SIZE, "shorter"},
		{"~status,304/object", E_NET, "304"},
		{"~html/object", E_SIZE, "signed are"},
	};
	static const struct byte_range range = {5000, 3000};
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_reader(&s, rows[i].path);
		assert_int_equal(s.reader.expect(s.reader.ctx, &range, 1, &s.e), 0);
		assert_fails(read_at(&s, 5000, 3000), &s, rows[i].code, rows[i].word);
		close_reader(&s);
	}
}

static void refuses_a_whole_object_of_another_size(void **state)
{
	const struct http_options o = options();
	struct session s;

	(void)state;
	open_with(&s, &o, "object?short", SIZE - 1);
	assert_fails(read_at(&s, 0, 10), &s, E_SIZE, "signed are");
	close_reader(&s);
	/* Without a length in its head the end tells. */
	open_with(&s, &o, "~chunked/object", SIZE - 1);
	assert_fails(read_at(&s, 0, SIZE - 1), &s, E_SIZE, "more bytes");
	close_reader(&s);
	open_reader(&s, "~close/short");
	assert_fails(read_at(&s, 0, SIZE), &s, E_SIZE, "");
	close_reader(&s);
	open_reader(&s, "~chunked/object");
	assert_int_equal(read_at(&s, 0, SIZE), 0);
	assert_same(0, SIZE);
	close_reader(&s);
	/* Longer than signed, but asked for by range: the total tells. */
	open_with(&s, &o, "object?long", SIZE - 1);
	assert_fails(read_at(&s, 10, 10), &s, E_SIZE, "signed are");
	close_reader(&s);
}

static void a_part_that_nobody_asked_for_is_refused(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "~force-part/object");
	assert_fails(read_at(&s, 0, SIZE), &s, E_NET, "206 was not asked for");
	close_reader(&s);
}

static void one_read_never_mixes_two_versions(void **state)
{
	struct session s;

	(void)state;
	/* The object becomes another one after the first answer broke off. */
	open_reader(&s, "~cut,100000,1/~changed,2/object");
	assert_int_equal(read_at(&s, 0, 300000), 0);
	for (size_t i = 0; i < 300000; i++)
		assert_int_equal(got[i], object[i] ^ 0xff);
	close_reader(&s);
	open_reader(&s, "~cut,100000,1/~changed,2/~ignore-if-range/object");
	assert_int_equal(read_at(&s, 0, 300000), 0);
	for (size_t i = 0; i < 300000; i++)
		assert_int_equal(got[i], object[i] ^ 0xff);
	close_reader(&s);
}

static void servers_that_disagree_about_etags_still_serve(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "~etag-flaps/object");
	assert_int_equal(read_at(&s, 1000, 100), 0);
	assert_int_equal(read_at(&s, 500000, 100), 0);
	assert_same(1000, 100);
	assert_same(500000, 100);
	close_reader(&s);
	/* An object that changes with each request within one read comes to an end. */
	open_reader(&s, "~cut,1000/~etag-flaps/object");
	assert_int_equal(read_at(&s, 0, SIZE), -1);
	close_reader(&s);
}

static void weak_etags_are_not_for_if_range(void **state)
{
	struct session s;

	(void)state;
	open_reader(&s, "~weak-etag/object");
	assert_int_equal(read_at(&s, 1000, 100), 0);
	assert_int_equal(read_at(&s, 500000, 100), 0);
	close_reader(&s);
	json_t *log = odd_log(&server, NULL);
	assert_int_equal(odd_count(log, "~weak-etag"), 2);
	assert_null(odd_field(log, "~weak-etag", 1, "if-range"));
	json_decref(log);
}

static void what_was_received_is_bounded(void **state)
{
	struct session s;
	struct session t;

	(void)state;
	/* Nobody pulls: the server can send no more than our buffer and the sockets hold. */
	open_reader(&s, "object?bounded");
	assert_int_equal(read_at(&s, 0, 1), 0);
	open_with(&t, &(struct http_options){.allow_http = true}, "object?second", SIZE);
	assert_int_equal(read_all(&t), 0);
	close_reader(&t);
	/* Two readers over the same connections do not disturb each other. */
	struct reader second = {0};
	assert_int_equal(
		http_reader(s.http, odd_url(&server, "object?third"), SIZE, &second, &s.e), 0);
	for (uint64_t at = 0; at < SIZE; at += PIECE) {
		assert_int_equal(second.read(second.ctx, at, got + at, PIECE, &s.e), 0);
		assert_same(at, PIECE);
		memset(got + at, 0, PIECE);
		assert_int_equal(read_at(&s, at, PIECE), 0);
		assert_same(at, PIECE);
	}
	reader_close(&second);
	close_reader(&s);
}

static void a_stream_that_waited_its_turn_goes_on_at_once(void **state)
{
	struct http_options o = options();
	struct session s;

	(void)state;
	/* A retry that counts would wait for 20 s, and there is only one of them. */
	o.retries = 1;
	o.retry_pause_ms = 20000;
	o.object_seconds = 1000;
	uint64_t before = __real_clock_mono_ms();
	open_with(&s, &o, "~cut,100000/object?turns", SIZE);
	for (uint64_t at = 0; at < SIZE; at += PIECE) {
		clock_ahead += 3000;
		if (read_at(&s, at, PIECE) < 0)
			fail_msg("%s", s.e.text);
	}
	assert_same(0, SIZE);
	close_reader(&s);
	assert_log("?turns", 11, SIZE);
	assert_true(__real_clock_mono_ms() - before < 15000);
}

static void a_break_without_waiting_counts_as_one(void **state)
{
	struct http_options o = options();
	struct session s;

	(void)state;
	o.retries = 1;
	o.object_seconds = 1000;
	open_with(&s, &o, "~cut,70000/object?counted", SIZE);
	assert_int_equal(read_at(&s, 0, PIECE), 0);
	clock_ahead += 2500;
	assert_fails(read_at(&s, PIECE, 3 * PIECE), &s, E_NET, "");
	close_reader(&s);
	assert_log("?counted", 2, 140000);
}

#define STREAMS 16
#define RUNS    5

/* As a device with little space reads data: each generation is a stream, all are open at once. */
static void many_streams_share_what_is_there(void **state)
{
	struct reader stream[STREAMS] = {{0}};
	struct byte_range runs[STREAMS][RUNS];
	struct http *http = NULL;
	const struct http_options o = options();
	struct err e = {0};
	const uint64_t part = SIZE / STREAMS;
	const size_t len = 2000;

	(void)state;
	assert_int_equal(http_open(&o, &http, &e), 0);
	for (size_t i = 0; i < STREAMS; i++) {
		for (size_t k = 0; k < RUNS; k++) {
			runs[i][k] = (struct byte_range){i * part + k * (part / RUNS), len};
		}
		assert_int_equal(
			http_reader(http, odd_url(&server, "object?many"), SIZE, &stream[i], &e),
			0);
		assert_int_equal(stream[i].expect(stream[i].ctx, runs[i], RUNS, &e), 0);
	}
	memset(got, 0, sizeof(got));
	for (size_t k = 0; k < RUNS; k++) {
		for (size_t i = 0; i < STREAMS; i++) {
			uint64_t at = runs[i][k].offset;
			assert_int_equal(stream[i].read(stream[i].ctx, at, got + at, len, &e), 0);
			assert_memory_equal(got + at, object + at, len);
		}
	}
	assert_true(http->active <= STREAMS);
	for (size_t i = 0; i < STREAMS; i++)
		reader_close(&stream[i]);
	http_close(http);
	/* The runs of one stream lie closer than the join: one request each, one connection each. */
	json_t *log = odd_log(&server, NULL);
	assert_int_equal(odd_count(log, "?many"), STREAMS);
	json_decref(log);
}

/* A connection that ended its answer serves the next request, also beside many others. */
static void connections_are_used_again_beside_open_streams(void **state)
{
	struct reader stream[STREAMS] = {{0}};
	struct http *http = NULL;
	const struct http_options o = options();
	struct byte_range runs[RUNS];
	struct err e = {0};

	(void)state;
	assert_int_equal(http_open(&o, &http, &e), 0);
	for (size_t k = 0; k < RUNS; k++)
		runs[k] = (struct byte_range){k * 100000, PIECE}; /* more than is buffered */
	for (size_t i = 0; i < STREAMS; i++) {
		assert_int_equal(
			http_reader(http, odd_url(&server, "object?again"), SIZE, &stream[i], &e),
			0);
		assert_int_equal(stream[i].expect(stream[i].ctx, runs, RUNS, &e), 0);
		assert_int_equal(stream[i].read(stream[i].ctx, 0, got, 10, &e), 0);
	}
	for (size_t k = 0; k < RUNS; k++) {
		for (size_t i = 0; i < STREAMS; i++)
			assert_int_equal(stream[i].read(stream[i].ctx, runs[k].offset + 10, got,
						 PIECE - 10, &e),
				0);
	}
	for (size_t i = 0; i < STREAMS; i++)
		reader_close(&stream[i]);
	http_close(http);
	json_t *log = odd_log(&server, NULL);
	assert_int_equal(odd_count(log, "?again"), STREAMS * RUNS);
	assert_int_equal(odd_connections(log, "?again"), STREAMS);
	json_decref(log);
}

/* A damaged slot: tens of thousands of frames here and there. */
static void thousands_of_ranges_become_as_few_requests_as_can_be(void **state)
{
	enum { COUNT = 60000, FAR = 50 };
	struct byte_range *ranges = calloc(COUNT, sizeof(*ranges));
	struct http_ranges r = {0};
	struct err e = {0};
	uint64_t at = 7;

	(void)state;
	assert_non_null(ranges);
	for (size_t i = 0; i < COUNT; i++) {
		/* Each FARth gap is one byte too wide to be joined, the others just fit. */
		at += i % FAR == 0 ? HTTP_JOIN_GAP : HTTP_JOIN_GAP - 1;
		ranges[i] = (struct byte_range){at, 1 + i % 9000};
		at += ranges[i].length;
	}
	assert_int_equal(http_ranges_set(&r, ranges, COUNT, at, &e), 0);
	assert_int_equal(r.count, COUNT / FAR);
	for (size_t i = 0; i < COUNT; i++) {
		const struct byte_range *last = &ranges[i / FAR * FAR + FAR - 1];
		uint64_t end = last->offset + last->length;
		assert_int_equal(http_ranges_end(&r, ranges[i].offset, 1, at), end);
		assert_int_equal(http_ranges_end(&r, ranges[i].offset, ranges[i].length, at), end);
	}
	/* Before a run, and over the end of one: what is read, no more. */
	assert_int_equal(http_ranges_end(&r, 0, 5, at), 5);
	assert_int_equal(http_ranges_end(&r, at - 1, 1, at), at);
	http_ranges_free(&r);
	free(ranges);
}

static int start(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1664525u + 1013904223u;
		object[i] = (uint8_t)(x >> 24);
	}
	odd_make_folder(folder);
	odd_write(folder, "object", object, SIZE);
	odd_write(folder, "short", object, SHORT);
	server = odd_start(folder, NULL, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	odd_stop(&server);
	odd_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_from_front_to_back_with_one_request),
		cmocka_unit_test(asks_for_just_what_was_announced),
		cmocka_unit_test(refuses_announcements_out_of_order),
		cmocka_unit_test(goes_on_where_the_connection_broke),
		cmocka_unit_test(gives_up_when_nothing_comes_any_more),
		cmocka_unit_test(a_hiccup_of_a_gateway_is_passed_over),
		cmocka_unit_test(a_stall_is_noticed_and_resumed),
		cmocka_unit_test(time_is_up_for_an_object_that_trickles),
		cmocka_unit_test(a_server_without_ranges_gives_one_stream),
		cmocka_unit_test(a_server_without_ranges_does_not_cost_without_end),
		cmocka_unit_test(refuses_parts_that_were_not_asked_for),
		cmocka_unit_test(refuses_a_whole_object_of_another_size),
		cmocka_unit_test(a_part_that_nobody_asked_for_is_refused),
		cmocka_unit_test(one_read_never_mixes_two_versions),
		cmocka_unit_test(servers_that_disagree_about_etags_still_serve),
		cmocka_unit_test(weak_etags_are_not_for_if_range),
		cmocka_unit_test(what_was_received_is_bounded),
		cmocka_unit_test(a_stream_that_waited_its_turn_goes_on_at_once),
		cmocka_unit_test(a_break_without_waiting_counts_as_one),
		cmocka_unit_test(many_streams_share_what_is_there),
		cmocka_unit_test(connections_are_used_again_beside_open_streams),
		cmocka_unit_test(thousands_of_ranges_become_as_few_requests_as_can_be),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
