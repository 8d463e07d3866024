/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of partitions/slot: an image made on the spot, a reader that lies on demand, a target file. */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif
#include <cmocka.h>

#include "partitions/slot/slot.h"

#define LEAF  SLOT_LEAF_SIZE
#define PIECE SLOT_PIECE_SIZE

#ifdef CONFIG_ZSTD
#define RIG_ENCODINGS                                                                              \
	{                                                                                          \
		SLOT_NONE, SLOT_ZLIB, SLOT_ZSTD                                                    \
	}
#else
#define RIG_ENCODINGS                                                                              \
	{                                                                                          \
		SLOT_NONE, SLOT_ZLIB                                                               \
	}
#endif

/* Everything of one image, its source and its target. */
struct rig {
	char dir[64];
	struct slot_part part;
	uint8_t *content;
	uint8_t *leaves;
	uint8_t *full;
	struct slot_pieces pieces;
	struct slot_image image;
	/* The reader's behaviour and what it saw. */
	uint64_t bytes_read;
	unsigned reads;
	uint64_t flip_at; /* this byte of `full` is wrong ... */
	unsigned flip_times; /* ... as often as it is read */
	uint64_t fail_at; /* a read of this byte fails; 0 = none */
	bool with_expect;
	struct byte_range expected[64];
	size_t expected_count;
	bool unexpected; /* a read outside of what was announced */
};

static inline void rig_fill(uint8_t *data, size_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		if (i % 64 == 0) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
		}
		data[i] =
			(uint8_t)(x >> (i % 32 / 8 * 8)); /* compresses well, no two blocks alike */
	}
}

static inline int rig_expect(
	void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct rig *r = ctx;

	(void)e;
	assert_true(count <= 64);
	memcpy(r->expected, ranges, count * sizeof(*ranges));
	r->expected_count = count;
	return 0;
}

static inline bool rig_announced(const struct rig *r, uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < r->expected_count; i++) {
		const struct byte_range *x = &r->expected[i];
		if (offset >= x->offset && offset + len <= x->offset + x->length)
			return true;
	}
	return false;
}

static inline int rig_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct rig *r = ctx;

	r->reads++;
	if (r->fail_at && r->fail_at >= offset && r->fail_at - offset < len)
		return err_set(e, E_NET, "connection lost");
	if (offset > r->pieces.stored_total || len > r->pieces.stored_total - offset)
		return err_set(e, E_SIZE, "the object is shorter than that");
	if (r->with_expect && !rig_announced(r, offset, len))
		r->unexpected = true;
	memcpy(data, r->full + offset, len);
	r->bytes_read += len;
	if (r->flip_times > 0 && r->flip_at >= offset && r->flip_at < offset + len) {
		((uint8_t *)data)[r->flip_at - offset] ^= 0x40;
		r->flip_times--;
	}
	return 0;
}

static inline size_t rig_encode(
	enum slot_encoding encoding, const uint8_t *in, size_t len, uint8_t *out, size_t room)
{
	if (encoding == SLOT_ZLIB) {
		uLongf n = room;
		assert_int_equal(compress2(out, &n, in, len, 1), Z_OK);
		return n;
	}
#ifdef CONFIG_ZSTD
	if (encoding == SLOT_ZSTD) {
		size_t n = ZSTD_compress(out, room, in, len, 1);
		assert_false(ZSTD_isError(n));
		return n;
	}
#endif
	if (len > room)
		abort();
	memcpy(out, in, len);
	return len;
}

static inline void rig_digest(enum hash_alg alg, const void *data, size_t len, uint8_t *out)
{
	struct err e = {0};

	assert_int_equal(hash_bytes(alg, data, len, out, &e), 0);
}

/* Makes leaves from the content. */
static inline void rig_hash_leaves(struct rig *r)
{
	for (uint64_t i = 0; i < slot_leaf_count(r->image.size); i++)
		rig_digest(r->image.leaf_alg, r->content + i * LEAF,
			slot_leaf_length(r->image.size, i), r->leaves + i * HASH_SIZE);
}

/* Packs the content again into `full` and the piece table. */
static inline void rig_pack(struct rig *r)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < r->pieces.count; i++) {
		size_t n = rig_encode(r->image.encoding, r->content + (uint64_t)i * PIECE,
			slot_piece_length(r->image.size, i), r->full + at, SLOT_STORED_MAX);
		r->pieces.stored[i] = (uint32_t)n;
		r->pieces.offset[i] = at;
		rig_digest(HASH_SHA256, r->full + at, n, r->pieces.sha256[i]);
		at += n;
	}
	r->pieces.stored_total = at;
}

static inline void rig_make_target(struct rig *r, uint64_t size)
{
	int fd = open(r->part.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static inline struct rig *rig_new(uint64_t size, enum slot_encoding encoding, enum hash_alg alg)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint32_t count = (uint32_t)slot_piece_count(size);

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/pawl-slot-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->part.path, sizeof(r->part.path), "%s/b.img", r->dir);
	snprintf(r->part.image, sizeof(r->part.image), "rootfs");
	r->content = malloc(size);
	r->leaves = malloc(slot_leaf_count(size) * HASH_SIZE);
	r->full = malloc((uint64_t)count * SLOT_STORED_MAX);
	r->pieces = (struct slot_pieces){.image_size = size,
		.count = count,
		.stored = calloc(count, 4),
		.offset = calloc(count, 8),
		.sha256 = calloc(count, HASH_SIZE)};
	assert_true(r->content && r->leaves && r->full && r->pieces.sha256);
	r->image = (struct slot_image){.name = "rootfs",
		.size = size,
		.leaf_alg = alg,
		.leaves = r->leaves,
		.encoding = encoding,
		.pieces = &r->pieces,
		.full = {.ctx = r, .read = rig_read}};
	rig_fill(r->content, size, 7);
	rig_hash_leaves(r);
	rig_pack(r);
	rig_make_target(r, size + 8192);
	return r;
}

static inline void rig_use_expect(struct rig *r)
{
	r->with_expect = true;
	r->image.full.expect = rig_expect;
}

static inline void rig_forget(struct rig *r)
{
	r->reads = 0;
	r->bytes_read = 0;
	r->expected_count = 0;
}

static inline void rig_free(struct rig *r)
{
	unlink(r->part.path);
	assert_int_equal(rmdir(r->dir), 0);
	slot_pieces_free(&r->pieces);
	free(r->content);
	free(r->leaves);
	free(r->full);
	free(r);
}

static inline struct slot_target *rig_open(struct rig *r)
{
	struct slot_target *t = NULL;
	struct err e = {0};

	if (slot_open_target(&r->part, &r->image.size, 1, NULL, 0, &t, &e) < 0)
		fail_msg("%s", e.text);
	return t;
}

/* Opens, spoils, writes; and finishes when that worked. 0, or -1 with `e`. */
static inline int rig_install(struct rig *r, struct slot_stats *stats, struct err *e)
{
	struct slot_target *t = rig_open(r);
	int rc = slot_spoil(t, e);

	if (rc == 0)
		rc = slot_write(t, 0, &r->image, NULL, stats, e);
	if (rc == 0)
		rc = slot_finish(t, NULL, e);
	slot_close_target(t);
	return rc;
}

/* Bytes of the target file as they are on disk; the caller frees. */
static inline uint8_t *rig_target(const struct rig *r, size_t *len)
{
	struct stat st;
	int fd = open(r->part.path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	uint8_t *data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*len = (size_t)st.st_size;
	return data;
}

static inline bool rig_target_is_whole(const struct rig *r)
{
	size_t len;
	uint8_t *data = rig_target(r, &len);
	bool whole = len >= r->image.size && memcmp(data, r->content, r->image.size) == 0;

	free(data);
	return whole;
}

static inline bool rig_leaf_written(const struct rig *r, uint64_t leaf)
{
	size_t len;
	uint8_t *data = rig_target(r, &len);
	bool same = memcmp(data + leaf * LEAF, r->content + leaf * LEAF,
			    slot_leaf_length(r->image.size, leaf)) == 0;

	free(data);
	return same;
}

/* The first 4 KiB are zero: nothing can boot. */
static inline bool rig_head_is_spoiled(const struct rig *r)
{
	size_t len;
	uint8_t *data = rig_target(r, &len);
	uint8_t bits = 0;

	for (size_t i = 0; i < SLOT_BLOCK_SIZE; i++)
		bits |= data[i];
	free(data);
	return bits == 0;
}

static inline void rig_write_at(const struct rig *r, uint64_t at, const void *data, size_t len)
{
	int fd = open(r->part.path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), (ssize_t)len);
	close(fd);
}
