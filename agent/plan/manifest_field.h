/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a manifest: how texts, names, times and lists are read. Only for agent/plan. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/manifest.h"

#define FIELD_INT_MAX (INT64_C(1) << 53) /* what every JSON reader keeps exactly */

/*
 * Is it text that a terminal can show safely? No control characters (C0, DEL,
 * C1), no characters that turn the direction of writing: with those, "notes"
 * could forge what `pawl status` says.
 */
bool field_is_printable(const char *text);

/* All name the member in E_META. `min` and `size` are bytes, `size` with the NUL. */
int field_text(
	const json_t *obj, const char *key, size_t min, char *out, size_t size, struct err *e);
int field_text_optional(const json_t *obj, const char *key, char *out, size_t size, struct err *e);
int field_name(const json_t *obj, const char *key, char out[PLAN_NAME_SIZE], struct err *e);
int field_number(const json_t *obj, const char *key, uint64_t min, uint64_t max, uint64_t *out,
	struct err *e);
int field_time(const json_t *obj, const char *key, bool needed, int64_t *out, struct err *e);
int field_digest(const json_t *obj, const char *key, uint8_t out[HASH_SIZE], struct err *e);

/*
 * An array of `min` to PLAN_LIST_MAX texts of at most `size` - 1 bytes each, as
 * one allocation of rows; an absent one is empty when `min` is 0. The rows are
 * the caller's (free). `names`: each must be a name as of manifest_name_is_valid.
 */
struct field_list {
	char *rows;
	size_t count;
};
int field_texts(const json_t *obj, const char *key, size_t min, size_t size, bool names,
	struct field_list *out, struct err *e);

/* One entry of `images`. */
int manifest_parse_image(const json_t *obj, struct plan_image *out, struct err *e);
