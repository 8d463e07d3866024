/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: the files that a chain is kept in, "m-00000001.jsonl", "d-...". Internal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/journal/line.h"

#define SEGMENT_NAME_SIZE 24
#define SEGMENT_FILE_MAX  (4 << 20) /* largest file that is read */
#define SEGMENT_COUNT_MAX 65536

/* Numbers of the segments of one chain, ascending; segment_list_free frees. */
struct segment_list {
	uint32_t *numbers;
	size_t count;
};

void segment_name(enum chain_kind k, uint32_t number, char name[SEGMENT_NAME_SIZE]);

/* The segments in folder `dir`; other files are passed over. E_IO, E_SIZE, E_NOMEM. */
int segment_list(int dir, enum chain_kind k, struct segment_list *out, struct err *e);
void segment_list_free(struct segment_list *l);

/* Where a line begins and how long it is, without its newline. */
struct segment_line {
	const uint8_t *text;
	size_t len;
	size_t end; /* offset behind its newline */
};

/* The line at `at` in the file; false where there is no whole line any more. */
bool segment_next_line(const struct buf *file, size_t at, struct segment_line *out);

/* Bytes from `at` on up to the last that is not zero: 0 = only the preallocated rest. */
size_t segment_garbage(const struct buf *file, size_t at);
