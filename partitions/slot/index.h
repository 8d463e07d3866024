/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two tables of the delta format, index and frames (docs/formats.md): one
 * header for reader and writer. Both are hints for what to fetch: whatever they
 * say, a leaf is written only if its hash is right. Only the SHA-256 of a frame
 * is trust, because it guards the decompressor.
 *
 * index: "PWLI", u16 version = 1, u16 rule of the cuts, u64 image size, u32 count;
 *   content-defined only: count × u16 length − 1; a bit per entry (least
 *   significant first), set = all zero; a nibble of generation per non-zero entry
 *   (low nibble first); u64 XXH3-64 (seed 0) per non-zero entry. Unused bits are 0.
 *   Rule 0: every entry is a block of 4096 bytes. All others are content-defined,
 *   by a rule with that number; who does not know it can fetch, but not search.
 * frames: "PWLF", u16 version = 1, u16 flags = 0, u64 image size, u32 count,
 *   then count × { u8 generation, u32 stored length, u32 raw length, u8[32]
 *   SHA-256 of the stored bytes }, ascending by generation; offsets in `data` by
 *   addition.
 * data: the non-zero entries of the image, all of them, by generation and then
 *   by place; cut into frames of at most 256 KiB that hold whole entries of one
 *   generation; each frame compressed by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/base/reader.h"
#include "partitions/slot/format.h"

#define SLOT_GENERATIONS       16u /* 15 = older than can be counted */
#define SLOT_INDEX_ENTRIES_MAX (1u << 22)
#define SLOT_INDEX_HEADER      20u
#define SLOT_CHUNK_MAX         65536u /* bytes of a content-defined entry */
#define SLOT_FRAME_SIZE        (256u * 1024) /* raw bytes at most */
#define SLOT_FRAME_STORED_MAX  (SLOT_FRAME_SIZE + 4096u)
#define SLOT_FRAMES_HEADER     20u
#define SLOT_FRAMES_ENTRY      41u

/* Rules of cutting. */
#define SLOT_RULE_BLOCKS 0u /* blocks of 4096 bytes */
#define SLOT_RULE_CHUNKS 1u /* by content: partitions/slot/chunk.h */

/* Views into the bytes of an index, which outlive it. Filled by slot_index_parse only. */
struct slot_index {
	uint64_t image_size;
	uint32_t count; /* entries */
	uint32_t stored; /* entries that are not zero */
	uint16_t rule; /* by which it was cut: SLOT_RULE_…, or one that is not known here */
	bool content_defined; /* rule is not SLOT_RULE_BLOCKS: entries have lengths of their own */
	bool in_file; /* for the caller to set: its bytes are a mapped file */
	const uint8_t *lengths; /* NULL for blocks */
	const uint8_t *zero;
	const uint8_t *generations;
	const uint8_t *hashes;
	uint64_t stream[SLOT_GENERATIONS]; /* bytes of each generation's stream in `data` */
};

/*
 * Reads an index of an image of `image_size` bytes; `data` is borrowed for as
 * long as the result is used. E_META for a wrong magic, version, size,
 * count (more than 2^22), length, lengths that do not add up to the image's
 * size, or bits set where there are no entries.
 */
int slot_index_parse(const uint8_t *data, size_t len, uint64_t image_size, struct slot_index *out,
	struct err *e);

/* One entry on a walk through the image. */
struct slot_entry {
	uint32_t number; /* among all entries */
	uint32_t stored_number; /* among the non-zero ones */
	uint64_t offset; /* in the image */
	uint32_t length;
	bool zero;
	uint8_t generation; /* of a non-zero one */
	uint64_t hash;
	uint64_t at; /* in its generation's stream */
};

/* A walk from the first entry to the last; zero-initialised = at the start. */
struct slot_walk {
	uint32_t number;
	uint32_t stored_number;
	uint64_t offset;
	uint64_t at[SLOT_GENERATIONS];
};

/*
 * The next entry, false behind the last, or where the bytes have changed since they were
 * parsed and no entry can follow: always within the image, always a hash of the table.
 */
bool slot_index_next(const struct slot_index *index, struct slot_walk *w, struct slot_entry *out);

/*
 * Now and then during a walk: lets go of the memory of a mapped file, whose pages come back
 * as they are needed. Nothing for bytes that are not in a file.
 */
void slot_index_rest(const struct slot_index *index);

/* The match hash: XXH3-64, seed 0. Source: libxxhash. */
uint64_t slot_match_hash(const void *data, size_t len);

/* Is it all zero? */
bool slot_is_zero(const void *data, size_t len);

/* What a publisher knows of one entry. */
struct slot_index_item {
	uint32_t length;
	bool zero;
	uint8_t generation;
	uint64_t hash;
};

/* Appends an index's bytes to `out`. E_SIZE for too many entries. */
int slot_index_write(uint64_t image_size, uint16_t rule, const struct slot_index_item *items,
	uint32_t count, struct buf *out, struct err *e);

/*
 * A verified and parsed table of frames, or the first part of one: all frames of the
 * newest generations and none of the others, of which nothing is known then.
 */
struct slot_frames {
	uint64_t image_size;
	uint32_t count; /* frames that are here */
	uint32_t missing; /* frames behind them; 0: the table is whole */
	unsigned generations; /* only where some are missing: those that are here */
	uint32_t *stored; /* stored length */
	uint32_t *raw; /* length when decompressed */
	uint64_t *offset; /* in `data`, by addition */
	uint64_t *at; /* first byte in its generation's stream */
	uint8_t (*sha256)[HASH_SIZE]; /* of the stored bytes */
	uint32_t first[SLOT_GENERATIONS + 1]; /* frames of g: first[g] … first[g + 1] − 1 */
	uint64_t stored_total;
};

/*
 * Reads a table of frames whose `data` is `data_length` bytes. E_META for a wrong
 * magic, version, flags, size, count, length, order, a raw length of 0 or above
 * 256 KiB, a stored length of 0 or above 260 KiB, or a sum that differs. The
 * result is the caller's (slot_frames_free).
 */
int slot_frames_parse(const uint8_t *data, size_t len, uint64_t image_size, uint64_t data_length,
	struct slot_frames *out, struct err *e);
void slot_frames_free(struct slot_frames *f);

/* The first part of a table. */
struct slot_frames_part {
	const uint8_t *data;
	size_t len; /* less than table_length */
	unsigned generations; /* 0 … generations − 1 are in it; at most SLOT_GENERATIONS */
	uint64_t table_length; /* of the whole one */
};

/*
 * Reads it as slot_frames_parse does. E_META, too, where it does not end with a frame, does
 * not fit the length of the whole table or of `data`, or has frames of other generations.
 */
int slot_frames_parse_first(const struct slot_frames_part *p, uint64_t image_size,
	uint64_t data_length, struct slot_frames *out, struct err *e);

/* Are the frames of generation `g` here, if it has any? */
static inline bool slot_frames_has(const struct slot_frames *f, unsigned g)
{
	return f->missing == 0 || g < f->generations;
}

/* Frames of the whole table. */
static inline uint32_t slot_frames_total(const struct slot_frames *f)
{
	return f->count + f->missing;
}

/*
 * Do the two tables belong together: are all streams as long as their frames, and does
 * every entry lie within one frame? Of a first part: those of its generations. E_META.
 */
int slot_frames_check(const struct slot_frames *f, const struct slot_index *index, struct err *e);

/* The frame of generation `g` that holds byte `at` of its stream; f->count where none here does. */
uint32_t slot_frames_find(const struct slot_frames *f, uint8_t g, uint64_t at);

/* Appends the table's bytes to `out`; `generation` by `first`; offset, at and stored_total are not used. */
int slot_frames_write(const struct slot_frames *f, struct buf *out, struct err *e);

/*
 * Ranges of `data` that hold the frames whose bit is set in `need` (bit i of
 * byte i / 8), of one generation or (generation = SLOT_GENERATIONS) of all;
 * ascending, neighbours joined. *out is the caller's (free); *bytes may be NULL.
 */
int slot_frames_ranges(const struct slot_frames *f, const uint8_t *need, unsigned generation,
	struct byte_range **out, size_t *count, uint64_t *bytes, struct err *e);
