/* SPDX-License-Identifier: Apache-2.0 */
/* U-Boot, driven by variables that the shipped boot script reads. */
#include "partitions/boot/uboot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/boot/cmdline.h"
#include "partitions/boot/facts.h"
#include "partitions/boot/restart.h"

#define UBOOT_DEFAULTS "etc/u-boot-initial-env" /* fw_setenv's own place for them */

static int copy_option(char *out, size_t size, const char *value, const char *what, struct err *e)
{
	if (snprintf(out, size, "%s", value ? value : "") >= (int)size)
		return err_set(e, E_CONFIG, "%s is longer than %zu bytes", what, size - 1);
	return 0;
}

int uboot_open(const struct boot_options *o, bool need_lock, void **ctx, struct err *e)
{
	AUTO_FREE struct uboot *u = calloc(1, sizeof(*u));
	struct env_values values;

	if (!u)
		return err_set(e, E_NOMEM, "boot loader");
	if (!o->fw_env_config || !o->fw_env_config[0])
		return err_set(e, E_CONFIG, "the path of fw_env.config is missing");
	if (copy_option(u->root, sizeof(u->root), o->root, "root", e) < 0 ||
		copy_option(u->env.config_file, sizeof(u->env.config_file), o->fw_env_config,
			"the path of fw_env.config", e) < 0 ||
		copy_option(u->reboot_command, sizeof(u->reboot_command), o->reboot_command,
			"the reboot command", e) < 0)
		return -1;
	u->env.allow_single = o->allow_single_env;
	u->env.need_lock = need_lock;
	memcpy(u->partition, o->partition, sizeof(u->partition));
	if (env_read(&u->env, &values, e) < 0)
		return -1;
	*ctx = steal_ptr(u);
	return 0;
}

static int uboot_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	return uboot_open(o, true, ctx, e);
}

void uboot_close(void *ctx)
{
	free(ctx);
}

int uboot_self_test(void *ctx, struct err *e)
{
	const struct uboot *u = ctx;

	return env_check(&u->env, e);
}

/* Which variable gives which fact. */
static const struct {
	enum env_variable variable;
	const char *fact;
} fact_of[] = {
	{ENV_SLOT, "committed"},
	{ENV_TRIAL, "trial"},
	{ENV_TRIES, "tries"},
	{ENV_FALLBACK, "fallback"},
	{ENV_ID, "id_env"},
};

int uboot_read(void *ctx, struct boot_facts *out, struct err *e)
{
	const struct uboot *u = ctx;
	struct boot_facts f = {.blank = true};
	struct env_values values;
	struct cmdline line;
	unsigned said = 0;

	if (cmdline_read(u->root, &line, e) < 0 || env_read(&u->env, &values, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(fact_of) / sizeof(fact_of[0]); i++) {
		const char *name = env_variable_name(fact_of[i].variable);
		const char *text = values.text[fact_of[i].variable];
		if (facts_take(&f, fact_of[i].fact, text, "boot environment", &said, e) < 0)
			return err_wrap(e, "repair with fw_setenv %s", name);
		f.blank = f.blank && text[0] == 0;
	}
	f.booted = line.slot;
	memcpy(f.id_booted, line.id, sizeof(f.id_booted));
	f.copies = values.copies;
	f.copies_bad = values.copies_bad;
	*out = f;
	return 0;
}

/* Text of a slot: "A", "B", "" for none. */
static const char *text_of(char slot)
{
	if (slot == 'A')
		return "A";
	return slot == 'B' ? "B" : "";
}

/* What is committed now, for the store that must say it again. */
static int read_committed(const struct uboot *u, const char **out, struct err *e)
{
	struct env_values values;
	char slot;

	if (env_read(&u->env, &values, e) < 0)
		return -1;
	if (facts_read_slot(values.text[ENV_SLOT], &slot) < 0)
		return err_set(e, E_BOOTENV,
			"pawl_slot is \"%s\", A or B is wanted; repair with fw_setenv pawl_slot",
			values.text[ENV_SLOT]);
	*out = text_of(slot ? slot : 'A');
	return 0;
}

/*
 * Slot, trial, tries and fallback always change together, in one store: three
 * calls of fw_setenv were shown to leave trials that never fall back.
 */
static int store_state(const struct uboot *u, const char *slot, char trial, unsigned tries,
	char fallback, struct err *e)
{
	const char digit[2] = {(char)('0' + tries), 0};
	const char *want[ENV_VARIABLE_COUNT] = {
		[ENV_SLOT] = slot,
		[ENV_TRIAL] = text_of(trial),
		[ENV_TRIES] = trial ? digit : "",
		[ENV_FALLBACK] = text_of(fallback),
	};

	return env_store(&u->env, want, e);
}

int uboot_set_trial(void *ctx, char slot, unsigned tries, struct err *e)
{
	const char *committed;

	if (read_committed(ctx, &committed, e) < 0)
		return -1;
	return store_state(ctx, committed, slot, tries, 0, e);
}

int uboot_commit(void *ctx, char slot, char fallback, struct err *e)
{
	return store_state(ctx, text_of(slot), 0, 0, fallback, e);
}

int uboot_cancel(void *ctx, char fallback, struct err *e)
{
	const char *committed;

	if (read_committed(ctx, &committed, e) < 0)
		return -1;
	return store_state(ctx, committed, 0, 0, fallback, e);
}

int uboot_set_identity(void *ctx, const char *id, struct err *e)
{
	const struct uboot *u = ctx;
	const char *want[ENV_VARIABLE_COUNT] = {[ENV_ID] = id};

	return env_store(&u->env, want, e);
}

int uboot_restore(void *ctx, char slot, const char *id, struct err *e)
{
	const struct uboot *u = ctx;
	char defaults[512];
	const char *want[ENV_VARIABLE_COUNT] = {
		[ENV_SLOT] = text_of(slot),
		[ENV_TRIAL] = "",
		[ENV_TRIES] = "",
		[ENV_FALLBACK] = "",
		[ENV_ID] = id,
	};

	if (file_join(defaults, sizeof(defaults), u->root, UBOOT_DEFAULTS, e) < 0 ||
		env_restore(&u->env, defaults, want, e) < 0)
		return -1;
	/* Into the other copy, which is still bad. */
	return env_store(&u->env, want, e);
}

int uboot_reboot(void *ctx, struct err *e)
{
	const struct uboot *u = ctx;

	return restart_machine(u->reboot_command[0] ? u->reboot_command : NULL, e);
}

const struct boot_ops uboot_ops = {
	.name = "uboot",
	.describe = "U-Boot with Pawl's boot script and a redundant environment",
	.caps = BOOT_CAP_TRIES | BOOT_CAP_FALLBACK | BOOT_CAP_IDENTITY,
	.probe = uboot_probe,
	.close = uboot_close,
	.self_test = uboot_self_test,
	.read = uboot_read,
	.set_trial = uboot_set_trial,
	.commit = uboot_commit,
	.cancel = uboot_cancel,
	.set_identity = uboot_set_identity,
	.restore = uboot_restore,
	.reboot = uboot_reboot,
};
