/* SPDX-License-Identifier: Apache-2.0 */
/* Text from outside that people will see: what it must not hold. */
#include "agent/base/text.h"

#include <stdbool.h>

static bool is_direction_mark(const unsigned char *p)
{
	if (p[0] != 0xe2)
		return false;
	return (p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* Bytes that a sequence with this first byte has (RFC 3629), 0 = none begins with it. */
static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* 0 where no whole character stands; over-long forms are left to whoever needs to know. */
static size_t character_length(const unsigned char *p)
{
	size_t n = sequence_length(p[0]);

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

size_t text_length(const char *text)
{
	size_t n = character_length((const unsigned char *)text);

	return n > 0 ? n : 1;
}

size_t text_unsafe_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	/* A lone byte: terminals in an 8-bit mode take 0x9b for ESC [. */
	if (character_length(p) == 0)
		return 1;
	if ((p[0] > 0 && p[0] < 0x20) || p[0] == 0x7f)
		return 1;
	/* Terminals take U+009B for ESC [. */
	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return 2;
	return is_direction_mark(p) ? 3 : 0;
}
