/* SPDX-License-Identifier: Apache-2.0 */
/* Step 11 of the transaction: is the booted system good? */
#include <inttypes.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/leaves.h"
#include "agent/txn.h"
#include "agent/watchdog.h"
#include "hooks/health.h"

#define HEALTH_RUNS_PER_TRY 3

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
		watchdog_ping(&s->config, &s->log); /* hashing an image may take a minute */
		if (!is_read_only_format(image->format))
			continue;
		if (leaves_load(s, image, &leaves, e) < 0)
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

/* Each check has its limit, so the watchdog is fed as long as the agent itself lives. */
static void feed_and_note(void *ctx, enum hook_stage stage, const struct hook_result *r)
{
	struct session *s = ctx;
	struct hook_sink sink = session_hook_sink(s);

	watchdog_ping(&s->config, &s->log);
	sink.result(sink.ctx, stage, r);
}

static int run_checks(
	struct session *s, const struct running *d, struct health_report *report, struct err *e)
{
	const struct state_slot *slot = state_slot_of(&s->state, d->booted);
	struct hook_config hooks = session_hooks(s);
	struct hook_sink sink = session_hook_sink(s);
	struct session_facts facts;

	if (d->on_trial) {
		sink.result = feed_and_note;
		watchdog_ping(&s->config, &s->log);
	}
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
