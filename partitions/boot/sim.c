/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated boot loader: what the shipped boot script does, on a real environment. */
#include "partitions/boot/sim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/hex.h"
#include "partitions/boot/env.h"
#include "partitions/boot/facts.h"
#include "partitions/boot/uboot.h"

#ifndef CONFIG_BOOT_UBOOT
#error "CONFIG_BOOT_SIM needs CONFIG_BOOT_UBOOT: it is the same code on files"
#endif

#define SIM_ORDER_MAX 4 /* trial, committed, fallback, B */

/* Writes one file of the simulated machine, with its folder. */
static int write_file(
	const char *root, const char *dir, const char *name, const char *text, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	char path[512];

	if (file_join(path, sizeof(path), root, dir, e) < 0 || file_make_path(path, 0755, e) < 0 ||
		file_open_dir(path, &fd, e) < 0)
		return -1;
	return file_replace(fd, name, text, strlen(text), 0644, e);
}

static int remove_file(const char *root, const char *name, struct err *e)
{
	char path[512];

	if (file_join(path, sizeof(path), root, name, e) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, E_IO, errno, "cannot remove %s", path);
	return 0;
}

/* The rules of boot-core.cmd: what is neither A nor B is taken for empty. */
static char slot_of(const char *text)
{
	char slot = 0;

	facts_read_slot(text, &slot);
	return slot;
}

/* Takes one of the tries; the trial counts only when that was saved and read back. */
static bool take_try(const struct env *env, unsigned tries)
{
	const char left[2] = {(char)('0' + tries - 1), 0};
	const char *want[ENV_VARIABLE_COUNT] = {[ENV_TRIES] = left};
	struct err ignored;

	return env_store(env, want, &ignored) == 0;
}

/* Slots to be tried, in order; returns their number. */
static size_t decide_order(const struct env *env, const struct env_values *v,
	char order[SIM_ORDER_MAX], struct sim_outcome *got)
{
	char committed = slot_of(v->text[ENV_SLOT]);
	char trial = slot_of(v->text[ENV_TRIAL]);
	char fallback = slot_of(v->text[ENV_FALLBACK]);
	unsigned tries = 0;
	size_t count = 0;

	facts_read_tries(v->text[ENV_TRIES], &tries);
	if (trial && tries > 0)
		got->env_saved = take_try(env, tries);
	if (got->env_saved)
		order[count++] = trial;
	order[count++] = committed ? committed : 'A';
	if (fallback)
		order[count++] = fallback;
	if (!committed)
		order[count++] = 'B';
	return count;
}

static int write_cmdline(const struct boot_options *o, const char *id, char slot,
	const char *slot_root, struct err *e)
{
	char line[1024];

	if (snprintf(line, sizeof(line), "root=%s rootwait ro panic=5 pawl.slot=%c%s%s\n",
		    slot_root, slot, id[0] ? " pawl.id=" : "", id) >= (int)sizeof(line))
		return err_set(e, E_CONFIG, "the root of slot %c is too long", slot);
	return write_file(o->root, "proc", "cmdline", line, e);
}

/* A new boot has a new identifier, a version 4 UUID as the kernel's. */
static int write_boot_id(const struct boot_options *o, struct err *e)
{
	uint8_t random[16];
	char hex[33];
	char text[40];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_sys(e, E_IO, errno, "random numbers");
	random[6] = (uint8_t)((random[6] & 0x0f) | 0x40);
	random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
	hex_encode(random, sizeof(random), hex);
	snprintf(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%.12s\n", hex, hex + 8, hex + 12,
		hex + 16, hex + 20);
	return write_file(o->root, "proc/sys/kernel/random", "boot_id", text, e);
}

static int start_slot(const struct boot_options *o, const struct sim_slots *slots, const char *id,
	char slot, struct err *e)
{
	if (remove_file(o->root, "run/pawl-reboot", e) < 0)
		return -1;
	if (slot == 0)
		return remove_file(o->root, "proc/cmdline", e);
	if (write_boot_id(o, e) < 0)
		return -1;
	return write_cmdline(o, id, slot, slots->root_of(slots->ctx, slot), e);
}

int sim_boot(const struct boot_options *o, const struct sim_slots *slots, struct sim_outcome *out,
	struct err *e)
{
	struct env env = {.allow_single = o->allow_single_env};
	struct env_values values = {0};
	struct sim_outcome got = {0};
	char order[SIM_ORDER_MAX];
	int rc = 0;

	if (snprintf(env.config_file, sizeof(env.config_file), "%s", o->fw_env_config) >=
		(int)sizeof(env.config_file))
		return err_set(e, E_CONFIG, "the path of fw_env.config is too long");
	if (env_read(&env, &values, e) < 0) {
		e->code = E_BOOTENV;
		rc = -1;
	} else if (!values.valid) {
		rc = err_set(e, E_BOOTENV, "%s: no copy of the boot environment is valid",
			o->fw_env_config);
	}
	size_t count = decide_order(&env, &values, order, &got);
	for (size_t i = 0; i < count && got.slot == 0; i++) {
		if (!slots->loads(slots->ctx, order[i]))
			continue;
		got.slot = order[i];
		got.trial = i == 0 && got.env_saved;
	}
	struct err wrong;
	if (start_slot(o, slots, values.text[ENV_ID], got.slot, &wrong) < 0) {
		*e = wrong;
		return -1;
	}
	*out = got;
	return rc;
}

static int sim_probe(const struct boot_options *o, void **ctx, struct err *e)
{
	/* An ordinary user's demo cannot open a lock that root made; its files are its own anyway. */
	return uboot_open(o, false, ctx, e);
}

static int sim_reboot(void *ctx, struct err *e)
{
	const struct uboot *u = ctx;

	return write_file(u->root, "run", "pawl-reboot", "", e);
}

const struct boot_ops sim_ops = {
	.name = "sim",
	.describe = "a simulated boot loader in a folder, for demo and tests",
	.caps = BOOT_CAP_TRIES | BOOT_CAP_FALLBACK | BOOT_CAP_IDENTITY,
	.probe = sim_probe,
	.close = uboot_close,
	.self_test = uboot_self_test,
	.read = uboot_read,
	.set_trial = uboot_set_trial,
	.commit = uboot_commit,
	.cancel = uboot_cancel,
	.set_identity = uboot_set_identity,
	.restore = uboot_restore,
	.reboot = sim_reboot,
};
