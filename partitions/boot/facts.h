/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of what a boot loader says, read strictly, for every boot loader alike. */
#pragma once

#include "agent/base/err.h"
#include "partitions/boot/boot.h"

/* "" gives 0, "A" and "B" themselves. Anything else: -1, *slot untouched. */
int facts_read_slot(const char *text, char *slot);

/* "" gives 0, one digit its value. Anything else: -1. */
int facts_read_tries(const char *text, unsigned *tries);

/* "" or 32 lower-case hexadecimal digits. Anything else: -1. */
int facts_read_id(const char *text, char id[BOOT_ID_SIZE]);

/* Every fact has a bit, so that a reader knows what was said. */
enum fact {
	FACT_BOOTED = 1,
	FACT_COMMITTED = 2,
	FACT_TRIAL = 4,
	FACT_TRIES = 8,
	FACT_FALLBACK = 16,
	FACT_ID_ENV = 32,
	FACT_ID_BOOTED = 64,
};

/*
 * Takes one named value ("committed", "B") into `f` and adds its bit to *said.
 * Names: booted, committed (empty = A), trial, tries, fallback, id_env,
 * id_booted. E_BOOTENV for an unknown name, a value of another form, or a name
 * that was said before; `from` is who says so, for the message.
 */
int facts_take(struct boot_facts *f, const char *name, const char *value, const char *from,
	unsigned *said, struct err *e);
