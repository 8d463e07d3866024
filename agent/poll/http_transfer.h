/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer, pulled by the caller: what http_get and
 * http_reader are made of. Shared by http*.c only; the contract is http.h.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/poll/http.h"
#include "agent/poll/http_response.h"
#include "agent/poll/http_url.h"

#define HTTP_REDIRECTS_MAX 3
#define HTTP_HEADERS_MAX   (32 * 1024) /* bytes of all headers of one request */
#define HTTP_BUFFER_SIZE   (32 * 1024) /* received and not yet pulled; 16 KiB come at once */
#define HTTP_DRAIN_MAX     (16 * 1024) /* read to the end to keep a connection */
#define HTTP_TOKEN_MAX     4096

#define HTTP_CONNECTIONS_MAX 20 /* kept open: 16 generations of data, tables, metadata */

/* All connections of one agent run. */
struct http {
	struct http_options o; /* with the defaults filled in */
	char authorization[HTTP_TOKEN_MAX + 32]; /* the header line, "" = no token */
	CURLM *multi;
	CURLSH *share; /* TLS sessions, so that a second connection costs less */
	unsigned active; /* transfers under way */
	struct http_hint hint;
};

struct http_request {
	const char *url;
	bool with_range;
	uint64_t first; /* bytes first..last, both included */
	uint64_t last;
	const char *if_range; /* a strong ETag, NULL = none */
	const char *if_none_match; /* an ETag, NULL = none */
	uint64_t deadline_ms; /* monotonic; E_TIMEOUT after it */
};

/* A request under way. Fields are for http_request.c and http_transfer.c alone. */
struct http_transfer {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	char host[256]; /* for messages */
	struct http_response response;
	size_t header_bytes;
	bool has_head;
	bool finished;
	bool paused;
	bool is_added; /* to the multi handle */
	bool is_broken; /* failed: not worth draining */
	CURLcode result;
	struct err refused; /* why a callback stopped it */
	uint64_t deadline_ms;
	/* Low speed is measured while we wait for the network, not while the caller writes. */
	uint64_t waited_ms;
	uint64_t window_bytes;
	size_t start; /* of what is in `buffer` */
	size_t end;
	uint8_t buffer[HTTP_BUFFER_SIZE];
};

/* Makes and frees what connections live in; both may be called again. */
int http_connections_make(struct http *h, struct err *e);
void http_connections_drop(struct http *h);

/*
 * Sends the request and follows redirects (https only, at most 3, credentials
 * to the first origin only) until the head of the final answer is there: any
 * status but a redirect. *out is the caller's (http_transfer_end). E_NET,
 * E_TLS, E_TIMEOUT. The hint of `h` tells of this request from now on.
 */
int http_transfer_start(
	struct http *h, const struct http_request *q, struct http_transfer **out, struct err *e);
const struct http_response *http_transfer_response(const struct http_transfer *t);

/* Pulls 1 to `len` bytes of the body; *got = 0 at its end. */
int http_transfer_read(struct http_transfer *t, void *data, size_t len, size_t *got, struct err *e);

/* Pulls and drops until `skip` bytes are gone; E_NET when the body ends before. */
int http_transfer_skip(struct http_transfer *t, uint64_t skip, struct err *e);

/* Ends it; a short rest of the body is read so that the connection can serve again. NULL is allowed. */
void http_transfer_end(struct http_transfer *t);

/* Is this a status and a head whose body may be used at all? E_NOTFOUND (404, 403), E_NET. */
int http_check_response(const struct http_response *r, const char *url, struct err *e);

/*
 * For http_request.c: makes a transfer that is not sent yet (options and headers
 * are set on it), then sends it to `url` and waits for the head of the answer.
 */
int http_transfer_make(struct http *h, const char *host, uint64_t deadline_ms,
	struct http_transfer **out, struct err *e);
int http_transfer_run(struct http_transfer *t, const char *url, struct err *e);

static inline void cleanup_transfer(struct http_transfer **t)
{
	http_transfer_end(*t);
}
#define AUTO_TRANSFER __attribute__((cleanup(cleanup_transfer)))

/* http_setup.c: what every request has in common, and TLS. */
int http_setup(struct http *h, CURL *easy, bool with_credentials, struct err *e);

/* Is a rule for certificate dates in force that libcurl's TLS library lets us set? E_TLS. */
int http_check_tls_library(struct err *e);
