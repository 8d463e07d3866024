/* SPDX-License-Identifier: Apache-2.0 */
/* Which paths a delegation covers. */
#include "agent/trust/pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/base/json.h"
#include "agent/base/must.h"

/*
 * Walks both once; on a mismatch goes back to the last '*' only, so the time is
 * at most the product of the lengths, whatever the pattern.
 */
bool pattern_matches(const char *pattern, const char *path)
{
	const char *star = NULL; /* after the last '*' */
	const char *from = NULL; /* where it began to match */

	while (*path) {
		if (*pattern == '*') {
			star = ++pattern;
			from = path;
		} else if (*pattern == *path || (*pattern == '?' && *path != '/')) {
			pattern++;
			path++;
		} else if (star && *from != '/') {
			pattern = star;
			path = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == 0;
}

static int path_hash(const char *path, uint8_t digest[HASH_SIZE], struct err *e)
{
	return hash_bytes(HASH_SHA256, path, strlen(path), digest, e);
}

static int covers_paths(const json_t *list, const char *path, bool *covers, struct err *e)
{
	const json_t *pattern;
	bool found = false;
	size_t i;

	json_array_foreach (list, i, pattern) {
		if (!json_is_string(pattern))
			return err_set(e, E_META, "delegation: a path pattern is not a string");
		found |= pattern_matches(json_string_value(pattern), path);
	}
	*covers = found;
	return 0;
}

static int covers_hashes(const json_t *list, const char *path, bool *covers, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];
	const json_t *prefix;
	bool found = false;
	size_t i;

	if (path_hash(path, digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	json_array_foreach (list, i, prefix) {
		const char *text = json_string_value(prefix);
		if (!text || !*text)
			return err_set(e, E_META, "delegation: a hash prefix is not a string");
		found |= strncmp(hex, text, strlen(text)) == 0;
	}
	*covers = found;
	return 0;
}

int pattern_role_covers(const json_t *role, const char *path, bool *covers, struct err *e)
{
	const json_t *paths = json_object_get(role, "paths");
	const json_t *prefixes = json_object_get(role, "path_hash_prefixes");

	if (json_is_array(paths) && !prefixes)
		return covers_paths(paths, path, covers, e);
	if (json_is_array(prefixes) && !paths)
		return covers_hashes(prefixes, path, covers, e);
	return err_set(e, E_META,
		"delegation: exactly one of \"paths\" and \"path_hash_prefixes\" must be an array");
}

int pattern_bin_name(
	const json_t *succinct, const char *path, char *name, size_t size, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	const char *prefix;
	int64_t bits;

	if (json_want_int(succinct, "bit_length", "succinct_roles", 1, 32, &bits, e) < 0 ||
		json_want_string(succinct, "name_prefix", "succinct_roles", &prefix, e) < 0 ||
		path_hash(path, digest, e) < 0)
		return -1;
	uint32_t head = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 |
			(uint32_t)digest[2] << 8 | digest[3];
	uint32_t bin = head >> (32 - bits);
	int digits = (int)(bits + 3) / 4; /* as many as the last bin's number has */
	if (snprintf(name, size, "%s-%0*" PRIx32, prefix, digits, bin) >= (int)size)
		return err_set(e, E_META, "succinct_roles: name_prefix is too long");
	return 0;
}
