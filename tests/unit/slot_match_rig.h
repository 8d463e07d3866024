/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of seeds and matching: random content, an index over it (blocks, or cut by content),
 * `data` and its frames stored as they are, and files in a folder of their own.
 */
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
#include <cmocka.h>

#include "agent/base/file.h"
#include "partitions/slot/chunk.h"
#include "partitions/slot/match.h"

#define BLOCK     SLOT_BLOCK_SIZE
#define LEAF      SLOT_LEAF_SIZE
#define RIG_FRAME (64u * 1024) /* smaller frames than the publisher's, so that there are many */

/* Random bytes, the same for the same seed. */
static inline void rig_random(uint8_t *data, size_t len, uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)(x >> 32);
	}
}

static inline uint8_t *rig_new_content(size_t size, uint64_t seed)
{
	uint8_t *data = malloc(size);

	assert_non_null(data);
	rig_random(data, size, seed);
	return data;
}

/* A folder with files. */
struct files {
	char dir[64];
	int fd;
	char path[4][128];
	unsigned count;
};

static inline void files_open(struct files *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/pawl-match-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
}

/* A new file with this content; its path. */
static inline const char *files_add(struct files *f, const void *data, size_t len)
{
	static const char *const names[] = {"a.img", "b.img", "c.img", "d.img"};
	struct err e = {0};

	assert_true(f->count < 4);
	char *path = f->path[f->count];
	assert_int_equal(file_join(path, sizeof(f->path[0]), f->dir, names[f->count++], &e), 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
	return path;
}

static inline void files_change(const char *path, uint64_t at, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), (ssize_t)len);
	close(fd);
}

/* Nothing but what was added may be left. */
static inline void files_close(struct files *f)
{
	for (unsigned i = 0; i < f->count; i++)
		unlink(f->path[i]);
	close(f->fd);
	assert_int_equal(rmdir(f->dir), 0);
}

/* One image with all its tables. */
struct image {
	uint8_t *content;
	uint64_t size;
	struct slot_index_item *items;
	uint32_t count;
	struct buf index_bytes;
	struct slot_index index;
	uint8_t *data;
	struct slot_frames frames;
	uint8_t *leaves;
};

/* Generations go up and down through the image, four of them. */
static inline void rig_cut(struct image *m, bool content_defined)
{
	struct chunk_gear gear;

	chunk_make_gear(&gear);
	m->items = calloc(m->size / CHUNK_MIN + 1, sizeof(*m->items));
	assert_non_null(m->items);
	for (uint64_t at = 0; at < m->size; at += m->items[m->count++].length) {
		struct slot_index_item *item = &m->items[m->count];
		item->length = content_defined ? chunk_next(&gear, m->content + at,
							 (size_t)(m->size - at), at)
					       : BLOCK;
		item->zero = slot_is_zero(m->content + at, item->length);
		item->generation = item->zero ? 0 : (uint8_t)(m->count / 23 % 4 * 5);
		item->hash = item->zero ? 0 : slot_match_hash(m->content + at, item->length);
	}
}

/* Begins a frame where the entry does not fit the last one any more. */
static inline uint32_t rig_frame_for(struct image *m, uint32_t first, uint32_t length)
{
	struct slot_frames *f = &m->frames;

	if (f->count == first || f->raw[f->count - 1] + length > RIG_FRAME)
		f->count++;
	return f->count - 1;
}

static inline void rig_pack(struct image *m)
{
	struct slot_frames *f = &m->frames;
	uint64_t end = 0;

	f->image_size = m->size;
	f->stored = calloc(m->count + 1, sizeof(*f->stored));
	f->raw = calloc(m->count + 1, sizeof(*f->raw));
	f->sha256 = calloc(m->count + 1, sizeof(*f->sha256));
	m->data = malloc((size_t)m->size);
	assert_true(f->stored && f->raw && f->sha256 && m->data);
	for (uint8_t g = 0; g < SLOT_GENERATIONS; g++) {
		uint64_t at = 0;
		f->first[g] = f->count;
		for (uint32_t i = 0; i < m->count; at += m->items[i++].length) {
			const struct slot_index_item *item = &m->items[i];
			if (item->zero || item->generation != g)
				continue;
			uint32_t frame = rig_frame_for(m, f->first[g], item->length);
			memcpy(m->data + end, m->content + at, item->length);
			f->raw[frame] += item->length;
			f->stored[frame] += item->length;
			end += item->length;
		}
	}
	f->first[SLOT_GENERATIONS] = f->count;
	f->stored_total = end;
}

/* Writes the tables and reads them again, as the device gets them. */
static inline void rig_tables(struct image *m, bool content_defined)
{
	AUTO_BUF struct buf frames = buf_make(1u << 24);
	uint64_t length = m->frames.stored_total;
	struct err e = {0};

	m->index_bytes = buf_make(1u << 24);
	assert_int_equal(
		slot_index_write(m->size, content_defined, m->items, m->count, &m->index_bytes, &e),
		0);
	assert_int_equal(slot_frames_write(&m->frames, &frames, &e), 0);
	slot_frames_free(&m->frames);
	if (slot_index_parse(m->index_bytes.data, m->index_bytes.len, m->size, &m->index, &e) < 0 ||
		slot_frames_parse(frames.data, frames.len, m->size, length, &m->frames, &e) < 0)
		fail_msg("%s", e.text);
	m->leaves = malloc((size_t)slot_leaf_count(m->size) * HASH_SIZE);
	assert_non_null(m->leaves);
	for (uint64_t i = 0; i < slot_leaf_count(m->size); i++)
		assert_int_equal(
			hash_bytes(HASH_SHA256, m->content + i * LEAF, slot_leaf_length(m->size, i),
				m->leaves + i * HASH_SIZE, &e),
			0);
}

/* Takes the content. */
static inline struct image image_make(uint8_t *content, uint64_t size, bool content_defined)
{
	struct image m = {.content = content, .size = size};

	rig_cut(&m, content_defined);
	rig_pack(&m);
	rig_tables(&m, content_defined);
	return m;
}

static inline void image_free(struct image *m)
{
	free(m->content);
	free(m->items);
	free(m->data);
	free(m->leaves);
	buf_free(&m->index_bytes);
	slot_frames_free(&m->frames);
}
