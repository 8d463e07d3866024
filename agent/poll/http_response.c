/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a response: the few fields that count, read strictly. */
#include "agent/poll/http_response.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "agent/base/buf.h"

#define VALUE_MAX HTTP_LOCATION_SIZE

/* Reads decimal digits; the end in *after. False without a digit or on overflow. */
static bool read_number(const char *text, uint64_t *out, const char **after)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (size_mul_over(v, 10, &v) || size_add_over(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*after = p;
	*out = v;
	return p > text;
}

static void read_length(struct http_response *r, const char *value)
{
	const char *end;
	uint64_t n = 0;

	/* Two lengths, or none that is a number: where the body ends is anybody's guess. */
	if (!read_number(value, &n, &end) || *end || (r->has_length && r->length != n))
		r->is_broken = true;
	r->has_length = true;
	r->length = n;
}

static void read_range(struct http_response *r, const char *value)
{
	const char *p;

	r->has_range = strncasecmp(value, "bytes ", 6) == 0 &&
		       read_number(value + 6, &r->range_first, &p) && *p == '-' &&
		       read_number(p + 1, &r->range_last, &p) && *p == '/' &&
		       read_number(p + 1, &r->range_total, &p) && *p == 0 &&
		       r->range_first <= r->range_last && r->range_last < r->range_total;
}

static void read_etag(struct http_response *r, const char *value)
{
	const char *quoted = strncmp(value, "W/", 2) == 0 ? value + 2 : value;
	size_t len = strlen(value);

	r->etag[0] = 0;
	/* It goes back into a request: only the form of RFC 9110 8.8.3, nothing that ends a line. */
	if (len >= sizeof(r->etag) || strlen(quoted) < 2 || quoted[0] != '"' ||
		strchr(quoted + 1, '"') != value + len - 1)
		return;
	for (const char *p = quoted; *p; p++) {
		if (*p < 0x21 || *p > 0x7e)
			return;
	}
	memcpy(r->etag, value, len + 1);
}

static void read_content_encoding(struct http_response *r, const char *value)
{
	r->is_encoded = r->is_encoded || strcasecmp(value, "identity") != 0;
}

static void read_transfer_encoding(struct http_response *r, const char *value)
{
	/* Older libcurl would decode a "gzip" here that nobody asked for. */
	r->is_chunked = strcasecmp(value, "chunked") == 0;
	r->is_encoded = r->is_encoded || (!r->is_chunked && strcasecmp(value, "identity") != 0);
}

static void read_location(struct http_response *r, const char *value)
{
	/* Two of them: which one counts differs between clients. */
	if (r->location[0])
		r->is_broken = true;
	memcpy(r->location, value, strlen(value) + 1);
}

static void read_retry_after(struct http_response *r, const char *value)
{
	const char *end;
	uint64_t n;

	if (read_number(value, &n, &end) && *end == 0)
		r->retry_seconds = n;
	else
		r->retry_date = (int64_t)curl_getdate(value, NULL);
}

static void read_date(struct http_response *r, const char *value)
{
	r->date = (int64_t)curl_getdate(value, NULL);
}

static const struct {
	const char *name;
	void (*read)(struct http_response *r, const char *value);
} fields[] = {
	{"content-length", read_length},
	{"content-range", read_range},
	{"etag", read_etag},
	{"content-encoding", read_content_encoding},
	{"transfer-encoding", read_transfer_encoding},
	{"location", read_location},
	{"retry-after", read_retry_after},
	{"date", read_date},
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value without blanks around it; false when it is too long to be of use. */
static bool copy_value(const char *p, size_t len, char value[VALUE_MAX])
{
	while (len > 0 && is_blank(*p)) {
		p++;
		len--;
	}
	while (len > 0 && is_blank(p[len - 1]))
		len--;
	if (len >= VALUE_MAX || memchr(p, 0, len))
		return false;
	memcpy(value, p, len);
	value[len] = 0;
	return true;
}

static void start_over(struct http_response *r, const char *line, size_t len)
{
	char text[16] = "";
	const char *end;
	uint64_t status = 0;

	*r = (struct http_response){0};
	const char *space = memchr(line, ' ', len);
	size_t left = space ? len - (size_t)(space + 1 - line) : 0;
	if (left > 3)
		left = 3;
	if (left)
		memcpy(text, space + 1, left);
	if (read_number(text, &status, &end))
		r->status = (long)status;
}

void http_response_add(struct http_response *r, const char *line, size_t len)
{
	char value[VALUE_MAX];

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		start_over(r, line, len);
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t n = strlen(fields[i].name);
		if (len <= n || line[n] != ':' || strncasecmp(line, fields[i].name, n) != 0)
			continue;
		if (copy_value(line + n + 1, len - n - 1, value))
			fields[i].read(r, value);
		else if (fields[i].read != read_etag)
			r->is_broken = true;
		return;
	}
}

bool http_response_has_strong_etag(const struct http_response *r)
{
	return r->etag[0] == '"';
}

uint64_t http_response_retry_after(const struct http_response *r, int64_t now)
{
	uint64_t wait = r->retry_seconds;

	/* A board's clock may be wrong: the server's own date says how far away its date is. */
	if (r->date > 0)
		now = r->date;
	if (wait == 0 && r->retry_date > now)
		wait = (uint64_t)r->retry_date - (uint64_t)now;
	return wait < HTTP_RETRY_AFTER_MAX ? wait : HTTP_RETRY_AFTER_MAX;
}
