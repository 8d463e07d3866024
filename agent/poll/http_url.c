/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: which ones may be asked for, and whether two have the same origin. */
#include "agent/poll/http_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/base/must.h"

static void cleanup_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* CR and LF would end a request line (CVE-2019-3462); other odd bytes have no place in a URL. */
static bool is_plain_text(const char *url)
{
	for (const unsigned char *p = (const unsigned char *)url; *p; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '\\' || *p == '"')
			return false;
	}
	return true;
}

static bool get_part(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t size)
{
	char *text = NULL;
	bool fits = curl_url_get(u, part, &text, flags) == CURLUE_OK &&
		    snprintf(out, size, "%s", text) < (int)size;

	curl_free(text);
	return fits;
}

static bool has_user(CURLU *u)
{
	char one[2];
	char *text = NULL;
	bool user = curl_url_get(u, CURLUPART_USER, &text, 0) != CURLUE_NO_USER;

	curl_free(text);
	return user || get_part(u, CURLUPART_PASSWORD, 0, one, sizeof(one));
}

static bool is_scheme_allowed(const char *scheme, bool allow_http)
{
	return strcmp(scheme, "https") == 0 || (allow_http && strcmp(scheme, "http") == 0);
}

int http_url_check(const char *url, bool allow_http, struct http_origin *out, struct err *e)
{
	__attribute__((cleanup(cleanup_url))) CURLU *u = curl_url();
	struct http_origin o;

	if (!u)
		return err_set(e, E_NOMEM, "no memory for a URL");
	if (!MUST("http.url-length", strlen(url) < HTTP_URL_SIZE))
		return err_set(e, E_CONFIG, "URL is longer than %d characters", HTTP_URL_SIZE - 1);
	if (!MUST("http.url-text", is_plain_text(url)))
		return err_set(e, E_CONFIG, "URL \"%.*s\" has characters that no URL may have",
			HTTP_SHOWN(url));
	/* libcurl forgives "https:///host" and takes "//host" for a host alone. */
	const char *slashes = strstr(url, "://");
	if (!slashes || slashes[3] == '/' ||
		curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		!get_part(u, CURLUPART_SCHEME, 0, o.scheme, sizeof(o.scheme)))
		return err_set(e, E_CONFIG, "\"%.*s\" is not a URL with https:// in front",
			HTTP_SHOWN(url));
	if (!MUST("http.url-scheme", is_scheme_allowed(o.scheme, allow_http)))
		return err_set(e, E_CONFIG, "URL \"%.*s\" is not https%s", HTTP_SHOWN(url),
			strcmp(o.scheme, "http") == 0 ? " and allow-http is not set" : "");
	if (!get_part(u, CURLUPART_HOST, 0, o.host, sizeof(o.host)) ||
		!get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, o.port, sizeof(o.port)))
		return err_set(e, E_CONFIG, "URL \"%.*s\" names no host that can be used",
			HTTP_SHOWN(url));
	if (!MUST("http.url-user", !has_user(u)))
		return err_set(
			e, E_CONFIG, "URL of host %.100s carries a user or password", o.host);
	*out = o;
	return 0;
}

bool http_origin_is_same(const struct http_origin *a, const struct http_origin *b)
{
	return strcmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
	       strcmp(a->port, b->port) == 0;
}

int http_url_resolve(
	const char *base, const char *reference, char out[HTTP_URL_SIZE], struct err *e)
{
	__attribute__((cleanup(cleanup_url))) CURLU *u = curl_url();

	if (!u)
		return err_set(e, E_NOMEM, "no memory for a URL");
	/* libcurl would clean some of it up; what is odd is refused as it came. */
	if (!MUST("http.location-text", *reference && is_plain_text(reference)))
		return err_set(e, E_NET, "\"%.100s\" is no place to go to", reference);
	if (curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK ||
		curl_url_set(u, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		!get_part(u, CURLUPART_URL, 0, out, HTTP_URL_SIZE))
		return err_set(e, E_NET, "\"%.100s\" is no place to go to", reference);
	return 0;
}
