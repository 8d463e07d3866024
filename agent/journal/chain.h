/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain on disk as its writer sees it: recovery, append, rotation. Internal.
 * Every line, headers too, carries the hash of the line before it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/journal/line.h"
#include "agent/journal/segment.h"

struct chain {
	/* Set before chain_load, borrowed. */
	int dir;
	enum chain_kind kind;
	uint64_t segment_bytes;
	uint32_t keep; /* segments of a ring, 0 = all */
	const char *product;
	const char *device;
	bool read_only;

	/* Kept by the chain. */
	bool usable; /* loaded: can be appended to */
	int fd; /* newest segment, -1 = there is none yet */
	uint32_t number; /* of the newest segment */
	uint64_t used; /* bytes of whole lines in it */
	bool dirty; /* behind them may be half a line */
	bool unsynced;
	uint8_t tip[HASH_SIZE]; /* hash of the last line: what the next one carries */
	struct line head; /* last record; seq 0 = none */
	uint64_t cut; /* bytes of a torn tail that chain_load cut off */
};

/*
 * Finds the end of the chain. What a cut of power left behind the last whole
 * line is cut off (not when read_only). A bad line with good ones behind it is
 * no torn tail: milestones keep it, so that verification names it; details are
 * cut there, because theirs are not flushed one by one.
 */
int chain_load(struct chain *c, struct err *e);

/*
 * Makes room for one more line, in a new segment if need be; after it c->tip is
 * what the line must carry. E_SPACE, E_IO.
 */
int chain_make_room(struct chain *c, uint64_t epoch, uint64_t next_seq, struct err *e);

/* Begins a new segment, whatever room the newest has. */
int chain_rotate(struct chain *c, uint64_t epoch, uint64_t next_seq, struct err *e);

/*
 * Appends a sealed line and, with `sync`, waits until it is on the medium. On
 * failure the chain is as before.
 */
int chain_append(struct chain *c, const struct buf *line, bool sync, struct err *e);

/* Waits until all lines are on the medium. */
int chain_sync(struct chain *c, struct err *e);

/* Removes the oldest segments until `keep` are left. */
void chain_prune(const struct chain *c, uint32_t keep);

/*
 * The hash of record `seq`, looked for from the newest segment backwards;
 * E_NOTFOUND when it is not there.
 */
int chain_find(const struct chain *c, uint64_t seq, uint8_t hash[HASH_SIZE], struct err *e);

void chain_close(struct chain *c);
