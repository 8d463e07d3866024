/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the patch way through slot_write: on top of slot_rig.h an old image in
 * a file and a patch of it, one frame for four leaves: the old image is the new one
 * but for one byte in each leaf.
 */
#pragma once

#include "tests/unit/slot_rig.h"

#include "partitions/slot/patch.h"

#ifdef CONFIG_ZSTD

#define PATCH_OUTPUT (4u * LEAF)

struct patch_rig {
	struct rig *rig;
	char old_path[128];
	uint8_t *old;
	struct slot_patch_table table;
	uint8_t *patch;
	unsigned reads;
	unsigned fail_read; /* this read (from 1) fails; 0 = none */
	uint32_t flip_frame; /* a byte of it is wrong ... */
	unsigned flip_times; /* ... so often */
};

/* One frame while it grows: its operations, and their lengths by kind. */
struct patch_frame {
	uint8_t ops[64];
	size_t op_count;
	uint8_t lengths[SLOT_PATCH_KINDS][64];
	size_t length_bytes[SLOT_PATCH_KINDS];
};

static inline void patch_step(struct patch_frame *f, enum slot_patch_kind kind, uint64_t length)
{
	uint8_t *out = f->lengths[kind];
	size_t *n = &f->length_bytes[kind];

	f->ops[f->op_count++] = (uint8_t)kind;
	for (; length > 127; length >>= 7)
		out[(*n)++] = (uint8_t)((length & 127) | 128);
	out[(*n)++] = (uint8_t)length;
}

/* Steps for [from, to): the byte at 100 of each leaf is a literal, all else is old. */
static inline size_t patch_make_raw(const struct rig *r, uint64_t from, uint64_t to, uint8_t *raw)
{
	struct patch_frame f = {0};
	uint8_t *end = raw + SLOT_PATCH_FRAME_HEAD;

	if (from > 0)
		patch_step(&f, SLOT_PATCH_FORWARD, from);
	for (uint64_t leaf = from / LEAF; leaf * LEAF < to; leaf++) {
		patch_step(&f, SLOT_PATCH_COPY, 100);
		patch_step(&f, SLOT_PATCH_INSERT, 1);
		patch_step(&f, SLOT_PATCH_FORWARD, 1);
		patch_step(&f, SLOT_PATCH_COPY, slot_leaf_length(r->image.size, leaf) - 101);
	}
	memset(raw, 0, SLOT_PATCH_FRAME_HEAD); /* no differences */
	le32_put(raw, (uint32_t)f.op_count);
	memcpy(end, f.ops, f.op_count);
	end += f.op_count;
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++) {
		le32_put(raw + 4 + 4 * kind, (uint32_t)f.length_bytes[kind]);
		memcpy(end, f.lengths[kind], f.length_bytes[kind]);
		end += f.length_bytes[kind];
	}
	for (uint64_t leaf = from / LEAF; leaf * LEAF < to; leaf++)
		*end++ = r->content[leaf * LEAF + 100];
	return (size_t)(end - raw);
}

static inline void patch_pack(struct patch_rig *p)
{
	struct slot_patch_table *t = &p->table;
	uint64_t size = p->rig->image.size;
	uint8_t raw[256];

	*t = (struct slot_patch_table){.image_size = size, .old_size = size};
	t->count = (uint32_t)((size + PATCH_OUTPUT - 1) / PATCH_OUTPUT);
	t->output = calloc(t->count, 4);
	t->stored = calloc(t->count, 4);
	t->raw = calloc(t->count, 4);
	t->offset = calloc(t->count, 8);
	t->at = calloc(t->count, 8);
	t->sha256 = calloc(t->count, HASH_SIZE);
	p->patch = malloc(t->count * sizeof(raw) * 2);
	assert_true(
		t->output && t->stored && t->raw && t->offset && t->at && t->sha256 && p->patch);
	for (uint32_t i = 0; i < t->count; i++) {
		uint64_t from = (uint64_t)i * PATCH_OUTPUT;
		uint64_t to = from + PATCH_OUTPUT < size ? from + PATCH_OUTPUT : size;
		size_t len = patch_make_raw(p->rig, from, to, raw);
		size_t n = ZSTD_compress(p->patch + t->stored_total, sizeof(raw) * 2, raw, len, 1);
		assert_false(ZSTD_isError(n));
		t->output[i] = (uint32_t)(to - from);
		t->raw[i] = (uint32_t)len;
		t->stored[i] = (uint32_t)n;
		t->offset[i] = t->stored_total;
		t->at[i] = from;
		rig_digest(HASH_SHA256, p->patch + t->stored_total, n, t->sha256[i]);
		t->stored_total += n;
	}
}

static inline int patch_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct patch_rig *p = ctx;
	uint64_t flip = p->table.offset[p->flip_frame] + 9;

	if (++p->reads == p->fail_read)
		return err_set(e, E_NET, "connection lost");
	assert_true(offset + len <= p->table.stored_total);
	memcpy(data, p->patch + offset, len);
	if (p->flip_times > 0 && flip >= offset && flip < offset + len) {
		((uint8_t *)data)[flip - offset] ^= 0x20;
		p->flip_times--;
	}
	return 0;
}

static inline void patch_write_old(const struct patch_rig *p)
{
	int fd = open(p->old_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t size = (ssize_t)p->rig->image.size;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p->old, (size_t)size), size);
	close(fd);
}

static inline void patch_rig_damage_old(struct patch_rig *p, uint64_t at)
{
	p->old[at] ^= 1;
	patch_write_old(p);
}

static inline struct patch_rig *patch_rig_new(uint64_t size)
{
	struct patch_rig *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->rig = rig_new(size, SLOT_NONE, HASH_SHA256);
	/* So that no leaf is right in a target of zeros, or like another one. */
	for (uint64_t leaf = 0; leaf < slot_leaf_count(size); leaf++)
		le64_put(p->rig->content + leaf * LEAF + 200, leaf * 77 + 1);
	rig_hash_leaves(p->rig);
	p->old = malloc(size);
	assert_non_null(p->old);
	memcpy(p->old, p->rig->content, size);
	for (uint64_t leaf = 0; leaf < slot_leaf_count(size); leaf++)
		p->old[leaf * LEAF + 100] ^= 0xff;
	snprintf(p->old_path, sizeof(p->old_path), "%s/a.img", p->rig->dir);
	patch_write_old(p);
	patch_pack(p);
	p->rig->image.way = SLOT_WAY_PATCH;
	p->rig->image.pieces = NULL;
	p->rig->image.patching = (struct slot_patching){.table = &p->table,
		.old_path = p->old_path,
		.patch = {.ctx = p, .read = patch_read}};
	return p;
}

static inline void patch_rig_free(struct patch_rig *p)
{
	unlink(p->old_path);
	rig_free(p->rig);
	slot_patch_table_free(&p->table);
	free(p->old);
	free(p->patch);
	free(p);
}

#endif
