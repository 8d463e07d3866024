/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard limit, and cleanup attributes for what is acquired. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/err.h"

/*
 * Bytes that grow up to `limit`. Zero-initialise and set `limit` before use.
 * The byte after the last is always NUL once anything was added, so that text
 * can be read as a string.
 */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t limit;
};

/* An empty buffer that refuses to grow beyond `limit` bytes. */
struct buf buf_make(size_t limit);

/* Adds bytes; E_SIZE beyond the limit, E_NOMEM; the buffer is unchanged on failure. */
int buf_add(struct buf *b, const void *data, size_t len, struct err *e);
int buf_add_text(struct buf *b, const char *text, struct err *e);
int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

/* Frees the memory; the buffer is empty and can be used again. */
void buf_free(struct buf *b);

/* The content as a NUL-terminated string ("" when empty); valid until the next change. */
const char *buf_text(const struct buf *b);

/* Overflow-checked arithmetic for numbers from outside; true = overflow. */
static inline bool size_add_over(uint64_t a, uint64_t b, uint64_t *sum)
{
	return __builtin_add_overflow(a, b, sum);
}

static inline bool size_mul_over(uint64_t a, uint64_t b, uint64_t *product)
{
	return __builtin_mul_overflow(a, b, product);
}

/* Little-endian integers of the byte formats (docs/formats.md). */
static inline uint16_t le16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t le64_get(const uint8_t *p)
{
	return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

static inline void le16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void le32_put(uint8_t *p, uint32_t v)
{
	le16_put(p, (uint16_t)v);
	le16_put(p + 2, (uint16_t)(v >> 16));
}

static inline void le64_put(uint8_t *p, uint64_t v)
{
	le32_put(p, (uint32_t)v);
	le32_put(p + 4, (uint32_t)(v >> 32));
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Freed or closed at the end of the scope; hand on with steal_ptr / steal_fd. */
#define AUTO_FREE  __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
#define AUTO_BUF   __attribute__((cleanup(buf_free)))

#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}
