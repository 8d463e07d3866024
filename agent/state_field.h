/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of fields: one table both writes and reads a struct as JSON. Only for agent/state*.c. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

enum state_kind {
	STATE_UINT, /* unsigned of 4 or 8 bytes, 0 … 2^63 - 1 */
	STATE_TIME, /* int64_t, 0 … end of year 9999 */
	STATE_BOOL,
	STATE_TEXT, /* char array of `size` bytes */
	STATE_BYTES, /* `size` bytes, lower-case hexadecimal */
	STATE_LETTER, /* char: 'A', 'B' or 0, as "A", "B", "" */
	STATE_CODE, /* enum err_code by its name */
	STATE_WORD, /* enum by the names that `word` gives */
	STATE_OBJECT, /* struct described by `fields` */
	STATE_LIST, /* array of up to `max` rows of `size` bytes, number in the size_t at `count` */
};

/*
 * One member. The last row of a table has kind STATE_OBJECT and no fields. A
 * list whose rows are bare values has a table of one field without a name.
 * Tables nest four deep at most, so does the code that walks them.
 */
struct state_field {
	const char *name;
	enum state_kind kind;
	size_t offset;
	size_t size;
	const char *(*word)(int value);
	int words;
	const struct state_field *fields;
	size_t count;
	size_t max;
	bool optional; /* may be missing (older agents did not write it): stays as it is */
};

/* The struct at `base` as an object; new reference, NULL when out of memory. */
json_t *state_field_write(const struct state_field *fields, const void *base);

/*
 * Reads an object into the struct at `base`. Every field that is not optional must be
 * there and in range (E_STATE names it); members that no field names are ignored, because a
 * newer agent may have written them before it was rolled back.
 */
int state_field_read(
	const struct state_field *fields, const json_t *obj, void *base, struct err *e);
