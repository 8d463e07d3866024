/* SPDX-License-Identifier: Apache-2.0 */
/* U-Boot with RAUC's boot script: it takes the first slot of BOOT_ORDER that has boots left. */
#include "partitions/boot/uboot_rauc.h"

#include <stdio.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/boot/cmdline.h"
#include "partitions/boot/facts.h"
#include "partitions/boot/uboot.h"

#define LEFT_FULL 3 /* what the script and `rauc status mark-good` fill up to */

/* What the script sees. */
struct rauc {
	char order[3]; /* slots to be looked at, in order */
	unsigned left[2]; /* boots of A and B, before the script takes one */
	char slot; /* pawl_slot, pawl_trial: 0 = none, or of another form */
	char trial;
	bool blank;
};

static enum env_variable left_of(char slot)
{
	return slot == 'A' ? ENV_RAUC_A_LEFT : ENV_RAUC_B_LEFT;
}

static unsigned boots_left(const struct rauc *r, char slot)
{
	return r->left[slot == 'B'];
}

/* "B A": names between spaces, each once. Empty is the script's own default. */
static int parse_order(const char *text, char order[3])
{
	size_t count = 0;
	char got[3] = "";

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		bool alone = text[1] == ' ' || text[1] == 0;
		if ((*text != 'A' && *text != 'B') || !alone || strchr(got, *text))
			return -1;
		got[count++] = *text;
	}
	memcpy(order, count ? got : "AB", 3);
	return 0;
}

/* The script reads hexadecimal digits; empty is its own default. */
static int parse_left(const char *text, unsigned *left)
{
	unsigned n = 0;

	if (strlen(text) > 2 || strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return -1;
	if (text[0] == 0)
		n = LEFT_FULL;
	else
		sscanf(text, "%x", &n);
	*left = n;
	return 0;
}

static int read_rauc(const struct env_values *v, struct rauc *out, struct err *e)
{
	struct rauc r = {0};

	/* A third name (a recovery slot) would be lost when the order is written. */
	if (!MUST("boot.rauc.order", parse_order(v->text[ENV_RAUC_ORDER], r.order) == 0))
		return err_set(e, E_BOOTENV,
			"BOOT_ORDER is \"%s\", names A and B are wanted, each once; repair with "
			"fw_setenv BOOT_ORDER",
			v->text[ENV_RAUC_ORDER]);
	for (size_t i = 0; i < 2; i++) {
		const char slot = "AB"[i];
		const char *text = v->text[left_of(slot)];
		if (!MUST("boot.rauc.left", parse_left(text, &r.left[i]) == 0))
			return err_set(e, E_BOOTENV,
				"BOOT_%c_LEFT is \"%s\", two hexadecimal digits at most are wanted; "
				"repair with fw_setenv BOOT_%c_LEFT",
				slot, text, slot);
	}
	/* Ours only explain RAUC's; what is of another form explains nothing. */
	facts_read_slot(v->text[ENV_SLOT], &r.slot);
	facts_read_slot(v->text[ENV_TRIAL], &r.trial);
	r.blank = v->text[ENV_RAUC_ORDER][0] == 0 && v->text[ENV_SLOT][0] == 0;
	*out = r;
	return 0;
}

/*
 * The first slot with boots left; the one that runs has just used one, perhaps
 * its last. Without any the script fills both up and starts over.
 */
static char primary_of(const struct rauc *r, char booted)
{
	for (const char *s = r->order; *s; s++) {
		if (*s == booted || boots_left(r, *s) > 0)
			return *s;
	}
	return r->order[0];
}

/*
 * BOOT_ORDER decides what boots. pawl_slot and pawl_trial count as long as they
 * fit it; where RAUC's tools or a person changed it, it stands alone.
 */
static void make_facts(const struct rauc *r, struct boot_facts *f)
{
	char first = r->order[0];
	char second = r->order[1];

	f->blank = r->blank;
	if (r->trial && r->slot && r->trial == first && r->slot == second) {
		f->trial = first;
		f->committed = second;
		f->tries = boots_left(r, first);
		return;
	}
	f->committed = r->slot == first ? first : primary_of(r, f->booted);
	char other = f->committed == first ? second : first;
	if (other && boots_left(r, other) > 0)
		f->fallback = other;
}

static int read_all(const struct uboot *u, struct rauc *r, struct boot_facts *f, struct err *e)
{
	struct env_values v;
	struct cmdline line;

	if (cmdline_read(u->root, &line, e) < 0 || env_read(&u->env, &v, e) < 0 ||
		read_rauc(&v, r, e) < 0)
		return -1;
	if (line.slot == 0 && facts_read_slot(line.rauc_slot, &line.slot) < 0)
		return err_set(e, E_BOOTENV,
			"kernel command line: rauc.slot is \"%s\", A or B is wanted",
			line.rauc_slot);
	f->booted = line.slot;
	f->copies = v.copies;
	f->copies_bad = v.copies_bad;
	make_facts(r, f);
	return 0;
}

static int rauc_read(void *ctx, struct boot_facts *out, struct err *e)
{
	struct boot_facts f = {0};
	struct rauc r;

	if (read_all(ctx, &r, &f, e) < 0)
		return -1;
	*out = f;
	return 0;
}

static const char *text_of(char slot)
{
	if (slot == 'A')
		return "A";
	return slot == 'B' ? "B" : "";
}

/* RAUC's variables and ours, in one store. `first` is started as long as it has boots left. */
static int store(const struct uboot *u, char committed, char trial, unsigned tries, char fallback,
	struct err *e)
{
	char first = trial ? trial : committed;
	char second = trial ? committed : fallback;
	char order[4] = {first, second ? ' ' : 0, second, 0};
	char left[2][4];
	const char *want[ENV_VARIABLE_COUNT] = {
		[ENV_RAUC_ORDER] = order,
		[ENV_RAUC_A_LEFT] = left[0],
		[ENV_RAUC_B_LEFT] = left[1],
		[ENV_SLOT] = text_of(committed),
		[ENV_TRIAL] = text_of(trial),
	};

	for (size_t i = 0; i < 2; i++) {
		const char slot = "AB"[i];
		unsigned boots = slot == first || slot == second ? LEFT_FULL : 0;
		snprintf(left[i], sizeof(left[0]), "%x", slot == trial ? tries & 0xf : boots);
	}
	return env_store(&u->env, want, e);
}

static int rauc_set_trial(void *ctx, char slot, unsigned tries, struct err *e)
{
	struct boot_facts f;

	return rauc_read(ctx, &f, e) < 0 ? -1 : store(ctx, f.committed, slot, tries, 0, e);
}

static int rauc_commit(void *ctx, char slot, char fallback, struct err *e)
{
	return store(ctx, slot, 0, 0, fallback, e);
}

static int rauc_cancel(void *ctx, char fallback, struct err *e)
{
	struct boot_facts f;

	return rauc_read(ctx, &f, e) < 0 ? -1 : store(ctx, f.committed, 0, 0, fallback, e);
}

/* The script takes a boot from the committed slot, too: as `rauc status mark-good`. */
static int rauc_settle(void *ctx, struct err *e)
{
	const struct uboot *u = ctx;
	const char *want[ENV_VARIABLE_COUNT] = {0};
	struct boot_facts f = {0};
	struct rauc r;
	char full[2] = {'0' + LEFT_FULL, 0};

	if (read_all(u, &r, &f, e) < 0)
		return -1;
	if (f.trial || boots_left(&r, f.committed) >= LEFT_FULL)
		return 0;
	want[left_of(f.committed)] = full;
	return env_store(&u->env, want, e);
}

static int rauc_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	return uboot_open(o, true, ctx, e);
}

const struct boot_ops uboot_rauc_ops = {
	.name = "uboot-rauc",
	.describe = "U-Boot with RAUC's boot script (BOOT_ORDER) and a redundant environment",
	.caps = BOOT_CAP_TRIES | BOOT_CAP_FALLBACK,
	.probe = rauc_probe,
	.close = uboot_close,
	.self_test = uboot_self_test,
	.read = rauc_read,
	.set_trial = rauc_set_trial,
	.commit = rauc_commit,
	.cancel = rauc_cancel,
	.settle = rauc_settle,
	.reboot = uboot_reboot,
};
