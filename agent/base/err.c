/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: setting, wrapping, and the table of codes. */
#include "agent/base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/text.h"

#define CONTEXT_MIN 96 /* bytes that a context gets in any case; what it says comes first */

/* Here they are defined, not called (see err.h). */
#undef err_set
#undef err_sys
#undef err_wrap

struct err_row {
	const char *name;
	int exit;
	const char *meaning;
	const char *action;
};

#define ERR_ROW_(code, exit, meaning, action) {#code, exit, meaning, action},
static const struct err_row err_rows[] = {ERR_TABLE(ERR_ROW_)};

/* Text from outside ends up in messages: a terminal must not be steered by it. */
static void make_printable(char *text)
{
	while (*text) {
		size_t unsafe = text_unsafe_length(text);
		memset(text, '?', unsafe);
		text += unsafe > 0 ? unsafe : text_length(text);
	}
}

static void mark_cut(char *text, size_t size, int wanted)
{
	if (wanted >= (int)size)
		memcpy(text + size - 4, "...", 4);
	make_printable(text);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	assert(e && code > E_OK && code < E_CODE_COUNT);
	e->code = code;
	e->sys = 0;
	va_start(ap, fmt);
	int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	mark_cut(e->text, sizeof(e->text), n);
	return -1;
}

/* What strerror_r gives is the text in glibc, and a status in musl, which filled `text`. */
static inline const char *glibc_reason(const char *result, const char *text)
{
	(void)text;
	return result;
}

static inline const char *musl_reason(int result, const char *text)
{
	return result == 0 ? text : "unknown error";
}

#define REASON(result, text)                                                                       \
	_Generic((result), char * : glibc_reason, int : musl_reason)((result), (text))

int err_sys(struct err *e, enum err_code code, int sys, const char *fmt, ...)
{
	char why[128];
	char what[sizeof(e->text) -
		  sizeof(why)]; /* so that a long name leaves room for the reason */
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	mark_cut(what, sizeof(what), n);
	err_set(e, code, "%s: %s", what, REASON(strerror_r(sys, why, sizeof(why)), why));
	e->sys = sys;
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	char context[sizeof(e->text)];
	va_list ap;

	assert(e && e->code != E_OK);
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	int wanted = vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	/* A URL of 2,000 bytes must not push the reason out. */
	size_t taken = strlen(old) + strlen(": ") + CONTEXT_MIN;
	size_t more = taken < sizeof(context) ? sizeof(context) - taken : 0;
	mark_cut(context, CONTEXT_MIN + more, wanted);
	int n = snprintf(e->text, sizeof(e->text), "%s: %s", context, old);
	mark_cut(e->text, sizeof(e->text), n);
	return -1;
}

static const struct err_row *row(enum err_code code)
{
	assert(code < E_CODE_COUNT);
	return &err_rows[code];
}

const char *err_name(enum err_code code)
{
	return row(code)->name;
}

int err_exit(enum err_code code)
{
	return row(code)->exit;
}

const char *err_meaning(enum err_code code)
{
	return row(code)->meaning;
}

const char *err_action(enum err_code code)
{
	return row(code)->action;
}

enum err_code err_find(const char *name)
{
	for (int i = 0; i < E_CODE_COUNT; i++) {
		if (strcmp(err_rows[i].name, name) == 0)
			return (enum err_code)i;
	}
	return E_CODE_COUNT;
}
