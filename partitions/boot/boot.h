/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slot boots: one interface, one file per boot loader. The only code that
 * changes what boots next. Words and rules: design 6, docs/boot.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define BOOT_ID_SIZE   33 /* 16 random bytes in hexadecimal, with the NUL */
#define BOOT_TRIES_MAX 9 /* one digit: U-Boot's arithmetic is hexadecimal */

/* Slots are 'A' and 'B'; 0 means none or not said. */
struct boot_facts {
	char booted; /* the slot that runs, by the boot loader's own word (kernel command line) */
	char committed; /* the slot that was proved healthy last (an empty variable means A) */
	char trial; /* the slot on trial */
	unsigned tries; /* boots left for the trial */
	char fallback; /* the slot that may be tried when the committed one cannot be loaded */
	char id_env[BOOT_ID_SIZE]; /* identity in the environment, "" = none */
	char id_booted[BOOT_ID_SIZE]; /* identity that the boot loader passed, "" = none */
	bool blank; /* the environment holds none of Pawl's variables */
	unsigned copies; /* of the environment, 0 = not known */
	bool two_minds; /* tryboot: autoboot.txt does not try the other slot */
	bool trial_unreadable; /* tryboot: the file of the trial has another form; it is no trial */
	unsigned copies_bad; /* with a wrong checksum; one of two is repaired by the next store */
};

struct boot_options {
	const char *root; /* prefix of /proc and of relative things, "/" on a device */
	const char *loader; /* a name of boot_loader_name() */
	const char *fw_env_config; /* uboot, sim: path of fw_env.config */
	const char *script; /* script: path of the executable */
	unsigned script_seconds; /* its time limit, 0 = 30 */
	bool allow_single_env;
	const char *autoboot; /* tryboot: device of the partition with autoboot.txt */
	unsigned partition[2]; /* tryboot, uboot-mender: numbers that A and B boot from */
	const char *state_dir; /* tryboot: folder outside the slots, for the trial */
	const char *reboot_command; /* absolute path; NULL = /sbin/reboot, else the system call */
};

enum boot_caps {
	BOOT_CAP_TRIES = 1, /* counts tries itself, also when nobody asked for the reboot */
	BOOT_CAP_FALLBACK = 2, /* knows pawl_fallback */
	BOOT_CAP_IDENTITY = 4, /* carries an identity */
};

struct boot; /* an opened boot loader */

/* One row per boot loader; see the table in boot.c. Functions get the backend's own `ctx`. */
struct boot_ops {
	const char *name;
	const char *describe; /* one line for help and doctor */
	unsigned caps;
	/* Opens and checks that it can work here at all. E_BOOTENV, E_CONFIG. */
	int (*probe)(const struct boot_options *o, void **ctx, struct err *e);
	void (*close)(void *ctx);
	/*
	 * What doctor and an install ask before anything is written: redundant,
	 * readable, at least one copy good, lock usable. One bad copy of two is
	 * no failure: a store goes to the bad one and leaves the good one alone
	 * (boot_facts.copies_bad says so).
	 */
	int (*self_test)(void *ctx, struct err *e);
	int (*read)(void *ctx, struct boot_facts *out, struct err *e);
	/* Each changes all that belongs together in one store, reads it back and compares: E_BOOTENV. */
	int (*set_trial)(void *ctx, char slot, unsigned tries, struct err *e);
	int (*commit)(void *ctx, char slot, char fallback, struct err *e);
	int (*cancel)(void *ctx, char fallback, struct err *e);
	/* Only with BOOT_CAP_IDENTITY. */
	int (*set_identity)(void *ctx, const char *id, struct err *e);
	/* See boot_restore; NULL where there is nothing to write anew. */
	int (*restore)(void *ctx, char slot, const char *id, struct err *e);
	/* See boot_settle; NULL where nothing counts down but trials. */
	int (*settle)(void *ctx, struct err *e);
	int (*reboot)(void *ctx, struct err *e);
};

/* Opens the loader that `o` names. *out is the caller's (boot_close). E_CONFIG when not built in. */
int boot_open(const struct boot_options *o, struct boot **out, struct err *e);
void boot_close(struct boot *b);
const struct boot_ops *boot_ops_of(const struct boot *b);

/* Names of the loaders that are built in; NULL after the last. */
const char *boot_loader_name(size_t index);

/* What the boot loader says now. E_BOOTENV. */
int boot_read(struct boot *b, struct boot_facts *out, struct err *e);
int boot_self_test(struct boot *b, struct err *e);

/*
 * The commit point of an install: the next boot tries `slot`, at most `tries`
 * times (1 to BOOT_TRIES_MAX), then falls back by itself. pawl_slot stays;
 * pawl_fallback is emptied. E_BOOTENV, also for the committed slot itself. When
 * it fails, the environment holds what it held, or the message says otherwise.
 */
int boot_set_trial(struct boot *b, char slot, unsigned tries, struct err *e);

/*
 * The commit point of an update: `slot` boots from now on. `fallback` is the
 * other slot when it is a whole, once committed system, else 0.
 */
int boot_commit(struct boot *b, char slot, char fallback, struct err *e);

/* No trial any more; the committed slot boots. Sets pawl_fallback to `fallback` (0 = empty). */
int boot_cancel(struct boot *b, char fallback, struct err *e);

/* Writes the identity made at provisioning. E_BOOTENV where the boot loader carries none. */
int boot_set_identity(struct boot *b, const char *id, struct err *e);

/*
 * Writes an environment of which no copy is valid anew: the board's defaults
 * (<root>/etc/u-boot-initial-env), `slot` as the committed one, and the
 * identity. The first of two stores, one for each copy, is the commit point;
 * cut between them, one copy is bad, which boot_facts.copies_bad tells. Refused,
 * with nothing written: a copy is valid, the places hold something else than an
 * environment (wrong offsets: it could be a file system), no defaults. E_BOOTENV.
 */
int boot_restore(struct boot *b, char slot, const char *id, struct err *e);

/*
 * To be called once in each boot of the committed slot while there is no trial:
 * boot scripts that count every boot down get their counter filled up. E_BOOTENV.
 */
int boot_settle(struct boot *b, struct err *e);

/*
 * Asks for a restart of the machine, in an orderly way where that can be had.
 * 0 = it is under way (the caller ends now); E_IO, or for a script E_BOOTENV.
 */
int boot_reboot(struct boot *b, struct err *e);
