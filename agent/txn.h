/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of the transaction, for agent.c only. Each leaves state and journal right when it fails. */
#pragma once

#include "agent/agent.h"

/* txn_write.c */

/* Step 1 and budget: a transaction of this release into d->target begins; stored, journaled. */
int txn_begin(struct session *s, const struct running *d, const struct offer *o, struct err *e);

/* Steps 2 to 6: plans, spoils, writes, reads back; the slot record says `written`. */
int txn_write(struct session *s, const struct running *d, struct offer *o, struct err *e);

/* Ends a transaction that failed before its trial; `why` goes to the journal. Returns -1. */
int txn_abort(struct session *s, const struct err *why);

/* txn_activate.c */

/* Steps 7 and 8: pre-activate hooks, baseline, set trial. */
int txn_activate(struct session *s, const struct running *d, struct err *e);

/* A release that is written or activated is taken back (held, withdrawn). */
int txn_cancel(struct session *s, const struct running *d, const struct err *why, struct err *e);

/* Puts the other, once committed slot on trial; the running release counts as failed by hand. */
int txn_go_back(struct session *s, const struct running *d, struct err *e);

/* txn_boot.c */

/* What the boot loader did with a trial since the last boot; finishes what can be finished. */
int txn_note_boot(struct session *s, struct running *d, struct err *e);

/* txn_prove.c */

/* Step 11 on a trial: hooks, second look at the leaves, backstop's release. */
int txn_prove(struct session *s, const struct running *d, struct err *e);

/* txn_trial.c */

/* Step 13: floors, slot record and journal of a commit that the environment holds. */
int txn_raise_floors(struct session *s, const struct running *d, struct err *e);

/* The transaction's release counts as failed from now on; in memory, to be stored. */
void txn_remember_failed(struct session *s, enum err_code code, const char *why);

/* A running trial gets its transaction, where another one or none is known; to be stored. */
void txn_adopt_trial(struct session *s, const struct running *d);

/* Step 12 and 13: commit, floors, journal, committed hooks. */
int txn_commit(struct session *s, struct running *d, struct err *e);

/* Remembers the trial as failed, cancels it, asks for the reboot. */
int txn_fail_trial(
	struct session *s, const struct running *d, const struct err *why, struct err *e);

/* Back on the old, healthy system: spoils the failed slot, reports, ends the transaction. */
int txn_finish_rollback(struct session *s, const struct running *d, struct err *e);
