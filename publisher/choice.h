/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kind of index an image gets. Pure: numbers in, kind and reason out.
 *
 * Without a release before, the format decides: file systems and packed content get
 * chunks, because what is new in them is smaller than a block, or moves what is behind
 * it. With one, both kinds are tried on the real change. A device finds either in what
 * it runs; but an index comes as its difference only from one of the same kind, so the
 * kind stays unless the other is clearly cheaper.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/plan/plan.h"
#include "publisher/cutter.h"

enum choice_wish { CHOICE_AUTO, CHOICE_BLOCKS, CHOICE_CHUNKS, CHOICE_NO_DELTA };

/* The other kind must save one part in so many, and so many bytes. */
#define CHOICE_SAVES_PART  20
#define CHOICE_SAVES_BYTES (64u * 1024)

struct choice_facts {
	enum choice_wish wish;
	enum plan_format format;
	bool packed; /* raw content of a kind that moves (image_probe.h) */
	bool possible[CUTTER_KINDS]; /* few enough entries */
	bool tried[CUTTER_KINDS]; /* content of the release before is known; both: `cost` holds */
	uint64_t cost[CUTTER_KINDS]; /* predicted bytes for a device on the release before */
	bool before_has_index; /* the image in the release before */
	enum cutter_kind before; /* its kind */
};

struct choice {
	enum cutter_kind kind;
	char why[160];
};

/* At least one kind must be possible. */
void choice_make(const struct choice_facts *f, struct choice *out);

/* "blocks" or "chunks", as --index spells them. */
const char *choice_kind_name(enum cutter_kind kind);
