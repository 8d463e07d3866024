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

size_t text_unsafe_length(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	if ((p[0] > 0 && p[0] < 0x20) || p[0] == 0x7f)
		return 1;
	/* Terminals take U+009B for ESC [. */
	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return 2;
	return is_direction_mark(p) ? 3 : 0;
}
