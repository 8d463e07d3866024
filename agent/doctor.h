/* SPDX-License-Identifier: Apache-2.0 */
/* What `pawl doctor` says, and what it repairs: docs/recovery.md has a row for each line. */
#pragma once

#include "agent/base/err.h"
#include "agent/session.h"

/* The patient, the check that is at work, and what was found so far. */
struct doctor {
	struct session *s;
	const char *check; /* first word of its lines */
	const char *matters; /* why it matters when it is not good; "" = says itself */
	const char *todo; /* NULL = the advice of the error's code */
	unsigned bad;
	enum err_code first;
};

/* One line; it is good. */
void doctor_good(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* It cannot be told, or a person should know: with why it matters and what to do. */
void doctor_unknown(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* It is bad: what, why it matters, what to do; counted. */
void doctor_bad(struct doctor *d, const struct err *e);

/* Checks of what boots; each prints its lines (doctor_boot.c). */
void doctor_check_environment(struct doctor *d);
void doctor_check_identity(struct doctor *d);
void doctor_check_trial(struct doctor *d);
void doctor_check_panic(struct doctor *d);
void doctor_check_watchdog(struct doctor *d);

/* Is the trial in the boot environment one that the state knows nothing of, and not running? */
bool doctor_trial_is_stray(const struct session *s, const struct boot_facts *f);

/*
 * Repairs what can be repaired without a question (doctor_repair.c), in a
 * session of SESSION_WRITE; a line for each, intent and outcome in the journal.
 * Each is done again safely: what is needed is read anew before each, and each
 * has one store as its commit point. What fails is told and counted like a
 * check that is bad.
 */
void doctor_repair(struct doctor *d);
