/* SPDX-License-Identifier: Apache-2.0 */
/* Pawl's variables in a U-Boot environment, through libubootenv. */
#include "partitions/boot/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <libuboot.h> /* after <stddef.h>: 0.3.2 uses size_t without including it */

#include "agent/base/buf.h"
#include "agent/base/must.h"
#include "partitions/boot/env_config.h"
#include "partitions/boot/env_media.h"

#define ENV_NAME_(id, name) name,
static const char *const names[] = {ENV_VARIABLES(ENV_NAME_)};

const char *env_variable_name(enum env_variable v)
{
	return names[v];
}

static void cleanup_uboot(struct uboot_ctx **ctx)
{
	if (*ctx) {
		libuboot_close(*ctx);
		libuboot_exit(*ctx);
	}
}
#define AUTO_UBOOT __attribute__((cleanup(cleanup_uboot)))

/*
 * libubootenv waits for its lock without limit, and goes on without it when the
 * file cannot be opened. So both are tried here first: a stopped fw_setenv must
 * not hang the agent, and a lock file that a user planted in a world-writable
 * /var/lock (fs.protected_regular then refuses even root) must not disable it.
 */
static int wait_lock(const struct env *env, struct err *e)
{
	const struct timespec tick = {.tv_nsec = 50 * 1000 * 1000};
	AUTO_CLOSE int fd = open(ENV_LOCK_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

	if (fd < 0) {
		if (!MUST("boot.env.lock", !env->need_lock))
			return err_sys(e, E_BOOTENV, errno,
				"cannot open the lock %s; make its folder, or remove the file",
				ENV_LOCK_FILE);
		return 0;
	}
	for (unsigned tries = ENV_LOCK_SECONDS * 20; tries > 0; tries--) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		nanosleep(&tick, NULL);
	}
	return err_set(e, E_BUSY,
		"another program (fw_setenv?) has held %s for %d s; end it and try again",
		ENV_LOCK_FILE, ENV_LOCK_SECONDS);
}

/* *valid: false when no copy has a right checksum; the context can be read then, and is empty. */
static int open_uboot(const struct env *env, struct uboot_ctx **out, bool *valid, struct err *e)
{
	AUTO_UBOOT struct uboot_ctx *ctx = NULL;

	if (libuboot_initialize(&ctx, NULL) < 0)
		return err_set(e, E_NOMEM, "libubootenv");
	if (libuboot_read_config(ctx, env->config_file) < 0)
		return err_set(e, E_BOOTENV,
			"%s: libubootenv cannot use it; are its devices there and of one kind?",
			env->config_file);
	int rc = libuboot_open(ctx);
	if (rc < 0 && rc != -ENODATA)
		return err_sys(e, E_BOOTENV, -rc, "%s: the boot environment cannot be read",
			env->config_file);
	*valid = rc == 0;
	*out = steal_ptr(ctx);
	return 0;
}

static void get_values(struct uboot_ctx *ctx, struct env_values *out)
{
	for (size_t v = 0; v < ENV_VARIABLE_COUNT; v++) {
		AUTO_FREE char *text = libuboot_get_env(ctx, names[v]);
		if (text && strlen(text) >= ENV_VALUE_SIZE)
			memcpy(out->text[v], "?", 2);
		else if (text)
			memcpy(out->text[v], text, strlen(text) + 1);
	}
}

int env_read(const struct env *env, struct env_values *out, struct err *e)
{
	AUTO_MEDIA struct env_media m = {0};
	AUTO_UBOOT struct uboot_ctx *ctx = NULL;
	struct env_values got = {0};
	struct env_config c;

	if (env_config_read(env->config_file, &c, e) < 0 || env_media_open(&c, &m, e) < 0)
		return -1;
	got.copies = (unsigned)c.count;
	got.copies_bad = (unsigned)env_media_count_bad(&m);
	struct env any = *env;
	any.need_lock = false; /* reading is harmless without it */
	if (wait_lock(&any, e) < 0 || open_uboot(env, &ctx, &got.valid, e) < 0)
		return -1;
	get_values(ctx, &got);
	*out = got;
	return 0;
}

static int check_redundant(const struct env *env, const struct env_config *c, struct err *e)
{
	if (!MUST("boot.env.redundant", c->count > 1 || env->allow_single))
		return err_set(e, E_BOOTENV,
			"%s names a single copy of the boot environment: a power cut while it is "
			"written can lose it. Give U-Boot a redundant environment "
			"(docs/boot.md), or accept the risk with allow-single-env = yes",
			env->config_file);
	return 0;
}

/* The refusals that both copies' bytes decide. */
static int check_media(
	const struct env *env, const struct env_config *c, struct env_media *m, struct err *e)
{
	if (check_redundant(env, c, e) < 0 || env_media_open(c, m, e) < 0)
		return -1;
	if (!MUST("boot.env.valid", env_media_count_bad(m) < c->count))
		return err_set(e, E_BOOTENV,
			"no copy of the boot environment on %s is valid; write your board's default "
			"environment first: fw_setenv -f DEFAULTS pawl_slot A (docs/boot.md)",
			c->place[0].device);
	return 0;
}

int env_check(const struct env *env, struct err *e)
{
	AUTO_MEDIA struct env_media m = {0};
	struct env_config c;

	if (env_config_read(env->config_file, &c, e) < 0 || check_media(env, &c, &m, e) < 0)
		return -1;
	return wait_lock(env, e);
}

static int set_all(struct uboot_ctx *ctx, const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	for (size_t v = 0; v < ENV_VARIABLE_COUNT; v++) {
		if (!want[v])
			continue;
		int rc = libuboot_set_env(ctx, names[v], want[v][0] ? want[v] : NULL);
		if (rc < 0)
			return err_sys(e, E_BOOTENV, -rc,
				"libubootenv does not let %s be changed; see .flags in the environment",
				names[v]);
	}
	return 0;
}

/*
 * One store under libubootenv's lock, and the flush that it does not check. The
 * copies are looked at again under the lock: what fw_setenv stored since the
 * first look must not be undone when this store fails.
 */
static int store_once(const struct env *env, const struct env_config *c, struct env_media *m,
	const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	AUTO_UBOOT struct uboot_ctx *ctx = NULL;
	bool valid;

	if (open_uboot(env, &ctx, &valid, e) < 0)
		return -1;
	env_media_close(m);
	if (env_media_open(c, m, e) < 0)
		return -1;
	/* Flash copies were not looked at before; here libubootenv speaks for them. */
	if (!MUST("boot.env.valid-now", valid))
		return err_set(
			e, E_BOOTENV, "no copy of the boot environment is valid; see docs/boot.md");
	if (set_all(ctx, want, e) < 0)
		return -1;
	int rc = libuboot_env_store(ctx);
	if (!MUST("boot.env.store", rc == 0))
		return err_sys(e, E_BOOTENV, rc < 0 ? -rc : EIO,
			"%s: writing the boot environment failed", env->config_file);
	return env_media_sync(m, e);
}

/* A fresh context, so that nothing but the medium can answer. */
static int compare(const struct env *env, const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	struct env_values got;

	if (env_read(env, &got, e) < 0)
		return err_wrap(e, "reading the boot environment back");
	for (size_t v = 0; v < ENV_VARIABLE_COUNT; v++) {
		if (want[v] && !MUST("boot.env.readback", strcmp(want[v], got.text[v]) == 0))
			return err_set(e, E_BOOTENV,
				"%s: %s was stored as \"%s\" and reads back as \"%s\"; the storage "
				"or another program is to blame",
				env->config_file, names[v], want[v], got.text[v]);
	}
	return 0;
}

/* What was reported as failed must not boot a trial later on. */
static int undo(const struct env_media *m, struct err *e)
{
	/* The store went to the inactive copy: its old bytes make the other one count again. */
	if (env_media_put_back(m))
		return err_wrap(e, "nothing was changed");
	return err_wrap(e, "it is not sure what the environment holds now, check it with "
			   "fw_printenv before a reboot");
}

int env_store(const struct env *env, const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	AUTO_MEDIA struct env_media m = {0};
	struct env_config c;

	if (env_config_read(env->config_file, &c, e) < 0 || check_media(env, &c, &m, e) < 0 ||
		wait_lock(env, e) < 0)
		return -1;
	if (store_once(env, &c, &m, want, e) == 0 && compare(env, want, e) == 0)
		return 0;
	return undo(&m, e);
}

/* An environment without bootcmd would leave U-Boot at its prompt. */
static int load_defaults(struct uboot_ctx *ctx, const char *defaults, struct err *e)
{
	if (libuboot_load_file(ctx, defaults) < 0)
		return err_set(e, E_BOOTENV,
			"cannot read %s: put your board's default environment there (docs/boot.md)",
			defaults);
	AUTO_FREE char *bootcmd = libuboot_get_env(ctx, "bootcmd");
	if (!MUST("boot.env.restore-bootcmd", bootcmd && bootcmd[0]))
		return err_set(e, E_BOOTENV,
			"%s has no bootcmd: it is not the default environment of a board",
			defaults);
	return 0;
}

static int restore_once(const struct env *env, struct env_media *m, const char *defaults,
	const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	AUTO_UBOOT struct uboot_ctx *ctx = NULL;
	bool valid;

	if (open_uboot(env, &ctx, &valid, e) < 0)
		return -1;
	if (!MUST("boot.env.restore-valid", !valid))
		return err_set(e, E_BOOTENV,
			"a copy of the boot environment is valid: it is not replaced by defaults");
	if (load_defaults(ctx, defaults, e) < 0 || set_all(ctx, want, e) < 0)
		return -1;
	int rc = libuboot_env_store(ctx);
	if (rc != 0)
		return err_sys(e, E_BOOTENV, rc < 0 ? -rc : EIO,
			"%s: writing the boot environment failed", env->config_file);
	return env_media_sync(m, e);
}

int env_restore(const struct env *env, const char *defaults,
	const char *const want[ENV_VARIABLE_COUNT], struct err *e)
{
	AUTO_MEDIA struct env_media m = {0};
	struct env_config c;

	if (env_config_read(env->config_file, &c, e) < 0 || check_redundant(env, &c, e) < 0 ||
		env_media_open(&c, &m, e) < 0)
		return -1;
	/* With wrong offsets a store would go into a file system, a GPT or U-Boot itself. */
	if (!MUST("boot.env.restore-foreign", env_media_looks_own(&m)))
		return err_set(e, E_BOOTENV,
			"what lies at the offsets of %s is no environment: compare device, offsets and "
			"size with U-Boot's configuration (CONFIG_ENV_OFFSET, CONFIG_ENV_SIZE); if they "
			"are right, write the defaults with fw_setenv -f",
			env->config_file);
	if (wait_lock(env, e) < 0)
		return -1;
	if (restore_once(env, &m, defaults, want, e) == 0 && compare(env, want, e) == 0)
		return 0;
	return undo(&m, e);
}
