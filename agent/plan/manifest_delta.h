/* SPDX-License-Identifier: Apache-2.0 */
/* What of an image saves bytes: index, data, frames, patches, differences. For agent/plan only. */
#pragma once

#include <jansson.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/* Reads {sha256, length} at `key`. E_META names it. */
int manifest_read_object(
	const json_t *obj, const char *key, struct plan_object *out, struct err *e);

/* Reads the word of an encoding. E_META, E_COMPAT for one that is not known. */
int manifest_read_encoding(const json_t *obj, enum plan_encoding *out, struct err *e);

/*
 * Reads `index`, `data`, `patches` and the differences of leaves and index, all
 * optional, of an image whose other fields are in *out. E_META for one of index and
 * data without the other, for lengths that the size does not permit, for more than 8
 * patches or differences, two from the same image or table, more than 4 first parts of
 * frames or such that do not rise, or patches of an image above 1 GiB. E_COMPAT for an
 * encoding.
 */
int manifest_parse_delta(const json_t *obj, struct plan_image *out, struct err *e);
