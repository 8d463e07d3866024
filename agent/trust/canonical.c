/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON: a walk with its own stack, because depth comes from outside. */
#include "agent/trust/canonical.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/json.h"

/* One open object or array; `keys` is sorted and NULL for an array. */
struct level {
	const json_t *value;
	const char **keys;
	size_t count;
	size_t next;
};

struct walk {
	struct level levels[JSON_DEPTH_MAX];
	size_t depth;
	struct buf *out;
	struct err *e;
};

static int add(struct walk *w, const char *text)
{
	return buf_add_text(w->out, text, w->e);
}

/* Everything raw but '"' and '\': jansson escapes more, so its own writer cannot be used. */
static int add_string(struct walk *w, const char *text, size_t len)
{
	if (add(w, "\"") < 0)
		return -1;
	while (len > 0) {
		size_t plain = 0;
		while (plain < len && text[plain] != '"' && text[plain] != '\\')
			plain++;
		if (buf_add(w->out, text, plain, w->e) < 0)
			return -1;
		text += plain;
		len -= plain;
		if (len == 0)
			break;
		if (add(w, "\\") < 0 || buf_add(w->out, text, 1, w->e) < 0)
			return -1;
		text++;
		len--;
	}
	return add(w, "\"");
}

static int compare_keys(const void *a, const void *b)
{
	/* strcmp compares unsigned bytes; in UTF-8 that is the order of code points. */
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int sort_keys(const json_t *object, const char ***out, struct err *e)
{
	size_t count = json_object_size(object);
	size_t n = 0;
	const char *key;
	json_t *value;

	const char **keys = calloc(count + 1, sizeof(*keys));
	if (!keys)
		return err_set(e, E_NOMEM, "no memory for %zu keys", count);
	json_object_foreach ((json_t *)object, key, value)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	*out = keys;
	return 0;
}

static int open_level(struct walk *w, const json_t *value)
{
	bool is_object = json_is_object(value);

	if (w->depth == JSON_DEPTH_MAX)
		return err_set(w->e, E_JSON, "JSON is nested deeper than %d", JSON_DEPTH_MAX);
	struct level *l = &w->levels[w->depth];
	*l = (struct level){.value = value};
	l->count = is_object ? json_object_size(value) : json_array_size(value);
	if (is_object && sort_keys(value, &l->keys, w->e) < 0)
		return -1;
	w->depth++;
	return add(w, is_object ? "{" : "[");
}

static int close_level(struct walk *w)
{
	struct level *l = &w->levels[--w->depth];
	const char *end = l->keys ? "}" : "]";

	free(l->keys);
	return add(w, end);
}

static int write_value(struct walk *w, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return open_level(w, value);
	case JSON_STRING:
		return add_string(w, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		return buf_printf(w->out, w->e, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_TRUE:
		return add(w, "true");
	case JSON_FALSE:
		return add(w, "false");
	case JSON_NULL:
		return add(w, "null");
	default:
		return err_set(w->e, E_JSON, "canonical JSON has integers only");
	}
}

/* The next member of the innermost level, or its end. */
static int step(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];

	if (l->next == l->count)
		return close_level(w);
	if (l->next > 0 && add(w, ",") < 0)
		return -1;
	size_t i = l->next++;
	if (!l->keys)
		return write_value(w, json_array_get(l->value, i));
	if (add_string(w, l->keys[i], strlen(l->keys[i])) < 0 || add(w, ":") < 0)
		return -1;
	return write_value(w, json_object_get(l->value, l->keys[i]));
}

int canonical_write(const json_t *value, struct buf *out, struct err *e)
{
	struct walk w = {.out = out, .e = e};
	int rc = write_value(&w, value);

	while (rc == 0 && w.depth > 0)
		rc = step(&w);
	while (w.depth > 0)
		free(w.levels[--w.depth].keys);
	return rc;
}
