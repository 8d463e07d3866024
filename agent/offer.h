/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From "is there something?" to a release that policy has judged: poll, trust
 * and plan joined in the order of design 4.3. Nothing here touches a slot.
 */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/running.h"
#include "agent/plan/manifest.h"
#include "agent/plan/policy.h"
#include "agent/session.h"

struct bundle;
struct http;
struct repository;

struct offer_request {
	bool by_hand; /* waves, caps and automatic policy are ignored */
	bool retry_failed; /* a person wants a failed release again */
	size_t mirror; /* index of the first mirror to ask */
};

/* A verified release and where its objects come from. offer_close ends it. */
struct offer {
	struct manifest *manifest;
	struct policy_answer answer;
	struct object_source objects;
	bool from_bundle;
	bool near; /* objects lie in a file on this device: read at any place, as often as wanted */
	size_t mirror; /* index of the mirror that gave it */
	struct http *http; /* owned, may be NULL */
	struct repository *repository; /* owned, may be NULL */
	struct bundle *bundle; /* owned, may be NULL */
	char place[CONFIG_PATH_SIZE]; /* URL or file, for messages */
};

/*
 * Asks the mirrors in turn; each is verified in full, and the first that gives
 * a current, verified set wins. What was verified is stored, floors of time and
 * withdrawals go into the state. E_NOTFOUND: the repository has nothing for this
 * product and channel. Trust's, policy's and network's errors; *retry_after is
 * what a server asked for (0 = nothing).
 */
int offer_from_repository(struct session *s, const struct running *d, const struct offer_request *r,
	struct offer *out, uint64_t *retry_after, struct err *e);

/*
 * From a bundle: a file, or "-" for standard input (rules of design 4.3 for
 * somebody who stands at the device), or a http(s) URL (all expiries hold, and it may not be older than what
 * is stored).
 */
int offer_from_bundle(struct session *s, const struct running *d, const char *place,
	const struct offer_request *r, struct offer *out, struct err *e);

/* Seconds that the server asked for with its last answer about an object; 0 = not said. */
uint64_t offer_retry_after(const struct offer *o);

void offer_close(struct offer *o);

/*
 * Is this release on hold or withdrawn by what is stored? 0, or E_HELD. Asked
 * again before the reboot into a trial.
 */
int offer_check_stored(
	struct session *s, uint64_t release, const uint8_t manifest[HASH_SIZE], struct err *e);
