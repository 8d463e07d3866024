/* SPDX-License-Identifier: Apache-2.0 */
/* pawl poll, pawl check. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/commands.h"
#include "agent/planning.h"
#include "agent/polling.h"

enum { POLL_NOW, POLL_JITTER, POLL_RETRY, POLL_OFFLINE, POLL_COUNT };
const struct verb_option poll_options[] = {
	{"--now", NULL, "do not wait for the end of a back-off"},
	{"--jitter", "SECONDS", "first wait this device's own share of SECONDS (for cron)"},
	{"--retry-failed", NULL, "take a release that failed on this device again"},
	{"--offline-from", "FILE", "take content out of this old or new image, too"},
	{NULL, NULL, NULL},
};

enum { CHECK_OFFLINE, CHECK_COUNT };
const struct verb_option check_options[] = {
	{"--offline-from", "FILE", "take content out of this old or new image, too"},
	{NULL, NULL, NULL},
};

#define JITTER_MAX 86400

/*
 * A device's share comes from its seed: spread evenly over the fleet, the same
 * each time, so that two polls of one device keep their distance. The lock is
 * not held meanwhile: `pawl health` of a trial must not find it taken for an hour.
 */
static int wait_share(const struct session_options *o, const char *text, struct err *e)
{
	char *end = NULL;
	unsigned long long seconds = strtoull(text, &end, 10);
	unsigned place = 0;
	struct session s;

	if (end == text || *end || seconds > JITTER_MAX)
		return err_set(e, E_USAGE, "--jitter %s: seconds from 0 to %d are wanted", text,
			JITTER_MAX);
	int rc = session_open(o, SESSION_WRITE, &s, e);
	if (rc == 0)
		rc = policy_rollout_place(s.state.seed, "jitter", &place, e);
	session_close(&s);
	if (rc < 0)
		return -1;
	struct timespec t = {.tv_sec = (time_t)(seconds * place / 10000)};
	nanosleep(&t, NULL);
	return 0;
}

int cmd_poll(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[POLL_COUNT];
	struct session s;
	struct running d;
	int rest = 0;

	if (verb_read_options(poll_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0 ||
		command_check_offline(values[POLL_OFFLINE], e) < 0)
		return -1;
	struct polling_request r = {
		.ignore_backoff = values[POLL_NOW] != NULL,
		.retry_failed = values[POLL_RETRY] != NULL,
	};
	if (values[POLL_JITTER] && wait_share(ctx, values[POLL_JITTER], e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_WRITE, &s, e);
	s.offline_from = values[POLL_OFFLINE];
	if (rc == 0)
		rc = agent_start(&s, &d, e);
	if (rc == 0)
		rc = polling_run(&s, &d, &r, e);
	session_close(&s);
	return rc;
}

static const char *verdict_text(const struct policy_answer *a)
{
	switch (a->verdict) {
	case POLICY_INSTALL:
		return "poll would install it";
	case POLICY_CURRENT:
		return "this device has it";
	case POLICY_WAIT:
		return "it waits";
	case POLICY_TELL:
		return "`pawl install` or a changed policy installs it";
	}
	return "";
}

static void print_offer(const struct offer *o)
{
	const struct plan *p = &o->manifest->plan;

	printf("release %" PRIu64 " (%s), %s: %s%s%s\n", p->release, p->version,
		plan_class_name(p->update_class), verdict_text(&o->answer),
		o->answer.why[0] ? ": " : "", o->answer.why);
	if (o->answer.not_before > 0) {
		char text[CLOCK_TEXT_SIZE];
		clock_format(o->answer.not_before, text);
		printf("  not before %s\n", text);
	}
	if (o->manifest->notes[0])
		printf("  %s\n", o->manifest->notes);
}

/*
 * What it would take; not asked for what runs already, or while no slot can be
 * written. Objects that are missing are told, and no failure: the offer stands.
 */
static int show_plan(
	struct session *s, const struct running *d, const struct offer *o, struct err *e)
{
	struct ways *w = NULL;
	struct err why = {0};

	if (o->answer.verdict == POLICY_CURRENT || !d->target)
		return 0;
	if (planning_make(s, d, o, &w, &why) < 0) {
		printf("  what it would take cannot be said: %s: %s\n", err_name(why.code),
			why.text);
		return 0;
	}
	int rc = planning_print(w, e);
	ways_free(w);
	return rc < 0 ? -1 : session_store(s, e);
}

int cmd_check(void *ctx, int argc, char **argv, struct err *e)
{
	const char *values[CHECK_COUNT];
	struct polling_request r = {.ignore_backoff = true};
	struct session s;
	struct running d;
	struct offer o = {0};
	int rest = 0;

	if (verb_read_options(check_options, argc, argv, values, &rest, e) < 0 ||
		command_no_words(rest, argv, e) < 0 ||
		command_check_offline(values[CHECK_OFFLINE], e) < 0)
		return -1;
	int rc = session_open(ctx, SESSION_WRITE, &s, e);
	s.actor = JOURNAL_USER;
	s.offline_from = values[CHECK_OFFLINE];
	if (rc == 0)
		rc = agent_start(&s, &d, e);
	if (rc == 0)
		rc = polling_check(&s, &d, &r, &o, e);
	if (rc == 0) {
		print_offer(&o);
		rc = show_plan(&s, &d, &o, e);
	}
	offer_close(&o);
	session_close(&s);
	return rc;
}
