/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a response: the few fields that count, read strictly. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_RETRY_AFTER_MAX 86400 /* seconds */
#define HTTP_ETAG_SIZE       168
#define HTTP_LOCATION_SIZE   2048

struct http_response {
	long status;
	char etag[HTTP_ETAG_SIZE]; /* as sent, with its quotes; "" = none that can be used */
	char location[HTTP_LOCATION_SIZE]; /* as sent, "" = none */
	bool has_length;
	uint64_t length; /* Content-Length */
	bool has_range; /* a Content-Range "bytes first-last/total" that makes sense */
	uint64_t range_first;
	uint64_t range_last;
	uint64_t range_total;
	bool is_encoded; /* a Content-Encoding or Transfer-Encoding that nobody asked for */
	bool is_chunked;
	bool is_broken; /* a field that cannot be read: the response must not be used */

	/* Retry-After: seconds, or a date that counts from the server's own Date. */
	uint64_t retry_seconds;
	int64_t retry_date;
	int64_t date;
};

/* One header line, with or without its line end. A status line starts over. */
void http_response_add(struct http_response *r, const char *line, size_t len);

/* May this ETag be used with If-Range (RFC 9110, 13.1.5: strong ones only)? */
bool http_response_has_strong_etag(const struct http_response *r);

/* Seconds that the server asks to wait, capped at a day; 0 = not said. `now` where it sends no Date. */
uint64_t http_response_retry_after(const struct http_response *r, int64_t now);
