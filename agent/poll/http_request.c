/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a request: its headers, who gets credentials, where redirects may lead. */
#include <stdio.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/must.h"
#include "agent/poll/http_transfer.h"

static int add_line(struct http_transfer *t, const char *line, struct err *e)
{
	struct curl_slist *more = curl_slist_append(t->headers, line);

	if (!more)
		return err_set(e, E_NOMEM, "no memory for a header");
	t->headers = more;
	return 0;
}

static int add_header(struct http_transfer *t, const char *name, const char *value, struct err *e)
{
	char line[HTTP_ETAG_SIZE + 64];

	if (snprintf(line, sizeof(line), "%s: %s", name, value) >= (int)sizeof(line))
		return err_set(e, E_INTERNAL, "header too long");
	return add_line(t, line, e);
}

static int add_headers(
	struct http_transfer *t, const struct http_request *q, bool with_credentials, struct err *e)
{
	char range[64];

	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)q->first,
		(unsigned long long)q->last);
	if (q->with_range && add_header(t, "Range", range, e) < 0)
		return -1;
	if (q->if_range && add_header(t, "If-Range", q->if_range, e) < 0)
		return -1;
	if (q->if_none_match && add_header(t, "If-None-Match", q->if_none_match, e) < 0)
		return -1;
	if (with_credentials && t->http->authorization[0])
		return add_line(t, t->http->authorization, e);
	return 0;
}

/* Sends the request to one URL and waits for the head of its answer. */
static int ask(struct http *h, const struct http_request *q, const char *url, const char *host,
	bool with_credentials, struct http_transfer **out, struct err *e)
{
	AUTO_TRANSFER struct http_transfer *t = NULL;

	if (http_transfer_make(h, host, q->deadline_ms, &t, e) < 0 ||
		http_setup(h, t->easy, with_credentials, e) < 0 ||
		add_headers(t, q, with_credentials, e) < 0 || http_transfer_run(t, url, e) < 0)
		return -1;
	*out = steal_ptr(t);
	return 0;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Where the answer points to, if that place may be asked: `url` moves on. */
static int read_redirect(const struct http_transfer *t, char url[HTTP_URL_SIZE],
	struct http_origin *origin, struct err *e)
{
	char to[HTTP_URL_SIZE];
	struct err why = {0};

	if (t->response.is_broken || http_url_resolve(url, t->response.location, to, &why) < 0)
		return err_set(e, E_NET, "%s: redirect refused: %s", t->host,
			why.code ? why.text : "its head cannot be read");
	/* Only https, also where http is allowed: no server may take TLS away (CVE-2019-3462). */
	if (!MUST("http.redirect", http_url_check(to, false, origin, &why) == 0))
		return err_set(e, E_NET, "%s: redirect refused: %s", t->host, why.text);
	memcpy(url, to, HTTP_URL_SIZE);
	return 0;
}

int http_transfer_start(
	struct http *h, const struct http_request *q, struct http_transfer **out, struct err *e)
{
	struct http_origin first;
	struct http_origin now;
	char url[HTTP_URL_SIZE];

	h->hint = (struct http_hint){0};
	if (http_url_check(q->url, h->o.allow_http, &first, e) < 0)
		return -1;
	now = first;
	snprintf(url, sizeof(url), "%s", q->url);
	for (int hops = 0;; hops++) {
		AUTO_TRANSFER struct http_transfer *t = NULL;
		if (!MUST("http.redirects", hops <= HTTP_REDIRECTS_MAX))
			return err_set(e, E_NET, "%s: more than %d redirects", first.host,
				HTTP_REDIRECTS_MAX);
		/* Token and client certificate belong to the first origin alone. */
		bool mine = MUST("http.origin", http_origin_is_same(&first, &now));
		if (ask(h, q, url, now.host, mine, &t, e) < 0)
			return -1;
		h->hint.status = t->response.status;
		if (!is_redirect(t->response.status)) {
			h->hint.retry_after = http_response_retry_after(&t->response, clock_wall());
			*out = steal_ptr(t);
			return 0;
		}
		if (read_redirect(t, url, &now, e) < 0)
			return -1;
	}
}
