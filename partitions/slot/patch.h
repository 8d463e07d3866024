/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches from one old image to one new image (docs/formats.md): the table, which
 * reader and writer share, and the application, leaf by leaf, in bounded memory.
 *
 * table: "PWLD", u16 version = 1, u16 flags = 0, u64 new image size, u32 count,
 *   u64 old image size, then count × { u32 output length, u32 stored length, u32
 *   raw length, u8[32] SHA-256 of the stored bytes }. The output ranges follow
 *   each other and cover the image; offsets in the patch by addition.
 * patch: frames; each is one zstd frame. Its raw bytes: u32 number of operations;
 *   u32 bytes of lengths, for each kind of operation; u32 bytes of differences;
 *   then operations, lengths, differences, literals. An operation is a byte, its
 *   kind: 0 copy (bytes of the old image as they are), 1 add (old bytes plus
 *   differences, modulo 256), 2 insert (literals), 3 zero, 4 move forward, 5 move
 *   back (by so many bytes of the old image). The lengths of all operations of a
 *   kind stand together, kind after kind, as varints (LEB128), because numbers
 *   that mean the same compress better beside each other; none is 0. Every frame
 *   starts at old byte 0; copy and add move the old place on, insert and zero do
 *   not.
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
#include "partitions/slot/survey.h"

#define SLOT_PATCH_HEADER     28u
#define SLOT_PATCH_ENTRY      44u
#define SLOT_PATCH_RAW_MAX    (1024u * 1024) /* of one frame */
#define SLOT_PATCH_STORED_MAX (SLOT_PATCH_RAW_MAX + 8192u)
#define SLOT_PATCH_IMAGE_MAX  (UINT64_C(1) << 30) /* of the old and of the new image */
#define SLOT_PATCH_FRAMES_MAX 65536u
#define SLOT_PATCH_TABLE_MAX  (SLOT_PATCH_HEADER + SLOT_PATCH_FRAMES_MAX * SLOT_PATCH_ENTRY)
#define SLOT_PATCH_FRAME_HEAD 32u /* the numbers before the operations */
#define SLOT_PATCH_LENGTH_MAX 5u /* bytes of a length */

enum slot_patch_kind {
	SLOT_PATCH_COPY,
	SLOT_PATCH_ADD,
	SLOT_PATCH_INSERT,
	SLOT_PATCH_ZERO,
	SLOT_PATCH_FORWARD,
	SLOT_PATCH_BACK,
	SLOT_PATCH_KINDS,
};

/* A verified and parsed table of a patch. */
struct slot_patch_table {
	uint64_t image_size;
	uint64_t old_size;
	uint32_t count;
	uint32_t *output; /* bytes of the new image that the frame gives */
	uint32_t *stored;
	uint32_t *raw;
	uint64_t *offset; /* in the patch, by addition */
	uint64_t *at; /* in the new image, by addition */
	uint8_t (*sha256)[HASH_SIZE]; /* of the stored bytes */
	uint64_t stored_total;
};

/*
 * Reads the table of a patch of `patch_length` bytes that makes an image of
 * `image_size` bytes. E_META for a wrong magic, version, flags, size, count (above
 * 65,536, or not what `len` holds), an image or old image that is empty, above
 * 1 GiB or no multiple of 4096, a length outside of what docs/formats.md allows,
 * or a sum that differs. The result is the caller's (slot_patch_table_free).
 */
int slot_patch_table_parse(const uint8_t *data, size_t len, uint64_t image_size,
	uint64_t patch_length, struct slot_patch_table *out, struct err *e);
void slot_patch_table_free(struct slot_patch_table *t);

/* Appends the table's bytes to `out` (offset, at and stored_total are not used). */
int slot_patch_table_write(const struct slot_patch_table *t, struct buf *out, struct err *e);

/* The frame that gives byte `at` of the new image, which must be inside of it. */
uint32_t slot_patch_find(const struct slot_patch_table *t, uint64_t at);

/*
 * Ranges of the patch that the wanted leaves need, ascending, neighbours joined;
 * the caller's (free). *bytes is their sum and may be NULL. `wanted` has the leaves
 * of the new image. E_NOMEM.
 */
int slot_patch_ranges(const struct slot_patch_table *t, const struct leaf_set *wanted,
	struct byte_range **out, size_t *count, uint64_t *bytes, struct err *e);
