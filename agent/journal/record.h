/* SPDX-License-Identifier: Apache-2.0 */
/* Writing one record as its line. Internal; fields: docs/journal.md. */
#pragma once

#include "agent/journal/chain.h"
#include "agent/journal/journal.h"

/* What every record carries beside its event. */
struct record_stamp {
	uint64_t seq;
	uint64_t epoch;
	uint64_t boot;
	uint64_t mono; /* ms */
	int64_t wall;
	bool synchronised;
	const char *device;
	const char *product;
	const uint8_t *prev; /* c->tip of its chain */
	const struct chain *details; /* milestones carry their head; NULL for a detail */
	const struct log *log;
};

/*
 * The sealed line with its newline, at most JOURNAL_RECORD_MAX bytes, into `out`
 * (emptied first). Data that may not stand there, or that does not fit, is left
 * out and said so: the event itself is never lost for its data.
 */
int record_build(const struct record_stamp *s, const struct journal_record *r, struct buf *out,
	struct err *e);
