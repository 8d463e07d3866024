/* SPDX-License-Identifier: Apache-2.0 */
/* Adding to the record, and what happens when that fails. */
#include "agent/journal/journal.h"

#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/journal/event.h"
#include "agent/journal/record.h"
#include "agent/journal/store.h"

#define CLOCK_JUMP_SECONDS 30

uint64_t journal_next_seq(const struct journal *j)
{
	uint64_t last = j->used;

	for (int k = 0; k < CHAIN_KINDS; k++) {
		if (j->chains[k].head.seq > last)
			last = j->chains[k].head.seq;
	}
	return last + 1;
}

static enum chain_kind chain_of(const struct journal_record *r)
{
	return journal_event_is_milestone(r->event) ? CHAIN_MILESTONES : CHAIN_DETAILS;
}

/* A milestone vouches for the details before it, so they go to the medium first. */
static void sync_details(struct journal *j)
{
	struct chain *details = &j->chains[CHAIN_DETAILS];
	struct err e;

	if (!details->usable || chain_sync(details, &e) == 0)
		return;
	details->usable = false;
	log_line(j->log, LOG_LEVEL_ERROR, "journal.unusable chain=details why=\"%s\"", e.text);
}

/* One record into its chain; on failure nothing changed. */
static int write_once(
	struct journal *j, const struct journal_record *r, uint64_t seq, struct err *e)
{
	AUTO_BUF struct buf line = buf_make(JOURNAL_RECORD_MAX);
	bool milestone = chain_of(r) == CHAIN_MILESTONES;
	struct chain *c = &j->chains[chain_of(r)];

	if (milestone)
		sync_details(j);
	if (chain_make_room(c, j->epoch, seq, e) < 0)
		return -1;
	struct record_stamp stamp = {
		.seq = seq,
		.epoch = j->epoch,
		.boot = j->boot,
		.mono = clock_mono_ms(),
		.wall = clock_wall(),
		.synchronised = j->synchronised,
		.device = j->device,
		.product = j->product,
		.prev = c->tip,
		.details = milestone ? &j->chains[CHAIN_DETAILS] : NULL,
		.log = j->log,
	};
	if (record_build(&stamp, r, &line, e) < 0 || chain_append(c, &line, milestone, e) < 0)
		return -1;
	j->latest = c->head;
	return 0;
}

static int write_record(struct journal *j, const struct journal_record *r, struct err *e)
{
	uint64_t seq = journal_next_seq(j);

	if (write_once(j, r, seq, e) == 0)
		return 0;
	/* On a full disk old details make room for a milestone; their newest segment stays. */
	if (e->code != E_SPACE || chain_of(r) != CHAIN_MILESTONES)
		return -1;
	chain_prune(&j->chains[CHAIN_DETAILS], 1);
	return write_once(j, r, seq, e);
}

static int write_own(
	struct journal *j, enum journal_event ev, enum err_code rc, json_t *data, struct err *e)
{
	JSON_AUTO json_t *owned = data;
	struct journal_record r = {.event = ev, .outcome = JOURNAL_NOTE, .rc = rc, .data = owned};

	return write_record(j, &r, e);
}

static int write_degraded(struct journal *j, enum chain_kind k, enum err_code rc)
{
	struct err e;

	return write_own(
		j, JOURNAL_DEGRADED, rc, json_pack("{s:s}", "chain", chain_kind_name(k)), &e);
}

static void count_loss(struct journal *j, enum chain_kind k, const struct err *why)
{
	uint64_t count = j->losses.pending[k] + 1;

	j->lost++;
	losses_set(&j->losses, k, count);
	log_line(j->log, LOG_LEVEL_WARN, "journal.lost chain=%s count=%llu why=\"%s\"",
		chain_kind_name(k), (unsigned long long)count, why->text);
	if (!j->told[k])
		j->told[k] = write_degraded(j, k, why->code) == 0;
}

/* The chain works again: says how many records are missing. */
static void tell_gap(struct journal *j, enum chain_kind k)
{
	uint64_t count = j->losses.pending[k];
	struct err e;

	if (count == 0)
		return;
	if (!j->told[k] && write_degraded(j, k, E_IO) < 0)
		return;
	j->told[k] = true;
	if (write_own(j, JOURNAL_GAP, E_IO,
		    json_pack("{s:s, s:I}", "chain", chain_kind_name(k), "lost", (json_int_t)count),
		    &e) < 0)
		return;
	j->told[k] = false;
	losses_set(&j->losses, k, 0);
}

/* How far the wall clock moved against the clock that never steps; another boot: only back. */
static int64_t clock_jump(const struct journal *j)
{
	int64_t wall = clock_wall() - j->latest.wall;
	uint64_t mono = clock_mono_ms();

	if (j->latest.seq == 0)
		return 0;
	if (j->latest.boot != j->boot || mono < j->latest.mono)
		return wall < 0 ? wall : 0;
	return wall - (int64_t)((mono - j->latest.mono) / 1000);
}

static void note_clock(struct journal *j)
{
	int64_t jump = clock_jump(j);

	if (jump > -CLOCK_JUMP_SECONDS && jump < CLOCK_JUMP_SECONDS)
		return;
	/* Compared with the new time from now on, even if the record cannot be written. */
	j->latest.boot = j->boot;
	j->latest.mono = clock_mono_ms();
	j->latest.wall = clock_wall();
	journal_add_own(j, JOURNAL_CLOCK, E_OK, json_pack("{s:I}", "seconds", (json_int_t)jump));
}

void journal_add_own(struct journal *j, enum journal_event ev, enum err_code rc, json_t *data)
{
	enum chain_kind k = journal_event_is_milestone(ev) ? CHAIN_MILESTONES : CHAIN_DETAILS;
	struct err e = {0};

	if (write_own(j, ev, rc, data, &e) < 0)
		count_loss(j, k, &e);
}

void journal_begin(struct journal *j)
{
	struct err e;

	/* Not counted when it fails: it is tried again before the next record. */
	if (j->chains[CHAIN_MILESTONES].usable && j->chains[CHAIN_MILESTONES].head.seq == 0)
		(void)write_own(j, JOURNAL_GENESIS, E_OK, NULL, &e);
}

void journal_add(struct journal *j, const struct journal_record *r)
{
	struct err e = {0};

	if (!j)
		return;
	journal_begin(j);
	note_clock(j);
	if (write_record(j, r, &e) < 0)
		count_loss(j, chain_of(r), &e);
	else
		tell_gap(j, chain_of(r));
}

void journal_head(const struct journal *j, uint64_t *seq, uint8_t head[HASH_SIZE])
{
	*seq = j ? j->chains[CHAIN_MILESTONES].head.seq : 0;
	memset(head, 0, HASH_SIZE);
	if (*seq > 0)
		memcpy(head, j->chains[CHAIN_MILESTONES].head.hash, HASH_SIZE);
}

uint64_t journal_lost(const struct journal *j)
{
	return j ? j->lost : 0;
}
