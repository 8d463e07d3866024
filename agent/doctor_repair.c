/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pawl doctor --repair: what can be put right without a question. One row for
 * each state; what must be guessed is left alone and told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/hex.h"
#include "agent/base/must.h"
#include "agent/doctor.h"
#include "agent/running.h"

static void print_repaired(const struct doctor *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void print_repaired(const struct doctor *d, const char *fmt, ...)
{
	va_list ap;

	printf("%-8s %-12s ", "repaired", d->check);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static bool carries_identity(const struct doctor *d)
{
	return boot_ops_of(d->s->boot)->caps & BOOT_CAP_IDENTITY;
}

static int make_identity(char text[BOOT_ID_SIZE], struct err *e)
{
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_set(e, E_IO, "no random numbers for the identity");
	hex_encode(id, sizeof(id), text);
	return 0;
}

/*
 * The slot that runs, by the boot loader's word and the root device, or by the
 * root device alone where the boot loader said nothing.
 */
static int find_running(
	const struct doctor *d, const struct boot_facts *f, char *slot, struct err *e)
{
	const struct config *c = &d->s->config;
	struct err ignored = {0};

	if (f->booted) {
		*slot = f->booted;
		return running_check_root(c, f->booted, e);
	}
	bool a = running_check_root(c, 'A', &ignored) == 0;
	bool b = running_check_root(c, 'B', &ignored) == 0;
	if (a == b)
		return err_set(e, E_BOOT,
			"which slot runs cannot be told, so none can be committed: the kernel command "
			"line has no pawl.slot, and the root device is of neither slot");
	*slot = a ? 'A' : 'B';
	return 0;
}

/*
 * The boot loader passed an identity, so it read an environment that holds one:
 * ours is another one (wrong offsets), or was lost since. A restart tells which.
 */
static int check_same_environment(const struct boot_facts *f, struct err *e)
{
	if (!MUST("doctor.same-environment", f->id_booted[0] == 0))
		return err_set(e, E_BOOTENV,
			"the boot loader has an environment with pawl.id %s, and fw_env.config leads "
			"to another one. Nothing was changed. Reboot; if it stays, compare device, "
			"offsets and size of fw_env.config with CONFIG_ENV_OFFSET, "
			"CONFIG_ENV_OFFSET_REDUND and CONFIG_ENV_SIZE of U-Boot",
			f->id_booted);
	return 0;
}

/* --- Every copy of the environment is bad ----------------------------------------------- */

static bool environment_is_lost(const struct doctor *d, const struct boot_facts *f)
{
	(void)d;
	return f->copies > 0 && f->copies_bad == f->copies;
}

static int write_environment(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	char id[BOOT_ID_SIZE];
	char slot = 0;

	if (check_same_environment(f, e) < 0 || find_running(d, f, &slot, e) < 0 ||
		make_identity(id, e) < 0)
		return -1;
	/* The commit point is the first of its stores; a cut before the second is one bad copy. */
	if (boot_restore(d->s->boot, slot, id, e) < 0)
		return -1;
	d->s->state.provisioned = true;
	print_repaired(d,
		"both copies were written anew from the board's defaults: slot %c is committed, "
		"identity %s; reboot now",
		slot, id);
	return 0;
}

/* --- No identity, or another one than the boot loader's ------------------------------------ */

static bool identity_differs(const struct doctor *d, const struct boot_facts *f)
{
	if (!carries_identity(d) || environment_is_lost(d, f))
		return false;
	/* Made, and not passed yet: only a reboot helps. */
	return !f->id_env[0] || (f->id_booted[0] && strcmp(f->id_env, f->id_booted) != 0);
}

static int provision_again(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	char id[BOOT_ID_SIZE];
	char slot = 0;

	if (check_same_environment(f, e) < 0 || find_running(d, f, &slot, e) < 0 ||
		make_identity(id, e) < 0)
		return -1;
	/* A cut behind this store leaves a slot without an identity: the next repair goes on there. */
	if (f->blank && boot_commit(d->s->boot, slot, 0, e) < 0)
		return -1;
	/* Once for each copy; the first is the commit point. */
	for (int copy = 0; copy < 2; copy++) {
		if (boot_set_identity(d->s->boot, id, e) < 0)
			return -1;
	}
	d->s->state.provisioned = true;
	print_repaired(d, "slot %c is committed, identity %s; reboot now",
		f->blank ? slot : f->committed, id);
	return 0;
}

/* --- One bad copy of two --------------------------------------------------------------------- */

static bool copy_is_bad(const struct doctor *d, const struct boot_facts *f)
{
	(void)d;
	return f->copies_bad > 0 && f->copies_bad < f->copies;
}

/* A store of what is there already goes into the bad copy; the good one is not touched. */
static int write_copy(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	if (carries_identity(d) && f->id_env[0]) {
		if (boot_set_identity(d->s->boot, f->id_env, e) < 0)
			return -1;
	} else if (f->trial) {
		return err_set(e, E_BUSY,
			"a trial is under way; its end writes the bad copy of the environment anew");
	} else if (boot_cancel(d->s->boot, f->fallback, e) < 0) {
		return -1;
	}
	print_repaired(d, "the bad copy of the environment was written anew from the good one");
	return 0;
}

/* --- A trial that no transaction explains ------------------------------------------------------ */

static bool trial_is_stray(const struct doctor *d, const struct boot_facts *f)
{
	return doctor_trial_is_stray(d->s, f);
}

static int cancel_trial(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	if (boot_cancel(d->s->boot, f->fallback, e) < 0)
		return -1;
	print_repaired(d, "the trial of slot %c was cancelled; slot %c stays committed", f->trial,
		f->committed);
	return 0;
}

static bool trial_is_unreadable(const struct doctor *d, const struct boot_facts *f)
{
	(void)d;
	return f->trial_unreadable;
}

static int remove_trial(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	if (f->booted != f->committed)
		return err_set(e, E_BUSY, "slot %c runs and is not committed: `pawl health` first",
			f->booted);
	if (boot_cancel(d->s->boot, 0, e) < 0)
		return -1;
	print_repaired(d, "the unreadable record of a trial was removed; slot %c stays committed",
		f->committed);
	return 0;
}

/* --- autoboot.txt that does not try the other slot ------------------------------------------- */

static bool is_in_two_minds(const struct doctor *d, const struct boot_facts *f)
{
	(void)d;
	return f->two_minds;
}

static int correct_autoboot(struct doctor *d, const struct boot_facts *f, struct err *e)
{
	/* One sector, and what boots stays as it is. A cut leaves the old text or the new one. */
	if (boot_commit(d->s->boot, f->committed, 0, e) < 0)
		return -1;
	/* That ended a trial that waits; it was not the fault of the release. */
	if (f->trial && f->trial != f->booted && f->tries > 0 &&
		boot_set_trial(d->s->boot, f->trial, f->tries, e) < 0)
		return -1;
	print_repaired(d, "autoboot.txt boots slot %c and tries the other one", f->committed);
	return 0;
}

struct repair {
	const char *check;
	const char *what; /* in the journal */
	bool (*is_needed)(const struct doctor *d, const struct boot_facts *f);
	int (*run)(struct doctor *d, const struct boot_facts *f, struct err *e);
};

/* In this order: what a row needs, the rows before it have put right. */
static const struct repair repairs[] = {
	{"environment", "environment", environment_is_lost, write_environment},
	{"identity", "identity", identity_differs, provision_again},
	{"environment", "copy", copy_is_bad, write_copy},
	{"trial", "trial", trial_is_stray, cancel_trial},
	{"trial", "trial-file", trial_is_unreadable, remove_trial},
	{"environment", "autoboot", is_in_two_minds, correct_autoboot},
};

static void note(
	struct session *s, const struct repair *r, enum journal_outcome outcome, enum err_code code)
{
	session_record(
		s, JOURNAL_BOOT_REPAIRED, outcome, code, json_pack("{s:s}", "what", r->what));
}

static void run_repair(struct doctor *d, const struct repair *r, const struct boot_facts *f)
{
	struct err e = {0};

	note(d->s, r, JOURNAL_INTENT, E_OK);
	int rc = r->run(d, f, &e);
	note(d->s, r, rc == 0 ? JOURNAL_OK : JOURNAL_FAIL, rc == 0 ? E_OK : e.code);
	if (rc < 0)
		doctor_bad(d, &e);
	if (session_store(d->s, &e) < 0)
		doctor_bad(d, &e);
}

void doctor_repair(struct doctor *d)
{
	d->matters = "";
	d->todo = "docs/recovery.md";
	if (d->s->state_lost) {
		d->check = "state";
		print_repaired(d, "state.json was made anew; the floors are those of the image");
	}
	for (size_t i = 0; i < sizeof(repairs) / sizeof(repairs[0]); i++) {
		struct boot_facts f = {0};
		struct err e = {0};
		/* Read anew each time. When it cannot be read, the checks say so. */
		if (session_open_boot(d->s, &e) < 0 || boot_read(d->s->boot, &f, &e) < 0)
			return;
		d->check = repairs[i].check;
		if (repairs[i].is_needed(d, &f))
			run_repair(d, &repairs[i], &f);
	}
}
