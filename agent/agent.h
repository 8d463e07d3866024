/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transaction: from a judged release to a committed slot or back (design 7).
 * agent.c is the order of steps, nothing else; txn_*.c are the steps.
 *
 *   intent → plan → cancel trial → record `writing`, spoil target → write → read
 *   back → record `written` → pre-activate hooks → set trial (commit point of the
 *   install) → reboot → boot noted → health → commit (commit point of the
 *   update) → floors. Or: failed → remembered → trial cancelled → reboot →
 *   old system healthy → failed slot spoiled.
 */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/running.h"
#include "agent/offer.h"
#include "agent/session.h"

/*
 * What every writing verb does first: opens the boot loader, finds out what
 * runs, notes a new boot (journal, state), finishes or gives up what was
 * interrupted. Idempotent. E_BOOT, E_BOOTENV, E_IO.
 */
int agent_start(struct session *s, struct running *d, struct err *e);

/*
 * May a transaction begin? E_BUSY during a trial, in a fallback boot that is not
 * committed, and while a failed trial is being left.
 */
int agent_check_free(const struct session *s, const struct running *d, struct err *e);

/*
 * Steps 0 to 8: writes the offered release into the target slot and puts it on
 * trial. E_BUSY during a trial or while the booted slot is not committed;
 * E_FAILED when the attempts are used up; the steps' own errors, after which the
 * running system is as before and the target cannot be booted.
 */
int agent_install(struct session *s, struct running *d, struct offer *o, struct err *e);

/*
 * Goes on with a release that is written or on trial-to-be: activates it when it
 * was not, cancels it when it became held (E_HELD), else success.
 */
int agent_continue(struct session *s, struct running *d, struct err *e);

/*
 * Step 9: reboots into the trial if policy and pre-reboot hooks allow it now.
 * *asked: the reboot was asked for. `now`: a person wants it, policy is not
 * asked. E_LATER when a hook said so.
 */
int agent_reboot(struct session *s, bool now, bool *asked, struct err *e);

/*
 * Step 11: the verdict on the booted system. On trial: commits, or rolls back
 * (E_HEALTH, after the reboot was asked for). After a fallback boot or a failed
 * trial: finishes what is left when healthy. Else only tells.
 */
int agent_health(struct session *s, struct running *d, struct err *e);

/* The deadline of a trial has passed: rolls back if it is not committed yet. */
int agent_expire(struct session *s, struct running *d, struct err *e);

/* Step 12 by hand: a person says that the running trial is good. E_BUSY when there is none. */
int agent_commit(struct session *s, struct running *d, struct err *e);

/*
 * Back to the other slot by hand. On trial: gives the trial up. Else puts the
 * other, once committed slot on trial; the running release is not installed
 * again by itself. E_ROLLBACK under the epoch floor, E_SLOT when the other slot
 * is no whole system.
 */
int agent_rollback(struct session *s, struct running *d, struct err *e);

/*
 * On a trial in which agent_start failed (`why`: the root is not where it should
 * be, the environment is not the boot loader's): nothing can be decided or
 * written, so the machine is rebooted until the boot loader's tries are used up.
 * Elsewhere only hands `why` on. Always -1.
 */
int agent_leave(struct session *s, const struct err *why, struct err *e);

/* A trial is set and waits for the reboot. */
bool agent_waits_for_reboot(const struct session *s, const struct running *d);
