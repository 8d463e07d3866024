/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Raspberry Pi firmware's own A/B. What is committed stands in autoboot.txt;
 * a trial is a reboot with an argument, that the firmware forgets at once. So
 * the trial is kept in a file of ours, and each try is counted before its reboot.
 */
#include "partitions/boot/tryboot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/boot/autoboot_sector.h"
#include "partitions/boot/cmdline.h"
#include "partitions/boot/restart.h"
#include "partitions/boot/tryboot_disk.h"
#include "partitions/boot/tryboot_tree.h"
#include "partitions/boot/tryboot_trial.h"

#define TRYBOOT_ARGUMENT "0 tryboot" /* the firmware's default partition, and the flag */

/* Context: plain values copied from the options. */
struct tryboot {
	char root[512];
	char autoboot[512];
	char state_dir[512];
	char reboot_command[512]; /* "" = none */
	unsigned partition[2]; /* from which A and B boot */
};

static int copy_text(char *out, size_t size, const char *value, const char *what, struct err *e)
{
	if (snprintf(out, size, "%s", value ? value : "") >= (int)size)
		return err_set(e, E_CONFIG, "%s is longer than %zu bytes", what, size - 1);
	return 0;
}

static bool partitions_are_good(const unsigned p[2])
{
	return p[0] >= 1 && p[0] <= AUTOBOOT_PARTITION_MAX && p[1] >= 1 &&
	       p[1] <= AUTOBOOT_PARTITION_MAX && p[0] != p[1];
}

static int tryboot_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	AUTO_FREE struct tryboot *t = calloc(1, sizeof(*t));
	struct tryboot_tree tree;

	if (!t)
		return err_set(e, E_NOMEM, "boot loader");
	if (!o->autoboot || !o->autoboot[0] || !o->state_dir || !o->state_dir[0])
		return err_set(e, E_CONFIG,
			"loader = tryboot needs autoboot = PARTITION and a data folder");
	if (!MUST("boot.tryboot.partitions", partitions_are_good(o->partition)))
		return err_set(e, E_CONFIG,
			"loader = tryboot needs partition-a and partition-b, two numbers from 1 to %d",
			AUTOBOOT_PARTITION_MAX);
	if (copy_text(t->root, sizeof(t->root), o->root, "root", e) < 0 ||
		copy_text(t->autoboot, sizeof(t->autoboot), o->autoboot, "autoboot", e) < 0 ||
		copy_text(t->state_dir, sizeof(t->state_dir), o->state_dir, "the data folder", e) <
			0 ||
		copy_text(t->reboot_command, sizeof(t->reboot_command), o->reboot_command,
			"the reboot command", e) < 0)
		return -1;
	memcpy(t->partition, o->partition, sizeof(t->partition));
	if (tryboot_tree_read(t->root, &tree, e) < 0)
		return -1;
	*ctx = steal_ptr(t);
	return 0;
}

static void tryboot_close(void *ctx)
{
	free(ctx);
}

/* The slot that boots from a partition, 0 = none of ours. */
static char slot_of(const struct tryboot *t, unsigned partition)
{
	if (partition == t->partition[0])
		return 'A';
	return partition == t->partition[1] ? 'B' : 0;
}

static unsigned partition_of(const struct tryboot *t, char slot)
{
	return t->partition[slot == 'B'];
}

static char other_slot(char slot)
{
	return slot == 'A' ? 'B' : 'A';
}

/* What autoboot.txt commits to. */
static int read_committed(
	const struct tryboot *t, struct autoboot_text *file, char *slot, struct err *e)
{
	if (autoboot_load(t->autoboot, file, e) < 0)
		return -1;
	char got = slot_of(t, file->said.normal);
	if (!MUST("boot.tryboot.committed", got != 0))
		return err_set(e, E_BOOTENV,
			"autoboot.txt boots partition %u in [all], which is neither partition-a (%u) "
			"nor partition-b (%u)",
			file->said.normal, t->partition[0], t->partition[1]);
	*slot = got;
	return 0;
}

/* Firmware and kernel command line are two witnesses of what runs. */
static int read_booted(
	const struct tryboot *t, struct tryboot_tree *tree, char *slot, struct err *e)
{
	struct cmdline line;

	if (tryboot_tree_read(t->root, tree, e) < 0 || cmdline_read(t->root, &line, e) < 0)
		return -1;
	char got = slot_of(t, tree->partition);
	if (!MUST("boot.tryboot.booted", got != 0))
		return err_set(e, E_BOOTENV,
			"the firmware started partition %u, which is neither partition-a (%u) nor "
			"partition-b (%u)",
			tree->partition, t->partition[0], t->partition[1]);
	/* With an old EEPROM both boot partitions may hand over the same cmdline.txt. */
	if (!MUST("boot.tryboot.witness", line.slot == 0 || line.slot == got))
		return err_set(e, E_BOOTENV,
			"the firmware started slot %c (partition %u), but the kernel was told "
			"pawl.slot=%c: config.txt must choose cmdline.txt by [boot_partition=N], which "
			"needs an EEPROM of 2025",
			got, tree->partition, line.slot);
	*slot = got;
	return 0;
}

static int tryboot_read(void *ctx, struct boot_facts *out, struct err *e)
{
	const struct tryboot *t = ctx;
	struct boot_facts f = {0};
	struct autoboot_text file;
	struct tryboot_trial trial;
	struct tryboot_tree tree;
	struct err ignored;

	if (read_booted(t, &tree, &f.booted, e) < 0 ||
		read_committed(t, &file, &f.committed, e) < 0)
		return -1;
	f.two_minds = file.said.trial != partition_of(t, other_slot(f.committed));
	/* A file that cannot be read is no trial; self_test says so, and the next one replaces it. */
	f.trial_unreadable = tryboot_trial_read(t->state_dir, &trial, &ignored) < 0;
	/* A trial of the committed slot was committed just before a power cut. */
	if (trial.slot && trial.slot != f.committed) {
		f.trial = trial.slot;
		f.tries = trial.tries;
	} else if (tree.tryboot && f.booted != f.committed) {
		f.trial = f.booted;
	}
	*out = f;
	return 0;
}

/* Would a tryboot start the other slot? */
static int check_tryable(
	const struct tryboot *t, const struct autoboot *a, char committed, struct err *e)
{
	char other = other_slot(committed);

	if (!MUST("boot.tryboot.a-b", a->a_b))
		return err_set(e, E_BOOTENV,
			"autoboot.txt has no tryboot_a_b=1: the firmware would look for tryboot.txt "
			"instead of trying the other partition");
	if (!MUST("boot.tryboot.two-minds", a->trial == partition_of(t, other)))
		return err_set(e, E_BOOTENV,
			"autoboot.txt is in two minds: it boots partition %u and tries partition %u, "
			"but slot %c is partition %u; `pawl provision` writes it anew",
			a->normal, a->trial, other, partition_of(t, other));
	return 0;
}

/* The reboot argument is the business of the Raspberry Pi kernel, which has this device, too. */
static int check_kernel(const struct tryboot *t, struct err *e)
{
	char path[512];

	if (file_join(path, sizeof(path), t->root, "dev/vcio", e) < 0)
		return -1;
	if (!MUST("boot.tryboot.kernel", access(path, F_OK) == 0))
		return err_sys(e, E_BOOTENV, errno,
			"%s: only the kernel of Raspberry Pi (CONFIG_BCM_VCIO) hands \"tryboot\" to the "
			"firmware",
			path);
	return 0;
}

/* Everything that a trial needs, and the commit after it. */
static int check_all(const struct tryboot *t, struct err *e)
{
	struct autoboot_text file;
	struct tryboot_tree tree;
	char committed;

	if (tryboot_tree_read(t->root, &tree, e) < 0 || tryboot_tree_check(&tree, e) < 0 ||
		check_kernel(t, e) < 0 ||
		tryboot_disk_check(t->root, t->autoboot, t->partition[0], t->partition[1], e) < 0 ||
		read_committed(t, &file, &committed, e) < 0 ||
		check_tryable(t, &file.said, committed, e) < 0)
		return -1;
	return autoboot_check_writable(t->autoboot, e);
}

static int tryboot_self_test(void *ctx, struct err *e)
{
	const struct tryboot *t = ctx;
	struct tryboot_trial trial;

	return check_all(t, e) < 0 ? -1 : tryboot_trial_read(t->state_dir, &trial, e);
}

static int tryboot_set_trial(void *ctx, char slot, unsigned tries, struct err *e)
{
	const struct tryboot *t = ctx;
	const struct tryboot_trial trial = {.slot = slot, .tries = tries};

	return check_all(t, e) < 0 ? -1 : tryboot_trial_store(t->state_dir, &trial, e);
}

static int tryboot_commit(void *ctx, char slot, char fallback, struct err *e)
{
	const struct tryboot *t = ctx;
	const struct tryboot_trial none = {0};
	struct tryboot_trial trial;
	struct err ignored;

	(void)fallback; /* the firmware knows none */
	tryboot_trial_read(t->state_dir, &trial, &ignored);
	/* The trial of another slot ends first, or it would start after this commit. */
	if (trial.slot != slot && tryboot_trial_store(t->state_dir, &none, e) < 0)
		return -1;
	if (autoboot_change(
		    t->autoboot, partition_of(t, slot), partition_of(t, other_slot(slot)), e) < 0)
		return -1;
	/* It is committed. What is left of the file means nothing any more. */
	tryboot_trial_store(t->state_dir, &none, &ignored);
	return 0;
}

static int tryboot_cancel(void *ctx, char fallback, struct err *e)
{
	const struct tryboot *t = ctx;

	(void)fallback;
	return tryboot_trial_store(t->state_dir, &(struct tryboot_trial){0}, e);
}

static const char *command_of(const struct tryboot *t)
{
	return t->reboot_command[0] ? t->reboot_command : NULL;
}

/* One try is used up, then the firmware is asked for it. */
static int try_once(const struct tryboot *t, const struct boot_facts *f, struct err *e)
{
	const struct tryboot_trial before = {.slot = f->trial, .tries = f->tries};
	const struct tryboot_trial after = {.slot = f->trial, .tries = f->tries - 1};
	struct autoboot_text file;
	char committed;
	struct err ignored;

	if (read_committed(t, &file, &committed, e) < 0 ||
		check_tryable(t, &file.said, committed, e) < 0)
		return -1;
	/* Counted before it starts: a system that takes the machine down at once counts, too. */
	if (!MUST("boot.tryboot.count", tryboot_trial_store(t->state_dir, &after, e) == 0))
		return -1;
	if (restart_machine_with(t->root, command_of(t), TRYBOOT_ARGUMENT, e) == 0)
		return 0;
	tryboot_trial_store(t->state_dir, &before, &ignored);
	return -1;
}

static int tryboot_reboot(void *ctx, struct err *e)
{
	const struct tryboot *t = ctx;
	struct boot_facts f = {0};
	struct err ignored;

	/* Where nothing can be told, an ordinary reboot leads to what is committed. */
	if (tryboot_read(ctx, &f, &ignored) < 0 || f.trial == 0 || f.tries == 0)
		return restart_machine(command_of(t), e);
	if (try_once(t, &f, e) == 0)
		return 0;
	/* On trial, the way back must not depend on counting another try. */
	return f.booted == f.trial ? restart_machine(command_of(t), e) : -1;
}

const struct boot_ops tryboot_ops = {
	.name = "tryboot",
	.describe = "Raspberry Pi firmware with autoboot.txt and tryboot",
	.caps = 0,
	.probe = tryboot_probe,
	.close = tryboot_close,
	.self_test = tryboot_self_test,
	.read = tryboot_read,
	.set_trial = tryboot_set_trial,
	.commit = tryboot_commit,
	.cancel = tryboot_cancel,
	.reboot = tryboot_reboot,
};
