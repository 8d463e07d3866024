/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a release that was made before: in public/, or still in staging/.
 * What is read is compared with its signed hash first: a damaged repository must
 * not end up in the next release.
 */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/plan/plan.h"
#include "publisher/publisher.h"

/* A release in a workspace; both are borrowed. */
struct shelf {
	struct publisher *publisher;
	const struct plan *plan;
};

/* The image of that name; NULL where the release has none. */
const struct plan_image *shelf_image(const struct shelf *s, const char *name);

/* Opens one; *fd is the caller's. Its length is checked. E_NOTFOUND, E_SIZE, E_IO. */
int shelf_open(const struct shelf *s, const struct plan_object *o, int *fd, struct err *e);

/* Reads one whole into `out` (whose limit is set here). As above, and E_HASH. */
int shelf_read(const struct shelf *s, const struct plan_object *o, struct buf *out, struct err *e);

/*
 * The same for one of which only the hash is known; longer than `cap` is E_SIZE.
 */
int shelf_read_named(const struct shelf *s, const uint8_t sha256[HASH_SIZE], size_t cap,
	struct buf *out, struct err *e);

/* Who gets the content of an image, in order, at most 4 MiB at a time; -1 ends the reading. */
struct shelf_sink {
	void *ctx;
	int (*take)(void *ctx, const uint8_t *data, size_t len, struct err *e);
};

/*
 * Gives the content of an image by decompressing its `full`, piece by piece, each
 * hashed before. Memory: 8 MiB. As shelf_read, E_META, E_USAGE for an encoding
 * that is not in this build.
 */
int shelf_unpack(const struct shelf *s, const struct plan_image *image,
	const struct shelf_sink *sink, struct err *e);
