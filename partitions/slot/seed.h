/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seed: an old image whose content is used again, on the running slot or in a
 * file. It is read through once, and what was found there then is what counts,
 * not what any table says of it: a root that was mounted read-write or a rotten
 * block costs just its own blocks, and the plan stays exact.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/index.h"

#define SLOT_SEEDS_MAX 2

struct slot_seed_request {
	const char *path; /* opened read-only; may be mounted */
	uint64_t size; /* bytes of it that count; 0 = all */
	/*
	 * The content-defined index of what should be there: gives the lengths of
	 * its entries, each of which is checked. NULL = blocks of 4096 bytes.
	 */
	const struct slot_index *lengths;
	int scratch_dir;
};

struct slot_seed; /* opaque */

/*
 * Opens and reads it through. What cannot be read is not there. E_SLOT, E_IO (it
 * cannot be opened at all), E_SPACE, E_NOMEM. slot_seed_close; NULL is fine.
 */
int slot_seed_open(const struct slot_seed_request *r, struct slot_seed **out, struct err *e);
void slot_seed_close(struct slot_seed *s);

/*
 * Where content with this hash and length lies: at `near` if it is there (content
 * that followed in the old image mostly follows in the new one), else anywhere.
 */
bool slot_seed_find(
	const struct slot_seed *s, uint64_t hash, uint32_t length, uint64_t near, uint64_t *offset);

/* The tables for slot_seed_find are not needed any more. */
void slot_seed_settle(struct slot_seed *s);

/*
 * Reads any bytes of it, not verified; few large reads where calls follow each
 * other. E_IO.
 */
int slot_seed_read(struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e);

/* The path, for messages. */
const char *slot_seed_path(const struct slot_seed *s);
