/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kind of index an image gets. Pure: numbers in, kind and reason out.
 *
 * Without a release before, the format decides: a squashfs moves everything behind
 * a change, and so does a packed kernel; file systems keep their blocks where
 * they are. With one, both are tried on the real change. A device needs the old
 * index to make use of a content-defined one, and only its own blocks for the
 * other: so going over to content-defined entries costs every device one whole
 * download, and must be worth it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/plan/plan.h"
#include "publisher/cutter.h"

enum choice_wish { CHOICE_AUTO, CHOICE_BLOCKS, CHOICE_CHUNKS, CHOICE_NO_DELTA };

#define CHOICE_WORTH_RATIO 2 /* content-defined must cost less than one half of blocks… */
#define CHOICE_WORTH_TIMES 8 /* … and have saved one whole download after so many releases */
#define CHOICE_BACK_PART   4 /* going back to blocks must save one quarter */

struct choice_facts {
	enum choice_wish wish;
	enum plan_format format;
	bool packed; /* raw content of a kind that moves (image_probe.h) */
	bool possible[CUTTER_KINDS]; /* few enough entries */
	bool tried[CUTTER_KINDS]; /* compared with the release before; `cost` holds */
	uint64_t cost[CUTTER_KINDS]; /* predicted bytes for a device on the release before */
	bool has_before; /* the release before has this image */
	bool before_has_index;
	enum cutter_kind before; /* its kind */
	uint64_t full; /* bytes of the whole download */
};

struct choice {
	enum cutter_kind kind;
	bool costs_a_full; /* devices on the release before fetch the whole image this once */
	char why[160];
};

/* At least one kind must be possible. */
void choice_make(const struct choice_facts *f, struct choice *out);

/* "blocks" or "chunks", as --index spells them. */
const char *choice_kind_name(enum cutter_kind kind);
