/* SPDX-License-Identifier: Apache-2.0 */
/* Step 10 of the transaction: what really booted, and what a cut has left to finish. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/factory.h"
#include "agent/txn.h"

static void record_boot(struct session *s, const struct running *d)
{
	char slot[2] = {d->booted, 0};
	char committed[2] = {d->committed, 0};

	slot[0] = (char)(slot[0] + 'a' - 'A');
	committed[0] = (char)(committed[0] + 'a' - 'A');
	/* Milestones are kept for life: a device that boots ten times a day must not fill them. */
	bool routine = d->booted == d->committed && s->state.txn.phase == STATE_TXN_NONE &&
		       s->state.boot_counter > 1;

	session_record(s, routine ? JOURNAL_BOOT_ROUTINE : JOURNAL_BOOTED,
		d->fallback ? JOURNAL_FAIL : JOURNAL_OK, d->fallback ? E_BOOT : E_OK,
		json_pack("{s:s,s:s,s:i,s:i}", "slot", slot, "committed", committed, "trial",
			d->on_trial ? 1 : 0, "tries", (int)d->facts.tries));
	if (d->fallback)
		session_record(s, JOURNAL_BOOT_FALLBACK, JOURNAL_NOTE, E_BOOT, NULL);
}

/* What the factory left beside the state, if it fits; an update goes on without it. */
static void ask_factory(struct session *s, struct state_slot *slot)
{
	struct err why = {0};

	if (!SLOT_HAVE_DELTA) /* what it tells is of use to deltas only */
		return;
	if (factory_load(s->data, s->config.product, &s->backstop, slot, &why) < 0 &&
		why.code != E_NOTFOUND)
		log_line(&s->log, LOG_LEVEL_WARN, "factory-not-used code=%s reason=\"%s\"",
			err_name(why.code), why.text);
}

/*
 * What the environment calls committed and the state does not know (factory, or
 * state was lost), or what somebody flashed past the agent: the image's own word
 * counts. Not on trial: there health compares it instead.
 */
static void adopt_running_slot(struct session *s, const struct running *d)
{
	struct state_slot *slot = state_slot_of(&s->state, d->booted);
	bool other_image = s->backstop.present && slot->release != s->backstop.release;

	if (d->booted != d->committed || (slot->status == STATE_SLOT_COMMITTED && !other_image))
		return;
	if (s->state.txn.phase != STATE_TXN_NONE && s->state.txn.target == d->booted)
		return;
	*slot = (struct state_slot){
		.status = STATE_SLOT_COMMITTED,
		.release = s->backstop.release,
		.epoch = s->backstop.epoch,
	};
	snprintf(slot->version, sizeof(slot->version), "factory");
	ask_factory(s, slot);
}

/* RAUC's boot script takes a boot from the committed slot, too; it gets them back here. */
static void settle(struct session *s, const struct running *d)
{
	struct err why = {0};

	if (d->booted != d->committed || d->facts.trial || boot_settle(s->boot, &why) == 0)
		return;
	log_line(&s->log, LOG_LEVEL_WARN, "boots-not-refilled code=%s reason=\"%s\"",
		err_name(why.code), why.text);
}

static int note_new_boot(struct session *s, const struct running *d, struct err *e)
{
	s->state.boot_counter++;
	snprintf(s->state.boot_id, sizeof(s->state.boot_id), "%s", s->boot_id);
	s->state.boot_slot = d->booted;
	s->state.boot_trial = d->on_trial;
	adopt_running_slot(s, d);
	record_boot(s, d);
	settle(s, d);
	if (session_store(s, e) < 0)
		return -1;
	s->new_boot = false;
	return 0;
}

/* The trial did not come up: the boot loader is back in the committed slot. */
static int note_lost_trial(struct session *s, struct running *d, struct err *e)
{
	const struct state_txn *t = &s->state.txn;
	char why[120];

	if (d->facts.trial && d->facts.tries > 0)
		snprintf(why, sizeof(why), "the boot loader could not start slot %c", t->target);
	else
		snprintf(why, sizeof(why), "slot %c used up its boots without becoming healthy",
			t->target);
	session_record(s, JOURNAL_ROLLBACK, JOURNAL_INTENT, E_BOOT,
		session_release_data(
			t->release, state_slot_of(&s->state, t->target)->epoch, t->manifest));
	txn_remember_failed(s, E_BOOT, why);
	log_line(&s->log, LOG_LEVEL_ERROR, "trial-failed release=%" PRIu64 " reason=\"%s\"",
		t->release, why);
	if (session_store(s, e) < 0)
		return -1;
	if (d->facts.trial && boot_cancel(s->boot, 0, e) < 0)
		return -1;
	d->facts.trial = 0;
	d->facts.tries = 0;
	return 0;
}

static void record_interrupted(struct session *s, const char *phase)
{
	session_record(s, JOURNAL_INTERRUPTED, JOURNAL_NOTE, E_OK,
		json_pack(
			"{s:s,s:I}", "phase", phase, "release", (json_int_t)s->state.txn.release));
	log_line(&s->log, LOG_LEVEL_INFO, "interrupted phase=%s release=%" PRIu64, phase,
		s->state.txn.release);
}

/* The environment was committed, the state does not know it yet: the cut fell between them. */
static int finish_commit(struct session *s, const struct running *d, struct err *e)
{
	record_interrupted(s, "commit");
	return txn_raise_floors(s, d, e);
}

/*
 * On trial without its transaction: the next one had begun, or the cut fell
 * between set-trial and state. Commit and rollback need it as much as any.
 */
static int adopt_known_trial(struct session *s, const struct running *d, struct err *e)
{
	if (!d->on_trial || s->state.slots[d->booted - 'A'].release == 0)
		return 0;
	txn_adopt_trial(s, d);
	return session_store(s, e);
}

/* A transaction in the middle of writing is given up; what is right in the target stays useful. */
static int drop_writing(struct session *s, const struct running *d, struct err *e)
{
	record_interrupted(s, "writing");
	s->state.txn.phase = STATE_TXN_NONE;
	return d->on_trial ? adopt_known_trial(s, d, e) : session_store(s, e);
}

/* Set-trial was done, the state says `written`: catch up. */
static int note_activated(struct session *s, struct err *e)
{
	record_interrupted(s, "activate");
	s->state.txn.phase = STATE_TXN_ACTIVATED;
	return session_store(s, e);
}

/* A trial in the environment that no transaction explains (state was lost): it has had its boot. */
static int drop_stray_trial(struct session *s, struct running *d, struct err *e)
{
	if (boot_cancel(s->boot, d->facts.fallback, e) < 0)
		return -1;
	d->facts.trial = 0;
	d->facts.tries = 0;
	session_record(
		s, JOURNAL_BOOT_REPAIRED, JOURNAL_OK, E_OK, json_pack("{s:s}", "what", "trial"));
	return 0;
}

/* ACTIVATED, booted is the committed slot. */
static int note_activated_boot(struct session *s, struct running *d, bool new_boot, struct err *e)
{
	const struct state_txn *t = &s->state.txn;
	/* A loader that tries only when asked: any other reboot leads here, and costs no try. */
	bool asks = !(boot_ops_of(s->boot)->caps & BOOT_CAP_TRIES);

	if (d->fallback)
		return 0; /* health decides about what runs now */
	if (d->booted == t->target)
		return finish_commit(s, d, e);
	if (d->facts.trial == t->target && d->facts.tries > 0 && (asks || !new_boot))
		return 0; /* waits for the reboot */
	if (d->facts.trial == t->target || new_boot)
		return note_lost_trial(s, d, e);
	return 0;
}

int txn_note_boot(struct session *s, struct running *d, struct err *e)
{
	struct state_txn *t = &s->state.txn;
	bool new_boot = s->new_boot;

	if (new_boot && note_new_boot(s, d, e) < 0)
		return -1;
	switch (t->phase) {
	case STATE_TXN_NONE:
		if (d->on_trial)
			return adopt_known_trial(s, d, e);
		return new_boot && d->facts.trial ? drop_stray_trial(s, d, e) : 0;
	case STATE_TXN_WRITING:
		return drop_writing(s, d, e);
	case STATE_TXN_WRITTEN:
		if (d->facts.trial == t->target || d->booted == t->target) {
			if (note_activated(s, e) < 0)
				return -1;
			return d->on_trial ? 0 : note_activated_boot(s, d, new_boot, e);
		}
		return 0;
	case STATE_TXN_ACTIVATED:
		return d->on_trial ? 0 : note_activated_boot(s, d, new_boot, e);
	case STATE_TXN_FAILED:
		/* Cut between remembering and cancelling: cancel now. */
		if (d->facts.trial && !d->on_trial && boot_cancel(s->boot, 0, e) < 0)
			return -1;
		if (!d->on_trial)
			d->facts.trial = 0;
		return 0;
	}
	return 0;
}
