/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 10 to 13 of the transaction: what booted, is it good, commit or back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/clock.h"
#include "agent/base/must.h"
#include "agent/txn.h"
#include "hooks/health.h"

#define HEALTH_RUNS_PER_TRY 3

/* --- Step 10: what the boot loader did ------------------------------------- */

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
}

static int note_new_boot(struct session *s, const struct running *d, struct err *e)
{
	s->state.boot_counter++;
	snprintf(s->state.boot_id, sizeof(s->state.boot_id), "%s", s->boot_id);
	s->state.boot_slot = d->booted;
	s->state.boot_trial = d->on_trial;
	adopt_running_slot(s, d);
	record_boot(s, d);
	if (session_store(s, e) < 0)
		return -1;
	s->new_boot = false;
	return 0;
}

static void remember_failed(struct session *s, enum err_code code, const char *why)
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
static void adopt_trial(struct session *s, const struct running *d)
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
	remember_failed(s, E_BOOT, why);
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

static int raise_floors(struct session *s, const struct running *d, struct err *e);

/* The environment was committed, the state does not know it yet: the cut fell between them. */
static int finish_commit(struct session *s, const struct running *d, struct err *e)
{
	record_interrupted(s, "commit");
	return raise_floors(s, d, e);
}

/*
 * On trial without its transaction: the next one had begun, or the cut fell
 * between set-trial and state. Commit and rollback need it as much as any.
 */
static int adopt_known_trial(struct session *s, const struct running *d, struct err *e)
{
	if (!d->on_trial || s->state.slots[d->booted - 'A'].release == 0)
		return 0;
	adopt_trial(s, d);
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

	if (d->fallback)
		return 0; /* health decides about what runs now */
	if (d->booted == t->target)
		return finish_commit(s, d, e);
	if (d->facts.trial == t->target && d->facts.tries > 0 && !new_boot)
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

/* --- Step 11: is it good? ----------------------------------------------------- */

static bool is_read_only_format(enum plan_format f)
{
	return f == PLAN_SQUASHFS || f == PLAN_EROFS;
}

/*
 * A card's own cache may have answered for the read-back before the reboot: the
 * leaves are hashed once more now. A slot that is mounted read-write changes by
 * itself, so only read-only images are judged.
 */
static int check_leaves_again(struct session *s, const struct running *d, struct err *e)
{
	const struct state_slot *slot = state_slot_of(&s->state, d->booted);
	const struct config_slot *places = config_slot_of(&s->config, d->booted);

	for (size_t i = 0; i < slot->image_count; i++) {
		const struct plan_image *image = &slot->images[i];
		AUTO_BUF struct buf leaves = buf_make(0);
		if (!is_read_only_format(image->format))
			continue;
		if (txn_load_leaves(s, image, &leaves, e) < 0)
			return -1;
		for (size_t k = 0; k < places->count; k++) {
			if (strcmp(places->parts[k].image, image->name) == 0 &&
				slot_check(places->parts[k].path, image->size, image->leaf_alg,
					leaves.data, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* The image says which release it is: another one's backstop means that the wrong image runs. */
static int check_backstop(const struct session *s, const struct running *d, struct err *e)
{
	uint64_t release = s->state.slots[d->booted - 'A'].release;
	bool same = !s->backstop.present || s->backstop.release == release;

	if (!MUST("txn.trial-backstop", same))
		return err_set(e, E_HEALTH,
			"release %" PRIu64 " is on trial, but its image says that it is "
			"release %" PRIu64 " (%s)",
			release, s->backstop.release, s->config.backstop_json);
	return 0;
}

static int run_checks(
	struct session *s, const struct running *d, struct health_report *report, struct err *e)
{
	const struct state_slot *slot = state_slot_of(&s->state, d->booted);
	struct hook_config hooks = session_hooks(s);
	struct hook_sink sink = session_hook_sink(s);
	struct session_facts facts;

	session_make_facts(s, slot->release, slot->version, d->target, &facts);
	struct health_request r = {
		.hooks = &hooks,
		.facts = facts.facts,
		.fact_count = facts.count,
		.baseline = &s->state.baseline,
		.deadline_seconds = s->config.health_deadline,
		.sink = &sink,
	};
	int rc = health_run(&r, report, e);
	bool routine = d->booted == d->committed && s->state.txn.phase == STATE_TXN_NONE;

	session_record(s, routine ? JOURNAL_HEALTH_ROUTINE : JOURNAL_HEALTH,
		rc == 0 ? JOURNAL_OK : JOURNAL_FAIL, rc == 0 ? E_OK : e->code,
		json_pack("{s:i,s:i,s:i}", "passed", (int)report->passed, "wanted",
			(int)report->failed_wanted, "trial", d->on_trial ? 1 : 0));
	return rc;
}

int txn_prove(struct session *s, const struct running *d, struct err *e)
{
	struct health_report report = {0};

	if (d->on_trial) {
		/* Counted before it starts, so that a check that crashes the machine counts. */
		if (++s->state.health_runs > HEALTH_RUNS_PER_TRY * s->config.tries)
			return err_set(e, E_HEALTH, "health was begun %u times in this trial",
				(unsigned)s->state.health_runs - 1);
		if (session_store(s, e) < 0 || check_backstop(s, d, e) < 0 ||
			check_leaves_again(s, d, e) < 0)
			return -1;
	}
	return run_checks(s, d, &report, e);
}

/* --- Steps 12 and 13: commit -------------------------------------------------------- */

static int raise_floors(struct session *s, const struct running *d, struct err *e)
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
	if (boot_commit(s->boot, d->booted, fallback_of(s, d), e) < 0)
		return -1;
	d->committed = d->booted;
	d->on_trial = false;
	d->fallback = false;
	d->target = config_other_slot(d->booted);
	if (raise_floors(s, d, e) < 0)
		return -1;
	log_line(&s->log, LOG_LEVEL_INFO, "committed slot=%c release=%" PRIu64, d->booted,
		slot->release);
	run_after(s, HOOK_COMMITTED, slot);
	return 0;
}

/* --- Or back ------------------------------------------------------------------------ */

int txn_fail_trial(struct session *s, const struct running *d, const struct err *why, struct err *e)
{
	adopt_trial(s, d);
	const struct state_txn *t = &s->state.txn;
	uint64_t epoch = state_slot_of(&s->state, t->target)->epoch;

	session_record(s, JOURNAL_ROLLBACK, JOURNAL_INTENT, why->code,
		session_release_data(t->release, epoch, t->manifest));
	remember_failed(s, why->code, why->text);
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
