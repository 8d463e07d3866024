/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U-Boot with Mender's boot code. While upgrade_available is 1, each boot counts
 * bootcount up; beyond bootlimit U-Boot itself turns to the other partition for
 * good. So mender_boot_part is the slot on trial then, and else the committed one.
 */
#include "partitions/boot/uboot_mender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/boot/cmdline.h"
#include "partitions/boot/uboot.h"

#define NUMBER_MAX 255 /* of a partition; a count beyond it means nothing either */

/* What the boot code sees. */
struct mender {
	unsigned part; /* mender_boot_part, 0 = none */
	unsigned count; /* bootcount */
	unsigned limit; /* bootlimit, 0 = U-Boot never turns back */
	bool trial; /* upgrade_available */
	bool canary_missing; /* U-Boot should have saved a mark here, and has not */
};

/* "" gives 0. Digits of `base` only, as U-Boot reads them; anything else -1. */
static int read_number(const char *text, int base, unsigned *out)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	unsigned long n = strtoul(text, NULL, base);

	if (strspn(text, digits) != strlen(text) || strlen(text) > 9 || n > NUMBER_MAX)
		return -1;
	*out = (unsigned)n;
	return 0;
}

static int take_number(
	const struct env_values *v, enum env_variable which, int base, unsigned *out, struct err *e)
{
	if (!MUST("boot.mender.number", read_number(v->text[which], base, out) == 0))
		return err_set(e, E_BOOTENV,
			"%s is \"%s\", a number up to %d is wanted; repair with fw_setenv %s",
			env_variable_name(which), v->text[which], NUMBER_MAX,
			env_variable_name(which));
	return 0;
}

static int read_mender(const struct env_values *v, struct mender *out, struct err *e)
{
	struct mender m = {0};
	unsigned hex = 0;
	unsigned available = 0;

	if (take_number(v, ENV_MENDER_PART, 10, &m.part, e) < 0 ||
		take_number(v, ENV_MENDER_PART_HEX, 16, &hex, e) < 0 ||
		take_number(v, ENV_MENDER_COUNT, 10, &m.count, e) < 0 ||
		take_number(v, ENV_MENDER_LIMIT, 10, &m.limit, e) < 0 ||
		take_number(v, ENV_MENDER_AVAILABLE, 10, &available, e) < 0)
		return -1;
	/* U-Boot counts for any value but 0, the boot code turns back for 1 only. */
	if (!MUST("boot.mender.available", available <= 1))
		return err_set(e, E_BOOTENV,
			"upgrade_available is %u, 0 or 1 is wanted; repair with fw_setenv "
			"upgrade_available 0",
			available);
	/* The kernel is loaded by one of them, and its root is the other. */
	if (!MUST("boot.mender.hex", v->text[ENV_MENDER_PART_HEX][0] == 0 || hex == m.part))
		return err_set(e, E_BOOTENV,
			"mender_boot_part is %u, but mender_boot_part_hex is %x (hexadecimal): kernel "
			"and root would be of different slots; repair with fw_setenv",
			m.part, hex);
	m.trial = available == 1;
	m.canary_missing = strcmp(v->text[ENV_MENDER_CHECK_CANARY], "1") == 0 &&
			   strcmp(v->text[ENV_MENDER_CANARY], "1") != 0;
	*out = m;
	return 0;
}

static char slot_of(const struct uboot *u, unsigned part)
{
	if (part == u->partition[0])
		return 'A';
	return part == u->partition[1] ? 'B' : 0;
}

static char other_slot(char slot)
{
	return slot == 'A' ? 'B' : 'A';
}

static int make_facts(
	const struct uboot *u, const struct mender *m, struct boot_facts *f, struct err *e)
{
	char slot = slot_of(u, m->part);

	f->blank = m->part == 0;
	if (f->blank) {
		f->committed = 'A';
		return 0;
	}
	if (!MUST("boot.mender.ours", slot != 0))
		return err_set(e, E_BOOTENV,
			"mender_boot_part is %u, which is neither partition-a (%u) nor partition-b "
			"(%u)",
			m->part, u->partition[0], u->partition[1]);
	f->committed = m->trial ? other_slot(slot) : slot;
	if (!m->trial)
		return 0;
	f->trial = slot;
	if (m->limit > m->count)
		f->tries = m->limit - m->count;
	return 0;
}

/*
 * The partition that the kernel's root= names: /dev/mmcblk0p2, or the
 * PARTUUID of an MBR, whose last two digits are the number. 0 = not said so.
 */
static unsigned root_partition(const char *root)
{
	size_t len = strlen(root);
	unsigned n = 0;

	if (strncmp(root, "PARTUUID=", 9) == 0) {
		bool mbr = len == 20 && root[17] == '-';
		return mbr && read_number(root + 18, 16, &n) == 0 ? n : 0;
	}
	size_t start = len;
	while (start > 0 && root[start - 1] >= '0' && root[start - 1] <= '9')
		start--;
	if (strncmp(root, "/dev/", 5) != 0 || read_number(root + start, 10, &n) < 0)
		return 0;
	return n;
}

static int read_environment(
	const struct uboot *u, struct env_values *v, struct mender *m, struct err *e)
{
	return env_read(&u->env, v, e) < 0 ? -1 : read_mender(v, m, e);
}

static int mender_read(void *ctx, struct boot_facts *out, struct err *e)
{
	const struct uboot *u = ctx;
	struct boot_facts f = {0};
	struct env_values v;
	struct cmdline line;
	struct mender m;

	if (cmdline_read(u->root, &line, e) < 0 || read_environment(u, &v, &m, e) < 0 ||
		make_facts(u, &m, &f, e) < 0)
		return -1;
	f.booted = line.slot ? line.slot : slot_of(u, root_partition(line.root));
	f.copies = v.copies;
	f.copies_bad = v.copies_bad;
	*out = f;
	return 0;
}

/* What must hold before a trial is set, beyond what U-Boot's environment itself must be. */
static int check_trial(const struct mender *m, struct err *e)
{
	if (!MUST("boot.mender.present", m->part != 0))
		return err_set(e, E_BOOTENV,
			"the boot environment has no mender_boot_part: is this Mender's boot code?");
	/* Without it a trial that hangs would be started for ever. */
	if (!MUST("boot.mender.limit", m->limit > 0))
		return err_set(e, E_BOOTENV,
			"bootlimit is not set: U-Boot would never turn back from a failed trial; "
			"fw_setenv bootlimit 1");
	/* Mender's own proof that U-Boot and Linux mean the same environment. */
	if (!MUST("boot.mender.canary", !m->canary_missing))
		return err_set(e, E_BOOTENV,
			"mender_saveenv_canary is not set: U-Boot does not save into the environment "
			"that fw_env.config names");
	return 0;
}

static int mender_self_test(void *ctx, struct err *e)
{
	const struct uboot *u = ctx;
	struct env_values v;
	struct mender m;

	if (uboot_self_test(ctx, e) < 0 || read_environment(u, &v, &m, e) < 0)
		return -1;
	return check_trial(&m, e);
}

/* All that the boot code looks at, but for bootlimit, in one store. */
static int store(const struct uboot *u, char boots, bool trial, unsigned count, struct err *e)
{
	char part[8];
	char hex[8];
	char counted[8];
	const char *want[ENV_VARIABLE_COUNT] = {
		[ENV_MENDER_PART] = part,
		[ENV_MENDER_PART_HEX] = hex,
		[ENV_MENDER_AVAILABLE] = trial ? "1" : "0",
		[ENV_MENDER_COUNT] = counted,
	};

	snprintf(part, sizeof(part), "%u", u->partition[boots == 'B']);
	snprintf(hex, sizeof(hex), "%x", u->partition[boots == 'B']);
	snprintf(counted, sizeof(counted), "%u", count);
	return env_store(&u->env, want, e);
}

/* bootlimit stays the integrator's: fewer tries than it are made by starting the count higher. */
static int mender_set_trial(void *ctx, char slot, unsigned tries, struct err *e)
{
	const struct uboot *u = ctx;
	struct env_values v;
	struct mender m;

	if (read_environment(u, &v, &m, e) < 0 || check_trial(&m, e) < 0)
		return -1;
	return store(u, slot, true, m.limit > tries ? m.limit - tries : 0, e);
}

static int mender_commit(void *ctx, char slot, char fallback, struct err *e)
{
	(void)fallback; /* the boot code knows none */
	return store(ctx, slot, false, 0, e);
}

static int mender_cancel(void *ctx, char fallback, struct err *e)
{
	struct boot_facts f;

	(void)fallback;
	return mender_read(ctx, &f, e) < 0 ? -1 : store(ctx, f.committed, false, 0, e);
}

static int mender_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	bool good = o->partition[0] > 0 && o->partition[0] <= NUMBER_MAX && o->partition[1] > 0 &&
		    o->partition[1] <= NUMBER_MAX && o->partition[0] != o->partition[1];

	if (!MUST("boot.mender.partitions", good))
		return err_set(e, E_CONFIG,
			"loader = uboot-mender needs partition-a and partition-b, two numbers from 1 "
			"to %d",
			NUMBER_MAX);
	return uboot_open(o, true, ctx, e);
}

const struct boot_ops uboot_mender_ops = {
	.name = "uboot-mender",
	.describe =
		"U-Boot with Mender's boot code (upgrade_available) and a redundant environment",
	.caps = BOOT_CAP_TRIES,
	.probe = mender_probe,
	.close = uboot_close,
	.self_test = mender_self_test,
	.read = mender_read,
	.set_trial = mender_set_trial,
	.commit = mender_commit,
	.cancel = mender_cancel,
	.reboot = uboot_reboot,
};
