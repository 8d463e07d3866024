/* SPDX-License-Identifier: Apache-2.0 */
/* Which releases of a product were made before: what new ones must not fall behind. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/manifest.h"
#include "publisher/publisher.h"

/*
 * The highest release of the product that is published or staged; NULL where
 * there is none. The caller's (AUTO_MANIFEST). E_IO, or the manifest's error.
 */
int history_newest(struct publisher *p, const char *product, struct manifest **out, struct err *e);

/* The highest one below `release` (at least 1). As above. */
int history_before(struct publisher *p, const char *product, uint64_t release,
	struct manifest **out, struct err *e);

/* A release by its number, published or staged. The caller's. E_NOTFOUND, E_IO, or its error. */
int history_find(struct publisher *p, const char *product, uint64_t release, struct manifest **out,
	struct err *e);

/*
 * The number for a release that is made now. `wanted` 0: the number that was
 * allotted last if no release has it yet, else the next one. Another `wanted`
 * must be above the newest release: E_ROLLBACK. `newest` may be NULL. Nothing is
 * recorded: a release that fails later does not use up its number.
 */
int history_number(struct publisher *p, const char *product, const struct manifest *newest,
	uint64_t wanted, uint64_t *release, struct err *e);
