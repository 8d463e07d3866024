/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the delta way: on top of slot_rig.h an index, frames and data of the
 * image, a match made by hand, old content in files, and a reader of `data` that
 * lies or fails on demand. Linked with --wrap=slot_seed_read.
 */
#pragma once

#include "tests/unit/slot_rig.h"

#include "partitions/slot/index.h"
#include "partitions/slot/match.h"

#define ITEMS_MAX  65536u
#define FRAMES_MAX 1024u

int __real_slot_seed_read(
	struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e);
int __wrap_slot_seed_read(
	struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e);

/* One test at a time: what seeds do wrong, and how often they were asked. */
static struct {
	unsigned reads;
	unsigned fail_from; /* this read (from 1) and all after it fail; 0 = none */
	unsigned fail_reads; /* how many of them */
} seeds_do;

int __wrap_slot_seed_read(
	struct slot_seed *s, uint64_t offset, void *data, size_t len, struct err *e)
{
	unsigned number = ++seeds_do.reads;

	if (seeds_do.fail_from && number >= seeds_do.fail_from &&
		number < seeds_do.fail_from + seeds_do.fail_reads)
		return err_set(e, E_IO, "the seed cannot be read");
	return __real_slot_seed_read(s, offset, data, len, e);
}

struct delta_rig {
	struct rig *rig; /* image, leaves and target */
	bool content_defined;
	unsigned generations; /* entries are dealt out to so many, ... */
	enum slot_encoding encoding;
	struct slot_index_item *items;
	uint32_t count;
	struct buf index_bytes;
	struct slot_index index;
	struct slot_frames table; /* as made */
	struct buf frames_bytes;
	struct slot_frames frames; /* as read */
	uint8_t *data;
	struct slot_match match;
	char seed_path[SLOT_SEEDS_MAX][128];
	uint8_t *seed_content[SLOT_SEEDS_MAX];
	size_t seed_size[SLOT_SEEDS_MAX];
	struct slot_seed *seed[SLOT_SEEDS_MAX];
	/* The reader's behaviour and what it saw. */
	uint64_t bytes_read;
	unsigned reads;
	unsigned frame_reads[FRAMES_MAX];
	uint64_t flip_at; /* this byte of `data` is wrong ... */
	unsigned flip_times; /* ... as often as it is read */
	unsigned fail_read; /* this read (from 1) fails; 0 = none */
	struct byte_range expected[64];
	size_t expected_count;
	unsigned expects;
	bool unexpected; /* a read outside of what was announced */
};

static inline uint32_t delta_length(const struct delta_rig *d, uint32_t number, uint64_t left)
{
	/* Some of one byte, some of the most, most of them odd. */
	uint32_t n = (number * 2654435761u) >> 16;
	uint32_t length = number % 7 == 3 ? 1 : number % 11 == 5 ? SLOT_CHUNK_MAX : n % 20000 + 1;

	if (!d->content_defined)
		length = SLOT_BLOCK_SIZE;
	return length < left ? length : (uint32_t)left;
}

/* Cuts the image into entries; what is all zero is known from the content. */
static inline void delta_make_items(struct delta_rig *d)
{
	uint64_t size = d->rig->image.size;

	d->count = 0;
	for (uint64_t at = 0; at < size; d->count++) {
		assert_true(d->count < ITEMS_MAX);
		uint32_t len = delta_length(d, d->count, size - at);
		const uint8_t *bytes = d->rig->content + at;
		d->items[d->count] = (struct slot_index_item){.length = len,
			.zero = slot_is_zero(bytes, len),
			.generation = (uint8_t)(d->count / 3 % d->generations),
			.hash = slot_match_hash(bytes, len)};
		at += len;
	}
}

static inline void delta_end_frame(
	struct delta_rig *d, const uint8_t *raw, size_t len, uint64_t *stored)
{
	struct slot_frames *t = &d->table;
	uint32_t i = t->count++;

	assert_true(i < FRAMES_MAX);
	size_t n = rig_encode(d->encoding, raw, len, d->data + *stored, SLOT_FRAME_STORED_MAX);
	t->stored[i] = (uint32_t)n;
	t->raw[i] = (uint32_t)len;
	rig_digest(HASH_SHA256, d->data + *stored, n, t->sha256[i]);
	*stored += n;
}

/* One generation's stream in frames of whole entries. */
static inline void delta_make_stream(
	struct delta_rig *d, unsigned g, uint8_t *raw, uint64_t *stored)
{
	uint64_t at = 0;
	size_t len = 0;

	d->table.first[g] = d->table.count;
	for (uint32_t i = 0; i < d->count; at += d->items[i++].length) {
		const struct slot_index_item *item = &d->items[i];
		if (item->zero || item->generation != g)
			continue;
		if (len + item->length > SLOT_FRAME_SIZE) {
			delta_end_frame(d, raw, len, stored);
			len = 0;
		}
		memcpy(raw + len, d->rig->content + at, item->length);
		len += item->length;
	}
	if (len > 0)
		delta_end_frame(d, raw, len, stored);
	d->table.first[g + 1] = d->table.count;
}

/* What the publisher's tables say is read as the agent reads it. */
static inline void delta_read_tables(struct delta_rig *d)
{
	struct err e = {0};
	uint64_t size = d->rig->image.size;

	slot_frames_free(&d->frames);
	buf_free(&d->index_bytes);
	buf_free(&d->frames_bytes);
	d->index_bytes = buf_make(64u << 20);
	d->frames_bytes = buf_make(64u << 20);
	if (slot_index_write(size, d->content_defined, d->items, d->count, &d->index_bytes, &e) <
			0 ||
		slot_index_parse(d->index_bytes.data, d->index_bytes.len, size, &d->index, &e) <
			0 ||
		slot_frames_write(&d->table, &d->frames_bytes, &e) < 0)
		fail_msg("%s", e.text);
	uint64_t stored = 0;
	for (uint32_t i = 0; i < d->table.count; i++)
		stored += d->table.stored[i];
	if (slot_frames_parse(
		    d->frames_bytes.data, d->frames_bytes.len, size, stored, &d->frames, &e) < 0)
		fail_msg("%s", e.text);
}

/* Makes leaves, index, frames and data of the content. */
static inline void delta_pack(struct delta_rig *d)
{
	uint8_t *raw = malloc(SLOT_FRAME_SIZE);
	uint64_t stored = 0;

	assert_non_null(raw);
	rig_hash_leaves(d->rig);
	delta_make_items(d);
	d->table.count = 0;
	d->table.image_size = d->rig->image.size;
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		delta_make_stream(d, g, raw, &stored);
	free(raw);
	delta_read_tables(d);
}

static inline uint64_t *delta_places(struct delta_rig *d)
{
	return d->match.place.data;
}

/* Everything out of `data`. */
static inline void delta_match_nothing(struct delta_rig *d)
{
	struct err e = {0};

	scratch_free(&d->match.place);
	free(d->match.need);
	assert_int_equal(scratch_get(-1, (size_t)d->index.stored * 8, &d->match.place, &e), 0);
	memset(d->match.place.data, 0xff, d->match.place.size);
	d->match.need = malloc(FRAMES_MAX / 8);
	assert_non_null(d->match.need);
	memset(d->match.need, 0xff, FRAMES_MAX / 8);
}

/* Frames of what comes out of `data` for leaves [first, end); all others are not needed. */
static inline void delta_need(struct delta_rig *d, uint64_t first, uint64_t end)
{
	struct slot_walk w = {0};
	struct slot_entry entry;

	memset(d->match.need, 0, FRAMES_MAX / 8);
	while (slot_index_next(&d->index, &w, &entry)) {
		if (entry.zero || delta_places(d)[entry.stored_number] != SLOT_PLACE_DATA ||
			entry.offset + entry.length <= first * LEAF || entry.offset >= end * LEAF)
			continue;
		uint32_t frame = slot_frames_find(&d->frames, entry.generation, entry.at);
		assert_true(frame < d->frames.count);
		d->match.need[frame / 8] |= (uint8_t)(1u << (frame % 8));
	}
}

/* Entries that begin in [from, to) of the image come from there. */
static inline void delta_match(struct delta_rig *d, uint64_t from, uint64_t to, uint64_t place)
{
	struct slot_walk w = {0};
	struct slot_entry entry;

	while (slot_index_next(&d->index, &w, &entry)) {
		if (entry.zero || entry.offset < from || entry.offset >= to)
			continue;
		bool fixed = place >= SLOT_PLACE_TARGET;
		delta_places(d)[entry.stored_number] =
			fixed ? place : place + (entry.offset - from);
	}
}

static inline uint64_t delta_seed_place(uint64_t seed, uint64_t offset)
{
	return seed << SLOT_PLACE_SEED_SHIFT | offset;
}

static inline void delta_write_seed(struct delta_rig *d, unsigned i)
{
	int fd = open(d->seed_path[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, d->seed_content[i], d->seed_size[i]), d->seed_size[i]);
	close(fd);
}

/* Old content in a file, opened as the agent does. */
static inline void delta_add_seed(struct delta_rig *d, unsigned i, const uint8_t *content, size_t n)
{
	struct err e = {0};

	snprintf(d->seed_path[i], sizeof(d->seed_path[i]), "%s/seed%u", d->rig->dir, i);
	d->seed_content[i] = malloc(n);
	assert_non_null(d->seed_content[i]);
	memcpy(d->seed_content[i], content, n);
	d->seed_size[i] = n;
	delta_write_seed(d, i);
	struct slot_seed_request request = {.path = d->seed_path[i], .scratch_dir = -1};
	if (slot_seed_open(&request, &d->seed[i], &e) < 0)
		fail_msg("%s", e.text);
	d->rig->image.delta.seed_count = i + 1;
}

/* Changes one byte of a seed, after it was opened and matched. */
static inline void delta_damage_seed(struct delta_rig *d, unsigned i, uint64_t at)
{
	d->seed_content[i][at] ^= 0x10;
	delta_write_seed(d, i);
}

static inline bool delta_announced(const struct delta_rig *d, uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < d->expected_count; i++) {
		const struct byte_range *x = &d->expected[i];
		if (offset >= x->offset && offset + len <= x->offset + x->length)
			return true;
	}
	return false;
}

static inline int delta_expect(
	void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct delta_rig *d = ctx;

	(void)e;
	assert_true(count <= 64);
	memcpy(d->expected, ranges, count * sizeof(*ranges));
	d->expected_count = count;
	d->expects++;
	return 0;
}

static inline int delta_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct delta_rig *d = ctx;
	uint32_t frame = 0;

	if (++d->reads == d->fail_read)
		return err_set(e, E_NET, "connection lost");
	while (frame < d->frames.count && d->frames.offset[frame] != offset)
		frame++;
	/* Frames are read whole. */
	assert_true(frame < d->frames.count);
	assert_int_equal(len, d->frames.stored[frame]);
	d->unexpected = d->unexpected || !delta_announced(d, offset, len);
	d->frame_reads[frame]++;
	d->bytes_read += len;
	memcpy(data, d->data + offset, len);
	if (d->flip_times > 0 && d->flip_at >= offset && d->flip_at < offset + len) {
		((uint8_t *)data)[d->flip_at - offset] ^= 0x40;
		d->flip_times--;
	}
	return 0;
}

static inline void delta_forget(struct delta_rig *d)
{
	d->bytes_read = 0;
	d->reads = 0;
	d->expects = 0;
	d->unexpected = false;
	memset(d->frame_reads, 0, sizeof(d->frame_reads));
	memset(&seeds_do, 0, sizeof(seeds_do));
}

/* How often the frame was read that was read most often. */
static inline unsigned delta_most_reads(const struct delta_rig *d)
{
	unsigned most = 0;

	for (uint32_t i = 0; i < d->frames.count; i++)
		most = d->frame_reads[i] > most ? d->frame_reads[i] : most;
	return most;
}

static inline void delta_make_content(struct rig *r)
{
	uint64_t blocks = r->image.size / SLOT_BLOCK_SIZE;

	/* Every block differs from every other, beyond what rig_fill's period gives. */
	for (uint64_t i = 0; i < blocks; i++)
		le64_put(r->content + i * SLOT_BLOCK_SIZE + 100, i * UINT64_C(0x9e3779b97f4a7c15));
	for (uint64_t i = 5; i < blocks; i += 16)
		memset(r->content + i * SLOT_BLOCK_SIZE, 0, SLOT_BLOCK_SIZE);
	/* A whole leaf of zeros. */
	if (r->image.size > 4 * LEAF)
		memset(r->content + 3 * LEAF, 0, LEAF);
}

static inline struct delta_rig *delta_rig_new(
	uint64_t size, enum slot_encoding encoding, bool content_defined, unsigned generations)
{
	struct delta_rig *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	memset(&seeds_do, 0, sizeof(seeds_do));
	d->rig = rig_new(size, SLOT_NONE, HASH_SHA256);
	d->content_defined = content_defined;
	d->generations = generations;
	d->encoding = encoding;
	d->items = calloc(ITEMS_MAX, sizeof(*d->items));
	d->table.stored = calloc(FRAMES_MAX, sizeof(uint32_t));
	d->table.raw = calloc(FRAMES_MAX, sizeof(uint32_t));
	d->table.sha256 = calloc(FRAMES_MAX, HASH_SIZE);
	d->data = malloc(size + (SLOT_GENERATIONS + size / LEAF * 2) * SLOT_FRAME_STORED_MAX);
	assert_true(d->items && d->table.sha256 && d->data);
	delta_make_content(d->rig);
	delta_pack(d);
	delta_match_nothing(d);
	d->rig->image.way = SLOT_WAY_DELTA;
	d->rig->image.pieces = NULL;
	d->rig->image.delta = (struct slot_delta){.index = &d->index,
		.frames = &d->frames,
		.encoding = encoding,
		.match = &d->match,
		.seeds = d->seed};
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		d->rig->image.delta.data[g] =
			(struct reader){.ctx = d, .read = delta_read, .expect = delta_expect};
	return d;
}

static inline void delta_rig_free(struct delta_rig *d)
{
	for (unsigned i = 0; i < SLOT_SEEDS_MAX; i++) {
		slot_seed_close(d->seed[i]);
		free(d->seed_content[i]);
		if (d->seed_path[i][0])
			unlink(d->seed_path[i]);
	}
	rig_free(d->rig);
	scratch_free(&d->match.place);
	free(d->match.need);
	free(d->items);
	free(d->data);
	slot_frames_free(&d->table);
	slot_frames_free(&d->frames);
	buf_free(&d->index_bytes);
	buf_free(&d->frames_bytes);
	free(d);
}
