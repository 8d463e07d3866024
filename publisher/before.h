/* SPDX-License-Identifier: Apache-2.0 */
/* What the release before tells of an image: which content was there, and since when. */
#pragma once

#include <stdbool.h>

#include "agent/base/err.h"
#include "publisher/cutter.h"
#include "publisher/index_set.h"
#include "publisher/shelf.h"

/* Zero-initialise; before_free. */
struct before {
	bool has_image; /* the release before has an image of that name */
	bool has_index;
	enum cutter_kind kind; /* of its index */
	/*
	 * Its content as entries of each kind. Where its index is of that kind,
	 * with their generations; where the image was unpacked to know, with 0.
	 */
	bool known[CUTTER_KINDS];
	struct index_set content[CUTTER_KINDS];
	char missing[200]; /* why something could not be known; "" = nothing is missing */
};

/*
 * Looks at the release before (NULL: there is none) for the kinds that are wanted.
 * Objects that are not here (moved to the server) are no error, but `missing`.
 * E_HASH and E_META for damaged ones, E_IO, E_NOMEM.
 */
int before_load(const struct shelf *shelf, const char *image, const bool wanted[CUTTER_KINDS],
	struct before *out, struct err *e);
void before_free(struct before *b);
#define AUTO_BEFORE __attribute__((cleanup(before_free)))
