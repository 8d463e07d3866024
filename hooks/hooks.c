/* SPDX-License-Identifier: Apache-2.0 */
/* Running hooks: facts in, verdict and bounded output back. */
#include "hooks/hooks.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/process.h"
#include "hooks/list.h"

#define FACTS_MAX       64
#define FACT_KEY_MAX    32
#define RELATIVE_SUFFIX ".relative"

static const struct {
	const char *folder;
	const char *meaning;
} stages[] = {
#define ROW(id, folder, meaning) {folder, meaning},
	HOOK_STAGE_TABLE(ROW)
#undef ROW
};

const char *hook_stage_folder(enum hook_stage s)
{
	return stages[s].folder;
}

const char *hook_stage_meaning(enum hook_stage s)
{
	return stages[s].meaning;
}

static bool is_health(enum hook_stage s)
{
	return s == HOOK_HEALTH_REQUIRED || s == HOOK_HEALTH_WANTED;
}

/* The stage as hooks are told: "pre-write", "health/required". */
static int stage_name_len(enum hook_stage s)
{
	return (int)strlen(stages[s].folder) - 2;
}

/* "PATH=...", "PAWL_STAGE=...", "PAWL_KEY=value" ... one after the other, each with its NUL. */
static int build_env(enum hook_stage stage, const struct hook_fact *facts, size_t count,
	struct buf *text, struct err *e)
{
	if (buf_printf(text, e, "PATH=/usr/sbin:/usr/bin:/sbin:/bin%cPAWL_STAGE=%.*s", 0,
		    stage_name_len(stage), stages[stage].folder) < 0 ||
		buf_add(text, "", 1, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (buf_printf(text, e, "PAWL_%s=%s", facts[i].key, facts[i].value) < 0 ||
			buf_add(text, "", 1, e) < 0)
			return -1;
	}
	return 0;
}

/* The same facts as one JSON object, keys in lower case. */
static char *build_json(enum hook_stage stage, const struct hook_fact *facts, size_t count)
{
	JSON_AUTO json_t *j = json_object();

	json_object_set_new(
		j, "stage", json_stringn(stages[stage].folder, (size_t)stage_name_len(stage)));
	for (size_t i = 0; i < count; i++) {
		char key[FACT_KEY_MAX + 1] = "";
		for (size_t n = 0; n < FACT_KEY_MAX && facts[i].key[n]; n++)
			key[n] = (char)tolower((unsigned char)facts[i].key[n]);
		json_object_set_new(j, key, json_string(facts[i].value));
	}
	return json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
}

static void set_bad(struct hook_result *r, const char *why)
{
	r->verdict = HOOK_BAD;
	r->exit_status = -1;
	hook_escape(why, strlen(why), false, r->output, sizeof(r->output));
}

static void set_verdict(struct hook_result *r, const struct process_result *p)
{
	r->exit_status = p->exit_status;
	r->signal = p->signal;
	r->timed_out = p->timed_out;
	r->verdict = p->exit_status == 0                 ? HOOK_GOOD
		     : p->exit_status == HOOK_EXIT_LATER ? HOOK_LATER
							 : HOOK_BAD;
}

static int execute(enum hook_stage stage, const struct hook_entry *h, const struct hook_fact *facts,
	size_t count, unsigned seconds, struct hook_result *out, struct err *e)
{
	AUTO_BUF struct buf env_text = buf_make(64 * 1024);
	AUTO_BUF struct buf output = buf_make(HOOK_OUTPUT_MAX);
	AUTO_FREE char *json = build_json(stage, facts, count);
	const char *env[FACTS_MAX + 3] = {NULL};
	const char *argv[] = {h->path, NULL};
	struct process_result p;

	if (count > FACTS_MAX)
		return err_set(e, E_INTERNAL, "more than %d facts", FACTS_MAX);
	if (!json)
		return err_set(e, E_NOMEM, "no memory for the facts of a hook");
	if (build_env(stage, facts, count, &env_text, e) < 0)
		return -1;
	const char *at = (const char *)env_text.data;
	for (size_t i = 0; i < count + 2; i++, at += strlen(at) + 1)
		env[i] = at;
	struct process_request req = {.path = h->path,
		.argv = argv,
		.env = env,
		.input = (const uint8_t *)json,
		.input_len = strlen(json),
		.timeout_seconds = seconds};
	if (process_run(&req, &output, &output, &p, e) < 0)
		return -1;
	set_verdict(out, &p);
	hook_escape(buf_text(&output), output.len, true, out->output, sizeof(out->output));
	return 0;
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text);
	size_t m = strlen(suffix);

	return n > m && strcmp(text + n - m, suffix) == 0;
}

static const char *verdict_name(enum hook_verdict v)
{
	return v == HOOK_GOOD ? "good" : v == HOOK_LATER ? "later" : "bad";
}

static void log_result(const struct log *log, enum hook_stage stage, const struct hook_result *r)
{
	enum log_level level = r->verdict == HOOK_BAD ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
	char how[64];

	hook_describe(r, how, sizeof(how));
	log_line(log, level, "hook.result stage=%.*s name=%s verdict=%s how=\"%s\" ms=%llu",
		stage_name_len(stage), stages[stage].folder, r->name, verdict_name(r->verdict), how,
		(unsigned long long)r->ms);
	for (const char *at = r->output; *at;) {
		size_t len = strcspn(at, "\n");
		log_line(log, level, "hook.output name=%s text=\"%.*s\"", r->name, (int)len, at);
		at += len + (at[len] ? 1 : 0);
	}
}

void hook_run_one(const struct hook_config *c, enum hook_stage stage, const struct hook_entry *h,
	const struct hook_fact *facts, size_t fact_count, unsigned seconds, struct hook_result *out)
{
	uint64_t start = clock_mono_ms();
	struct err e = {0};

	*out = (struct hook_result){.exit_status = -1};
	snprintf(out->name, sizeof(out->name), "%s", h->name);
	out->relative = is_health(stage) && ends_with(h->name, RELATIVE_SUFFIX);
	if (h->fault[0])
		set_bad(out, h->fault);
	else if (execute(stage, h, facts, fact_count, seconds, out, &e) < 0)
		set_bad(out, e.text);
	out->ms = clock_mono_ms() - start;
	log_result(c->log, stage, out);
}

void hook_describe(const struct hook_result *r, char *out, size_t size)
{
	if (r->timed_out)
		snprintf(out, size, "did not end within its limit");
	else if (r->signal)
		snprintf(out, size, "killed by signal %d", r->signal);
	else if (r->exit_status < 0)
		snprintf(out, size, "could not be run");
	else
		snprintf(out, size, "exit %d", r->exit_status);
}

static int fail(const struct hook_result *r, enum hook_stage stage, struct err *e)
{
	char how[64];

	hook_describe(r, how, sizeof(how));
	return err_set(e, r->verdict == HOOK_LATER ? E_LATER : E_HOOK, "hook %.*s/%s: %s: %.200s",
		stage_name_len(stage), stages[stage].folder, r->name, how, r->output);
}

int hooks_run(const struct hook_config *c, enum hook_stage stage, const struct hook_fact *facts,
	size_t fact_count, const struct hook_sink *sink, struct err *e)
{
	AUTO_HOOK_LIST struct hook_list l = {0};
	enum hook_verdict worst = HOOK_GOOD;

	if (hook_list_make(c, stage, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < l.count; i++) {
		struct hook_result r;
		hook_run_one(c, stage, &l.entries[i], facts, fact_count, c->seconds, &r);
		if (sink && sink->result)
			sink->result(sink->ctx, stage, &r);
		if (r.verdict > worst) {
			worst = r.verdict;
			fail(&r, stage, e);
		}
		if (worst != HOOK_GOOD && !is_health(stage))
			break;
	}
	return worst == HOOK_GOOD ? 0 : -1;
}
