/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 7 to 9 of the transaction: pre-activate hooks, set trial, reboot by policy. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/txn.h"
#include "hooks/health.h"

static int run_stage(struct session *s, enum hook_stage stage, struct err *e)
{
	const struct state_txn *t = &s->state.txn;
	const struct state_slot *slot = state_slot_of(&s->state, t->target);
	struct hook_config hooks = session_hooks(s);
	struct hook_sink sink = session_hook_sink(s);
	struct session_facts facts;

	session_make_facts(s, t->release, slot->version, t->target, &facts);
	return hooks_run(&hooks, stage, facts.facts, facts.count, &sink, e);
}

/*
 * For what stands already and is found again at the next start, whatever the state
 * says: a full data partition must not turn it into a reported failure.
 */
static void store_if_it_can(struct session *s)
{
	struct err not_stored = {0};

	if (session_store(s, &not_stored) < 0)
		log_line(
			&s->log, LOG_LEVEL_WARN, "state-not-stored reason=\"%s\"", not_stored.text);
}

/* What passes today; a relative check that fails today is no reason to refuse the new system. */
static void take_baseline(struct session *s)
{
	const struct state_slot *slot = state_slot_of(&s->state, s->state.txn.target);
	struct hook_config hooks = session_hooks(s);
	struct session_facts facts;
	struct err e = {0};

	session_make_facts(s, s->state.txn.release, slot->version, s->state.txn.target, &facts);
	if (health_take_baseline(&hooks, facts.facts, facts.count, &s->state.baseline, &e) < 0) {
		log_line(&s->log, LOG_LEVEL_WARN, "no-baseline reason=\"%s\"", e.text);
		s->state.baseline = (struct health_baseline){0};
	}
	s->state.baseline_slot = s->state.boot_slot;
	s->baseline_fresh = true;
}

/* Hook runs have a budget, counted before they start; "later" gives it back. */
static int run_pre_activate(struct session *s, struct err *e)
{
	struct state *st = &s->state;

	if (st->attempts > s->config.install_attempts && !st->txn.by_hand) {
		err_set(e, E_FAILED, "pre-activate hooks refused release %llu too often",
			(unsigned long long)st->txn.release);
		return txn_abort(s, e);
	}
	st->attempts++;
	if (session_store(s, e) < 0)
		return -1;
	int rc = run_stage(s, HOOK_PRE_ACTIVATE, e);
	if (rc == 0 || e->code == E_LATER)
		st->attempts--;
	return rc;
}

/* It may fail every hour until somebody repairs the environment: one milestone for all. */
static void record_activation(struct session *s, enum journal_outcome out, enum err_code rc)
{
	const struct state_txn *t = &s->state.txn;
	bool again = t->why != E_OK && (out == JOURNAL_INTENT || rc == t->why);

	session_record(s, again ? JOURNAL_INSTALL_AGAIN : JOURNAL_ACTIVATE, out, rc,
		session_release_data(
			t->release, state_slot_of(&s->state, t->target)->epoch, t->manifest));
}

static int not_activated(struct session *s, const struct err *why)
{
	record_activation(s, JOURNAL_FAIL, why->code);
	s->state.txn.why = why->code;
	store_if_it_can(s);
	return -1;
}

int txn_activate(struct session *s, const struct running *d, struct err *e)
{
	struct state_txn *t = &s->state.txn;
	const struct state_slot *slot = state_slot_of(&s->state, t->target);

	if (slot->status != STATE_SLOT_WRITTEN || t->target != d->target)
		return err_set(
			e, E_STATE, "slot %c is not written: nothing to activate", t->target);
	if (run_pre_activate(s, e) < 0)
		return -1;
	take_baseline(s);
	s->state.health_runs = 0;
	record_activation(s, JOURNAL_INTENT, E_OK);
	if (session_store(s, e) < 0)
		return -1;
	/* The commit point of the install: from here the next boot tries the new slot. */
	if (boot_set_trial(s->boot, t->target, s->config.tries, e) < 0)
		return not_activated(s, e);
	record_activation(s, JOURNAL_OK, E_OK);
	t->why = E_OK;
	t->phase = STATE_TXN_ACTIVATED;
	store_if_it_can(s);
	log_line(&s->log, LOG_LEVEL_INFO, "activated slot=%c release=%llu tries=%u", t->target,
		(unsigned long long)t->release, s->config.tries);
	return 0;
}

int txn_cancel(struct session *s, const struct running *d, const struct err *why, struct err *e)
{
	struct state_txn *t = &s->state.txn;
	struct state_slot *slot = state_slot_of(&s->state, t->target);

	session_record(s, JOURNAL_RELEASE_HELD, JOURNAL_INTENT, why->code,
		session_release_data(t->release, slot->epoch, t->manifest));
	/* A cut from here on finds `written`, and this is asked and done again. */
	t->phase = STATE_TXN_WRITTEN;
	if (session_store(s, e) < 0)
		return -1;
	if (d->facts.trial && boot_cancel(s->boot, 0, e) < 0) {
		session_record(s, JOURNAL_RELEASE_HELD, JOURNAL_FAIL, e->code,
			session_release_data(t->release, slot->epoch, t->manifest));
		return -1;
	}
	session_record(s, JOURNAL_RELEASE_HELD, JOURNAL_OK, why->code,
		session_release_data(t->release, slot->epoch, t->manifest));
	t->phase = STATE_TXN_NONE;
	return session_store(s, e);
}

int txn_go_back(struct session *s, const struct running *d, struct err *e)
{
	struct state_txn *t = &s->state.txn;
	const struct state_slot *from = state_slot_of(&s->state, d->booted);
	const struct state_slot *to = state_slot_of(&s->state, d->target);
	struct state_failed f = {.release = from->release, .why = E_POLICY, .when = clock_wall()};

	memcpy(f.manifest, from->manifest, HASH_SIZE);
	snprintf(f.why_text, sizeof(f.why_text), "a person went back to slot %c", d->target);
	session_record(s, JOURNAL_ROLLBACK, JOURNAL_INTENT, E_OK,
		session_release_data(from->release, from->epoch, from->manifest));
	/* Else the next poll would install again what was just left. */
	state_add_failed(&s->state, &f);
	s->state.health_runs = 0;
	s->state.baseline = (struct health_baseline){0};
	if (session_store(s, e) < 0)
		return -1;
	if (boot_set_trial(s->boot, d->target, s->config.tries, e) < 0) {
		session_record(s, JOURNAL_ROLLBACK, JOURNAL_FAIL, e->code,
			session_release_data(from->release, from->epoch, from->manifest));
		return -1;
	}
	*t = (struct state_txn){
		.number = t->number + 1,
		.phase = STATE_TXN_ACTIVATED,
		.target = d->target,
		.release = to->release,
		.started = clock_wall(),
		.by_hand = true,
	};
	memcpy(t->manifest, to->manifest, HASH_SIZE);
	session_record(s, JOURNAL_ACTIVATE, JOURNAL_OK, E_OK,
		session_release_data(to->release, to->epoch, to->manifest));
	store_if_it_can(s);
	return 0;
}

static bool in_window(const struct config *c)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	unsigned minute = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
	if (c->window_from <= c->window_to)
		return minute >= c->window_from && minute < c->window_to;
	return minute >= c->window_from || minute < c->window_to;
}

static bool policy_allows(const struct session *s, const char **why)
{
	if (s->config.reboot == CONFIG_REBOOT_NEVER) {
		*why = "reboot = never: the next reboot starts the new system";
		return false;
	}
	if (s->config.reboot == CONFIG_REBOOT_WINDOW && !in_window(&s->config)) {
		*why = "outside the reboot window; a later poll reboots";
		return false;
	}
	return true;
}

int agent_reboot(struct session *s, bool now, bool *asked, struct err *e)
{
	const char *why = "";

	*asked = false;
	if (!now && !policy_allows(s, &why)) {
		log_line(&s->log, LOG_LEVEL_INFO, "reboot-waits reason=\"%s\"", why);
		session_record(s, JOURNAL_REBOOT, JOURNAL_NOTE, E_LATER, NULL);
		return 0;
	}
	if (run_stage(s, HOOK_PRE_REBOOT, e) < 0) {
		session_record(s, JOURNAL_REBOOT, JOURNAL_FAIL, e->code, NULL);
		return err_wrap(e, "no restart yet");
	}
	if (s->state.txn.phase == STATE_TXN_ACTIVATED && !s->baseline_fresh)
		take_baseline(s);
	session_record(s, JOURNAL_REBOOT, JOURNAL_INTENT, E_OK, NULL);
	/* The trial waits for nothing else: its reboot must not wait for room on a full disk. */
	store_if_it_can(s);
	*asked = true;
	if (boot_reboot(s->boot, e) < 0) {
		session_record(s, JOURNAL_REBOOT, JOURNAL_FAIL, e->code, NULL);
		return err_wrap(e, "no restart yet; restart the machine");
	}
	return 0;
}
