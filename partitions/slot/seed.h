/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seed: an old image whose content is used again, on the running slot or in a
 * file. It is read through once and cut like the new image; what was found there then
 * is what counts, and no table of it is needed: a root that was mounted read-write or
 * a rotten block costs just its own entries, a place that cannot be read 64 KiB, and
 * the plan stays exact. Of a larger one, the first 2^22 - 1 entries count.
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
	uint16_t rule; /* by which it is cut: that of the new image's index */
	int scratch_dir;
};

struct slot_seed; /* opaque */

/*
 * Opens and reads it through. What cannot be read is not there, and after more than
 * 16 unreadable places nothing behind is. E_COMPAT for a rule that is not known here,
 * E_SLOT (it cannot be opened, or is smaller than what should count), E_SPACE, E_IO
 * (scratch), E_NOMEM. slot_seed_close; NULL is fine.
 */
int slot_seed_open(const struct slot_seed_request *r, struct slot_seed **out, struct err *e);
void slot_seed_close(struct slot_seed *s);

/*
 * Where content with this hash and length lies: at `near` if it is there (content
 * that followed in the old image mostly follows in the new one), else anywhere.
 */
bool slot_seed_find(
	const struct slot_seed *s, uint64_t hash, uint32_t length, uint64_t near, uint64_t *offset);

/*
 * Now and then during many slot_seed_find: lets go of the memory of its tables,
 * which come back as they are needed.
 */
void slot_seed_rest(const struct slot_seed *s);

/* The tables are not needed any more: slot_seed_find finds nothing from here on. */
void slot_seed_settle(struct slot_seed *s);

/*
 * Reads any bytes of it, not verified; few large reads where calls follow each
 * other. E_IO, also for bytes behind those that count. One caller at a time.
 */
int slot_seed_read(struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e);

/* The path, for messages. */
const char *slot_seed_path(const struct slot_seed *s);
