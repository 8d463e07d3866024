/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON from outside: a scan without memory, then jansson. */
#include "agent/base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"

/*
 * The scan is a push-down automaton over bytes: `stack` holds '{' or '[' per
 * level, `expect` what may come next. It is stricter than it needs to be about
 * structure, so that the node count below cannot be cheated.
 */
enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, EXPECT_AFTER };

struct scan {
	const uint8_t *data;
	size_t len;
	size_t pos;
	size_t nodes;
	unsigned depth;
	char stack[JSON_DEPTH_MAX];
	enum expect expect;
	struct err *e;
};

static int fail(struct scan *s, const char *why)
{
	return err_set(s->e, E_JSON, "JSON at byte %zu: %s", s->pos, why);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Four hexadecimal digits at pos; -1 where there are none. */
static int hex4(const struct scan *s, size_t pos)
{
	int v = 0;

	if (pos + 4 > s->len)
		return -1;
	for (size_t i = pos; i < pos + 4; i++) {
		uint8_t c = s->data[i] | 0x20;
		if (is_digit(s->data[i]))
			v = v * 16 + (s->data[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static int scan_unicode_escape(struct scan *s)
{
	int v = hex4(s, s->pos + 2);

	if (v < 0)
		return fail(s, "bad \\u escape");
	if (v == 0)
		return fail(s, "\\u0000 is not allowed");
	if (v >= 0xdc00 && v <= 0xdfff)
		return fail(s, "lone surrogate");
	s->pos += 6;
	if (v < 0xd800 || v > 0xdbff)
		return 0;
	if (s->pos + 6 > s->len || s->data[s->pos] != '\\' || s->data[s->pos + 1] != 'u')
		return fail(s, "lone surrogate");
	v = hex4(s, s->pos + 2);
	if (v < 0xdc00 || v > 0xdfff)
		return fail(s, "lone surrogate");
	s->pos += 6;
	return 0;
}

static int scan_escape(struct scan *s)
{
	if (s->pos + 1 >= s->len)
		return fail(s, "string has no end");
	if (s->data[s->pos + 1] == 'u')
		return scan_unicode_escape(s);
	if (!memchr("\"\\/bfnrt", s->data[s->pos + 1], 8))
		return fail(s, "unknown escape");
	s->pos += 2;
	return 0;
}

/* Length of a well-formed UTF-8 sequence at pos (RFC 3629, no surrogates), 0 if none. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
	uint8_t c = p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;

	if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
		(c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static int scan_string(struct scan *s)
{
	s->pos++;
	while (s->pos < s->len) {
		uint8_t c = s->data[s->pos];
		if (c == '"') {
			s->pos++;
			return 0;
		}
		if (c < 0x20)
			return fail(s, "control character in a string");
		if (c == '\\') {
			if (scan_escape(s) < 0)
				return -1;
			continue;
		}
		size_t n = utf8_length(s->data + s->pos, s->len - s->pos);
		if (n == 0)
			return fail(s, "not valid UTF-8");
		s->pos += n;
	}
	return fail(s, "string has no end");
}

static int scan_number(struct scan *s)
{
	bool negative = s->data[s->pos] == '-';
	const uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t v = 0;

	if (negative)
		s->pos++;
	size_t start = s->pos;
	while (s->pos < s->len && is_digit(s->data[s->pos])) {
		uint64_t d = (uint64_t)(s->data[s->pos] - '0');
		if (v > (limit - d) / 10)
			return fail(s, "number does not fit into 64 bits");
		v = v * 10 + d;
		s->pos++;
	}
	if (s->pos == start)
		return fail(s, "unexpected character");
	if (s->data[start] == '0' && (s->pos - start > 1 || negative))
		return fail(s, "number with leading zero or minus zero");
	if (s->pos < s->len && memchr(".eE", s->data[s->pos], 3))
		return fail(s, "only integers are allowed");
	return 0;
}

static int scan_word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);
		if (s->len - s->pos >= n && memcmp(s->data + s->pos, words[i], n) == 0) {
			s->pos += n;
			return 0;
		}
	}
	return fail(s, "unexpected character");
}

static int open_level(struct scan *s, char kind)
{
	if (s->depth == JSON_DEPTH_MAX)
		return fail(s, "nested too deep");
	s->stack[s->depth++] = kind;
	s->expect = kind == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
	s->pos++;
	return 0;
}

static int close_level(struct scan *s, char kind)
{
	bool may = s->expect == EXPECT_AFTER || s->expect == EXPECT_KEY_OR_END ||
		   s->expect == EXPECT_VALUE_OR_END;

	if (s->depth == 0 || s->stack[s->depth - 1] != kind || !may)
		return fail(s, "unexpected bracket");
	s->depth--;
	s->expect = EXPECT_AFTER;
	s->pos++;
	return 0;
}

/* What a value costs jansson, in units of 48 bytes: 1 MiB of "{}," would be 80 MiB. */
static unsigned cost_of(uint8_t c)
{
	switch (c) {
	case '{':
		return 5;
	case '[':
		return 3;
	case '"':
		return 2;
	default:
		return 1;
	}
}

static int count(struct scan *s, uint8_t c)
{
	s->nodes += cost_of(c);
	if (!MUST("json.nodes", s->nodes <= JSON_NODES_MAX))
		return fail(s, "too many values");
	return 0;
}

static int scan_value(struct scan *s, uint8_t c)
{
	if (count(s, c) < 0)
		return -1;
	if (c == '{' || c == '[')
		return open_level(s, (char)c);
	s->expect = EXPECT_AFTER;
	if (c == '"')
		return scan_string(s);
	if (c == '-' || is_digit(c))
		return scan_number(s);
	return scan_word(s);
}

static int scan_key(struct scan *s, uint8_t c)
{
	if (c != '"')
		return fail(s, "a key was expected");
	if (count(s, c) < 0 || scan_string(s) < 0)
		return -1;
	while (s->pos < s->len && is_space(s->data[s->pos]))
		s->pos++;
	if (s->pos == s->len || s->data[s->pos] != ':')
		return fail(s, "':' was expected");
	s->pos++;
	s->expect = EXPECT_VALUE;
	return 0;
}

static int scan_after(struct scan *s, uint8_t c)
{
	if (s->depth == 0)
		return fail(s, "bytes after the end");
	if (c != ',')
		return fail(s, "',' was expected");
	s->pos++;
	s->expect = s->stack[s->depth - 1] == '{' ? EXPECT_KEY : EXPECT_VALUE;
	return 0;
}

static int scan_token(struct scan *s)
{
	uint8_t c = s->data[s->pos];

	if (c == '}' || c == ']')
		return close_level(s, c == '}' ? '{' : '[');
	if (s->expect == EXPECT_AFTER)
		return scan_after(s, c);
	if (s->expect == EXPECT_KEY || s->expect == EXPECT_KEY_OR_END)
		return scan_key(s, c);
	return scan_value(s, c);
}

int json_scan(const uint8_t *data, size_t len, struct err *e)
{
	struct scan s = {.data = data, .len = len, .expect = EXPECT_VALUE, .e = e};

	while (s.pos < s.len) {
		if (is_space(s.data[s.pos])) {
			s.pos++;
			continue;
		}
		if (scan_token(&s) < 0)
			return -1;
	}
	if (s.depth > 0 || s.expect != EXPECT_AFTER)
		return fail(&s, "unexpected end");
	return 0;
}

int json_read(const uint8_t *data, size_t len, json_t **out, struct err *e)
{
	json_error_t why;

	if (json_scan(data, len, e) < 0)
		return -1;
	json_t *j = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		return err_set(e, E_JSON, "JSON at byte %d: %s", why.position, why.text);
	*out = j;
	return 0;
}

static int wrong(const char *where, const char *key, const char *want, struct err *e)
{
	return err_set(e, E_META, "%s: \"%s\" must be %s", where, key, want);
}

int json_want_string(
	const json_t *obj, const char *key, const char *where, const char **out, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	if (!json_is_string(v))
		return wrong(where, key, "a string", e);
	*out = json_string_value(v);
	return 0;
}

int json_want_int(const json_t *obj, const char *key, const char *where, int64_t min, int64_t max,
	int64_t *out, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	if (!json_is_integer(v))
		return wrong(where, key, "an integer", e);
	int64_t n = json_integer_value(v);
	if (n < min || n > max)
		return err_set(e, E_META,
			"%s: \"%s\" is %" PRId64 ", allowed are %" PRId64 " to %" PRId64, where,
			key, n, min, max);
	*out = n;
	return 0;
}

int json_want_object(
	const json_t *obj, const char *key, const char *where, json_t **out, struct err *e)
{
	json_t *v = json_object_get(obj, key);

	if (!json_is_object(v))
		return wrong(where, key, "an object", e);
	*out = v;
	return 0;
}

int json_want_array(
	const json_t *obj, const char *key, const char *where, json_t **out, struct err *e)
{
	json_t *v = json_object_get(obj, key);

	if (!json_is_array(v))
		return wrong(where, key, "an array", e);
	*out = v;
	return 0;
}
