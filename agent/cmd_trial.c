/* SPDX-License-Identifier: Apache-2.0 */
/* pawl boot, health, commit, rollback, reboot: what concerns a trial. */
#include <stdio.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/watchdog.h"

#define BOOT_LOCK_SECONDS   60
#define HEALTH_LOCK_SECONDS 600 /* a poll may hold the lock while it downloads */

enum { HEALTH_EXPIRED, HEALTH_COUNT };
const struct verb_option health_options[] = {
	{"--expired", NULL, "the deadline has passed: roll back if still on trial (for a timer)"},
	{NULL, NULL, NULL},
};

enum { REBOOT_DUE, REBOOT_COUNT };
const struct verb_option reboot_options[] = {
	{"--if-due", NULL, "only when a trial waits and the reboot policy allows it now"},
	{NULL, NULL, NULL},
};

/* One verb on an opened session whose boot was noted. */
typedef int trial_step(struct session *s, struct running *d, struct err *e);

static int run(
	void *ctx, unsigned lock_seconds, enum journal_actor actor, trial_step *step, struct err *e)
{
	struct session_options o = *(const struct session_options *)ctx;
	struct session s;
	struct running d;

	o.lock_seconds = lock_seconds;
	int rc = session_open(&o, SESSION_WRITE, &s, e);
	s.actor = actor;
	if (rc == 0)
		rc = agent_start(&s, &d, e);
	if (rc == 0)
		rc = step(&s, &d, e);
	session_close(&s);
	return rc;
}

static int take_none(int argc, char **argv, struct err *e)
{
	int rest = 0;

	if (verb_read_options(NULL, argc, argv, NULL, &rest, e) < 0)
		return -1;
	return command_no_words(rest, argv, e);
}

static int tell_boot(struct session *s, struct running *d, struct err *e)
{
	(void)e;
	if (d->on_trial)
		watchdog_arm(&s->config, &s->log);
	printf("slot %c runs%s%s\n", d->booted, d->on_trial ? " on trial" : "",
		d->fallback ? " as a fallback" : "");
	log_line(&s->log, LOG_LEVEL_INFO, "booted slot=%c trial=%d", d->booted, d->on_trial);
	return 0;
}

int cmd_boot(void *ctx, int argc, char **argv, struct err *e)
{
	if (take_none(argc, argv, e) < 0)
		return -1;
	return run(ctx, BOOT_LOCK_SECONDS, JOURNAL_AGENT, tell_boot, e);
}

/*
 * A trial in which the agent cannot even tell what runs must not stay: the boot
 * loader counts its tries down.
 */
static int run_health(void *ctx, trial_step *step, struct err *e)
{
	struct session_options o = *(const struct session_options *)ctx;
	struct session s;
	struct running d;
	struct err why = {0};

	o.lock_seconds = HEALTH_LOCK_SECONDS;
	int rc = session_open(&o, SESSION_WRITE, &s, e);
	if (rc == 0) {
		if (agent_start(&s, &d, &why) < 0)
			rc = agent_leave(&s, &why, e);
		else
			rc = step(&s, &d, e);
	}
	session_close(&s);
	return rc;
}

int cmd_health(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[HEALTH_COUNT];
	int rest = 0;

	if (verb_read_options(health_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	return run_health(ctx, values[HEALTH_EXPIRED] ? agent_expire : agent_health, e);
}

int cmd_commit(void *ctx, int argc, char **argv, struct err *e)
{
	if (take_none(argc, argv, e) < 0)
		return -1;
	return run(ctx, BOOT_LOCK_SECONDS, JOURNAL_USER, agent_commit, e);
}

static int rollback(struct session *s, struct running *d, struct err *e)
{
	bool was_trial = d->on_trial || d->fallback;
	bool asked = false;

	if (agent_rollback(s, d, e) < 0)
		return -1;
	return was_trial ? 0 : agent_reboot(s, true, &asked, e);
}

int cmd_rollback(void *ctx, int argc, char **argv, struct err *e)
{
	if (take_none(argc, argv, e) < 0)
		return -1;
	return run(ctx, BOOT_LOCK_SECONDS, JOURNAL_USER, rollback, e);
}

static int reboot_now(struct session *s, struct running *d, struct err *e)
{
	bool asked = false;

	if (agent_continue(s, d, e) < 0)
		return -1;
	return agent_reboot(s, true, &asked, e);
}

static int reboot_if_due(struct session *s, struct running *d, struct err *e)
{
	bool asked = false;

	if (agent_continue(s, d, e) < 0)
		return -1;
	return agent_waits_for_reboot(s, d) ? agent_reboot(s, false, &asked, e) : 0;
}

int cmd_reboot(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[REBOOT_COUNT];
	int rest = 0;

	if (verb_read_options(reboot_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0)
		return -1;
	return run(ctx, BOOT_LOCK_SECONDS, values[REBOOT_DUE] ? JOURNAL_AGENT : JOURNAL_USER,
		values[REBOOT_DUE] ? reboot_if_due : reboot_now, e);
}
