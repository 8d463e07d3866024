/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, pulled by the caller. */
#include "agent/poll/http_transfer.h"

#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/must.h"

#define POLL_MS  500 /* libcurl returns earlier when there is news */
#define DRAIN_MS 1000

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;
	size_t len = size * n;

	t->header_bytes += len;
	t->window_bytes += len;
	if (!MUST("http.header-bytes", t->header_bytes <= HTTP_HEADERS_MAX)) {
		err_set(&t->refused, E_NET, "%s: more than %d bytes of headers", t->host,
			HTTP_HEADERS_MAX);
		return 0;
	}
	/* What follows the body (trailers) must not change what was decided on the head. */
	if (t->has_head)
		return len;
	http_response_add(&t->response, line, len);
	if ((len == 2 && line[0] == '\r') || (len == 1 && line[0] == '\n'))
		t->has_head = t->response.status >= 200;
	return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct http_transfer *t = ctx;
	size_t len = size * n;

	if (len > sizeof(t->buffer) - t->end && t->start > 0) {
		memmove(t->buffer, t->buffer + t->start, t->end - t->start);
		t->end -= t->start;
		t->start = 0;
	}
	if (len > sizeof(t->buffer) - t->end) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(t->buffer + t->end, data, len);
	t->end += len;
	t->window_bytes += len;
	return len;
}

static void note_finished(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct http_transfer *t = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		t->finished = true;
		t->result = m->data.result;
	}
}

static int check_time(struct http_transfer *t, uint64_t waited, struct err *e)
{
	const struct http_options *o = &t->http->o;
	uint64_t wanted = (uint64_t)o->low_speed_bytes * o->low_speed_seconds;

	if (!MUST("http.deadline", clock_mono_ms() < t->deadline_ms))
		return err_set(e, E_TIMEOUT, "%s: not done within the time limit", t->host);
	t->waited_ms += waited;
	if (t->waited_ms < (uint64_t)o->low_speed_seconds * 1000)
		return 0;
	if (!MUST("http.low-speed", t->window_bytes >= wanted))
		return err_set(e, E_TIMEOUT, "%s: only %llu bytes in %u s", t->host,
			(unsigned long long)t->window_bytes, o->low_speed_seconds);
	t->waited_ms = 0;
	t->window_bytes = 0;
	return 0;
}

static bool has_news(const struct http_transfer *t, bool had_head)
{
	return t->finished || t->end > t->start || t->has_head != had_head;
}

/* Lets libcurl work once, and waits a moment when nothing came for this transfer. */
static int pump(struct http_transfer *t, struct err *e)
{
	bool had_head = t->has_head;
	uint64_t before = clock_mono_ms();
	int running;
	CURLMcode rc = curl_multi_perform(t->http->multi, &running);

	if (rc == CURLM_OK)
		note_finished(t->http);
	if (rc == CURLM_OK && has_news(t, had_head))
		return 0;
	if (rc == CURLM_OK)
		rc = curl_multi_poll(t->http->multi, NULL, 0, POLL_MS, NULL);
	if (rc != CURLM_OK)
		return err_set(e, E_INTERNAL, "libcurl: %s", curl_multi_strerror(rc));
	if (check_time(t, clock_mono_ms() - before, e) < 0) {
		t->is_broken = true;
		return -1;
	}
	return 0;
}

static const struct {
	CURLcode curl;
	enum err_code code;
} codes[] = {
	{CURLE_OUT_OF_MEMORY, E_NOMEM},
	{CURLE_OPERATION_TIMEDOUT, E_TIMEOUT},
	{CURLE_PEER_FAILED_VERIFICATION, E_TLS},
	{CURLE_SSL_CONNECT_ERROR, E_TLS},
	{CURLE_SSL_CERTPROBLEM, E_TLS},
	{CURLE_SSL_CACERT_BADFILE, E_TLS},
	{CURLE_SSL_ISSUER_ERROR, E_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, E_TLS},
	{CURLE_SSL_CIPHER, E_TLS},
	{CURLE_SSL_ENGINE_NOTFOUND, E_TLS},
	{CURLE_SSL_ENGINE_SETFAILED, E_TLS},
	{CURLE_SSL_CRL_BADFILE, E_TLS},
	{CURLE_USE_SSL_FAILED, E_TLS},
};

/* The error of a finished transfer that did not end well. */
static int fail(struct http_transfer *t, struct err *e)
{
	enum err_code code = E_NET;
	long verify = X509_V_OK;

	if (t->refused.code != E_OK) {
		*e = t->refused;
		return -1;
	}
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].curl == t->result)
			code = codes[i].code;
	}
	curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	if (code == E_TLS) {
		t->http->hint.certificate_not_yet_valid = verify == X509_V_ERR_CERT_NOT_YET_VALID;
		t->http->hint.certificate_expired = verify == X509_V_ERR_CERT_HAS_EXPIRED;
	}
	return err_set(
		e, code, "%s: %s", t->host, t->error[0] ? t->error : curl_easy_strerror(t->result));
}

int http_transfer_make(struct http *h, const char *host, uint64_t deadline_ms,
	struct http_transfer **out, struct err *e)
{
	AUTO_TRANSFER struct http_transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, E_NOMEM, "no memory for a transfer");
	t->http = h;
	t->deadline_ms = deadline_ms;
	snprintf(t->host, sizeof(t->host), "%s", host);
	t->easy = curl_easy_init();
	if (!t->easy)
		return err_set(e, E_NOMEM, "no memory for a transfer");
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (char *)t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	*out = steal_ptr(t);
	return 0;
}

int http_transfer_run(struct http_transfer *t, const char *url, struct err *e)
{
	if (curl_easy_setopt(t->easy, CURLOPT_URL, url) != CURLE_OK ||
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) != CURLE_OK ||
		curl_multi_add_handle(t->http->multi, t->easy) != CURLM_OK)
		return err_set(e, E_INTERNAL, "libcurl refuses the request");
	t->is_added = true;
	t->http->active++;
	while (!t->has_head && !t->finished) {
		if (pump(t, e) < 0)
			return -1;
	}
	/* With a head there is something to judge; what broke behind it shows when it is read. */
	return t->has_head ? 0 : fail(t, e);
}

const struct http_response *http_transfer_response(const struct http_transfer *t)
{
	return &t->response;
}

static int go_on(struct http_transfer *t, struct err *e)
{
	if (!t->paused)
		return 0;
	t->paused = false;
	/* Calls on_body, which may pause it again. */
	CURLcode rc = curl_easy_pause(t->easy, CURLPAUSE_CONT);
	if (rc != CURLE_OK)
		return err_set(e, E_NET, "%s: %s", t->host, curl_easy_strerror(rc));
	return 0;
}

int http_transfer_read(struct http_transfer *t, void *data, size_t len, size_t *got, struct err *e)
{
	while (t->end == t->start) {
		if (go_on(t, e) < 0)
			return -1;
		if (t->end > t->start)
			break;
		if (t->finished && t->result != CURLE_OK)
			return fail(t, e);
		if (t->finished) {
			*got = 0;
			return 0;
		}
		if (pump(t, e) < 0)
			return -1;
	}
	size_t n = t->end - t->start < len ? t->end - t->start : len;
	memcpy(data, t->buffer + t->start, n);
	t->start += n;
	if (t->start == t->end)
		t->start = t->end = 0;
	*got = n;
	return 0;
}

int http_transfer_skip(struct http_transfer *t, uint64_t skip, struct err *e)
{
	uint8_t drop[8192];
	size_t got = 0;

	for (; skip > 0; skip -= got) {
		if (http_transfer_read(t, drop, skip < sizeof(drop) ? (size_t)skip : sizeof(drop),
			    &got, e) < 0)
			return -1;
		if (got == 0)
			return err_set(e, E_NET, "%s: the answer ends %llu bytes early", t->host,
				(unsigned long long)skip);
	}
	return 0;
}

/* Ending a transfer in its body closes the connection; the next one would cost a handshake. */
static void drain(struct http_transfer *t)
{
	uint64_t now = clock_mono_ms();
	uint8_t drop[4096];
	size_t all = 0;
	size_t got = 1;
	struct err e;

	if (!t->response.is_chunked &&
		(!t->response.has_length || t->response.length > HTTP_DRAIN_MAX))
		return;
	if (t->deadline_ms > now + DRAIN_MS)
		t->deadline_ms = now + DRAIN_MS;
	while (got > 0 && all <= HTTP_DRAIN_MAX &&
		http_transfer_read(t, drop, sizeof(drop), &got, &e) == 0)
		all += got;
}

void http_transfer_end(struct http_transfer *t)
{
	if (!t)
		return;
	if (t->has_head && !t->finished && !t->is_broken)
		drain(t);
	if (t->is_added) {
		curl_multi_remove_handle(t->http->multi, t->easy);
		t->http->active--;
	}
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}
