/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: which ones may be asked for, and whether two have the same origin. */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "agent/base/err.h"

#define HTTP_URL_SIZE 2048 /* with the NUL */

/* Scheme, host and port: what credentials belong to. */
struct http_origin {
	char scheme[8];
	char host[256];
	char port[8];
};

/*
 * Is this a URL that may be asked for: https, or http where `allow_http`; printable
 * ASCII without spaces, at most HTTP_URL_SIZE, no user or password in it? *out
 * gets its origin. E_CONFIG names the rule.
 */
int http_url_check(const char *url, bool allow_http, struct http_origin *out, struct err *e);

/* Hosts compare without case; a port that is not written equals the scheme's own. */
bool http_origin_is_same(const struct http_origin *a, const struct http_origin *b);

/* `reference` (absolute or relative) as seen from `base`, a URL that was checked. E_NET: cannot be read. */
int http_url_resolve(
	const char *base, const char *reference, char out[HTTP_URL_SIZE], struct err *e);

/*
 * A URL for "%.*s" in a message: without its query, which is where a presigned
 * URL carries its credential.
 */
#define HTTP_SHOWN(url) (int)strcspn((url), "?#"), (url)
