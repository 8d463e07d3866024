/* SPDX-License-Identifier: Apache-2.0 */
/* The open record: what adding and opening share. Internal. */
#pragma once

#include "agent/journal/chain.h"
#include "agent/journal/journal.h"
#include "agent/journal/losses.h"

#define JOURNAL_FOLDER "journal"

struct journal {
	char device[33];
	char product[33];
	uint64_t epoch;
	uint64_t boot;
	bool synchronised;
	const struct log *log;
	int dir;
	int lock;
	struct chain chains[CHAIN_KINDS];
	struct losses losses;
	bool told[CHAIN_KINDS]; /* journal.degraded of this outage is written */
	uint64_t lost; /* since it was opened */
	uint64_t used; /* numbers up to it were given out, even if their records are gone */
	struct line latest; /* newest record of both chains, for the clocks */
};

/* The number of the next record; both chains share one counter. */
uint64_t journal_next_seq(const struct journal *j);

/* A record of the journal about itself; takes `data` over. What fails is counted. */
void journal_add_own(struct journal *j, enum journal_event ev, enum err_code rc, json_t *data);

/* Writes the first record where there is none yet. */
void journal_begin(struct journal *j);
