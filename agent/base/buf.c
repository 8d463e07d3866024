/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard limit. */
#include "agent/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct buf buf_make(size_t limit)
{
	return (struct buf){.limit = limit};
}

static int make_room(struct buf *b, size_t more, struct err *e)
{
	if (more > b->limit || b->len > b->limit - more)
		return err_set(e, E_SIZE, "more than the %zu bytes that are allowed", b->limit);
	size_t need = b->len + more + 1;
	if (need <= b->cap)
		return 0;
	size_t cap = b->cap ? b->cap : 256;
	while (cap < need)
		cap *= 2;
	if (cap > b->limit + 1)
		cap = b->limit + 1;
	uint8_t *p = realloc(b->data, cap);
	if (!p)
		return err_set(e, E_NOMEM, "no memory for %zu bytes", cap);
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len, struct err *e)
{
	if (make_room(b, len, e) < 0)
		return -1;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return 0;
}

int buf_add_text(struct buf *b, const char *text, struct err *e)
{
	return buf_add(b, text, strlen(text), e);
}

int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
{
	va_list ap;
	va_list again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	int rc = n < 0 ? err_set(e, E_INTERNAL, "format failed") : make_room(b, (size_t)n, e);
	if (rc == 0) {
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return rc;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = 0;
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = buf_make(b->limit);
}

const char *buf_text(const struct buf *b)
{
	return b->data ? (const char *)b->data : "";
}
