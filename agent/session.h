/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the agent: configuration, lock, state, journal and boot loader,
 * opened in the one order that is safe, and passed to every step.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/log.h"
#include "agent/config.h"
#include "agent/journal/journal.h"
#include "agent/state.h"
#include "hooks/hooks.h"
#include "partitions/boot/boot.h"

/* What main read before the verb. */
struct session_options {
	const char *root; /* --root, "/" */
	const char *config; /* --config, NULL = <root>/etc/pawl/pawl.conf */
	bool quiet;
	bool verbose;
	int progress_fd; /* --progress-fd, -1 = none */
	unsigned lock_seconds; /* how long to wait for another agent, 0 = not */
};

enum session_mode {
	SESSION_READ, /* no lock, nothing is changed: status, journal show */
	SESSION_WRITE, /* lock taken (E_BUSY), this boot is noted in state and journal */
};

struct session {
	struct config config;
	struct log log;
	enum session_mode mode;
	enum journal_actor actor;
	int progress_fd;
	int data; /* folder of state, tuf/, leaves/, journal/ */
	int lock;
	struct backstop backstop;
	struct state state;
	bool state_lost; /* state.json was there and could not be used */
	bool first_start; /* there was no state.json */
	struct journal *journal;
	struct boot *boot; /* NULL until session_open_boot */
	int64_t now;
	bool clock_synchronised;
	bool new_boot; /* the kernel's boot id is not the one that state knows */
	char boot_id[40];
	bool txn_again; /* this transaction repeats one that failed, with the same release */
	const char *offline_from; /* --offline-from: a further old image, NULL = none */
	bool baseline_fresh; /* the health baseline was taken in this very run */
};

/* Opens all but the boot loader. E_CONFIG, E_BUSY, E_STATE, E_IO. */
int session_open(
	const struct session_options *o, enum session_mode mode, struct session *s, struct err *e);
void session_close(struct session *s);

/* Opens the boot loader once; later calls do nothing. E_BOOTENV, E_CONFIG. */
int session_open_boot(struct session *s, struct err *e);

/* Stores state.json with the journal's present head. E_IO, E_SPACE. */
int session_store(struct session *s, struct err *e);

/*
 * Adds a record; steals `data` (may be NULL). Integers, enum words and digests
 * only (design 9).
 */
void session_record(struct session *s, enum journal_event event, enum journal_outcome outcome,
	enum err_code rc, json_t *data);

/* Data about a release for a record: release, epoch, manifest hash. New reference. */
json_t *session_release_data(uint64_t release, uint64_t epoch, const uint8_t manifest[HASH_SIZE]);

/* How hooks are run in this session. Valid as long as the session. */
struct hook_config session_hooks(const struct session *s);

/* Facts for hooks about this device and the release in question. */
#define SESSION_FACTS_MAX 12
struct session_facts {
	struct hook_fact facts[SESSION_FACTS_MAX];
	size_t count;
	char release[24];
	char from[24];
	char slot[2];
	char target[2];
};
void session_make_facts(const struct session *s, uint64_t release, const char *version, char target,
	struct session_facts *out);

/* Sink that puts each verdict into the journal (hooks log themselves); ctx is the session. */
struct hook_sink session_hook_sink(struct session *s);
