/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP(S): options, and the GET of a whole small file. */
#include "agent/poll/http.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "agent/base/must.h"
#include "agent/poll/http_transfer.h"

#define TAG_PREFIX 16 /* hexadecimal digits of the URL's hash in a tag */

static void fill_defaults(struct http_options *o)
{
	if (!o->connect_seconds)
		o->connect_seconds = 30;
	if (!o->low_speed_bytes)
		o->low_speed_bytes = 100;
	if (!o->low_speed_seconds)
		o->low_speed_seconds = 60;
	if (!o->metadata_seconds)
		o->metadata_seconds = 120;
	if (!o->object_seconds)
		o->object_seconds = 86400;
	if (!o->retries)
		o->retries = 5;
	if (!o->retry_pause_ms)
		o->retry_pause_ms = 1000;
	/* A bandwidth limit of our own must not look like a server that stalls. */
	if (o->rate_limit && o->low_speed_bytes > o->rate_limit / 2)
		o->low_speed_bytes = (unsigned)(o->rate_limit / 2);
}

static bool has_credentials(const struct http *h)
{
	return h->o.token_file || h->o.client_cert;
}

/* The first line of the file; it becomes a header, so nothing but RFC 6750's characters. */
static int read_token(struct http *h, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(HTTP_TOKEN_MAX);
	const char *file = h->o.token_file;

	if (file_read(AT_FDCWD, file, &text, e) < 0) {
		e->code = E_CONFIG;
		return err_wrap(e, "token file");
	}
	size_t len = strcspn(buf_text(&text), "\r\n");
	bool good = len > 0;
	for (size_t i = 0; i < len; i++)
		good = good && text.data[i] > 0x20 && text.data[i] < 0x7f;
	if (good)
		snprintf(h->authorization, sizeof(h->authorization), "Authorization: Bearer %.*s",
			(int)len, buf_text(&text));
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (!MUST("http.token-text", good))
		return err_set(e, E_CONFIG, "%s: its first line is no token", file);
	return 0;
}

static int check_readable(const char *what, const char *path, struct err *e)
{
	if (path && access(path, R_OK) < 0)
		return err_set(e, E_CONFIG, "%s %s cannot be read", what, path);
	return 0;
}

static int check_options(const struct http *h, struct err *e)
{
	const struct http_options *o = &h->o;

	if (!MUST("http.token-https", !(has_credentials(h) && o->allow_http)))
		return err_set(e, E_CONFIG,
			"token-file and client-cert need https: remove allow-http or the credentials");
	if (o->client_key && !o->client_cert)
		return err_set(e, E_CONFIG, "client-key %s without client-cert", o->client_key);
	if (!MUST("http.dates-credentials", !(has_credentials(h) && o->ignore_certificate_dates)))
		return err_set(e, E_TLS, "certificate dates cannot be ignored with credentials");
	if ((o->ignore_certificate_dates || o->certificate_time) && http_check_tls_library(e) < 0)
		return -1;
	if (check_readable("ca-file", o->ca_file, e) < 0 ||
		check_readable("client-cert", o->client_cert, e) < 0)
		return -1;
	return check_readable("client-key", o->client_key, e);
}

int http_open(const struct http_options *o, struct http **out, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, E_NOMEM, "no memory for HTTP");
	h->o = *o;
	fill_defaults(&h->o);
	/* Counted by libcurl; http_close gives it back. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return err_set(e, E_INTERNAL, "libcurl cannot be initialised");
	}
	if (check_options(h, e) < 0 || (o->token_file && read_token(h, e) < 0) ||
		http_connections_make(h, e) < 0) {
		http_close(h);
		return -1;
	}
	*out = h;
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	http_connections_drop(h);
	curl_global_cleanup();
	explicit_bzero(h->authorization, sizeof(h->authorization));
	free(h);
}

void http_get_hint(const struct http *h, struct http_hint *out)
{
	*out = h->hint;
}

/* A kept connection or TLS session was judged by the rule of its time: it must not serve the next. */
static int start_afresh(struct http *h, struct err *e)
{
	if (h->active > 0)
		return err_set(e, E_BUSY, "a transfer is under way");
	http_connections_drop(h);
	return http_connections_make(h, e);
}

int http_ignore_certificate_dates(struct http *h, bool ignore, struct err *e)
{
	if (ignore && !MUST("http.dates-token", !has_credentials(h)))
		return err_set(e, E_TLS, "certificate dates cannot be ignored with credentials");
	if ((ignore && http_check_tls_library(e) < 0) || start_afresh(h, e) < 0)
		return -1;
	h->o.ignore_certificate_dates = ignore;
	return 0;
}

int http_set_certificate_time(struct http *h, int64_t t, struct err *e)
{
	if ((t && http_check_tls_library(e) < 0) || start_afresh(h, e) < 0)
		return -1;
	h->o.certificate_time = t;
	return 0;
}

int http_check_response(const struct http_response *r, const char *url, struct err *e)
{
	if (r->status == 404 || r->status == 403)
		return err_set(e, E_NOTFOUND, "%.*s: status %ld", HTTP_SHOWN(url), r->status);
	if (r->status == 401)
		return err_set(
			e, E_NET, "%.*s: status 401: the token was not accepted", HTTP_SHOWN(url));
	if (r->status != 200 && r->status != 206 && r->status != 304)
		return err_set(e, E_NET, "%.*s: status %ld", HTTP_SHOWN(url), r->status);
	if (!MUST("http.broken-head", !r->is_broken))
		return err_set(
			e, E_NET, "%.*s: a header of the answer cannot be read", HTTP_SHOWN(url));
	/* Signed are the bytes as published; decoding is a bomb's way in. */
	if (!MUST("http.encoding", !r->is_encoded))
		return err_set(e, E_NET,
			"%.*s: the server encoded the content: switch compression off there",
			HTTP_SHOWN(url));
	return 0;
}

int http_check_url(const struct http *h, const char *url, struct err *e)
{
	struct http_origin origin;

	return http_url_check(url, h->o.allow_http, &origin, e);
}

/* Tags of one URL must not be shown to another mirror, where they may mean other bytes. */
static int hash_url(const char *url, char prefix[TAG_PREFIX + 1], struct err *e)
{
	uint8_t digest[HASH_SIZE];

	if (hash_bytes(HASH_SHA256, url, strlen(url), digest, e) < 0)
		return -1;
	hex_encode(digest, TAG_PREFIX / 2, prefix);
	return 0;
}

static const char *etag_of(const struct fetch_tag *tag, const char *prefix)
{
	const char *etag = tag->text + TAG_PREFIX + 1;

	if (memchr(tag->text, 0, sizeof(tag->text)) == NULL || strlen(tag->text) <= TAG_PREFIX ||
		strncmp(tag->text, prefix, TAG_PREFIX) != 0 || strlen(etag) >= HTTP_ETAG_SIZE)
		return NULL;
	for (const char *p = etag; *p; p++) {
		if (*p < 0x21 || *p > 0x7e)
			return NULL;
	}
	return *etag ? etag : NULL;
}

static int read_body(struct http_transfer *t, const char *url, struct buf *out, struct err *e)
{
	const struct http_response *r = http_transfer_response(t);
	uint8_t chunk[16384];
	size_t got;

	if (!MUST("http.content-length",
		    r->is_chunked || !r->has_length || r->length <= out->limit))
		return err_set(e, E_SIZE, "%.*s: %llu bytes announced, %zu are allowed",
			HTTP_SHOWN(url), (unsigned long long)r->length, out->limit);
	do {
		if (http_transfer_read(t, chunk, sizeof(chunk), &got, e) < 0)
			return -1;
		if (buf_add(out, chunk, got, e) < 0)
			return err_wrap(e, "%.*s", HTTP_SHOWN(url));
	} while (got > 0);
	return 0;
}

int http_get(struct http *h, const char *url, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	AUTO_TRANSFER struct http_transfer *t = NULL;
	char prefix[TAG_PREFIX + 1];
	struct http_request q = {
		.url = url,
		.deadline_ms = clock_mono_ms() + (uint64_t)h->o.metadata_seconds * 1000,
	};

	buf_clear(out);
	if (tag) {
		if (hash_url(url, prefix, e) < 0)
			return -1;
		q.if_none_match = etag_of(tag, prefix);
	}
	if (http_transfer_start(h, &q, &t, e) < 0)
		return -1;
	const struct http_response *r = http_transfer_response(t);
	if (http_check_response(r, url, e) < 0)
		return -1;
	if (!MUST("http.status", r->status == 200 || (r->status == 304 && q.if_none_match)))
		return err_set(
			e, E_NET, "%.*s: status %ld was not asked for", HTTP_SHOWN(url), r->status);
	if (r->status == 200 && read_body(t, url, out, e) < 0)
		return -1;
	if (!tag)
		return 0;
	*unchanged = r->status == 304;
	if (r->status == 200) {
		tag->text[0] = 0;
		if (r->etag[0])
			snprintf(tag->text, sizeof(tag->text), "%s %s", prefix, r->etag);
	}
	return 0;
}

int http_size(struct http *h, const char *url, uint64_t *size, struct err *e)
{
	AUTO_TRANSFER struct http_transfer *t = NULL;
	const struct http_request q = {
		.url = url,
		.with_range = true, /* one byte: unlike HEAD, every server answers it */
		.deadline_ms = clock_mono_ms() + (uint64_t)h->o.metadata_seconds * 1000,
	};

	if (http_transfer_start(h, &q, &t, e) < 0)
		return -1;
	const struct http_response *r = http_transfer_response(t);
	if (http_check_response(r, url, e) < 0)
		return -1;
	if (r->status == 206 && r->has_range)
		*size = r->range_total;
	else if (r->status == 200 && r->has_length && !r->is_chunked)
		*size = r->length;
	else
		return err_set(
			e, E_NET, "%.*s: the server does not say how long it is", HTTP_SHOWN(url));
	return 0;
}
