/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record: what the agent did and refused, in a hash chain (level L0). Only
 * this folder writes it. Format: design 9, docs/journal.md.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/base/log.h"

#define JOURNAL_RECORD_MAX 1024

/*
 * Every event. X(id, "name", category, milestone?, meaning). Names are stable.
 * Milestones are kept for the life of the device; details live in a ring.
 */
#define JOURNAL_EVENT_TABLE(X)                                                                     \
	X(GENESIS, "journal.genesis", "journal", 1, "the record begins")                           \
	X(RECOVERED, "journal.recovered", "journal", 1, "a torn tail was cut off")                 \
	X(TRUNCATED, "journal.truncated", "journal", 1, "records that were there are gone")        \
	X(DEGRADED, "journal.degraded", "journal", 1, "records could not be written")              \
	X(GAP, "journal.gap", "journal", 1, "so many records were lost")                           \
	X(CLOCK, "clock.jump", "clock", 0, "the wall clock jumped")                                \
	X(STATE_LOST, "state.lost", "state", 1,                                                    \
		"state could not be read; the image's floors hold")                                \
	X(BOOTED, "boot.booted", "boot", 1, "what really booted")                                  \
	X(BOOT_ROUTINE, "boot.routine", "boot", 0, "the committed system booted, as usual")        \
	X(BOOT_FALLBACK, "boot.fallback", "boot", 1, "the boot loader fell back by itself")        \
	X(BOOT_REPAIRED, "boot.repaired", "boot", 1, "the boot environment was repaired")          \
	X(POLL, "poll.result", "poll", 0, "a poll and its outcome")                                \
	X(ROOT, "trust.root", "trust", 1, "a successor root was accepted")                         \
	X(REFUSED, "trust.refused", "trust", 1, "metadata was refused")                            \
	X(FRESHNESS, "trust.freshness", "trust", 0, "accepted without a trusted clock")            \
	X(OFFER, "update.available", "update", 1, "a release is available")                        \
	X(RELEASE_REFUSED, "update.refused", "update", 1, "a release was refused")                 \
	X(RELEASE_HELD, "update.held", "update", 1, "a release is held, withdrawn or cancelled")   \
	X(INSTALL, "install.start", "install", 1, "a transaction begins or ends its writing")      \
	X(INSTALL_AGAIN, "install.again", "install", 0,                                            \
		"the same transaction once more, with the same end")                               \
	X(WAY, "install.way", "install", 0,                                                        \
		"a way of getting an image failed; the next one is tried")                         \
	X(WRITTEN, "install.written", "install", 1, "the target slot is whole and read back")      \
	X(ACTIVATE, "install.activate", "install", 1, "the target slot is put on trial")           \
	X(INTERRUPTED, "txn.interrupted", "install", 1, "a transaction was found interrupted")     \
	X(REBOOT, "reboot.asked", "boot", 0, "a reboot was asked for or put off")                  \
	X(HOOK, "hook.result", "hook", 0, "a hook's verdict")                                      \
	X(HEALTH, "health.result", "health", 1, "the verdict on a booted system")                  \
	X(HEALTH_ROUTINE, "health.routine", "health", 0, "the verdict on the committed system")    \
	X(COMMIT, "update.committed", "update", 1, "a release was committed")                      \
	X(ROLLBACK, "update.rolledback", "update", 1, "a release was left again")                  \
	X(POLICY, "policy.changed", "policy", 1, "a person changed the update policy")             \
	X(SUPPORT, "support.state", "support", 1, "support is ending or has ended")
#define JOURNAL_ENUM_(id, name, category, milestone, meaning) JOURNAL_##id,
enum journal_event { JOURNAL_EVENT_TABLE(JOURNAL_ENUM_) JOURNAL_EVENT_COUNT };
#undef JOURNAL_ENUM_

enum journal_outcome { JOURNAL_INTENT, JOURNAL_OK, JOURNAL_FAIL, JOURNAL_NOTE };
enum journal_actor { JOURNAL_AGENT, JOURNAL_USER, JOURNAL_BOOTLOADER, JOURNAL_SERVER };

/*
 * One record to be. `data` is borrowed; it becomes the record's member "data".
 * NULL, or an object without inner objects: integers, true and false, words of
 * [a-z0-9._-]{1,64} (digests fit); keys [a-z0-9_]{1,32}. What is not so is left
 * out and logged (privacy).
 */
struct journal_record {
	enum journal_event event;
	enum journal_outcome outcome;
	enum err_code rc;
	enum journal_actor actor;
	uint64_t txn; /* transaction number, 0 = none */
	const json_t *data;
};

/* Where and who; plain values. */
struct journal_config {
	int dir; /* descriptor of the data folder; journal/ is made in it */
	const char *product;
	char device[33]; /* pseudonym, hexadecimal */
	uint32_t epoch; /* of the record, raised on erase */
	uint64_t boot; /* boot counter */
	bool clock_synchronised;
	uint64_t expected_seq; /* head of the milestones as state.json keeps it; 0 = none */
	uint8_t expected_head[HASH_SIZE];
	uint64_t detail_bytes; /* ring of details, 0 = 256 KiB */
	uint64_t segment_bytes; /* of milestones, 0 = 64 KiB */
	const struct log *log;
	bool read_only; /* for show and verify: nothing is changed */
};

struct journal;

/*
 * Opens or begins the record, cuts a torn tail (journal.recovered), compares
 * with the expected head (journal.truncated). A record that cannot be opened at
 * all gives an object that counts what it loses: updates are never blocked by
 * their log. -1 only for E_NOMEM, or for any error when read_only.
 */
int journal_open(const struct journal_config *c, struct journal **out, struct err *e);
void journal_close(struct journal *j);
static inline void cleanup_journal(struct journal **j)
{
	journal_close(*j);
}
#define AUTO_JOURNAL __attribute__((cleanup(cleanup_journal)))

/*
 * Appends a record and makes it durable (milestones: fdatasync before return).
 * Never fails upwards: what cannot be written is counted (journal.degraded,
 * later journal.gap) and logged. `j` may be NULL (nothing is recorded).
 */
void journal_add(struct journal *j, const struct journal_record *r);

/* Head of the milestones, to be kept in state.json; seq 0 = no record. */
void journal_head(const struct journal *j, uint64_t *seq, uint8_t head[HASH_SIZE]);

/* How many records could not be written since it was opened. */
uint64_t journal_lost(const struct journal *j);

struct journal_verdict {
	uint64_t milestones;
	uint64_t details;
	char bad_file[64]; /* first bad record: segment, line, why; "" = all good */
	uint64_t bad_line;
	char why[160];
};

/*
 * Verifies both chains on stored bytes, across segments, against the expected
 * head. E_JOURNAL names the first bad record (also in *out).
 */
int journal_verify(const struct journal_config *c, struct journal_verdict *out, struct err *e);

/*
 * Calls `each` for every record in order of sequence: milestones, and details
 * too when wanted. Reads without changing anything; stops at a bad record with
 * E_JOURNAL. `line` is the record's bytes without the newline; `record` borrowed.
 */
int journal_each(const struct journal_config *c, bool details,
	int (*each)(void *ctx, const char *line, const json_t *record, struct err *e), void *ctx,
	struct err *e);

const char *journal_event_name(enum journal_event ev);
const char *journal_event_meaning(enum journal_event ev);
