/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte formats of image objects: one header for reader and writer. Source:
 * docs/formats.md. Integers little-endian, no padding.
 *
 * leaves: bare 32-byte digests, one for each 256 KiB of the output image, the
 *   last one over what is left.
 * pieces: magic "PWLP", u16 version = 1, u16 flags = 0, u64 image size,
 *   u32 count, then count times { u32 stored length, u8[32] SHA-256 of the
 *   stored bytes }, in order; offsets in `full` by addition.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/hash.h"

#define SLOT_LEAF_SIZE       (256u * 1024)
#define SLOT_PIECE_SIZE      (4u * 1024 * 1024) /* output bytes that each piece of `full` covers */
#define SLOT_LEAVES_A_PIECE  (SLOT_PIECE_SIZE / SLOT_LEAF_SIZE)
#define SLOT_BLOCK_SIZE      4096u
#define SLOT_ZSTD_WINDOW_LOG 22u /* 4 MiB */
#define SLOT_IMAGE_MAX       (UINT64_C(64) << 30)
#define SLOT_PIECES_HEADER   20u
#define SLOT_PIECES_ENTRY    36u
#define SLOT_STORED_SLACK    (64u * 1024) /* a piece may be stored this much larger than its output */

#define SLOT_STORED_MAX (SLOT_PIECE_SIZE + SLOT_STORED_SLACK)

enum slot_encoding { SLOT_NONE, SLOT_ZLIB, SLOT_ZSTD };

/* A size that a block image may have: a multiple of 4096, at most 64 GiB, not 0. */
bool slot_image_size_ok(uint64_t image_size);

/* Numbers that follow from an image's size. */
uint64_t slot_leaf_count(uint64_t image_size);
uint64_t slot_piece_count(uint64_t image_size);
size_t slot_leaf_length(uint64_t image_size, uint64_t leaf); /* output bytes of one leaf */
size_t slot_piece_length(uint64_t image_size, uint64_t piece); /* output bytes of one piece */

/* A verified and parsed piece table. */
struct slot_pieces {
	uint64_t image_size;
	uint32_t count;
	uint32_t *stored; /* stored length of each */
	uint64_t *offset; /* in `full`, by addition */
	uint8_t (*sha256)[HASH_SIZE]; /* of the stored bytes */
	uint64_t stored_total;
};

/*
 * Reads a piece table for an image of `image_size` bytes whose `full` is
 * `full_length` bytes. E_META for a wrong magic, version, flags, size, count,
 * length, a stored length of 0 or above 4 MiB + slack, or a sum that differs.
 * The result is the caller's (slot_pieces_free).
 */
int slot_pieces_parse(const uint8_t *data, size_t len, uint64_t image_size, uint64_t full_length,
	struct slot_pieces *out, struct err *e);
void slot_pieces_free(struct slot_pieces *p);

/* Appends the table's bytes to `out` (offset and stored_total are not used). */
int slot_pieces_write(const struct slot_pieces *p, struct buf *out, struct err *e);
