/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing the leaves of an image where it lies: resume, read-back and check are one walk. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "partitions/slot/device.h"

/* An image on a device. Everything is borrowed. */
struct scan {
	struct device *device;
	uint64_t image_size;
	enum hash_alg alg;
	const uint8_t *leaves; /* expected digests */
	uint64_t first; /* leaf to begin with */
	/*
	 * Resume only: places that cannot be read count as wrong (they will be
	 * written), up to this many; a medium that is dead altogether must not
	 * be asked for every leaf. 0: the first read error ends the walk.
	 */
	unsigned read_errors;
	void *ctx;
	/*
	 * Optional: called just before `leaf` with the bytes of a leaf that
	 * could be read, valid until it returns. -1 ends the walk.
	 */
	int (*bytes)(void *ctx, uint64_t leaf, bool right, const uint8_t *data, size_t len,
		struct err *e);
	/*
	 * Called for every leaf in order; `right` = the digest is the expected
	 * one. -1 ends the walk. The device is busy meanwhile: it must not be
	 * read or written here.
	 */
	int (*leaf)(void *ctx, uint64_t leaf, bool right, const uint8_t digest[HASH_SIZE],
		struct err *e);
};

/* Reads around the page cache, hashes, calls. E_IO, E_NOMEM, or what the callback says. */
int scan_leaves(const struct scan *s, struct err *e);

/*
 * Looks at some leaves only: is any of them right (*any), or is it cheaper to look at all?
 * The first ones are among them, because leaves are written in rising order: an attempt
 * that was cut left right ones there. A place that cannot be read counts as any.
 */
int scan_sample(const struct scan *s, bool *any, struct err *e);

/* One leaf once more, to tell a read error from a write error. */
int scan_again(const struct scan *s, uint64_t leaf, uint8_t digest[HASH_SIZE], struct err *e);

/* The leaf that ended a walk, for scan_blame after it. */
struct scan_wrong {
	bool found;
	uint64_t leaf;
	uint8_t digest[HASH_SIZE];
};

/* For callbacks: notes the leaf and ends the walk. Always -1. */
int scan_end_at(
	struct scan_wrong *w, uint64_t leaf, const uint8_t digest[HASH_SIZE], struct err *e);

/*
 * Sets E_READBACK (or `code`) for a leaf with a wrong digest, after a second
 * reading that says who is to blame. Always -1.
 */
int scan_blame(
	const struct scan *s, enum err_code code, const struct scan_wrong *wrong, struct err *e);
