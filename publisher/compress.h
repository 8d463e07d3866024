/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression of one piece of `full` (docs/formats.md). For one version of the
 * library the same bytes and level always give the same result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/*
 * One zstd frame that makes `data` out of `old` (docs/formats.md, "difference"), into
 * `out`, whose limit is set here. Memory: some 100 bytes for each of `data`. E_USAGE in
 * a build without zstd, E_NOMEM.
 */
struct buf;
int compress_difference(
	const struct buf *old, const struct buf *data, struct buf *out, struct err *e);

/* Is zstd in this build? */
bool compress_has_zstd(void);

struct compressor; /* for one thread at a time; opaque */

/* The level that is used when none is given. */
int compress_default_level(enum plan_encoding encoding);

/* What is used when no encoding is named: zstd where this build has it, else zlib. */
enum plan_encoding compress_default_encoding(void);

/* By its manifest name; E_USAGE names what this build offers. */
int compress_find_encoding(const char *name, enum plan_encoding *out, struct err *e);

/* E_USAGE for a level that the encoding does not have. */
int compress_check_level(enum plan_encoding encoding, int level, struct err *e);

/* Checks the level and makes one; free with compressor_free. */
int compressor_make(enum plan_encoding encoding, int level, struct compressor **out, struct err *e);
void compressor_free(struct compressor *c);

/* Bytes of room that compressor_piece needs for `len` bytes; at most len + 64 KiB. */
size_t compressor_room(const struct compressor *c, size_t len);

/*
 * One independent zstd frame (window at most 4 MiB, content size in the
 * header; no checksum, because the stored bytes are hashed), zlib stream or
 * plain copy into `out`; *stored is its length.
 */
int compressor_piece(struct compressor *c, const uint8_t *data, size_t len, uint8_t *out,
	size_t room, size_t *stored, struct err *e);
