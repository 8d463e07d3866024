/* SPDX-License-Identifier: Apache-2.0 */
/* Big buffers: aligned for O_DIRECT, and given back to the system at once when freed. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "agent/base/err.h"

#define PAGES_ALIGN 65536u /* a multiple of every page size that Linux uses */

/* Memory of its own mapping; malloc would keep it in the heap and in our RSS. */
struct pages {
	uint8_t *data;
	size_t size;
};

/* Zeroed memory of at least `size` bytes, at a page boundary. E_NOMEM. Freed with pages_free. */
static inline int pages_get(size_t size, struct pages *out, struct err *e)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, E_NOMEM, "no memory for a buffer of %zu bytes", size);
	*out = (struct pages){.data = p, .size = size};
	return 0;
}

static inline void pages_free(struct pages *p)
{
	if (p->data)
		munmap(p->data, p->size);
	*p = (struct pages){0};
}

/*
 * Gives the memory of these bytes (but for up to PAGES_ALIGN at either end, and none
 * at the buffer's ends) back to the system; they read as zeros then.
 */
static inline void pages_empty(const struct pages *p, size_t from, size_t len)
{
	size_t to = len < p->size - from ? from + len : p->size;

	from += (PAGES_ALIGN - from % PAGES_ALIGN) % PAGES_ALIGN;
	if (to < p->size)
		to -= to % PAGES_ALIGN;
	/* Only a saving of memory: where the kernel does not do it, nothing is wrong. */
	if (from < to)
		(void)madvise(p->data + from, to - from, MADV_DONTNEED);
}

#define AUTO_PAGES __attribute__((cleanup(pages_free)))
