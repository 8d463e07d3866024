/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of fields: one table both writes and reads a struct as JSON. */
#include "agent/state_field.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/base/json.h"

#define TIME_MAX  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define BYTES_MAX 64 /* of a STATE_BYTES field */
#define TEXT_MAX  512 /* of a STATE_TEXT field */

static bool is_end(const struct state_field *f)
{
	return f->kind == STATE_OBJECT && !f->fields;
}

static json_t *write_uint(const struct state_field *f, const void *at)
{
	if (f->size == sizeof(uint32_t))
		return json_integer(*(const uint32_t *)at);
	return json_integer((json_int_t)(*(const uint64_t *)at & INT64_MAX));
}

/*
 * Texts come from error messages, which may be cut in the middle of a
 * character. jansson refuses to write such bytes, and json_scan to read them:
 * one odd byte must not cost the whole state.
 */
static json_t *write_text(const char *text, size_t size)
{
	char plain[TEXT_MAX];
	size_t len = strnlen(text, size - 1 < TEXT_MAX - 1 ? size - 1 : TEXT_MAX - 1);
	json_t *j = json_stringn(text, len);

	if (j)
		return j;
	for (size_t i = 0; i < len; i++)
		plain[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(plain, len);
}

static json_t *write_bytes(const void *data, size_t len)
{
	char hex[2 * BYTES_MAX + 1];

	hex_encode(data, len, hex);
	return json_string(hex);
}

static json_t *write_list(const struct state_field *f, const void *base);

static json_t *write_value(const struct state_field *f, const void *base)
{
	const char *at = (const char *)base + f->offset;

	switch (f->kind) {
	case STATE_UINT:
		return write_uint(f, at);
	case STATE_TIME:
		return json_integer(*(const int64_t *)(const void *)at);
	case STATE_BOOL:
		return json_boolean(*(const bool *)at);
	case STATE_TEXT:
		return write_text(at, f->size);
	case STATE_BYTES:
		return write_bytes(at, f->size);
	case STATE_LETTER:
		return json_stringn(at, *at ? 1 : 0);
	case STATE_CODE:
		return json_string(err_name(*(const enum err_code *)(const void *)at));
	case STATE_WORD:
		return json_string(f->word(*(const int *)(const void *)at));
	case STATE_OBJECT:
		return state_field_write(f->fields, at);
	case STATE_LIST:
		return write_list(f, base);
	}
	return NULL;
}

static json_t *write_list(const struct state_field *f, const void *base)
{
	const char *row = (const char *)base + f->offset;
	size_t n = *(const size_t *)(const void *)((const char *)base + f->count);
	json_t *array = json_array();

	for (size_t i = 0; array && i < n && i < f->max; i++, row += f->size) {
		json_t *v = f->fields->name ? state_field_write(f->fields, row)
					    : write_value(f->fields, row);
		if (json_array_append_new(array, v) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *state_field_write(const struct state_field *fields, const void *base)
{
	json_t *obj = json_object();

	for (const struct state_field *f = fields; obj && !is_end(f); f++) {
		if (json_object_set_new(obj, f->name, write_value(f, base)) < 0) {
			json_decref(obj);
			return NULL;
		}
	}
	return obj;
}

static int bad(const struct state_field *f, const char *want, struct err *e)
{
	return err_set(e, E_STATE, "\"%s\" must be %s", f->name ? f->name : "entry", want);
}

static int read_uint(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0)
		return bad(f, "a number that is not negative", e);
	if (f->size == sizeof(uint32_t) && n > UINT32_MAX)
		return bad(f, "a number below 2^32", e);
	if (f->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)n;
	else
		*(uint64_t *)at = (uint64_t)n;
	return 0;
}

static int read_time(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > TIME_MAX)
		return bad(f, "seconds from 1970 to 9999", e);
	*(int64_t *)at = n;
	return 0;
}

static int read_bool(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	if (!json_is_boolean(v))
		return bad(f, "true or false", e);
	*(bool *)at = json_is_true(v);
	return 0;
}

static int read_text(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	if (!json_is_string(v) || json_string_length(v) >= f->size)
		return bad(f, "a text that is not too long", e);
	memcpy(at, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static int read_bytes(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	uint8_t data[BYTES_MAX];

	if (!json_is_string(v) || json_string_length(v) != 2 * f->size ||
		!hex_decode(json_string_value(v), data, f->size))
		return bad(f, "lower-case hexadecimal digits of the right number", e);
	memcpy(at, data, f->size);
	return 0;
}

static int read_letter(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || (strcmp(text, "A") != 0 && strcmp(text, "B") != 0 && text[0] != 0))
		return bad(f, "A, B or empty", e);
	*(char *)at = text[0];
	return 0;
}

/* A code that only a newer agent knows is still a failure, but no reason to lose the state. */
static int read_code(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	if (!json_is_string(v))
		return bad(f, "the name of a code", e);
	enum err_code code = err_find(json_string_value(v));
	*(enum err_code *)at = code == E_CODE_COUNT ? E_INTERNAL : code;
	return 0;
}

static int read_word(const struct state_field *f, const json_t *v, void *at, struct err *e)
{
	const char *text = json_string_value(v);

	for (int i = 0; text && i < f->words; i++) {
		if (strcmp(f->word(i), text) == 0) {
			*(int *)at = i;
			return 0;
		}
	}
	return bad(f, "a word that this agent knows", e);
}

static int read_list(const struct state_field *f, const json_t *v, void *base, struct err *e);

static int read_value(const struct state_field *f, const json_t *v, void *base, struct err *e)
{
	char *at = (char *)base + f->offset;

	switch (f->kind) {
	case STATE_UINT:
		return read_uint(f, v, at, e);
	case STATE_TIME:
		return read_time(f, v, at, e);
	case STATE_BOOL:
		return read_bool(f, v, at, e);
	case STATE_TEXT:
		return read_text(f, v, at, e);
	case STATE_BYTES:
		return read_bytes(f, v, at, e);
	case STATE_LETTER:
		return read_letter(f, v, at, e);
	case STATE_CODE:
		return read_code(f, v, at, e);
	case STATE_WORD:
		return read_word(f, v, at, e);
	case STATE_OBJECT:
		return state_field_read(f->fields, v, at, e);
	case STATE_LIST:
		return read_list(f, v, base, e);
	}
	return err_set(e, E_INTERNAL, "field of no kind");
}

static int read_list(const struct state_field *f, const json_t *v, void *base, struct err *e)
{
	char *row = (char *)base + f->offset;
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n > f->max)
		return bad(f, "a list that is not too long", e);
	for (size_t i = 0; i < n; i++, row += f->size) {
		const json_t *entry = json_array_get(v, i);
		int rc = f->fields->name ? state_field_read(f->fields, entry, row, e)
					 : read_value(f->fields, entry, row, e);
		if (rc < 0)
			return err_wrap(e, "%s[%zu]", f->name, i);
	}
	*(size_t *)(void *)((char *)base + f->count) = n;
	return 0;
}

int state_field_read(const struct state_field *fields, const json_t *obj, void *base, struct err *e)
{
	if (!json_is_object(obj))
		return err_set(e, E_STATE, "an object is missing");
	for (const struct state_field *f = fields; !is_end(f); f++) {
		const json_t *v = json_object_get(obj, f->name);
		if (!v && f->optional)
			continue;
		if (!v)
			return err_set(e, E_STATE, "\"%s\" is missing", f->name);
		if (read_value(f, v, base, e) < 0)
			return -1;
	}
	return 0;
}
