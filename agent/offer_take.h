/* SPDX-License-Identifier: Apache-2.0 */
/* What offers from a repository and from a bundle share; for agent/offer*.c only. */
#pragma once

#include "agent/offer.h"
#include "agent/poll/http.h"
#include "agent/trust/client.h"

/* Holds and versions of the set that is stored, beside the one that is judged. */
struct offer_stored {
	struct trust *trust; /* NULL: nothing is stored */
	struct trust_facts facts;
};

/* The image's root.json; E_TRUST when it cannot be read. */
int offer_read_image_root(const struct session *s, struct buf *out, struct err *e);

/* Options of trust for this session; `store` -1 = scratch set. `root` is borrowed. */
struct trust_options offer_trust_options(
	const struct session *s, const struct buf *root, int store);

/* The folder tuf/ below the data folder. */
int offer_open_store(const struct session *s, int *fd, struct err *e);

/* The stored set; its absence is no error. The caller frees out->trust. */
void offer_load_stored(
	const struct session *s, const struct buf *root, int store, struct offer_stored *out);

/*
 * Records the successor roots that this run accepted. After every refresh, failed
 * ones too: roots are kept before the rest is judged, and count as known from then on.
 */
void offer_record_roots(struct session *s, const struct trust *t);

/* A refreshed set and where its files come from. */
struct offer_carrier {
	struct trust *trust;
	const struct offer_stored *stored;
	struct fetcher metadata;
	struct fetcher targets;
	const char *path; /* of the target that is looked up */
};

/* Target, manifest, policy: the same for every carrier. Fills manifest and answer of `o`. */
int offer_take(struct session *s, const struct running *d, const struct offer_request *r,
	const struct offer_carrier *c, struct offer *o, struct err *e);

/* Options of HTTP from the configuration. */
struct http_options offer_http_options(const struct session *s);
