/* SPDX-License-Identifier: Apache-2.0 */
/*
 * autoboot.txt: which boot partition the Raspberry Pi firmware starts, and which
 * one it tries. Read strictly, changed by two digits only, so that its length
 * and everything else in it stay.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"

#define AUTOBOOT_MAX           512 /* the firmware reads no more; also one sector */
#define AUTOBOOT_PARTITION_MAX 4 /* primary partitions of an MBR disk */

struct autoboot {
	bool a_b; /* tryboot_a_b=1 holds in a trial boot */
	unsigned normal; /* partition of a normal boot, 0 = not said */
	unsigned trial; /* partition of a tryboot; the normal one when [tryboot] says none */
	size_t normal_at; /* where the digit of `normal` is */
	size_t trial_at; /* ... and that of `trial`, 0 = there is none of its own */
};

/*
 * Understands [all], [tryboot] and [none], boot_partition and tryboot_a_b; other
 * settings are passed over. E_BOOTENV names the line: longer than a sector, a
 * control character, another section (what holds there cannot be told), a
 * partition that is not one digit from 1 to 4, or one that is said twice in a
 * section. *out is untouched on failure.
 */
int autoboot_parse(const char *text, size_t len, struct autoboot *out, struct err *e);

/*
 * Puts both numbers (1 to 4) into the text that `a` was read from. E_BOOTENV
 * when one of them has no line of its own; `text` is unchanged then.
 */
int autoboot_set(
	const struct autoboot *a, char *text, unsigned normal, unsigned trial, struct err *e);
