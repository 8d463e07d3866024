/* SPDX-License-Identifier: Apache-2.0 */
/* U-Boot's operations, which the simulated boot loader and other boot scripts share. */
#pragma once

#include "partitions/boot/boot.h"
#include "partitions/boot/env.h"

/* Context of all: plain values copied from the options. */
struct uboot {
	struct env env;
	char root[512];
	char reboot_command[512]; /* "" = none */
	unsigned partition[2]; /* of A and B, 0 = not said */
};

/* The functions of struct boot_ops; `need_lock` as in struct env. */
int uboot_open(const struct boot_options *o, bool need_lock, void **ctx, struct err *e);
void uboot_close(void *ctx);
int uboot_self_test(void *ctx, struct err *e);
int uboot_read(void *ctx, struct boot_facts *out, struct err *e);
int uboot_set_trial(void *ctx, char slot, unsigned tries, struct err *e);
int uboot_commit(void *ctx, char slot, char fallback, struct err *e);
int uboot_cancel(void *ctx, char fallback, struct err *e);
int uboot_set_identity(void *ctx, const char *id, struct err *e);
int uboot_restore(void *ctx, char slot, const char *id, struct err *e);
int uboot_reboot(void *ctx, struct err *e);

extern const struct boot_ops uboot_ops;
