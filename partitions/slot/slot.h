/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a slot: the only code that writes system images. Order (design 5, 7):
 * open all parts → spoil the head of each → write every leaf but 0 → fsync, read
 * all back without the page cache → leaf 0 of each, its first block behind the
 * rest, each with fsync; read back. The write of that block is what makes the slot
 * loadable; the boot environment is changed by others, after that.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/base/reader.h"
#include "partitions/slot/format.h"
#include "partitions/slot/index.h"
#include "partitions/slot/match.h"
#include "partitions/slot/patch.h"
#include "partitions/slot/seed.h"
#include "partitions/slot/survey.h"

#define SLOT_PARTS_MAX 8

/* Where one image of the target slot goes, from the configuration. */
struct slot_part {
	char image[33];
	char path[512]; /* block device or regular file */
};

/* Are SLOT_WAY_DELTA and SLOT_WAY_PATCH built in? What a constant rules out, the linker drops. */
#ifdef CONFIG_DELTA
#define SLOT_HAVE_DELTA true
#else
#define SLOT_HAVE_DELTA false
#endif

/* How the bytes of an image come. */
enum slot_way { SLOT_WAY_FULL, SLOT_WAY_DELTA, SLOT_WAY_PATCH };

/* SLOT_WAY_DELTA: old content where the match says so, the rest out of `data`. */
struct slot_delta {
	const struct slot_index *index;
	const struct slot_frames *frames;
	/*
	 * Only where frames are missing from it: makes that table whole, in place, when one of
	 * them is needed after all (a seed that has changed since it was matched).
	 */
	int (*complete)(void *ctx, struct err *e);
	void *complete_ctx;
	enum slot_encoding encoding;
	const struct slot_match *match;
	struct slot_seed *const *seeds; /* those of the match */
	size_t seed_count;
	/*
	 * Bytes of `data`, one reader for each generation; not trusted. Either all share one
	 * ctx, and the first is told the ranges of all, or each is told its own. What a seed
	 * should have given and did not is read beyond these.
	 */
	struct reader data[SLOT_GENERATIONS];
};

/* SLOT_WAY_PATCH: one old image, which the caller has found intact, and a patch. */
struct slot_patching {
	const struct slot_patch_table *table;
	const char *old_path; /* opened read-only */
	struct reader patch; /* not trusted */
};

/*
 * One image, as plain values; everything is borrowed: the readers, name and
 * tables until slot_write returns, `leaves` until slot_finish does. `leaves`
 * is verified by the caller.
 */
struct slot_image {
	const char *name;
	uint64_t size;
	enum hash_alg leaf_alg;
	const uint8_t *leaves; /* slot_leaf_count(size) digests */
	/*
	 * What the target holds; nobody changed it since but slot_spoil (after a slot_write
	 * that failed it is made anew). NULL: slot_write looks.
	 */
	const struct slot_survey *survey;
	enum slot_way way;
	/* SLOT_WAY_FULL: */
	enum slot_encoding encoding;
	const struct slot_pieces *pieces;
	struct reader full; /* bytes of the `full` object; not trusted */
	struct slot_delta delta; /* SLOT_WAY_DELTA */
	struct slot_patching patching; /* SLOT_WAY_PATCH */
};

/*
 * Called now and then while bytes move; may be NULL. `done` of `total` bytes of
 * this image are settled (slot_finish: read back), `fetched` were read from the
 * source (slot_finish: 0). In slot_write `total` is reached once, at the end.
 */
struct slot_progress {
	void *ctx;
	void (*report)(
		void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched);
};

/* Of one slot_write; leaf 0 counts there although slot_finish writes it. */
struct slot_stats {
	uint64_t leaves_kept; /* already right in the target, not written */
	uint64_t leaves_written;
	uint64_t bytes_fetched; /* stored bytes read from `full`, `data` or the patch */
	uint64_t bytes_written;
	/* Of what was written, delta and patch only: */
	uint64_t from_target; /* bytes that were in the target already */
	uint64_t from_seed; /* bytes of old images */
	uint64_t leaves_again; /* leaves that were wrong at first and right when asked again */
};

struct slot_target; /* an opened target slot; opaque */

/* Size in bytes of a block device or file; E_SLOT when missing. */
int slot_part_size(const char *path, uint64_t *size, struct err *e);

/*
 * Opens every part for writing, before anything is changed: block devices
 * O_EXCL, files with flock; refused (E_SLOT, named) when missing, mounted or
 * otherwise in use, read-only, smaller than `needed[i]`, the same file twice,
 * or the same device as any of `forbidden` (the parts of the running and the
 * committed slot). E_BUSY when another process holds it.
 */
int slot_open_target(const struct slot_part *parts, const uint64_t *needed, size_t count,
	const struct slot_part *forbidden, size_t forbidden_count, struct slot_target **out,
	struct err *e);
void slot_close_target(struct slot_target *t);

/* Zeroes and flushes the first 4 KiB of every part: from here on the slot cannot be booted. */
int slot_spoil(struct slot_target *t, struct err *e);

/*
 * Fills part `index` with the image, all leaves but the first, which is kept in
 * memory (verified). Leaves that are right already are not written again, and
 * what is not needed is not read from the source. Nothing is decompressed before its
 * stored piece's or frame's hash matched; nothing is written before its leaf's hash
 * matched, whatever the way. E_HASH names image, leaf and source after a second wrong
 * try; E_SIZE or E_META for a piece or frame that is no stream of the right length, and
 * for tables that do not fit each other; E_IO, E_SPACE with device and byte; E_COMPAT
 * for an encoding that is not built in; E_INTERNAL when slot_spoil was not called; or
 * the reader's error. After a failure call it again: what was written right is found
 * and kept, and everything that was verified before a source failed is written.
 */
int slot_write(struct slot_target *t, size_t index, const struct slot_image *image,
	const struct slot_progress *progress, struct slot_stats *stats, struct err *e);

/*
 * After slot_write of every part: fsync, read back every leaf but the first
 * around the page cache, write leaf 0 of each part with its first block last,
 * fsync, read it back. Then the slot is whole. E_READBACK names device, byte and
 * whether reading or writing is to blame (decided by reading a second time). On any
 * failure the heads are zero again.
 */
int slot_finish(struct slot_target *t, const struct slot_progress *progress, struct err *e);

/*
 * Hashes an image in place, read around the page cache (the trial's second
 * look, doctor, the independent checker): all leaves right? E_HASH or
 * E_READBACK names the first wrong leaf. `path` is opened read-only.
 */
int slot_check(
	const char *path, uint64_t size, enum hash_alg alg, const uint8_t *leaves, struct err *e);

/*
 * Zeroes the head of every part of a failed slot (design 7), opened with the
 * same precautions as a target.
 */
int slot_spoil_parts(const struct slot_part *parts, size_t count, const struct slot_part *forbidden,
	size_t forbidden_count, struct err *e);
