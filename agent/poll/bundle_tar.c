/* SPDX-License-Identifier: Apache-2.0 */
/* What a member of a bundle may be: names and raw ustar headers. */
#include "agent/poll/bundle_tar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/base/must.h"

/* --- Names ------------------------------------------------------------------ */

/* Moves *p behind `word`; false where it does not stand there. */
static bool take_word(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* 1 to 16 digits, the first not 0. */
static bool take_number(const char **p)
{
	size_t n = strspn(*p, "0123456789");

	if (n == 0 || n > 16 || **p == '0')
		return false;
	*p += n;
	return true;
}

static bool take_hex(const char **p, size_t digits)
{
	if (strspn(*p, "0123456789abcdef") < digits)
		return false;
	*p += digits;
	return true;
}

/* A product: [a-z0-9][a-z0-9._-]{0,31}. */
static bool take_product(const char **p)
{
	size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	if (n == 0 || n > 32 || strchr("._-", **p))
		return false;
	*p += n;
	return true;
}

static bool is_metadata(const char *name)
{
	static const char *const roles[] = {
		".root.json", ".snapshot.json", ".targets.json", ".releases.json"};

	if (strcmp(name, "timestamp.json") == 0)
		return true;
	if (!take_number(&name))
		return false;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(name, roles[i]) == 0)
			return true;
	}
	return false;
}

static bool is_target(const char *name)
{
	return take_product(&name) && take_word(&name, "/releases/") &&
	       take_hex(&name, HASH_HEX_SIZE - 1) && take_word(&name, ".") && take_number(&name) &&
	       strcmp(name, ".json") == 0;
}

/* Moves *p behind the name of an object, without what may follow a head's. */
static bool take_object(const char **p)
{
	const char *folder = *p;

	return take_hex(p, 2) && take_word(p, "/") && strncmp(folder, *p, 2) == 0 &&
	       take_hex(p, HASH_HEX_SIZE - 1);
}

static bool is_object(const char *name)
{
	return take_object(&name) && (*name == 0 || strcmp(name, BUNDLE_HEAD) == 0);
}

bool bundle_is_head(const char *name)
{
	return take_word(&name, "objects/") && take_object(&name) && strcmp(name, BUNDLE_HEAD) == 0;
}

enum bundle_group bundle_group_of(const char *name)
{
	static const struct {
		const char *folder;
		bool (*is)(const char *name);
	} groups[] = {
		[BUNDLE_METADATA] = {"metadata/", is_metadata},
		[BUNDLE_TARGETS] = {"targets/", is_target},
		[BUNDLE_OBJECTS] = {"objects/", is_object},
	};

	for (int i = BUNDLE_METADATA; i < BUNDLE_UNKNOWN; i++) {
		const char *rest = name;
		if (take_word(&rest, groups[i].folder) && groups[i].is(rest))
			return (enum bundle_group)i;
	}
	return BUNDLE_UNKNOWN;
}

int bundle_target_path(const char *name, char *path, size_t size, struct err *e)
{
	const char *rest = name;
	const char *product;
	int product_len;

	if (bundle_group_of(name) != BUNDLE_TARGETS)
		return err_set(e, E_INTERNAL, "%s is no target", name);
	take_word(&rest, "targets/");
	product = rest;
	take_product(&rest);
	product_len = (int)(rest - product);
	take_word(&rest, "/releases/");
	rest += HASH_HEX_SIZE; /* the hash and its point */
	if (snprintf(path, size, "%.*s/releases/%s", product_len, product, rest) >= (int)size)
		return err_set(e, E_SIZE, "the path of %s does not fit", name);
	return 0;
}

/* --- Headers ------------------------------------------------------------------ */

/* Where the fields of a ustar header are (POSIX.1-2017, pax, "ustar Interchange Format"). */
enum {
	NAME_AT = 0,
	NAME_LEN = 100,
	SIZE_AT = 124,
	SIZE_LEN = 12,
	TYPE_AT = 156,
	LINK_AT = 157,
	LINK_LEN = 100,
	MAGIC_AT = 257,
	PREFIX_AT = 345,
	PREFIX_LEN = 155,
};

/*
 * Plain octal digits, filling the field but for a NUL or space at its end. Bit 7
 * (GNU's binary sizes, which reach negative numbers) is no digit.
 */
static bool read_octal(const uint8_t *field, size_t len, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		v = v * 8 + (uint64_t)(field[i] - '0');
	if (i == 0 || i < len - 2)
		return false;
	for (; i < len; i++) {
		if (field[i] != 0 && field[i] != ' ')
			return false;
	}
	*out = v;
	return true;
}

/* Text that ends with the field or a NUL, and nothing but NULs behind that. */
static bool read_text(const uint8_t *field, size_t len, char *out)
{
	size_t n = strnlen((const char *)field, len);

	for (size_t i = n; i < len; i++) {
		if (field[i])
			return false;
	}
	memcpy(out, field, n);
	out[n] = 0;
	return true;
}

static bool read_name(const uint8_t *block, char out[TAR_NAME_SIZE])
{
	char prefix[PREFIX_LEN + 1];
	char name[NAME_LEN + 1];

	if (!read_text(block + PREFIX_AT, PREFIX_LEN, prefix) ||
		!read_text(block + NAME_AT, NAME_LEN, name))
		return false;
	snprintf(out, TAR_NAME_SIZE, "%s%s%s", prefix, prefix[0] ? "/" : "", name);
	return true;
}

int bundle_read_header(
	const uint8_t block[TAR_BLOCK], char name[TAR_NAME_SIZE], uint64_t *size, struct err *e)
{
	char link[LINK_LEN + 1];
	char text[TAR_NAME_SIZE] = "";
	uint64_t n = 0;

	if (!MUST("bundle.name-text", read_name(block, text)))
		return err_set(e, E_BUNDLE, "a name with bytes behind its end");
	if (!MUST("bundle.ustar", memcmp(block + MAGIC_AT, "ustar\00000", 8) == 0))
		return err_set(
			e, E_BUNDLE, "%s: not ustar (made with GNU tar? use pawl-repo)", text);
	if (!MUST("bundle.type", block[TYPE_AT] == '0'))
		return err_set(
			e, E_BUNDLE, "%s: type 0x%02x is no regular file", text, block[TYPE_AT]);
	if (!MUST("bundle.link", read_text(block + LINK_AT, LINK_LEN, link) && !link[0]))
		return err_set(e, E_BUNDLE, "%s: a file with the target of a link", text);
	if (!MUST("bundle.size-text", read_octal(block + SIZE_AT, SIZE_LEN, &n)))
		return err_set(e, E_BUNDLE, "%s: its size is not plain octal", text);
	memcpy(name, text, sizeof(text));
	*size = n;
	return 0;
}
