/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of one object over HTTP: few requests, resumed where they broke. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/must.h"
#include "agent/poll/http_ranges.h"
#include "agent/poll/http_transfer.h"

#define PROGRESS_MIN (256 * 1024) /* new bytes that earn a fresh set of retries */
#define WASTE_FACTOR 8 /* times the object's length may be thrown away, in all */
#define IDLE_MS      3000 /* unread for so long, a server may have closed the connection */

struct http_reader {
	struct http *http;
	char url[HTTP_URL_SIZE];
	uint64_t length;
	uint64_t deadline_ms; /* set by the first read */

	struct http_ranges ranges; /* what was announced */

	struct http_transfer *transfer; /* NULL = no request under way */
	uint64_t pos; /* of the next byte that it gives */
	uint64_t end; /* behind the last byte that was asked for */
	bool is_stream; /* the server gave everything instead of a range */
	uint64_t used_ms; /* when the request under way gave bytes last, 0 = never */
	bool was_idle; /* it was left unread for IDLE_MS */

	char etag[HTTP_ETAG_SIZE]; /* strong, of the latest answer; "" = none */
	bool no_if_range; /* servers behind one name disagree about ETags */
	bool is_mid_read; /* bytes of an earlier answer are already in the caller's buffer */
	bool answered; /* some answer was good: a failure is worth a retry */
	unsigned failures; /* without progress in between */
	uint64_t fresh; /* bytes handed out since the last failure */
	uint64_t wasted; /* bytes skipped, of servers without ranges */
};

static void drop_transfer(struct http_reader *r)
{
	http_transfer_end(r->transfer);
	r->transfer = NULL;
}

static int reader_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct http_reader *r = ctx;

	if (http_ranges_set(&r->ranges, ranges, count, r->length, e) < 0)
		return err_wrap(e, "%.*s", HTTP_SHOWN(r->url));
	drop_transfer(r);
	return 0;
}

/* --- One request ----------------------------------------------------------- */

/* 206: exactly the range that was asked for, of an object of exactly this length. */
static int check_partial(
	const struct http_reader *r, const struct http_response *h, uint64_t first, struct err *e)
{
	if (!MUST("http.range-head", h->has_range))
		return err_set(e, E_NET, "%.*s: a part without a usable Content-Range",
			HTTP_SHOWN(r->url));
	if (!MUST("http.range-total", h->range_total == r->length))
		return err_set(e, E_SIZE, "%.*s: has %llu bytes, signed are %llu",
			HTTP_SHOWN(r->url), (unsigned long long)h->range_total,
			(unsigned long long)r->length);
	if (!MUST("http.range-place", h->range_first == first && h->range_last == r->end - 1))
		return err_set(e, E_NET, "%.*s: asked for bytes %llu-%llu, got %llu-%llu",
			HTTP_SHOWN(r->url), (unsigned long long)first,
			(unsigned long long)r->end - 1, (unsigned long long)h->range_first,
			(unsigned long long)h->range_last);
	if (!MUST("http.range-length",
		    h->is_chunked || !h->has_length || h->length == r->end - first))
		return err_set(e, E_SIZE, "%.*s: %llu bytes announced for a range of %llu",
			HTTP_SHOWN(r->url), (unsigned long long)h->length,
			(unsigned long long)(r->end - first));
	return 0;
}

/* 200: the whole object from its first byte. */
static int check_whole(const struct http_reader *r, const struct http_response *h, struct err *e)
{
	if (!MUST("http.whole-length", h->is_chunked || !h->has_length || h->length == r->length))
		return err_set(e, E_SIZE, "%.*s: has %llu bytes, signed are %llu",
			HTTP_SHOWN(r->url), (unsigned long long)h->length,
			(unsigned long long)r->length);
	return 0;
}

static int check_status(
	const struct http_reader *r, const struct http_response *h, bool asked_range, struct err *e)
{
	if (h->status == 416)
		return err_set(e, E_SIZE, "%.*s: is shorter than the %llu bytes that are signed",
			HTTP_SHOWN(r->url), (unsigned long long)r->length);
	if (http_check_response(h, r->url, e) < 0)
		return -1;
	if (!MUST("http.range-asked", h->status == 200 || (h->status == 206 && asked_range)))
		return err_set(e, E_NET, "%.*s: status %ld was not asked for", HTTP_SHOWN(r->url),
			h->status);
	return 0;
}

/* Keeps the answer's ETag; true when it is another than before. */
static bool note_etag(struct http_reader *r, const struct http_response *h)
{
	const char *now = http_response_has_strong_etag(h) ? h->etag : "";
	bool changed = r->etag[0] && now[0] && strcmp(r->etag, now) != 0;

	snprintf(r->etag, sizeof(r->etag), "%s", now);
	return changed;
}

/* What became of a request. */
enum answer { ANSWER_GOOD, ANSWER_CHANGED, ANSWER_AGAIN, ANSWER_RETRY, ANSWER_FATAL };

static bool is_passing(const struct http_reader *r, const struct err *e)
{
	long status = r->http->hint.status;

	if (e->code == E_TIMEOUT || e->code == E_TLS)
		return r->answered;
	/* A gateway's hiccup; 429 and 503 are for the back-off between polls. */
	if (status >= 400)
		return r->answered && (status == 500 || status == 502 || status == 504);
	return e->code == E_NET && r->answered;
}

static enum answer judge_failure(const struct http_reader *r, const struct err *e)
{
	return is_passing(r, e) ? ANSWER_RETRY : ANSWER_FATAL;
}

/* A server without ranges: bytes before `first` come again, within a budget. */
static enum answer skip_to(struct http_reader *r, uint64_t first, struct err *e)
{
	uint64_t budget;

	if (size_mul_over(r->length, WASTE_FACTOR, &budget))
		budget = UINT64_MAX;
	if (!MUST("http.waste", first <= budget - r->wasted)) {
		err_set(e, E_NET,
			"%.*s: the server has no ranges; the object would be fetched more "
			"than %d times",
			HTTP_SHOWN(r->url), WASTE_FACTOR);
		return ANSWER_FATAL;
	}
	r->wasted += first;
	if (http_transfer_skip(r->transfer, first, e) < 0)
		return judge_failure(r, e);
	return ANSWER_GOOD;
}

static enum answer judge_answer(
	struct http_reader *r, uint64_t first, bool with_range, bool with_if_range, struct err *e)
{
	const struct http_response *h = http_transfer_response(r->transfer);

	if (check_status(r, h, with_range, e) < 0)
		return judge_failure(r, e);
	if (h->status == 206) {
		if (check_partial(r, h, first, e) < 0)
			return ANSWER_FATAL;
		r->answered = true;
		return note_etag(r, h) && r->is_mid_read ? ANSWER_CHANGED : ANSWER_GOOD;
	}
	if (check_whole(r, h, e) < 0)
		return ANSWER_FATAL;
	r->answered = true;
	bool changed = note_etag(r, h);
	if (changed && with_if_range) {
		/* The range would have been served but for If-Range: ask without it. */
		r->no_if_range = true;
		return ANSWER_CHANGED;
	}
	r->end = r->length;
	r->is_stream = with_range;
	enum answer a = skip_to(r, first, e);
	return a == ANSWER_GOOD && changed && r->is_mid_read ? ANSWER_CHANGED : a;
}

static enum answer start_request(struct http_reader *r, uint64_t first, uint64_t len, struct err *e)
{
	bool whole;

	drop_transfer(r);
	r->is_stream = false;
	r->used_ms = 0;
	r->was_idle = false;
	r->end = http_ranges_end(&r->ranges, first, len, r->length);
	whole = first == 0 && r->end == r->length;
	struct http_request q = {
		.url = r->url,
		.with_range = !whole,
		.first = first,
		.last = r->end - 1,
		.if_range = !whole && r->etag[0] && !r->no_if_range ? r->etag : NULL,
		.deadline_ms = r->deadline_ms,
	};
	if (http_transfer_start(r->http, &q, &r->transfer, e) < 0)
		return judge_failure(r, e);
	r->pos = first;
	enum answer a = judge_answer(r, first, q.with_range, q.if_range, e);
	if (a != ANSWER_GOOD)
		drop_transfer(r);
	return a;
}

/* --- Reading ----------------------------------------------------------------- */

/* Does the request under way reach `offset` without much waste? */
static bool can_go_on(const struct http_reader *r, uint64_t offset)
{
	if (!r->transfer || offset < r->pos || offset >= r->end)
		return false;
	return r->is_stream || offset - r->pos < HTTP_JOIN_GAP;
}

static int skip_gap(struct http_reader *r, uint64_t offset, struct err *e)
{
	if (offset > r->pos && http_transfer_skip(r->transfer, offset - r->pos, e) < 0)
		return -1;
	r->pos = offset;
	return 0;
}

/*
 * After the last byte of a request: nothing may follow. Where the length was
 * announced libcurl cuts there by itself; else the end has to come.
 */
static int check_end(struct http_reader *r, struct err *e)
{
	uint8_t extra;
	size_t got = 0;
	struct err late;
	int rc = http_transfer_read(r->transfer, &extra, 1, &got, &late);

	drop_transfer(r);
	/* A connection that breaks here took nothing away: all bytes have come. */
	if (!MUST("http.extra", rc < 0 || got == 0))
		return err_set(e, E_SIZE, "%.*s: more bytes than the %llu that are signed",
			HTTP_SHOWN(r->url), (unsigned long long)r->length);
	return 0;
}

/* Pulls up to `len` bytes of the request under way; -1 with a passing or a final error. */
static int pull(struct http_reader *r, void *data, size_t len, size_t *got, struct err *e)
{
	if (len > r->end - r->pos)
		len = (size_t)(r->end - r->pos);
	if (http_transfer_read(r->transfer, data, len, got, e) < 0)
		return -1;
	if (*got == 0)
		return err_set(e, E_SIZE, "%.*s: ends at byte %llu of %llu", HTTP_SHOWN(r->url),
			(unsigned long long)r->pos, (unsigned long long)r->length);
	r->pos += *got;
	r->used_ms = clock_mono_ms();
	r->fresh += *got;
	if (r->fresh >= PROGRESS_MIN)
		r->failures = 0;
	return 0;
}

/* Waits before the next try, longer each time; -1 when the tries are used up. */
static int pause_or_give_up(struct http_reader *r)
{
	uint64_t ms;

	if (!MUST("http.retries", r->failures < r->http->o.retries) ||
		clock_mono_ms() >= r->deadline_ms)
		return -1;
	ms = (uint64_t)r->http->o.retry_pause_ms << (r->failures < 6 ? r->failures : 6);
	struct timespec pause = {
		.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
	nanosleep(&pause, NULL);
	r->failures++;
	r->fresh = 0;
	return 0;
}

static int read_some(struct http_reader *r, uint64_t offset, uint8_t *data, size_t len,
	size_t *done, enum answer *answer, struct err *e)
{
	size_t got = 0;

	*answer = ANSWER_GOOD;
	r->is_mid_read = *done > 0;
	if (!can_go_on(r, offset + *done)) {
		*answer = start_request(r, offset + *done, len - *done, e);
		if (*answer != ANSWER_GOOD)
			return -1;
	}
	if (skip_gap(r, offset + *done, e) < 0 || pull(r, data + *done, len - *done, &got, e) < 0) {
		/* Half an answer came: whatever broke, it is worth going on from there. */
		drop_transfer(r);
		*answer = r->was_idle ? ANSWER_AGAIN : ANSWER_RETRY;
		return -1;
	}
	*done += got;
	if (r->pos == r->end && check_end(r, e) < 0) {
		*answer = ANSWER_FATAL;
		return -1;
	}
	return 0;
}

/*
 * One of several streams may wait for minutes until its turn comes, and servers
 * close what nobody reads (nginx after 60 s). That is no failure of the network:
 * such a request is made again at once, and does not count. This cannot go round
 * for ever, because each such request gave bytes and then waited.
 */
static void note_idle(struct http_reader *r)
{
	if (r->transfer && r->used_ms && clock_mono_ms() - r->used_ms >= IDLE_MS)
		r->was_idle = true;
}

static int reader_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct http_reader *r = ctx;
	enum answer answer;
	size_t done = 0;

	if (!MUST("http.read-place", offset <= r->length && len <= r->length - offset))
		return err_set(e, E_SIZE, "%.*s: no bytes %llu+%zu in an object of %llu",
			HTTP_SHOWN(r->url), (unsigned long long)offset, len,
			(unsigned long long)r->length);
	if (r->deadline_ms == 0)
		r->deadline_ms = clock_mono_ms() + r->http->o.object_seconds * 1000;
	note_idle(r);
	while (done < len) {
		if (read_some(r, offset, data, len, &done, &answer, e) == 0)
			continue;
		if (answer == ANSWER_FATAL)
			return -1;
		if (answer == ANSWER_AGAIN)
			continue;
		/* Bytes of two versions in one read would be blamed on the wrong one. */
		if (answer == ANSWER_CHANGED) {
			done = 0;
			err_set(e, E_NET, "%.*s: the object changes between requests",
				HTTP_SHOWN(r->url));
		}
		if (pause_or_give_up(r) < 0)
			return -1;
	}
	return 0;
}

static void reader_free(void *ctx)
{
	struct http_reader *r = ctx;

	drop_transfer(r);
	http_ranges_free(&r->ranges);
	free(r);
}

int http_reader(struct http *h, const char *url, uint64_t length, struct reader *out, struct err *e)
{
	struct http_origin origin;

	if (http_url_check(url, h->o.allow_http, &origin, e) < 0)
		return -1;
	struct http_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(e, E_NOMEM, "no memory for a reader");
	r->http = h;
	r->length = length;
	snprintf(r->url, sizeof(r->url), "%s", url);
	*out = (struct reader){
		.ctx = r,
		.expect = reader_expect,
		.read = reader_read,
		.close = reader_free,
	};
	return 0;
}
