/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `pawl doctor`. */
#include "agent/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_SIZE 700

static void print_line(const struct doctor *d, const char *word, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void print_line(const struct doctor *d, const char *word, const char *fmt, va_list ap)
{
	char text[TEXT_SIZE];

	vsnprintf(text, sizeof(text), fmt, ap);
	printf("%-8s %-12s %s\n", word, d->check, text);
}

static void print_advice(const struct doctor *d, const char *todo)
{
	if (d->matters && d->matters[0])
		printf("%-21s why: %s\n", "", d->matters);
	if (todo)
		printf("%-21s do:  %s\n", "", todo);
}

void doctor_good(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(d, "good", fmt, ap);
	va_end(ap);
}

void doctor_unknown(struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(d, "unknown", fmt, ap);
	va_end(ap);
	print_advice(d, d->todo);
}

void doctor_bad(struct doctor *d, const struct err *e)
{
	printf("%-8s %-12s %s: %s\n", "BAD", d->check, err_name(e->code), e->text);
	print_advice(d, d->todo ? d->todo : err_action(e->code));
	if (d->bad++ == 0)
		d->first = e->code;
}
