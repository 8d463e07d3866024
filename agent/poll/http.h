/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP(S) through libcurl: caps while receiving, deadlines, redirect and credential rules. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/base/reader.h"

/* Plain values; the strings are borrowed until http_close. NULL or 0 = default. */
struct http_options {
	const char *ca_file; /* default: the system's */
	const char *client_cert; /* PEM file, for mutual TLS */
	const char *client_key;
	const char *token_file; /* "Authorization: Bearer <first line>", https only */
	const char *proxy;
	bool allow_http;
	uint64_t rate_limit; /* bytes per second */
	unsigned connect_seconds; /* default 30 */
	unsigned low_speed_bytes; /* default 100 bytes/s … */
	unsigned low_speed_seconds; /* … for 60 s is E_TIMEOUT */
	unsigned metadata_seconds; /* total for one metadata file, default 120 */
	uint64_t object_seconds; /* total for one object, default 86400 */
	bool ignore_certificate_dates; /* only for the signed-time case of design 4.4 */
	int64_t certificate_time; /* judge certificates' dates at this second; 0 = wall clock */
	unsigned retries; /* resumptions without progress, default 5 */
	unsigned retry_pause_ms; /* before the first one, doubled for each further, default 1000 */
};

/* What a server asks for with 429 or 503. */
struct http_hint {
	long status; /* last HTTP status, 0 = none */
	uint64_t retry_after; /* seconds, 0 = not said; capped at a day */
	/* The last failure was E_TLS just because of the certificate's dates. */
	bool certificate_not_yet_valid;
	bool certificate_expired;
};

struct http; /* a connection cache and the options; opaque */

/*
 * E_CONFIG where the options contradict each other (credentials with
 * allow_http), or a named file cannot be read or holds no token. http_close
 * comes after the last reader was closed; NULL is allowed.
 */
int http_open(const struct http_options *o, struct http **out, struct err *e);
void http_close(struct http *h);
void http_get_hint(const struct http *h, struct http_hint *out);

/*
 * Changes ignore_certificate_dates between requests (E_BUSY while one is under
 * way) and drops all connections, so that none outlives the rule it was made
 * under. Refuses (E_TLS) when credentials are in use.
 */
int http_ignore_certificate_dates(struct http *h, bool ignore, struct err *e);

/* As above for certificate_time: connections from now on are judged at `t`. */
int http_set_certificate_time(struct http *h, int64_t t, struct err *e);

/* May this URL be asked for with these options? E_CONFIG names the rule. */
int http_check_url(const struct http *h, const char *url, struct err *e);

/*
 * GET of a whole small file. `tag` and `unchanged` as in struct fetcher (ETag,
 * If-None-Match). 404 and 403: E_NOTFOUND; other statuses: E_NET. Redirects to
 * https only, at most 3, credentials never leave their origin. No content
 * decoding is asked for or done.
 */
int http_get(struct http *h, const char *url, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e);

/* Asks how many bytes the file at `url` has, for one whose length is not signed (a bundle). */
int http_size(struct http *h, const char *url, uint64_t *size, struct err *e);

/*
 * A reader of one object of exactly `length` bytes, by single range requests
 * with If-Range on a strong ETag; sequential reads share one request; a broken
 * transfer is resumed where it stopped, a bounded number of times. A server
 * without ranges gives one stream that is read forward (or asked again).
 * E_SIZE when the object is longer or shorter than announced. Nothing is sent
 * before the first read. One read never mixes bytes of two ETags. *out is the
 * caller's (reader_close), and `h` outlives it.
 */
int http_reader(
	struct http *h, const char *url, uint64_t length, struct reader *out, struct err *e);
