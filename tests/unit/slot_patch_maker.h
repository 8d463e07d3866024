/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of patches: an old image, and frames that are made operation by operation
 * while the new image grows with them; a reader that lies on demand.
 */
#pragma once

#include "tests/unit/slot_rig.h"

#include "agent/base/buf.h"
#include "partitions/slot/patch_apply.h"
#include "partitions/slot/patch_steps.h"

#ifdef CONFIG_ZSTD

#define MAKER_MAX    (6u * 1024 * 1024) /* of an image, and of a part of a frame */
#define MAKER_FRAMES 64u

struct maker {
	char old_path[64];
	uint8_t *old;
	uint32_t old_size;
	uint8_t *image; /* the new one, as far as there are operations */
	uint32_t image_size;
	uint32_t frame_from; /* where the frame in work begins */
	uint32_t old_at;
	struct buf ops;
	struct buf lengths[SLOT_PATCH_KINDS];
	struct buf differences;
	struct buf literals;
	uint8_t *raw;
	size_t raw_len;
	uint8_t *patch;
	struct slot_patch_table table;
	uint32_t noise;
	/* Tables of the source, and what its reader does and sees. */
	struct slot_image slot_image;
	struct leaf_set want;
	struct slot_stats stats;
	struct leaf_source source;
	unsigned reads;
	uint64_t bytes_read;
	unsigned flip_times; /* so often the first byte read is wrong */
	unsigned fail_read; /* this read (from 1) fails; 0 = none */
	struct byte_range expected[MAKER_FRAMES];
	size_t expected_count;
};

static inline uint32_t maker_random(struct maker *m, uint32_t below)
{
	m->noise ^= m->noise << 13;
	m->noise ^= m->noise >> 17;
	m->noise ^= m->noise << 5;
	return below ? m->noise % below : 0;
}

static inline void maker_write_old(const struct maker *m)
{
	int fd = open(m->old_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, m->old, m->old_size), m->old_size);
	close(fd);
}

static inline struct maker *maker_new(uint32_t old_size)
{
	struct maker *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->noise = 2463534242u;
	m->old = malloc(old_size);
	m->image = malloc(MAKER_MAX);
	m->raw = malloc(MAKER_MAX);
	m->patch = malloc(MAKER_MAX);
	assert_true(m->old && m->image && m->raw && m->patch);
	m->old_size = old_size;
	for (uint32_t i = 0; i < old_size; i++)
		m->old[i] = (uint8_t)maker_random(m, 256);
	snprintf(m->old_path, sizeof(m->old_path), "/tmp/pawl-patch-XXXXXX");
	int fd = mkstemp(m->old_path);
	assert_true(fd >= 0);
	close(fd);
	maker_write_old(m);
	m->ops = buf_make(MAKER_MAX);
	m->differences = buf_make(MAKER_MAX);
	m->literals = buf_make(MAKER_MAX);
	for (unsigned i = 0; i < SLOT_PATCH_KINDS; i++)
		m->lengths[i] = buf_make(MAKER_MAX);
	m->table.output = calloc(MAKER_FRAMES, 4);
	m->table.stored = calloc(MAKER_FRAMES, 4);
	m->table.raw = calloc(MAKER_FRAMES, 4);
	m->table.offset = calloc(MAKER_FRAMES, 8);
	m->table.at = calloc(MAKER_FRAMES, 8);
	m->table.sha256 = calloc(MAKER_FRAMES, HASH_SIZE);
	assert_true(m->table.offset && m->table.at && m->table.sha256);
	m->table.old_size = old_size;
	return m;
}

static inline void maker_free(struct maker *m)
{
	if (m->source.close)
		m->source.close(m->source.ctx);
	unlink(m->old_path);
	slot_patch_table_free(&m->table);
	buf_free(&m->ops);
	buf_free(&m->differences);
	buf_free(&m->literals);
	for (unsigned i = 0; i < SLOT_PATCH_KINDS; i++)
		buf_free(&m->lengths[i]);
	free(m->want.bits);
	free(m->old);
	free(m->image);
	free(m->raw);
	free(m->patch);
	free(m);
}

static inline void maker_add(struct buf *b, const void *data, size_t len)
{
	struct err e = {0};

	assert_int_equal(buf_add(b, data, len, &e), 0);
}

/* An operation as it is spelled, and nothing else. */
static inline void maker_op(struct maker *m, unsigned kind, uint64_t length)
{
	uint8_t byte = (uint8_t)kind;

	maker_add(&m->ops, &byte, 1);
	if (kind >= SLOT_PATCH_KINDS)
		return;
	for (; length > 127; length >>= 7) {
		byte = (uint8_t)((length & 127) | 128);
		maker_add(&m->lengths[kind], &byte, 1);
	}
	byte = (uint8_t)length;
	maker_add(&m->lengths[kind], &byte, 1);
}

static inline void maker_move(struct maker *m, uint32_t to)
{
	if (to > m->old_at)
		maker_op(m, SLOT_PATCH_FORWARD, to - m->old_at);
	if (to < m->old_at)
		maker_op(m, SLOT_PATCH_BACK, m->old_at - to);
	m->old_at = to;
}

static inline uint8_t *maker_grow(struct maker *m, uint32_t length)
{
	uint8_t *at = m->image + m->image_size;

	assert_true(length <= MAKER_MAX - m->image_size);
	m->image_size += length;
	return at;
}

static inline void maker_copy(struct maker *m, uint32_t length)
{
	maker_op(m, SLOT_PATCH_COPY, length);
	memcpy(maker_grow(m, length), m->old + m->old_at, length);
	m->old_at += length;
}

static inline void maker_change(struct maker *m, uint32_t length)
{
	uint8_t *out = maker_grow(m, length);

	maker_op(m, SLOT_PATCH_ADD, length);
	for (uint32_t i = 0; i < length; i++) {
		uint8_t difference = (uint8_t)maker_random(m, 256);
		maker_add(&m->differences, &difference, 1);
		out[i] = (uint8_t)(m->old[m->old_at + i] + difference);
	}
	m->old_at += length;
}

static inline void maker_insert(struct maker *m, uint32_t length)
{
	uint8_t *out = maker_grow(m, length);

	maker_op(m, SLOT_PATCH_INSERT, length);
	for (uint32_t i = 0; i < length; i++)
		out[i] = (uint8_t)maker_random(m, 256);
	maker_add(&m->literals, out, length);
}

static inline void maker_zero(struct maker *m, uint32_t length)
{
	maker_op(m, SLOT_PATCH_ZERO, length);
	memset(maker_grow(m, length), 0, length);
}

static inline void maker_join(struct maker *m, struct buf *part, unsigned number)
{
	if (number < 8)
		le32_put(m->raw + 4 * (size_t)number, (uint32_t)part->len);
	assert_true(part->len <= MAKER_MAX - m->raw_len);
	memcpy(m->raw + m->raw_len, part->data ? part->data : (uint8_t *)"", part->len);
	m->raw_len += part->len;
	buf_clear(part);
}

/* The operations since the last frame become raw bytes, which may be spoiled before maker_pack. */
static inline void maker_raw(struct maker *m)
{
	m->raw_len = SLOT_PATCH_FRAME_HEAD;
	maker_join(m, &m->ops, 0);
	for (unsigned i = 0; i < SLOT_PATCH_KINDS; i++)
		maker_join(m, &m->lengths[i], 1 + i);
	maker_join(m, &m->differences, 7);
	maker_join(m, &m->literals, 8);
	m->old_at = 0;
}

static inline void maker_hash(struct maker *m, uint32_t frame)
{
	struct slot_patch_table *t = &m->table;

	rig_digest(HASH_SHA256, m->patch + t->offset[frame], t->stored[frame], t->sha256[frame]);
}

/* The raw bytes become a frame. */
static inline void maker_pack(struct maker *m)
{
	struct slot_patch_table *t = &m->table;
	uint32_t i = t->count++;
	size_t n = ZSTD_compress(
		m->patch + t->stored_total, MAKER_MAX - t->stored_total, m->raw, m->raw_len, 1);

	assert_true(i < MAKER_FRAMES && !ZSTD_isError(n));
	t->output[i] = m->image_size - m->frame_from;
	t->raw[i] = (uint32_t)m->raw_len;
	t->stored[i] = (uint32_t)n;
	t->offset[i] = t->stored_total;
	t->at[i] = m->frame_from;
	t->stored_total += n;
	t->image_size = m->image_size;
	m->frame_from = m->image_size;
	maker_hash(m, i);
}

static inline void maker_frame(struct maker *m)
{
	maker_raw(m);
	maker_pack(m);
}

static inline int maker_expect(
	void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct maker *m = ctx;

	(void)e;
	assert_true(count <= MAKER_FRAMES);
	memcpy(m->expected, ranges, count * sizeof(*ranges));
	m->expected_count = count;
	return 0;
}

static inline int maker_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct maker *m = ctx;

	if (++m->reads == m->fail_read)
		return err_set(e, E_NET, "connection lost");
	assert_true(offset + len <= m->table.stored_total);
	memcpy(data, m->patch + offset, len);
	m->bytes_read += len;
	if (m->flip_times > 0) {
		*(uint8_t *)data ^= 0x20;
		m->flip_times--;
	}
	return 0;
}

/* All leaves are wanted; clear some bits before maker_open. */
static inline void maker_want_all(struct maker *m)
{
	m->want.count = slot_leaf_count(m->image_size);
	m->want.bits = malloc((size_t)m->want.count / 8 + 1);
	assert_non_null(m->want.bits);
	memset(m->want.bits, 0xff, (size_t)m->want.count / 8 + 1);
}

static inline int maker_open(struct maker *m, struct err *e)
{
	m->slot_image = (struct slot_image){.name = "rootfs",
		.size = m->image_size,
		.way = SLOT_WAY_PATCH,
		.patching = {.table = &m->table,
			.old_path = m->old_path,
			.patch = {.ctx = m, .expect = maker_expect, .read = maker_read}}};
	if (!m->want.bits)
		maker_want_all(m);
	return patch_source_open(&m->slot_image, &m->want, &m->stats, &m->source, e);
}

/* One leaf into memory that ends where it ends; the caller frees. */
static inline uint8_t *maker_fill(
	struct maker *m, uint64_t leaf, bool again, int *rc, struct err *e)
{
	size_t len = slot_leaf_length(m->image_size, leaf);
	uint8_t *out = malloc(len);

	assert_non_null(out);
	memset(out, 0xa5, len);
	*rc = m->source.fill(m->source.ctx, leaf, again, out, len, e);
	return out;
}

static inline void maker_leaf_is_right(struct maker *m, uint64_t leaf, bool again)
{
	struct err e = {0};
	int rc;
	uint8_t *out = maker_fill(m, leaf, again, &rc, &e);

	if (rc < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
	assert_memory_equal(out, m->image + leaf * LEAF, slot_leaf_length(m->image_size, leaf));
	free(out);
}

/* The leaf is refused with this code and text, and nothing of it was given. */
static inline void maker_leaf_fails(
	struct maker *m, uint64_t leaf, enum err_code code, const char *text)
{
	struct err e = {0};
	int rc;
	uint8_t *out = maker_fill(m, leaf, false, &rc, &e);

	assert_int_equal(rc, -1);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%s: %s; not %s: ...%s", err_name(e.code), e.text, err_name(code), text);
	for (size_t i = 0; i < slot_leaf_length(m->image_size, leaf); i++)
		assert_int_equal(out[i], 0xa5);
	free(out);
}

#endif
