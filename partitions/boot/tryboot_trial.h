/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial of a boot loader that tries once and forgets: which slot, and how
 * many boots are left. A file on the data partition, replaced as a whole.
 */
#pragma once

#include "agent/base/err.h"

#define TRYBOOT_TRIAL_FILE "tryboot-trial"

struct tryboot_trial {
	char slot; /* 0 = no trial */
	unsigned tries; /* boots left */
};

/*
 * Reads it from the folder `dir`. No file, and no folder, is no trial. A file of
 * another form is E_BOOTENV, and *out is no trial.
 */
int tryboot_trial_read(const char *dir, struct tryboot_trial *out, struct err *e);

/* Stores it; without a slot the file is removed. Safe at a power cut. E_BOOTENV. */
int tryboot_trial_store(const char *dir, const struct tryboot_trial *t, struct err *e);
