/* SPDX-License-Identifier: Apache-2.0 */
/* What every request has in common, and the rules for TLS. */
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/poll/http_transfer.h"

/*
 * Dates alone: chain, host name and purpose are judged as always (design 4.4).
 * The parameters are those of this SSL_CTX, not of a store that libcurl shares
 * between connections.
 */
static CURLcode set_date_rule(CURL *easy, void *ssl_ctx, void *ctx)
{
	const struct http *h = ctx;
	X509_VERIFY_PARAM *p = SSL_CTX_get0_param(ssl_ctx);

	(void)easy;
	if (h->o.ignore_certificate_dates)
		return X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_NO_CHECK_TIME) == 1
			       ? CURLE_OK
			       : CURLE_SSL_CERTPROBLEM;
	X509_VERIFY_PARAM_set_time(p, (time_t)h->o.certificate_time);
	return CURLE_OK;
}

int http_check_tls_library(struct err *e)
{
	const char *tls = curl_version_info(CURLVERSION_NOW)->ssl_version;

	/* set_date_rule would take another library's context for an SSL_CTX. */
	if (!tls || strncmp(tls, "OpenSSL/", 8) != 0)
		return err_set(e, E_TLS,
			"libcurl was built with %s: only with OpenSSL can certificate dates be judged "
			"at another time than the clock's",
			tls ? tls : "no TLS");
	return 0;
}

/* HTTP/2 where libcurl has it and the server offers it in the TLS handshake (ALPN). */
static long http_version(void)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);

	return v->features & CURL_VERSION_HTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
}

/* Options that differ from libcurl's defaults. Strings are copied by libcurl. */
static CURLcode set_common(const struct http *h, CURL *c)
{
	const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_HTTP_VERSION, http_version()},
		{CURLOPT_FOLLOWLOCATION, 0}, /* http_transfer_start does, by our rules */
		{CURLOPT_HTTP_CONTENT_DECODING, 0},
		{CURLOPT_DISALLOW_USERNAME_IN_URL, 1},
		{CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
		{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
		{CURLOPT_CONNECTTIMEOUT, (long)h->o.connect_seconds},
		{CURLOPT_TCP_KEEPALIVE, 1},
	};
	CURLcode rc = curl_easy_setopt(
		c, CURLOPT_PROTOCOLS_STR, h->o.allow_http ? "http,https" : "https");

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && rc == CURLE_OK; i++)
		rc = curl_easy_setopt(c, numbers[i].option, numbers[i].value);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_USERAGENT, "pawl/" PAWL_VERSION);
	/* "" instead of nothing: a proxy comes from the configuration, not from the environment. */
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_PROXY, h->o.proxy ? h->o.proxy : "");
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(c, CURLOPT_NOPROXY, "");
	if (rc == CURLE_OK && h->o.rate_limit)
		rc = curl_easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)h->o.rate_limit);
	return rc == CURLE_OK ? curl_easy_setopt(c, CURLOPT_SHARE, h->share) : rc;
}

/*
 * One file of authorities: the named one, else the system's bundle. The system's
 * folder of authorities beside it would not only count as well; libcurl keeps one
 * parsed copy for all connections only where no folder is set, and 16 copies of
 * Debian's list cost 13 MiB.
 */
static CURLcode set_authorities(const struct http *h, CURL *c)
{
	const char *bundle = curl_version_info(CURLVERSION_NOW)->cainfo;
	CURLcode rc = CURLE_OK;

	if (h->o.ca_file)
		rc = curl_easy_setopt(c, CURLOPT_CAINFO, h->o.ca_file);
	else if (!bundle || access(bundle, R_OK) < 0)
		return CURLE_OK; /* there is the folder alone */
	return rc == CURLE_OK ? curl_easy_setopt(c, CURLOPT_CAPATH, NULL) : rc;
}

static CURLcode set_tls(struct http *h, CURL *c, bool with_credentials)
{
	CURLcode rc = set_authorities(h, c);

	if (rc == CURLE_OK && with_credentials && h->o.client_cert) {
		rc = curl_easy_setopt(c, CURLOPT_SSLCERT, h->o.client_cert);
		if (rc == CURLE_OK && h->o.client_key)
			rc = curl_easy_setopt(c, CURLOPT_SSLKEY, h->o.client_key);
	}
	if (rc == CURLE_OK && (h->o.ignore_certificate_dates || h->o.certificate_time)) {
		rc = curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, set_date_rule);
		if (rc == CURLE_OK)
			rc = curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, h);
	}
	return rc;
}

int http_setup(struct http *h, CURL *easy, bool with_credentials, struct err *e)
{
	CURLcode rc = set_common(h, easy);

	if (rc == CURLE_OK)
		rc = set_tls(h, easy, with_credentials);
	if (rc != CURLE_OK)
		return err_set(e, rc == CURLE_OUT_OF_MEMORY ? E_NOMEM : E_CONFIG,
			"libcurl refuses an option: %s", curl_easy_strerror(rc));
	return 0;
}

int http_connections_make(struct http *h, struct err *e)
{
	h->multi = curl_multi_init();
	h->share = curl_share_init();
	if (!h->multi || !h->share)
		return err_set(e, E_NOMEM, "no memory for connections");
	curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	/* A stream of each generation at once, and metadata, without closing what will be used again. */
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS_MAX);
	/*
	 * One stream at a time on each HTTP/2 connection. A stream that waits for the
	 * caller is held back by its socket; beside others on one socket it would be
	 * received into memory, up to libcurl's window of 10 MiB for each stream.
	 */
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return 0;
}

void http_connections_drop(struct http *h)
{
	curl_multi_cleanup(h->multi);
	curl_share_cleanup(h->share);
	h->multi = NULL;
	h->share = NULL;
}

/*
 * Debian's libcurl does TLS with OpenSSL, but its helpers for RTMP and LDAP bring
 * GnuTLS along, which makes itself ready when it is loaded: 0.9 MiB that nobody uses
 * here. It asks this function first (GNUTLS_SKIP_GLOBAL_INIT of its manual; the
 * Makefile exports it). A libcurl that uses GnuTLS initialises it all the same.
 */
int _gnutls_global_init_skip(void);
int _gnutls_global_init_skip(void)
{
	return 1;
}
