/* SPDX-License-Identifier: Apache-2.0 */
/* How a problem of public/ is told. */
#include "publisher/verify.h"

#include <stdarg.h>
#include <stdio.h>

void verify_problem(struct verify *v, enum err_code code, const char *path, const char *fmt, ...)
{
	char text[480];
	struct err line = {0};
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* Names of files may come from anywhere; an err makes them printable. */
	err_set(&line, code, "%s: %s", path, text);
	printf("%s %s\n", err_name(code), line.text);
	if (v->problems++ == 0)
		v->first = code;
}
