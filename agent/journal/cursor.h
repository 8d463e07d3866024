/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a chain from its first to its last record, checking each link. Internal. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/journal/segment.h"

struct cursor {
	int dir;
	enum chain_kind kind;
	struct segment_list list;
	size_t next; /* segment to be read next */
	struct buf file; /* the present one */
	size_t at; /* offset in it */
	uint64_t line_number; /* of the last line that was read, from 1 */
	char name[SEGMENT_NAME_SIZE];
	uint8_t tip[HASH_SIZE]; /* hash of the last line */
	bool any; /* a line was read before */
	struct line before; /* the last record that was read; seq 0 = none */
	bool header_next;
	bool done;

	/* The present record, until the next call. */
	struct line line;
	const char *text; /* not terminated */
	size_t len;
	json_t *json;
};

/* Begins at the oldest segment; nothing is changed on disk. E_IO, E_NOMEM. */
int cursor_open(struct cursor *c, int dir, enum chain_kind k, struct err *e);

/*
 * Goes to the next record; c->done at the end. E_JOURNAL: the line c->line_number
 * of c->name is bad, `e` says why.
 */
int cursor_next(struct cursor *c, struct err *e);

void cursor_close(struct cursor *c);
