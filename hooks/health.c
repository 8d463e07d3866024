/* SPDX-License-Identifier: Apache-2.0 */
/* Is this system healthy? Required, wanted and relative checks until a deadline. */
#include "hooks/health.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/base/clock.h"
#include "hooks/list.h"

#define AGAIN_SECONDS 5

/* One run of health_run. */
struct run {
	const struct health_request *req;
	struct health_report *report;
	uint64_t deadline; /* ms of the monotonic clock */
};

static unsigned seconds_left(const struct run *run)
{
	uint64_t now = clock_mono_ms();

	return now >= run->deadline ? 0 : (unsigned)((run->deadline - now + 999) / 1000);
}

/* A check never gets longer than what is left, and is always started at least once. */
static void run_check(const struct run *run, enum hook_stage stage, const struct hook_entry *h,
	struct hook_result *r)
{
	const struct health_request *req = run->req;
	unsigned limit = req->hooks->seconds;
	unsigned left = seconds_left(run);

	hook_run_one(
		req->hooks, stage, h, req->facts, req->fact_count, left < limit ? left : limit, r);
	if (req->sink && req->sink->result)
		req->sink->result(req->sink->ctx, stage, r);
}

static const char *last_line(const char *output)
{
	const char *last = output;

	for (const char *p = output; *p; p++) {
		if (*p == '\n' && p[1])
			last = p + 1;
	}
	return last;
}

static void note_failure(struct health_report *report, const struct hook_result *r)
{
	const char *line = last_line(r->output);
	char how[64];

	hook_describe(r, how, sizeof(how));
	snprintf(report->failed, sizeof(report->failed), "%s", r->name);
	snprintf(report->why, sizeof(report->why), "%s: %.*s", how, (int)strcspn(line, "\n"), line);
}

/* A relative check counts only when it passed before the update: no device gets worse by it. */
static bool counts(const struct health_baseline *b, const struct hook_result *r)
{
	if (!r->relative)
		return true;
	for (size_t i = 0; b && b->taken && i < b->count; i++) {
		if (strcmp(b->names[i], r->name) == 0)
			return true;
	}
	return false;
}

/*
 * One round over the checks that have not passed; done[i] marks those that need
 * no more. Returns -1 at the first that is bad, else how many said "later".
 */
static int run_round(
	const struct run *run, const struct hook_list *l, bool done[HOOK_LIST_MAX], struct err *e)
{
	int later = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct hook_result r;
		if (done[i])
			continue;
		run_check(run, HOOK_HEALTH_REQUIRED, &l->entries[i], &r);
		bool counted = counts(run->req->baseline, &r);
		done[i] = r.verdict == HOOK_GOOD || !counted;
		if (r.verdict == HOOK_GOOD)
			run->report->passed++;
		else if (!counted)
			run->report->failed_wanted++;
		if (done[i])
			continue;
		note_failure(run->report, &r);
		if (r.verdict == HOOK_BAD)
			return err_set(e, E_HEALTH, "required check %s: %s", run->report->failed,
				run->report->why);
		later++;
	}
	return later;
}

static void pause_round(const struct run *run)
{
	unsigned again = run->req->again_seconds > 0 ? run->req->again_seconds : AGAIN_SECONDS;
	unsigned left = seconds_left(run);
	const struct timespec t = {.tv_sec = left < again ? (time_t)left : (time_t)again};

	nanosleep(&t, NULL);
}

static int run_required(const struct run *run, struct err *e)
{
	AUTO_HOOK_LIST struct hook_list l = {0};
	bool done[HOOK_LIST_MAX] = {false};

	if (hook_list_make(run->req->hooks, HOOK_HEALTH_REQUIRED, &l, e) < 0)
		return -1;
	for (;;) {
		int later = run_round(run, &l, done, e);
		if (later <= 0)
			return later;
		if (seconds_left(run) == 0)
			return err_set(e, E_HEALTH,
				"required check %s did not pass within %u seconds: %s",
				run->report->failed, run->req->deadline_seconds, run->report->why);
		pause_round(run);
	}
}

/* Recorded only: whatever they say, the system stays. */
static void run_wanted(const struct run *run)
{
	AUTO_HOOK_LIST struct hook_list l = {0};
	struct err e;

	if (hook_list_make(run->req->hooks, HOOK_HEALTH_WANTED, &l, &e) < 0) {
		log_line(run->req->hooks->log, LOG_LEVEL_WARN, "health.wanted why=\"%s\"", e.text);
		run->report->failed_wanted++;
		return;
	}
	for (size_t i = 0; i < l.count; i++) {
		struct hook_result r;
		run_check(run, HOOK_HEALTH_WANTED, &l.entries[i], &r);
		if (r.verdict == HOOK_GOOD)
			run->report->passed++;
		else
			run->report->failed_wanted++;
	}
}

int health_run(const struct health_request *r, struct health_report *out, struct err *e)
{
	struct run run = {.req = r,
		.report = out,
		.deadline = clock_mono_ms() + (uint64_t)r->deadline_seconds * 1000};

	*out = (struct health_report){0};
	if (run_required(&run, e) < 0) {
		if (!out->why[0])
			snprintf(out->why, sizeof(out->why), "%.250s", e->text);
		return -1;
	}
	out->failed[0] = 0;
	out->why[0] = 0;
	run_wanted(&run);
	out->healthy = true;
	return 0;
}

static void note_passed(
	struct health_baseline *b, const struct hook_result *r, const struct log *log)
{
	if (r->verdict != HOOK_GOOD)
		return;
	if (b->count == HEALTH_BASELINE_MAX) {
		log_line(log, LOG_LEVEL_WARN, "health.baseline full name=%s", r->name);
		return;
	}
	snprintf(b->names[b->count++], sizeof(b->names[0]), "%s", r->name);
}

int health_take_baseline(const struct hook_config *c, const struct hook_fact *facts,
	size_t fact_count, struct health_baseline *out, struct err *e)
{
	static const enum hook_stage stages[] = {HOOK_HEALTH_REQUIRED, HOOK_HEALTH_WANTED};
	struct health_baseline b = {.taken = true};

	for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]); s++) {
		AUTO_HOOK_LIST struct hook_list l = {0};
		if (hook_list_make(c, stages[s], &l, e) < 0)
			return -1;
		for (size_t i = 0; i < l.count; i++) {
			struct hook_result r;
			hook_run_one(
				c, stages[s], &l.entries[i], facts, fact_count, c->seconds, &r);
			note_passed(&b, &r, c->log);
		}
	}
	*out = b;
	return 0;
}
