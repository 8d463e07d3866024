/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 12 and 13 of the transaction: commit and floors; or remembered as failed, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/txn.h"
#include "agent/watchdog.h"

int txn_raise_floors(struct session *s, const struct running *d, struct err *e)
{
	struct state_slot *slot = state_slot_of(&s->state, d->booted);

	if (slot->release == 0 && s->backstop.present) {
		slot->release = s->backstop.release;
		slot->epoch = s->backstop.epoch;
	}
	uint64_t release = slot->release;
	/* Only what was proved healthy raises a floor; a failed trial must not lock others out. */
	if (release > s->state.release_floor)
		s->state.release_floor = release;
	if (slot->epoch > s->state.epoch_floor)
		s->state.epoch_floor = slot->epoch;
	slot->status = STATE_SLOT_COMMITTED;
	s->state.attempts = 0;
	s->state.health_runs = 0;
	memset(s->state.attempt_manifest, 0, HASH_SIZE);
	session_record(s, JOURNAL_COMMIT, JOURNAL_OK, E_OK,
		session_release_data(release, slot->epoch, slot->manifest));
	s->state.txn.phase = STATE_TXN_NONE;
	if (s->state.offer.release <= release)
		s->state.offer.release = 0;
	return session_store(s, e);
}

static void run_after(struct session *s, enum hook_stage stage, const struct state_slot *slot)
{
	struct hook_config hooks = session_hooks(s);
	struct hook_sink sink = session_hook_sink(s);
	struct session_facts facts;
	struct err e = {0};

	session_make_facts(s, slot->release, slot->version, 0, &facts);
	/* Too late to change anything: these hooks only tell others. */
	if (hooks_run(&hooks, stage, facts.facts, facts.count, &sink, &e) < 0)
		log_line(&s->log, LOG_LEVEL_WARN, "hook-failed stage=%s reason=\"%s\"",
			hook_stage_folder(stage), e.text);
}

/* The other slot may stand in when the committed one cannot be loaded: only a proved one. */
static char fallback_of(struct session *s, const struct running *d)
{
	char other = config_other_slot(d->booted);

	return state_slot_of(&s->state, other)->status == STATE_SLOT_COMMITTED ? other : 0;
}

int txn_commit(struct session *s, struct running *d, struct err *e)
{
	struct state_slot *slot = state_slot_of(&s->state, d->booted);

	session_record(s, JOURNAL_COMMIT, JOURNAL_INTENT, E_OK,
		session_release_data(slot->release, slot->epoch, slot->manifest));
	/* The commit point of the update: from here the new slot boots for good. */
	if (boot_commit(s->boot, d->booted, fallback_of(s, d), e) < 0) {
		session_record(s, JOURNAL_COMMIT, JOURNAL_FAIL, e->code,
			session_release_data(slot->release, slot->epoch, slot->manifest));
		return -1;
	}
	if (d->on_trial)
		watchdog_finish(&s->config, &s->log);
	d->committed = d->booted;
	d->on_trial = false;
	d->fallback = false;
	d->target = config_other_slot(d->booted);
	struct err not_stored = {0};
	/* Committed it is, and the next start raises the floors again: no reason for a failed unit. */
	if (txn_raise_floors(s, d, &not_stored) < 0)
		log_line(&s->log, LOG_LEVEL_ERROR, "state-not-stored reason=\"%s\"",
			not_stored.text);
	log_line(&s->log, LOG_LEVEL_INFO, "committed slot=%c release=%" PRIu64, d->booted,
		slot->release);
	run_after(s, HOOK_COMMITTED, slot);
	return 0;
}

void txn_remember_failed(struct session *s, enum err_code code, const char *why)
{
	struct state_txn *t = &s->state.txn;
	struct state_failed f = {.release = t->release, .why = code, .when = clock_wall()};

	memcpy(f.manifest, t->manifest, HASH_SIZE);
	snprintf(f.why_text, sizeof(f.why_text), "%.159s", why);
	state_add_failed(&s->state, &f);
	t->phase = STATE_TXN_FAILED;
	t->why = code;
	snprintf(t->why_text, sizeof(t->why_text), "%.159s", why);
	state_slot_of(&s->state, t->target)->status = STATE_SLOT_FAILED;
}

/* A trial that the state knows nothing of (state was lost): enough to remember and cancel it. */
void txn_adopt_trial(struct session *s, const struct running *d)
{
	struct state_txn *t = &s->state.txn;
	const struct state_slot *slot = state_slot_of(&s->state, d->booted);

	if (t->phase != STATE_TXN_NONE && t->target == d->booted)
		return;
	*t = (struct state_txn){.number = t->number + 1,
		.phase = STATE_TXN_ACTIVATED,
		.target = d->booted,
		.release = slot->release};
	memcpy(t->manifest, slot->manifest, HASH_SIZE);
}

int txn_fail_trial(struct session *s, const struct running *d, const struct err *why, struct err *e)
{
	txn_adopt_trial(s, d);
	const struct state_txn *t = &s->state.txn;
	uint64_t epoch = state_slot_of(&s->state, t->target)->epoch;

	session_record(s, JOURNAL_ROLLBACK, JOURNAL_INTENT, why->code,
		session_release_data(t->release, epoch, t->manifest));
	txn_remember_failed(s, why->code, why->text);
	log_line(&s->log, LOG_LEVEL_ERROR, "trial-failed release=%" PRIu64 " code=%s reason=\"%s\"",
		t->release, err_name(why->code), why->text);
	struct err not_stored = {0};
	/* The way back matters more than its record: go on when the disk is full. */
	if (session_store(s, &not_stored) < 0)
		log_line(&s->log, LOG_LEVEL_ERROR, "state-not-stored reason=\"%s\"",
			not_stored.text);
	/* The commit point of the rollback: from here the old slot boots. */
	if (boot_cancel(s->boot, 0, &not_stored) < 0)
		/* The boot loader's own count of tries leads back, some boots later. */
		log_line(&s->log, LOG_LEVEL_ERROR, "trial-not-cancelled reason=\"%s\"",
			not_stored.text);
	session_record(s, JOURNAL_REBOOT, JOURNAL_INTENT, why->code, NULL);
	return boot_reboot(s->boot, e);
}

int txn_finish_rollback(struct session *s, const struct running *d, struct err *e)
{
	struct state_txn *t = &s->state.txn;
	struct state_slot *failed = state_slot_of(&s->state, t->target);
	const struct config_slot *places = config_slot_of(&s->config, t->target);
	const struct config_slot *running = config_slot_of(&s->config, d->booted);

	if (!s->config.keep_failed && t->target != d->booted &&
		slot_spoil_parts(places->parts, places->count, running->parts, running->count, e) <
			0)
		log_line(&s->log, LOG_LEVEL_WARN, "failed-slot-not-spoiled reason=\"%s\"", e->text);
	session_record(s, JOURNAL_ROLLBACK, JOURNAL_OK, t->why,
		session_release_data(t->release, failed->epoch, t->manifest));
	t->phase = STATE_TXN_NONE;
	if (session_store(s, e) < 0)
		return -1;
	log_line(&s->log, LOG_LEVEL_WARN,
		"rolled-back release=%" PRIu64 " slot=%c code=%s reason=\"%s\"", t->release,
		d->booted, err_name(t->why), t->why_text);
	run_after(s, HOOK_ROLLED_BACK, failed);
	return 0;
}
