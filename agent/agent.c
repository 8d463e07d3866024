/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction: the order of steps, nothing else. */
#include "agent/agent.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/txn.h"

/*
 * What runs is not clear, so nothing is done. This may go on every hour for months:
 * a milestone only when the reason is new.
 */
static int refuse_start(struct session *s, struct err *e)
{
	struct err ignored = {0};

	if (s->state.last_poll_rc != e->code) {
		session_record(s, JOURNAL_BOOTED, JOURNAL_FAIL, e->code, NULL);
		s->state.last_poll_rc = e->code;
		session_store(s, &ignored);
	}
	return -1;
}

int agent_start(struct session *s, struct running *d, struct err *e)
{
	if (session_open_boot(s, e) < 0 || running_identify(&s->config, s->boot, d, e) < 0)
		return refuse_start(s, e);
	return txn_note_boot(s, d, e);
}

bool agent_waits_for_reboot(const struct session *s, const struct running *d)
{
	return s->state.txn.phase == STATE_TXN_ACTIVATED && d->facts.trial == s->state.txn.target &&
	       !d->on_trial;
}

int agent_check_free(const struct session *s, const struct running *d, struct err *e)
{
	if (d->on_trial)
		return err_set(e, E_BUSY,
			"slot %c is on trial: `pawl health`, `commit` or `rollback` "
			"ends it",
			d->booted);
	if (s->state.txn.phase == STATE_TXN_FAILED && s->state.txn.target == d->booted)
		return err_set(e, E_BUSY, "a failed trial is being left: `pawl health` ends it");
	if (d->fallback)
		return err_set(e, E_BUSY,
			"slot %c runs as a fallback and is not committed: `pawl health` "
			"commits it when it is good",
			d->booted);
	return 0;
}

static int run_stage(
	struct session *s, const struct offer *o, char target, enum hook_stage stage, struct err *e)
{
	const struct plan *p = &o->manifest->plan;
	struct hook_config hooks = session_hooks(s);
	struct hook_sink sink = session_hook_sink(s);
	struct session_facts facts;

	session_make_facts(s, p->release, p->version, target, &facts);
	return hooks_run(&hooks, stage, facts.facts, facts.count, &sink, e);
}

/* What is written waits for the next poll, which may be the hundredth: a detail. */
static int not_continued(struct session *s, const struct err *why)
{
	session_record(s, JOURNAL_POLL, JOURNAL_FAIL, why->code, NULL);
	return -1;
}

int agent_install(struct session *s, struct running *d, struct offer *o, struct err *e)
{
	if (agent_check_free(s, d, e) < 0)
		return -1;
	if (!MUST("agent.offer-judged", o->answer.verdict == POLICY_INSTALL))
		return err_set(
			e, E_POLICY, "policy did not let this release through: %s", o->answer.why);
	if (run_stage(s, o, d->target, HOOK_CHECK, e) < 0)
		return -1;
	if (boot_self_test(s->boot, e) < 0) {
		/* Every hour for months, until somebody corrects it: a detail. */
		session_record(s, JOURNAL_POLL, JOURNAL_FAIL, e->code, NULL);
		return -1;
	}
	/* Back in an old system that is not healthy either: the next release is the way out. */
	if (s->state.txn.phase == STATE_TXN_FAILED && txn_finish_rollback(s, d, e) < 0)
		return -1;
	if (txn_begin(s, d, o, e) < 0)
		return -1;
	if (run_stage(s, o, d->target, HOOK_PRE_WRITE, e) < 0 || txn_write(s, d, o, e) < 0)
		return txn_abort(s, e);
	if (running_identify(&s->config, s->boot, d, e) < 0)
		return not_continued(s, e);
	return agent_continue(s, d, e);
}

/*
 * The trial stands: an environment that cannot be read now must not turn that into
 * a reported failure. The store itself was read back.
 */
static void look_again(struct session *s, struct running *d)
{
	struct running now;
	struct err why = {0};

	if (running_identify(&s->config, s->boot, &now, &why) == 0) {
		*d = now;
		return;
	}
	log_line(&s->log, LOG_LEVEL_WARN, "not-looked-at-again code=%s reason=\"%s\"",
		err_name(why.code), why.text);
	d->facts.trial = s->state.txn.target;
	d->facts.tries = s->config.tries;
}

int agent_continue(struct session *s, struct running *d, struct err *e)
{
	const struct state_txn *t = &s->state.txn;
	struct err why = {0};

	if (t->phase != STATE_TXN_WRITTEN && t->phase != STATE_TXN_ACTIVATED)
		return 0;
	if (offer_check_stored(s, t->release, t->manifest, &why) < 0) {
		if (why.code == E_HELD && txn_cancel(s, d, &why, e) < 0)
			return -1;
		*e = why;
		return why.code == E_HELD ? -1 : not_continued(s, e);
	}
	if (t->phase == STATE_TXN_ACTIVATED)
		return 0;
	if (txn_activate(s, d, e) < 0)
		return -1;
	look_again(s, d);
	return 0;
}

/*
 * The running system has failed its trial, and the way back is not finished: the
 * cancel or the reboot was cut. It is left, whatever its checks say now, and not
 * taken for a fallback, which is committed when it is healthy.
 */
static bool is_being_left(const struct session *s, const struct running *d)
{
	return s->state.txn.phase == STATE_TXN_FAILED && s->state.txn.target == d->booted &&
	       (d->on_trial || s->state.boot_trial);
}

static int leave_again(struct session *s, const struct running *d, struct err *e)
{
	struct err why = {0};

	err_set(&why, s->state.txn.why, "%s", s->state.txn.why_text);
	if (txn_fail_trial(s, d, &why, e) < 0)
		return -1;
	*e = why;
	return -1;
}

/* Health of a system that is not on trial, and what was waiting for it. */
static int health_at_rest(struct session *s, struct running *d, struct err *e)
{
	if (txn_prove(s, d, e) < 0)
		return -1;
	if (s->state.txn.phase == STATE_TXN_FAILED && !d->on_trial && !d->fallback)
		return txn_finish_rollback(s, d, e);
	if (d->fallback)
		return txn_commit(s, d, e);
	return 0;
}

int agent_health(struct session *s, struct running *d, struct err *e)
{
	struct err why = {0};

	if (is_being_left(s, d))
		return leave_again(s, d, e);
	if (!d->on_trial)
		return health_at_rest(s, d, e);
	if (txn_prove(s, d, &why) == 0)
		return txn_commit(s, d, e);
	if (txn_fail_trial(s, d, &why, e) < 0)
		return -1;
	*e = why;
	return -1;
}

int agent_expire(struct session *s, struct running *d, struct err *e)
{
	struct err why = {0};

	if (is_being_left(s, d))
		return leave_again(s, d, e);
	if (!d->on_trial)
		return 0;
	err_set(&why, E_HEALTH, "slot %c was not proved healthy before its deadline", d->booted);
	if (txn_fail_trial(s, d, &why, e) < 0)
		return -1;
	*e = why;
	return -1;
}

int agent_commit(struct session *s, struct running *d, struct err *e)
{
	if (!d->on_trial && !d->fallback)
		return err_set(
			e, E_BUSY, "no trial is running: slot %c is committed", d->committed);
	if (is_being_left(s, d))
		return err_set(e, E_FAILED, "this trial has failed: %s", s->state.txn.why_text);
	return txn_commit(s, d, e);
}

/* The other slot, by hand: whole, once committed, not under the epoch floor, not withdrawn. */
static int check_way_back(struct session *s, const struct running *d, struct err *e)
{
	const struct state_slot *slot = state_slot_of(&s->state, d->target);

	if (slot->status != STATE_SLOT_COMMITTED)
		return err_set(e, E_SLOT, "slot %c holds no system that was committed once (%s)",
			d->target, state_slot_status_name(slot->status));
	if (!MUST("agent.rollback-epoch", slot->epoch >= s->state.epoch_floor))
		return err_set(e, E_ROLLBACK,
			"slot %c has epoch %" PRIu64 ", the floor is %" PRIu64, d->target,
			slot->epoch, s->state.epoch_floor);
	if (!MUST("agent.rollback-revoked", !state_is_revoked(&s->state, slot->manifest)))
		return err_set(e, E_HELD, "release %" PRIu64 " in slot %c is withdrawn",
			slot->release, d->target);
	return 0;
}

int agent_rollback(struct session *s, struct running *d, struct err *e)
{
	struct err why = {0};

	if (d->on_trial || is_being_left(s, d)) {
		err_set(&why, E_HEALTH, "a person gave the trial up");
		return txn_fail_trial(s, d, &why, e);
	}
	if (agent_check_free(s, d, e) < 0)
		return -1;
	if (check_way_back(s, d, e) < 0) {
		const struct state_slot *to = state_slot_of(&s->state, d->target);
		session_record(s, JOURNAL_RELEASE_REFUSED, JOURNAL_FAIL, e->code,
			session_release_data(to->release, to->epoch, to->manifest));
		return -1;
	}
	return txn_go_back(s, d, e);
}

int agent_leave(struct session *s, const struct err *why, struct err *e)
{
	struct boot_facts f;

	if (!s->boot || boot_read(s->boot, &f, e) < 0 || !f.trial || f.trial != f.booted) {
		*e = *why;
		return -1;
	}
	log_line(&s->log, LOG_LEVEL_ERROR, "trial-not-understood code=%s reason=\"%s\"",
		err_name(why->code), why->text);
	session_record(s, JOURNAL_REBOOT, JOURNAL_INTENT, why->code, NULL);
	if (boot_reboot(s->boot, e) < 0)
		return -1;
	*e = *why;
	return -1;
}
