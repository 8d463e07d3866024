/* SPDX-License-Identifier: Apache-2.0 */
/* A release of one image and a device that runs the one before, for tests of agent/ways. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/leaves.h"
#include "agent/ways_parts.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/agent_room.h"

#define SIZE   (3u << 20)
#define BLOCKS (SIZE / SLOT_BLOCK_SIZE)
#define LEAVES (SIZE / SLOT_LEAF_SIZE)
/* Blocks that the new image does not share with the old one. */
#define FIRST_NEW 100u
#define COUNT_NEW 20u

static char dir_path[64];
static struct session s;
static struct plan plan;
static struct slot_part parts[1];
static struct objects all;
static struct object_source source;
static struct object *leaves_o, *full_o, *pieces_o, *index_o, *frames_o, *data_o, *patch_o,
	*table_o;
static uint8_t *old_image;
static uint8_t *new_image;
static uint8_t old_leaves[LEAVES * HASH_SIZE];
static struct ways *w;
static bool from_bundle;
static struct err e;

static inline void hash_leaves(const uint8_t *image, uint8_t *out)
{
	for (unsigned i = 0; i < LEAVES; i++)
		assert_int_equal(hash_bytes(HASH_SHA256, image + (size_t)i * SLOT_LEAF_SIZE,
					 SLOT_LEAF_SIZE, out + (size_t)i * HASH_SIZE, &e),
			0);
}

static inline void write_slot(char slot, const uint8_t *image)
{
	const char *path = config_slot_of(&s.config, slot)->parts[0].path;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, image, SIZE, &e), 0);
	close(fd);
}

static inline void make_full(struct plan_image *i)
{
	struct slot_pieces p = {.image_size = SIZE, .count = 1, .stored_total = SIZE};
	uint32_t stored = SIZE;
	uint64_t offset = 0;
	uint8_t sha256[1][HASH_SIZE];
	AUTO_BUF struct buf table = buf_make(1000);

	p.stored = &stored;
	p.offset = &offset;
	p.sha256 = sha256;
	full_o = objects_add(&all, new_image, SIZE, &i->full);
	memcpy(sha256[0], full_o->sha256, HASH_SIZE);
	assert_int_equal(slot_pieces_write(&p, &table, &e), 0);
	pieces_o = objects_add(&all, table.data, table.len, &i->pieces);
}

static inline bool is_new(uint32_t block)
{
	return block >= FIRST_NEW && block < FIRST_NEW + COUNT_NEW;
}

static inline void add_frames(const uint8_t *data, struct plan_image *i)
{
	enum { COUNT = 1 + (BLOCKS - COUNT_NEW + 63) / 64 };
	uint32_t stored[COUNT];
	uint8_t sha256[COUNT][HASH_SIZE];
	struct slot_frames f = {.image_size = SIZE, .count = COUNT};
	AUTO_BUF struct buf table = buf_make(10000);
	uint32_t left = SIZE - COUNT_NEW * SLOT_BLOCK_SIZE;

	f.stored = f.raw = stored;
	f.sha256 = sha256;
	stored[0] = COUNT_NEW * SLOT_BLOCK_SIZE;
	for (uint32_t k = 1; k < COUNT; k++) {
		stored[k] = left < SLOT_FRAME_SIZE ? left : SLOT_FRAME_SIZE;
		left -= stored[k];
	}
	for (uint32_t k = 0; k < COUNT; data += stored[k++])
		assert_int_equal(hash_bytes(HASH_SHA256, data, stored[k], sha256[k], &e), 0);
	f.first[1] = 1;
	for (unsigned g = 2; g <= SLOT_GENERATIONS; g++)
		f.first[g] = COUNT;
	assert_int_equal(slot_frames_write(&f, &table, &e), 0);
	frames_o = objects_add(&all, table.data, table.len, &i->frames);
}

/* New blocks are generation 0, all others generation 1; frames are stored as they are. */
static inline void make_delta(struct plan_image *i, uint16_t rule)
{
	static struct slot_index_item items[BLOCKS];
	AUTO_BUF struct buf index = buf_make(100000);
	AUTO_FREE uint8_t *data = malloc(SIZE);
	size_t at = 0;

	assert_non_null(data);
	for (unsigned g = 0; g < 2; g++) {
		for (uint32_t b = 0; b < BLOCKS; b++) {
			const uint8_t *block = new_image + (size_t)b * SLOT_BLOCK_SIZE;
			if (is_new(b) != (g == 0))
				continue;
			items[b] = (struct slot_index_item){.length = SLOT_BLOCK_SIZE,
				.generation = (uint8_t)g,
				.hash = slot_match_hash(block, SLOT_BLOCK_SIZE)};
			memcpy(data + at, block, SLOT_BLOCK_SIZE);
			at += SLOT_BLOCK_SIZE;
		}
	}
	assert_int_equal(slot_index_write(SIZE, rule, items, BLOCKS, &index, &e), 0);
	index_o = objects_add(&all, index.data, index.len, &i->index);
	data_o = objects_add(&all, data, SIZE, &i->data);
	add_frames(data, i);
	i->has_delta = true;
}

/* A patch of so many bytes that nobody can apply: the plan knows its table only. */
static inline void make_patch(size_t len, uint64_t old_size)
{
	struct plan_patch *p = &plan.images[0].patches[0];
	uint32_t output = SIZE;
	uint32_t stored = (uint32_t)len;
	uint32_t raw = 1000;
	uint8_t sha256[1][HASH_SIZE];
	struct slot_patch_table t = {
		.image_size = SIZE, .old_size = old_size, .count = 1, .stored_total = len};
	AUTO_BUF struct buf table = buf_make(1000);
	AUTO_FREE uint8_t *patch = malloc(len);

	assert_non_null(patch);
	noise(patch, len, 77);
	t.output = &output;
	t.stored = &stored;
	t.raw = &raw;
	t.sha256 = sha256;
	patch_o = objects_add(&all, patch, len, &p->patch);
	memcpy(sha256[0], patch_o->sha256, HASH_SIZE);
	assert_int_equal(slot_patch_table_write(&t, &table, &e), 0);
	table_o = objects_add(&all, table.data, table.len, &p->table);
	memcpy(p->from, s.state.slots[0].images[0].leaves.sha256, HASH_SIZE);
	plan.images[0].patch_count = 1;
}

static inline void make_release(void)
{
	struct plan_image *i = &plan.images[0];
	uint8_t leaves[LEAVES * HASH_SIZE];

	plan = (struct plan){.release = 2, .image_count = 1};
	snprintf(i->name, sizeof(i->name), "rootfs");
	i->size = SIZE;
	hash_leaves(new_image, leaves);
	leaves_o = objects_add(&all, leaves, sizeof(leaves), &i->leaves);
	make_full(i);
	make_delta(i, SLOT_RULE_BLOCKS);
}

static inline void make_running(void)
{
	struct state_slot *slot = &s.state.slots[0];
	struct plan_image *i = &slot->images[0];

	*slot = (struct state_slot){.status = STATE_SLOT_COMMITTED, .release = 1, .image_count = 1};
	snprintf(i->name, sizeof(i->name), "rootfs");
	i->size = SIZE;
	hash_leaves(old_image, old_leaves);
	i->leaves.length = sizeof(old_leaves);
	assert_int_equal(
		hash_bytes(HASH_SHA256, old_leaves, sizeof(old_leaves), i->leaves.sha256, &e), 0);
	assert_int_equal(leaves_keep(&s, i, old_leaves, &e), 0);
}

static inline void make_config(void)
{
	for (int k = 0; k < 2; k++) {
		struct config_slot *slot = &s.config.slots[k];
		slot->count = 1;
		snprintf(slot->parts[0].image, sizeof(slot->parts[0].image), "rootfs");
		snprintf(slot->parts[0].path, sizeof(slot->parts[0].path), "%s/slot-%c", dir_path,
			'a' + k);
	}
	parts[0] = s.config.slots[1].parts[0];
}

static inline int make(void **state)
{
	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-ways-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	e = (struct err){0};
	room = UINT64_C(1) << 29;
	from_bundle = false;
	s = (struct session){.lock = -1};
	s.log = log_make(LOG_LEVEL_ERROR);
	assert_int_equal(file_open_dir(dir_path, &s.data, &e), 0);
	make_config();
	old_image = malloc(SIZE);
	new_image = malloc(SIZE);
	assert_non_null(old_image);
	assert_non_null(new_image);
	noise(old_image, SIZE, 1);
	memcpy(new_image, old_image, SIZE);
	noise(new_image + FIRST_NEW * SLOT_BLOCK_SIZE, COUNT_NEW * SLOT_BLOCK_SIZE, 2);
	make_running();
	make_release();
	write_slot('A', old_image);
	static uint8_t zeros[SIZE];
	write_slot('B', zeros);
	source = objects_source(&all);
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st, (void)kind, (void)f;
	return remove(path);
}

static inline int clear(void **state)
{
	(void)state;
	ways_free(w);
	w = NULL;
	objects_free(&all);
	free(old_image);
	free(new_image);
	close(s.data);
	return nftw(dir_path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int make_plan(void)
{
	static const struct running running = {.booted = 'A', .committed = 'A', .target = 'B'};
	struct ways_request r = {.session = &s,
		.running = &running,
		.plan = &plan,
		.objects = &source,
		.from_bundle = from_bundle,
		.parts = parts};

	ways_free(w);
	w = NULL;
	e = (struct err){0};
	return ways_make(&r, &w, &e);
}

static inline struct way_sum planned(void)
{
	struct way_sum sum;

	if (make_plan() < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
	ways_sum(w, &sum);
	return sum;
}

/* Carries the plan out; the target must hold the new image then. */
static inline struct slot_stats carry_out(void)
{
	uint64_t needed[1] = {SIZE};
	struct slot_target *target = NULL;
	struct slot_stats stats = {0};
	struct slot_progress quiet = {0};

	if (slot_open_target(parts, needed, 1, s.config.slots[0].parts, 1, &target, &e) < 0 ||
		slot_spoil(target, &e) < 0 ||
		ways_write(w, 0, target, &quiet, &quiet, &stats, &e) < 0 ||
		slot_finish(target, &quiet, &e) < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
	slot_close_target(target);
	assert_int_equal(slot_check(parts[0].path, SIZE, HASH_SHA256, leaves_o->data, &e), 0);
	return stats;
}

static inline bool is_kept(const uint8_t sha256[HASH_SIZE])
{
	char path[200];
	char hex[HASH_HEX_SIZE];

	hash_to_hex(sha256, hex);
	snprintf(path, sizeof(path), "%s/cache/%s", dir_path, hex);
	return access(path, F_OK) == 0;
}

/* The target holds what was planned, by the state. */
static inline void mark_written(void)
{
	s.state.slots[1].image_count = 1;
	s.state.slots[1].images[0] = plan.images[0];
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, make, clear)
