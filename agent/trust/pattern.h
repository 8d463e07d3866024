/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a delegation covers: patterns, hash prefixes, bins (spec 4.5). Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

/* '*' and '?' match within one part of the path, never '/'; everything else is literal. */
bool pattern_matches(const char *pattern, const char *path);

/*
 * Does a delegated role's "paths" or "path_hash_prefixes" cover the path? E_META
 * when it has not exactly one of the two, or one is malformed.
 */
int pattern_role_covers(const json_t *role, const char *path, bool *covers, struct err *e);

/*
 * The bin of succinct_roles {bit_length, name_prefix} for the path:
 * "<prefix>-<hex>" into `name`. E_META.
 */
int pattern_bin_name(
	const json_t *succinct, const char *path, char *name, size_t size, struct err *e);
