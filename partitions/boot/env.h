/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pawl's variables in a U-Boot environment, through libubootenv: read them, or
 * change all that belong together in one store. The only caller of libubootenv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "partitions/boot/boot.h"

/*
 * Every variable; docs/boot.md says what each means. An absent one equals an
 * empty one. Behind Pawl's own stand those of other boot scripts, for fleets
 * that keep theirs.
 */
#define ENV_VARIABLES(X)                                                                           \
	X(SLOT, "pawl_slot")                                                                       \
	X(TRIAL, "pawl_trial")                                                                     \
	X(TRIES, "pawl_tries")                                                                     \
	X(FALLBACK, "pawl_fallback")                                                               \
	X(ID, "pawl_id")                                                                           \
	X(RAUC_ORDER, "BOOT_ORDER")                                                                \
	X(RAUC_A_LEFT, "BOOT_A_LEFT")                                                              \
	X(RAUC_B_LEFT, "BOOT_B_LEFT")                                                              \
	X(MENDER_PART, "mender_boot_part")                                                         \
	X(MENDER_PART_HEX, "mender_boot_part_hex")                                                 \
	X(MENDER_AVAILABLE, "upgrade_available")                                                   \
	X(MENDER_COUNT, "bootcount")                                                               \
	X(MENDER_LIMIT, "bootlimit")                                                               \
	X(MENDER_CHECK_CANARY, "mender_check_saveenv_canary")                                      \
	X(MENDER_CANARY, "mender_saveenv_canary")
#define ENV_ENUM_(id, name) ENV_##id,
enum env_variable { ENV_VARIABLES(ENV_ENUM_) ENV_VARIABLE_COUNT };
#undef ENV_ENUM_

#define ENV_VALUE_SIZE   64
#define ENV_LOCK_FILE    "/var/lock/fw_printenv.lock" /* libubootenv's and fw_setenv's own */
#define ENV_LOCK_SECONDS 10

struct env {
	char config_file[512];
	bool allow_single;
	bool need_lock; /* a store is refused when the lock cannot be taken */
};

struct env_values {
	char text[ENV_VARIABLE_COUNT]
		 [ENV_VALUE_SIZE]; /* "" = absent; "?" = longer than any can be */
	bool valid; /* at least one copy has a right checksum */
	unsigned copies;
	unsigned copies_bad;
};

const char *env_variable_name(enum env_variable v);

/*
 * Reads all variables. Two bad copies are success with `valid` false and all
 * texts empty: that is what the boot loader sees, too. E_CONFIG, E_BOOTENV;
 * E_BUSY when somebody holds the lock for ENV_LOCK_SECONDS.
 */
int env_read(const struct env *env, struct env_values *out, struct err *e);

/*
 * Sets want[v] ("" removes the variable) for each v that is not NULL, in one
 * store, leaves all other variables alone, flushes with errors checked, reads
 * back around the page cache through a fresh context and compares. Refused
 * before anything is written: a single copy (unless allowed), no valid copy (a
 * new environment of our variables alone would lose bootcmd), no lock. On any
 * failure the old bytes are put back as far as the medium lets us, and the
 * message says whether it did. E_BOOTENV, E_BUSY, E_CONFIG.
 */
int env_store(const struct env *env, const char *const want[ENV_VARIABLE_COUNT], struct err *e);

/*
 * As env_store, but from the file `defaults` (lines of name=value) and only where
 * no copy is valid. E_BOOTENV, and nothing is written: a valid copy, a copy that
 * holds binary data (something else lies there: wrong offsets), flash, a single
 * copy (unless allowed), or defaults that cannot be read or have no bootcmd.
 */
int env_restore(const struct env *env, const char *defaults,
	const char *const want[ENV_VARIABLE_COUNT], struct err *e);

/* May a store be tried now? The refusals of env_store, without writing. */
int env_check(const struct env *env, struct err *e);
