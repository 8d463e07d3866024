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

/* Plain values, borrowed; NULL or 0 = default. */
struct http_options {
	const char *ca_file;	 /* default: the system's */
	const char *client_cert; /* PEM file, for mutual TLS */
	const char *client_key;
	const char *token_file;	 /* "Authorization: Bearer <first line>", https only */
	const char *proxy;
	bool allow_http;
	uint64_t rate_limit;	      /* bytes per second */
	unsigned connect_seconds;     /* default 30 */
	unsigned low_speed_bytes;     /* default 100 bytes/s … */
	unsigned low_speed_seconds;   /* … for 60 s is E_TIMEOUT */
	unsigned metadata_seconds;    /* total for one metadata file, default 120 */
	uint64_t object_seconds;      /* total for one object, default 86400 */
	bool ignore_certificate_dates; /* only for the signed-time case of design 4.4 */
};

/* What a server asks for with 429 or 503. */
struct http_hint {
	long status;		 /* last HTTP status, 0 = none */
	uint64_t retry_after;	 /* seconds, 0 = not said; capped at a day */
};

struct http; /* a connection cache and the options; opaque */

int http_open(const struct http_options *o, struct http **out, struct err *e);
void http_close(struct http *h);
void http_get_hint(const struct http *h, struct http_hint *out);

/* Changes ignore_certificate_dates between requests. Refuses (E_TLS) when credentials are in use. */
int http_ignore_certificate_dates(struct http *h, bool ignore, struct err *e);

/*
 * GET of a whole small file. `tag` and `unchanged` as in struct fetcher (ETag,
 * If-None-Match). 404 and 403: E_NOTFOUND; other statuses: E_NET. Redirects to
 * https only, at most 3, credentials never leave their origin. No content
 * decoding is asked for or done.
 */
int http_get(struct http *h, const char *url, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e);

/*
 * A reader of one object of exactly `length` bytes, by single range requests
 * with If-Range on a strong ETag; sequential reads share one request; a broken
 * transfer is resumed where it stopped, a bounded number of times. A server
 * without ranges gives one stream that is read forward (or asked again).
 * E_SIZE when the object is longer or shorter than announced.
 */
int http_reader(struct http *h, const char *url, uint64_t length, struct reader *out,
	struct err *e);
