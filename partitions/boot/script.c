/* SPDX-License-Identifier: Apache-2.0 */
/* A boot loader behind an executable of the integrator: run directly, answers read strictly. */
#include "partitions/boot/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/must.h"
#include "agent/base/process.h"
#include "partitions/boot/cmdline.h"
#include "partitions/boot/facts.h"

#define SCRIPT_OUTPUT_MAX      4096
#define SCRIPT_DEFAULT_SECONDS 30

struct script {
	char path[512];
	char root[512];
	unsigned seconds;
};

/* The last line of what the script complained about; it usually says why. */
static const char *last_line(struct buf *text)
{
	char *start = (char *)text->data;

	if (text->len == 0)
		return "it said nothing on standard error";
	while (text->len > 0 && start[text->len - 1] == '\n')
		start[--text->len] = 0;
	char *newline = strrchr(start, '\n');
	return newline ? newline + 1 : start;
}

/* Runs SCRIPT verb [first [second]]; exit status 0 is success, everything else E_BOOTENV. */
static int run(const struct script *s, const char *const argv[], struct buf *out, struct err *e)
{
	AUTO_BUF struct buf complaint = buf_make(SCRIPT_OUTPUT_MAX);
	char root[sizeof(s->root) + 16];
	const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", root, NULL};
	const struct process_request req = {
		.path = s->path, .argv = argv, .env = env, .timeout_seconds = s->seconds};
	struct process_result res;

	snprintf(root, sizeof(root), "PAWL_ROOT=%s", s->root);
	if (process_run(&req, out, &complaint, &res, e) < 0) {
		e->code = E_BOOTENV;
		return err_wrap(e, "boot script");
	}
	if (res.timed_out)
		return err_set(e, E_BOOTENV, "boot script %s %s did not end within %u s", s->path,
			argv[1], s->seconds);
	if (!MUST("boot.script.status", res.exit_status == 0))
		return err_set(e, E_BOOTENV,
			"boot script %s %s failed with status %d, signal %d: %.160s", s->path,
			argv[1], res.exit_status, res.signal, last_line(&complaint));
	return 0;
}

static int run_verb(const struct script *s, const char *verb, const char *first, const char *second,
	struct err *e)
{
	const char *const argv[] = {s->path, verb, first, first ? second : NULL, NULL};

	return run(s, argv, NULL, e);
}

/* Root runs it: whoever may write it is root. */
static int check_file(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, E_CONFIG, errno, "boot script %s", path);
	if (!MUST("boot.script.mode", S_ISREG(st.st_mode) && (st.st_mode & 022) == 0))
		return err_set(e, E_CONFIG,
			"boot script %s must be a regular file that group and others cannot write",
			path);
	return 0;
}

static int script_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	AUTO_FREE struct script *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, E_NOMEM, "boot script");
	if (!o->script || o->script[0] != '/')
		return err_set(e, E_CONFIG, "the boot script must be an absolute path");
	if (snprintf(s->path, sizeof(s->path), "%s", o->script) >= (int)sizeof(s->path) ||
		snprintf(s->root, sizeof(s->root), "%s", o->root) >= (int)sizeof(s->root))
		return err_set(e, E_CONFIG, "path of the boot script or root is too long");
	s->seconds = o->script_seconds ? o->script_seconds : SCRIPT_DEFAULT_SECONDS;
	if (check_file(s->path, e) < 0 || run_verb(s, "probe", NULL, NULL, e) < 0)
		return -1;
	*ctx = steal_ptr(s);
	return 0;
}

static void script_close(void *ctx)
{
	free(ctx);
}

static int script_self_test(void *ctx, struct err *e)
{
	return run_verb(ctx, "self-test", NULL, NULL, e);
}

/* Takes lines of NAME=value; each ends with a newline. */
static int take_lines(char *text, struct boot_facts *f, unsigned *said, struct err *e)
{
	while (*text) {
		char *end = strchr(text, '\n');
		if (!end)
			return err_set(e, E_BOOTENV, "the last line of the answer has no end");
		*end = 0;
		char *value = strchr(text, '=');
		if (!value)
			return err_set(e, E_BOOTENV, "\"%.40s\" is not NAME=value", text);
		*value++ = 0;
		if (facts_take(f, text, value, "answer", said, e) < 0)
			return -1;
		text = end + 1;
	}
	return 0;
}

/* What the script leaves out of what booted, the kernel command line knows. */
static int add_booted(const struct script *s, unsigned said, struct boot_facts *f, struct err *e)
{
	struct cmdline line;

	if ((said & FACT_BOOTED) && (said & FACT_ID_BOOTED))
		return 0;
	if (cmdline_read(s->root, &line, e) < 0)
		return -1;
	if (!(said & FACT_BOOTED))
		f->booted = line.slot;
	if (!(said & FACT_ID_BOOTED))
		memcpy(f->id_booted, line.id, sizeof(f->id_booted));
	return 0;
}

static int script_read(void *ctx, struct boot_facts *out, struct err *e)
{
	const struct script *s = ctx;
	const char *const argv[] = {s->path, "read", NULL};
	AUTO_BUF struct buf answer = buf_make(SCRIPT_OUTPUT_MAX);
	struct boot_facts f = {0};
	unsigned said = 0;

	if (run(s, argv, &answer, e) < 0)
		return -1;
	/* A longer answer was cut, and a NUL would hide what follows it. */
	if (answer.len == 0 || answer.len == SCRIPT_OUTPUT_MAX ||
		memchr(answer.data, 0, answer.len))
		return err_set(e, E_BOOTENV,
			"boot script %s read: 1 to %d bytes of text are wanted", s->path,
			SCRIPT_OUTPUT_MAX - 1);
	if (take_lines((char *)answer.data, &f, &said, e) < 0)
		return err_wrap(e, "boot script %s read", s->path);
	if (!(said & FACT_COMMITTED))
		return err_set(
			e, E_BOOTENV, "boot script %s read: does not say committed", s->path);
	if (add_booted(s, said, &f, e) < 0)
		return -1;
	*out = f;
	return 0;
}

static const char *text_of(char slot)
{
	if (slot == 'A')
		return "A";
	return slot == 'B' ? "B" : "-";
}

/* What counts is what the script reads back, not that it ended well. */
static int check_state(
	void *ctx, char committed, char trial, unsigned tries, char fallback, struct err *e)
{
	const struct script *s = ctx;
	struct boot_facts now;

	if (script_read(ctx, &now, e) < 0)
		return err_wrap(e, "reading back");
	bool same = now.committed == committed && now.trial == trial && now.fallback == fallback &&
		    (trial == 0 || now.tries == tries);
	if (!MUST("boot.script.readback", same))
		return err_set(e, E_BOOTENV,
			"boot script %s: after the change it reads committed=%s trial=%s tries=%u "
			"fallback=%s, which is not what was asked for",
			s->path, text_of(now.committed), text_of(now.trial), now.tries,
			text_of(now.fallback));
	return 0;
}

static int script_set_trial(void *ctx, char slot, unsigned tries, struct err *e)
{
	const char digit[2] = {(char)('0' + tries), 0};
	struct boot_facts before;

	if (script_read(ctx, &before, e) < 0 ||
		run_verb(ctx, "set-trial", text_of(slot), digit, e) < 0)
		return -1;
	return check_state(ctx, before.committed, slot, tries, 0, e);
}

static int script_commit(void *ctx, char slot, char fallback, struct err *e)
{
	if (run_verb(ctx, "commit", text_of(slot), text_of(fallback), e) < 0)
		return -1;
	return check_state(ctx, slot, 0, 0, fallback, e);
}

static int script_cancel(void *ctx, char fallback, struct err *e)
{
	struct boot_facts before;

	if (script_read(ctx, &before, e) < 0 ||
		run_verb(ctx, "cancel", text_of(fallback), NULL, e) < 0)
		return -1;
	return check_state(ctx, before.committed, 0, 0, fallback, e);
}

static int script_set_identity(void *ctx, const char *id, struct err *e)
{
	const struct script *s = ctx;
	struct boot_facts now;

	if (run_verb(ctx, "set-identity", id, NULL, e) < 0 || script_read(ctx, &now, e) < 0)
		return -1;
	if (!MUST("boot.script.identity", strcmp(now.id_env, id) == 0))
		return err_set(e, E_BOOTENV,
			"boot script %s: id_env is \"%s\" after set-identity %s", s->path,
			now.id_env, id);
	return 0;
}

static int script_reboot(void *ctx, struct err *e)
{
	return run_verb(ctx, "reboot", NULL, NULL, e);
}

const struct boot_ops script_ops = {
	.name = "script",
	.describe = "an executable of the integrator, for other boot loaders",
	.caps = BOOT_CAP_TRIES | BOOT_CAP_FALLBACK | BOOT_CAP_IDENTITY,
	.probe = script_probe,
	.close = script_close,
	.self_test = script_self_test,
	.read = script_read,
	.set_trial = script_set_trial,
	.commit = script_commit,
	.cancel = script_cancel,
	.set_identity = script_set_identity,
	.reboot = script_reboot,
};
