/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a manifest: how texts, names, times and lists are read. */
#include "agent/plan/manifest_field.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/base/text.h"

#define WHERE "manifest"

/* The bytes are valid UTF-8: json_scan has seen to that. */
bool field_is_printable(const char *text)
{
	for (; *text; text += text_length(text)) {
		if (text_unsafe_length(text) > 0)
			return false;
	}
	return true;
}

bool manifest_name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char other[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len < PLAN_NAME_SIZE && strspn(name, first) > 0 &&
	       strspn(name, other) == len;
}

static int copy_text(
	const char *text, const char *key, size_t min, char *out, size_t size, struct err *e)
{
	size_t len = strlen(text);

	if (!MUST("manifest.text-length", len >= min && len < size))
		return err_set(e, E_META, WHERE ": \"%s\" has %zu bytes, allowed are %zu to %zu",
			key, len, min, size - 1);
	if (!MUST("manifest.text-printable", field_is_printable(text)))
		return err_set(e, E_META, WHERE ": \"%s\" holds a control character", key);
	/* The length again, so that a build that skips the check above stays in bounds. */
	size_t n = len < size ? len : size - 1;
	memcpy(out, text, n);
	out[n] = 0;
	return 0;
}

int field_text(
	const json_t *obj, const char *key, size_t min, char *out, size_t size, struct err *e)
{
	const char *text;

	if (json_want_string(obj, key, WHERE, &text, e) < 0)
		return -1;
	return copy_text(text, key, min, out, size, e);
}

int field_text_optional(const json_t *obj, const char *key, char *out, size_t size, struct err *e)
{
	if (!json_object_get(obj, key)) {
		out[0] = 0;
		return 0;
	}
	return field_text(obj, key, 0, out, size, e);
}

static int check_name(const char *name, const char *key, struct err *e)
{
	if (!MUST("manifest.name", manifest_name_is_valid(name)))
		return err_set(e, E_META,
			WHERE ": \"%s\" is \"%.40s\", but must match [a-z0-9][a-z0-9._-]{0,31}",
			key, name);
	return 0;
}

int field_name(const json_t *obj, const char *key, char out[PLAN_NAME_SIZE], struct err *e)
{
	if (field_text(obj, key, 1, out, PLAN_NAME_SIZE, e) < 0)
		return -1;
	return check_name(out, key, e);
}

int field_number(const json_t *obj, const char *key, uint64_t min, uint64_t max, uint64_t *out,
	struct err *e)
{
	int64_t n;

	if (json_want_int(obj, key, WHERE, (int64_t)min, (int64_t)max, &n, e) < 0)
		return -1;
	*out = (uint64_t)n;
	return 0;
}

int field_time(const json_t *obj, const char *key, bool needed, int64_t *out, struct err *e)
{
	const char *text;

	if (!needed && !json_object_get(obj, key)) {
		*out = 0;
		return 0;
	}
	if (json_want_string(obj, key, WHERE, &text, e) < 0)
		return -1;
	if (clock_parse(text, out, e) < 0)
		return err_wrap(e, WHERE ": \"%s\"", key);
	return 0;
}

int field_digest(const json_t *obj, const char *key, uint8_t out[HASH_SIZE], struct err *e)
{
	const char *hex;

	if (json_want_string(obj, key, WHERE, &hex, e) < 0)
		return -1;
	if (hash_from_hex(hex, out, e) < 0)
		return err_wrap(e, WHERE ": \"%s\"", key);
	return 0;
}

static int read_rows(
	const json_t *array, const char *key, size_t size, bool names, char *rows, struct err *e)
{
	size_t i;
	json_t *v;

	json_array_foreach (array, i, v) {
		char *row = rows + i * size;
		if (!json_is_string(v))
			return err_set(e, E_META, WHERE ": \"%s\"[%zu] must be a string", key, i);
		if (copy_text(json_string_value(v), key, 1, row, size, e) < 0)
			return -1;
		if (names && check_name(row, key, e) < 0)
			return -1;
	}
	return 0;
}

int field_texts(const json_t *obj, const char *key, size_t min, size_t size, bool names,
	struct field_list *out, struct err *e)
{
	json_t *array;

	if (min == 0 && !json_object_get(obj, key)) {
		*out = (struct field_list){0};
		return 0;
	}
	if (json_want_array(obj, key, WHERE, &array, e) < 0)
		return -1;
	size_t count = json_array_size(array);
	if (!MUST("manifest.list-length", count >= min && count <= PLAN_LIST_MAX))
		return err_set(e, E_META, WHERE ": \"%s\" has %zu entries, allowed are %zu to %d",
			key, count, min, PLAN_LIST_MAX);
	AUTO_FREE char *rows = calloc(count + 1, size);
	if (!rows)
		return err_set(e, E_NOMEM, "no memory for \"%s\"", key);
	if (read_rows(array, key, size, names, rows, e) < 0)
		return -1;
	*out = (struct field_list){.rows = steal_ptr(rows), .count = count};
	return 0;
}
