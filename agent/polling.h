/* SPDX-License-Identifier: Apache-2.0 */
/* One poll: back-off, offer, what waits, install; and what of it goes into journal and state. */
#pragma once

#include <stdbool.h>

#include "agent/agent.h"

struct polling_request {
	bool ignore_backoff; /* --now */
	bool by_hand;
	bool retry_failed;
};

/*
 * Asks the repository and judges the offer, without installing (verb check). The
 * outcome is recorded and kept for status. *out is the caller's (offer_close).
 */
int polling_check(struct session *s, const struct running *d, const struct polling_request *r,
	struct offer *out, struct err *e);

/*
 * The whole poll: goes on with what waits, or installs what policy lets through,
 * from the next mirror where one gives wrong objects; reboots when allowed.
 * Success when there is nothing to do.
 */
int polling_run(
	struct session *s, struct running *d, const struct polling_request *r, struct err *e);

/* Records a refusal of metadata, release or bundle under the event that fits its code. */
void polling_record_refusal(struct session *s, const struct offer *o, enum err_code rc);
