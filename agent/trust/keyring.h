/* SPDX-License-Identifier: Apache-2.0 */
/* Keyrings: the keys and the threshold of one role, and the counting of signatures. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/trust/key.h"

#define KEYRING_KEYS_MAX       64 /* keys of one role */
#define KEYRING_SIGNATURES_MAX 256

struct keyring_key {
	char id[HASH_HEX_SIZE];
	struct key
		*key; /* NULL: of a kind that this agent does not know, or missing; never counts */
};

/* Zero-initialise; keyring_free empties it. */
struct keyring {
	struct keyring_key *keys;
	size_t count;
	unsigned threshold;
};

/*
 * The role object {keyids, threshold} with the keys that it names. E_META for a
 * threshold below 1, a key id twice, a key id that is not the hash of its key.
 * A key of an unknown kind stays in the ring without ever counting, so that a
 * new kind of key in a root does not stop old agents.
 */
int keyring_parse(const json_t *keys, const json_t *role, const char *where, struct keyring *out,
	struct err *e);
void keyring_free(struct keyring *r);

/* Do both rings hold the same key ids? */
bool keyring_same_keys(const struct keyring *a, const struct keyring *b);

/*
 * Moves the keys of `old` that `current` does not name into `retired`, oldest
 * dropped beyond KEYRING_KEYS_MAX; empties `old`. E_NOMEM.
 */
int keyring_retire(
	struct keyring *retired, struct keyring *old, const struct keyring *current, struct err *e);

/* What a document's signatures are worth. */
struct keyring_tally {
	unsigned valid; /* distinct keys of the ring that signed */
	unsigned with_retired; /* the same, with retired keys counted too */
};

/*
 * Counts the valid signatures of a document {signed, signatures} over the
 * canonical form of `signed`. `retired` may be NULL. A bad signature is not
 * counted. E_META for a malformed array or a key id twice.
 */
int keyring_count(const struct keyring *r, const struct keyring *retired, const json_t *doc,
	const char *where, struct keyring_tally *out, struct err *e);

/*
 * Is the document signed by the threshold of distinct keys? E_SIG,
 * E_KEY_REVOKED when it would be if replaced keys still counted, E_META.
 */
int keyring_check(const struct keyring *r, const struct keyring *retired, const json_t *doc,
	const char *where, struct err *e);
