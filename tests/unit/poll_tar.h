/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles for tests, written byte by byte so that they can be bent. Include cmocka.h before. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX1   "aa11111111111111111111111111111111111111111111111111111111111111"
#define HEX2   "bb22222222222222222222222222222222222222222222222222222222222222"
#define ROOT   "metadata/1.root.json"
#define STAMP  "metadata/timestamp.json"
#define TARGET "targets/demo/releases/" HEX1 ".7.json"
#define OBJECT "objects/aa/" HEX1
#define BLOCK  512

/* --- A tar that is written byte by byte ---------------------------------------------- */

struct tar {
	uint8_t *data;
	size_t len;
};

static inline uint8_t *grow(struct tar *t, size_t len)
{
	t->data = realloc(t->data, t->len + len);
	assert_non_null(t->data);
	memset(t->data + t->len, 0, len);
	t->len += len;
	return t->data + t->len - len;
}

static inline void seal(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
}

/* Adds a header alone; its offset, so that a test can bend it and seal it again. */
static inline size_t add_header(struct tar *t, const char *name, char type, uint64_t size)
{
	uint8_t *h = grow(t, BLOCK);
	size_t len = strlen(name);
	const char *cut = name;

	if (len > 100) {
		/* The longest prefix that leaves a name which fits. */
		cut = name + len - 100;
		while (*cut != '/')
			cut++;
		memcpy(h + 345, name, (size_t)(cut - name));
		cut++;
	}
	memcpy(h, cut, strlen(cut));
	memcpy(h + 100, "0000644", 7);
	memcpy(h + 108, "0000000", 7);
	memcpy(h + 116, "0000000", 7);
	snprintf((char *)h + 124, 12, "%011llo", (unsigned long long)size & 077777777777);
	memcpy(h + 136, "00000000000", 11);
	h[156] = (uint8_t)type;
	memcpy(h + 257, "ustar\00000", 8);
	seal(h);
	return (size_t)(h - t->data);
}

static inline size_t add(struct tar *t, const char *name, char type, const char *content)
{
	size_t at = add_header(t, name, type, strlen(content));

	if (*content)
		memcpy(grow(t, (strlen(content) + BLOCK - 1) / BLOCK * BLOCK), content,
			strlen(content));
	return at;
}

static inline void add_file(struct tar *t, const char *name)
{
	add(t, name, '0', "content");
}

/* Adds a member with `size` bytes that follow from its name. */
static inline void add_bytes(struct tar *t, const char *name, size_t size)
{
	add_header(t, name, '0', size);
	uint8_t *to = grow(t, (size + BLOCK - 1) / BLOCK * BLOCK);
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(i * 7 + i / 251 + (uint8_t)name[8]);
}

/* Is this what add_bytes put at `offset` of the member? */
static inline void assert_bytes(const char *name, size_t offset, const uint8_t *got, size_t len)
{
	for (size_t i = offset; i < offset + len; i++)
		assert_int_equal(got[i - offset], (uint8_t)(i * 7 + i / 251 + (uint8_t)name[8]));
}

/* A good bundle up to where the test's own member is to come. */
static inline struct tar good_start(void)
{
	struct tar t = {0};

	add_file(&t, ROOT);
	add_file(&t, STAMP);
	add_file(&t, TARGET);
	return t;
}
