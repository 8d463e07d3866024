/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a record: integers, yes and no, enum words, digests. */
#include "agent/journal/privacy.h"

#include <stdbool.h>
#include <string.h>

#include "agent/base/must.h"

#define WORD_MAX 64 /* a digest just fits */
#define KEY_MAX  32

static bool has_only(const char *text, size_t max, const char *extra)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr(extra, c))
			return false;
	}
	return len > 0 && len <= max;
}

/* Four numbers with dots: an IPv4 address would pass for a word. */
static bool is_address(const char *text)
{
	unsigned dots = 0;

	for (; *text; text++) {
		if (*text == '.')
			dots++;
		else if (*text < '0' || *text > '9')
			return false;
	}
	return dots == 3;
}

static bool is_word(const char *text)
{
	return has_only(text, WORD_MAX, "._-") && !is_address(text);
}

static bool is_allowed(const char *key, const json_t *value)
{
	if (!has_only(key, KEY_MAX, "_"))
		return false;
	if (json_is_string(value))
		return is_word(json_string_value(value));
	return json_is_integer(value) || json_is_boolean(value);
}

json_t *privacy_filter(const json_t *data, const struct log *log)
{
	json_t *kept = data ? json_object() : NULL;
	unsigned dropped = 0;
	const char *key;
	json_t *value;

	if (!kept)
		return NULL;
	json_object_foreach ((json_t *)data, key, value) {
		if (MUST("journal.privacy", is_allowed(key, value))) {
			json_object_set(kept, key, value);
			continue;
		}
		dropped++;
		log_line(log, LOG_LEVEL_WARN,
			"journal.dropped member=%.32s why=\"only integers, words and digests\"",
			key);
	}
	if (dropped > 0)
		json_object_set_new(kept, "dropped", json_integer(dropped));
	return kept;
}
