/* SPDX-License-Identifier: Apache-2.0 */
/* agent/ways: what costs least is gone, nothing is fetched to find out that it was not worth it. */
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
#ifdef CONFIG_ZSTD
#include "tests/unit/difference_maker.h"
#endif

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

static void hash_leaves(const uint8_t *image, uint8_t *out)
{
	for (unsigned i = 0; i < LEAVES; i++)
		assert_int_equal(hash_bytes(HASH_SHA256, image + (size_t)i * SLOT_LEAF_SIZE,
					 SLOT_LEAF_SIZE, out + (size_t)i * HASH_SIZE, &e),
			0);
}

static void write_slot(char slot, const uint8_t *image)
{
	const char *path = config_slot_of(&s.config, slot)->parts[0].path;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, image, SIZE, &e), 0);
	close(fd);
}

static void make_full(struct plan_image *i)
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

static bool is_new(uint32_t block)
{
	return block >= FIRST_NEW && block < FIRST_NEW + COUNT_NEW;
}

static void add_frames(const uint8_t *data, struct plan_image *i)
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
static void make_delta(struct plan_image *i, uint16_t rule)
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
static void make_patch(size_t len, uint64_t old_size)
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

static void make_release(void)
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

static void make_running(void)
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

static void make_config(void)
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

static int make(void **state)
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

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st, (void)kind, (void)f;
	return remove(path);
}

static int clear(void **state)
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

static int make_plan(void)
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

static struct way_sum planned(void)
{
	struct way_sum sum;

	if (make_plan() < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
	ways_sum(w, &sum);
	return sum;
}

/* Carries the plan out; the target must hold the new image then. */
static struct slot_stats carry_out(void)
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

static void a_delta_costs_its_tables_and_what_no_seed_has(void **state)
{
	(void)state;
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.data, COUNT_NEW * SLOT_BLOCK_SIZE);
	assert_int_equal(sum.requests, 1);
	assert_int_equal(sum.tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(sum.full, full_o->len + pieces_o->len + leaves_o->len);
	assert_int_equal(sum.write, SIZE);
	assert_int_equal(data_o->opened + full_o->opened + pieces_o->opened, 0);
	carry_out();
	assert_int_equal(w->meter.bytes, sum.data + sum.tables);
	assert_int_equal(full_o->opened + pieces_o->opened, 0);
}

static void what_the_cache_has_costs_nothing_again(void **state)
{
	(void)state;
	planned();
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.tables, 0);
	assert_int_equal(index_o->opened, 1);
	assert_int_equal(leaves_o->opened, 1);
}

static void a_target_that_holds_it_takes_leaves_only(void **state)
{
	(void)state;
	write_slot('B', new_image);
	struct way_sum sum = planned();
	assert_true(w->whole);
	assert_int_equal(sum.way, WAY_WHOLE);
	assert_int_equal(sum.write, 0);
	assert_int_equal(sum.data, 0);
	assert_int_equal(sum.tables, leaves_o->len);
	assert_int_equal(w->meter.bytes, leaves_o->len);
}

/* The slot's head is zeroed because of another image; the rest of this one is right. */
static void an_image_that_is_whole_in_a_release_that_is_not_is_kept(void **state)
{
	(void)state;
	write_slot('B', new_image);
	plan.images[1] = plan.images[0];
	plan.image_count = 2;
	struct slot_part two[2] = {parts[0], parts[0]};
	static uint8_t zeros[SIZE];
	snprintf(two[1].path, sizeof(two[1].path), "%s/other", dir_path);
	int fd = open(two[1].path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(file_write_full(fd, zeros, SIZE, &e), 0);
	close(fd);
	static const struct running running = {.booted = 'A', .committed = 'A', .target = 'B'};
	struct ways_request r = {.session = &s,
		.running = &running,
		.plan = &plan,
		.objects = &source,
		.parts = two};
	assert_int_equal(ways_make(&r, &w, &e), 0);
	assert_false(w->whole);
	assert_int_equal(w->image[0].way, WAY_COPY);
	assert_int_equal(w->image[1].way, WAY_DELTA);
	uint64_t before = w->meter.bytes;
	struct slot_stats stats = carry_out();
	assert_int_equal(w->meter.bytes, before);
	assert_int_equal(stats.leaves_written, 1);
	assert_int_equal(stats.bytes_fetched, 0);
	assert_int_equal(stats.from_target, SLOT_LEAF_SIZE);
}

static void an_image_that_did_not_change_is_copied(void **state)
{
	(void)state;
	memcpy(new_image, old_image, SIZE);
	objects_free(&all);
	make_release();
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_COPY);
	assert_int_equal(sum.data + sum.tables, 0); /* the kept leaves are those of the release */
	struct slot_stats stats = carry_out();
	assert_int_equal(w->meter.bytes, 0);
	assert_int_equal(stats.from_seed, SIZE);
}

static void a_damaged_running_slot_is_not_copied(void **state)
{
	(void)state;
	objects_free(&all);
	memcpy(new_image, old_image, SIZE);
	make_release();
	old_image[SIZE - 1] ^= 1;
	write_slot('A', old_image);
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_in_range(sum.data, 1, SLOT_FRAME_SIZE);
	carry_out();
}

static void a_patch_that_is_smaller_is_taken(void **state)
{
	(void)state;
	make_patch(5000, SIZE);
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_PATCH);
	assert_int_equal(sum.data, 5000);
	assert_int_equal(sum.tables, leaves_o->len + table_o->len);
	/* The index alone is larger than all of the patch. */
	assert_int_equal(index_o->opened + frames_o->opened, 0);
}

/* An index is not fetched to hear that a patch is smaller. */
static void beside_a_patch_no_index_is_asked_for(void **state)
{
	(void)state;
	make_patch(200000, SIZE);
	assert_int_equal(planned().way, WAY_PATCH);
	assert_int_equal(index_o->opened + frames_o->opened, 0);
}

static void a_patch_needs_an_intact_old_image(void **state)
{
	(void)state;
	make_patch(5000, SIZE);
	old_image[700000] ^= 1;
	write_slot('A', old_image);
	assert_int_equal(planned().way, WAY_DELTA);
	assert_int_equal(table_o->opened, 0);
}

/* Somebody changed slot and leaf list together: the list is not what the state names. */
static void kept_leaves_that_changed_prove_nothing(void **state)
{
	struct plan_image changed = s.state.slots[0].images[0];

	(void)state;
	make_patch(5000, SIZE);
	old_image[700000] ^= 1;
	write_slot('A', old_image);
	hash_leaves(old_image, old_leaves);
	assert_int_equal(leaves_keep(&s, &changed, old_leaves, &e), 0);
	assert_int_equal(planned().way, WAY_DELTA);
	assert_int_equal(table_o->opened, 0);
}

static void a_patch_from_another_image_is_not_looked_at(void **state)
{
	(void)state;
	make_patch(5000, SIZE);
	plan.images[0].patches[0].from[0] ^= 1;
	assert_int_equal(planned().way, WAY_DELTA);
	assert_int_equal(table_o->opened, 0);
}

static void a_patch_whose_table_names_another_old_size_is_closed(void **state)
{
	(void)state;
	make_patch(5000, SIZE + SLOT_BLOCK_SIZE);
	assert_int_equal(planned().way, WAY_DELTA);
	assert_true(w->image[0].cost[WAY_PATCH].failed);
}

static void a_patch_that_cannot_be_applied_gives_way_to_the_delta(void **state)
{
	(void)state;
	make_patch(5000, SIZE);
	assert_int_equal(planned().way, WAY_PATCH);
	carry_out();
	assert_int_equal(w->image[0].way, WAY_DELTA);
	assert_int_equal(full_o->opened, 0);
}

static void a_missing_patch_table_gives_way_to_the_delta(void **state)
{
	(void)state;
	make_patch(5000, SIZE);
	table_o->missing = true;
	assert_int_equal(planned().way, WAY_DELTA);
}

static void a_missing_or_wrong_index_gives_way_to_full(void **state)
{
	(void)state;
	index_o->missing = true;
	assert_int_equal(planned().way, WAY_FULL);
	index_o->missing = false;
	index_o->data[30] ^= 1;
	assert_int_equal(planned().way, WAY_FULL);
	carry_out();
	assert_int_equal(data_o->opened, 0);
}

static void data_that_lies_gives_way_to_full(void **state)
{
	(void)state;
	data_o->data[1000] ^= 1;
	assert_int_equal(planned().way, WAY_DELTA);
	carry_out();
	assert_int_equal(w->image[0].way, WAY_FULL);
	assert_true(w->image[0].cost[WAY_DELTA].failed);
}

static void full_that_is_missing_gives_way_to_the_delta(void **state)
{
	(void)state;
	/* As in a bundle for devices from a release on: no full, and a delta that costs more. */
	plan.images[0].full.length = 4096;
	plan.images[0].encoding = PLAN_ZLIB;
	full_o->missing = pieces_o->missing = true;
	assert_int_equal(planned().way, WAY_DELTA);
	assert_true(w->image[0].cost[WAY_FULL].failed);
	carry_out();
}

static void when_nothing_is_left_the_lie_is_named(void **state)
{
	uint64_t needed[1] = {SIZE};
	struct slot_target *target = NULL;
	struct slot_stats stats = {0};
	struct slot_progress quiet = {0};

	(void)state;
	data_o->data[1000] ^= 1;
	full_o->missing = pieces_o->missing = true;
	assert_int_equal(planned().way, WAY_DELTA);
	assert_int_equal(
		slot_open_target(parts, needed, 1, s.config.slots[0].parts, 1, &target, &e), 0);
	assert_int_equal(slot_spoil(target, &e), 0);
	assert_int_equal(ways_write(w, 0, target, &quiet, &quiet, &stats, &e), -1);
	assert_int_equal(e.code, E_HASH);
	slot_close_target(target);
}

static void a_server_that_is_down_ends_the_plan(void **state)
{
	(void)state;
	index_o->down = true;
	assert_int_equal(make_plan(), -1);
	assert_int_equal(e.code, E_NET);
}

static void what_is_left_of_full_may_be_less_than_an_index(void **state)
{
	(void)state;
	/* All but leaf 0, whose head is zeroed, is there from an attempt before. */
	AUTO_FREE uint8_t *image = malloc(SIZE);
	assert_non_null(image);
	memcpy(image, new_image, SIZE);
	memset(image, 0, SLOT_BLOCK_SIZE);
	write_slot('B', image);
	plan.images[0].index.length = SLOT_LEAF_SIZE + 1;
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_FULL);
	assert_int_equal(sum.data, SLOT_LEAF_SIZE);
	assert_int_equal(index_o->opened, 0);
}

static void an_unknown_running_slot_is_searched_all_the_same(void **state)
{
	(void)state;
	s.state.slots[0].image_count = 0;
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.data, COUNT_NEW * SLOT_BLOCK_SIZE);
}

static void a_file_by_hand_is_a_seed(void **state)
{
	char path[100];

	(void)state;
	snprintf(path, sizeof(path), "%s/image", dir_path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(file_write_full(fd, new_image, SIZE, &e), 0);
	close(fd);
	s.offline_from = path;
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.data, 0);
	assert_int_equal(sum.requests, 0);
	struct slot_stats stats = carry_out();
	assert_int_equal(data_o->opened, 0);
	assert_int_equal(stats.from_seed, SIZE);
	static uint8_t zeros[SIZE];
	write_slot('B', zeros);
	s.offline_from = "/nowhere";
	assert_int_equal(planned().data, COUNT_NEW * SLOT_BLOCK_SIZE);
}

static void an_index_cut_by_a_rule_of_later_days_is_fetched_by(void **state)
{
	(void)state;
	make_delta(&plan.images[0], SLOT_RULE_CHUNKS + 1);
	assert_int_equal(planned().way, WAY_FULL);
	/* Nothing old is found, but what `data` has is the image. */
	pieces_o->missing = full_o->missing = true;
	struct slot_stats stats = carry_out();
	assert_true(w->meter.bytes > SIZE);
	assert_int_equal(stats.from_seed, 0);
}

static void leaves_that_do_not_fit_the_size_are_refused(void **state)
{
	(void)state;
	plan.images[0].leaves.length -= HASH_SIZE;
	assert_int_equal(make_plan(), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(leaves_o->opened, 0);
}

static bool is_kept(const uint8_t sha256[HASH_SIZE])
{
	char path[200];
	char hex[HASH_HEX_SIZE];

	hash_to_hex(sha256, hex);
	snprintf(path, sizeof(path), "%s/cache/%s", dir_path, hex);
	return access(path, F_OK) == 0;
}

/* The target holds what was planned, by the state. */
static void mark_written(void)
{
	s.state.slots[1].image_count = 1;
	s.state.slots[1].images[0] = plan.images[0];
}

static void the_cache_keeps_what_the_next_update_can_use(void **state)
{
	(void)state;
	planned();
	ways_clean(&s, &plan);
	assert_false(is_kept(index_o->sha256));
	assert_false(is_kept(frames_o->sha256));
	/* The next release's index comes as its difference from that of a slot. */
	mark_written();
	planned();
	ways_clean(&s, &plan);
	assert_true(is_kept(index_o->sha256));
	assert_false(is_kept(frames_o->sha256));
	planned();
	ways_clean(&s, NULL);
	assert_true(is_kept(index_o->sha256));
}

static void where_room_is_short_what_only_saves_bytes_is_not_kept(void **state)
{
	(void)state;
	mark_written();
	planned();
	room = 1000;
	ways_clean(&s, &plan);
	assert_false(is_kept(index_o->sha256));
}

/* --- The first part of the table of frames --------------------------------------------- */

#define FIRST_PART (SLOT_FRAMES_HEADER + SLOT_FRAMES_ENTRY)

/* What is new is generation 0, which has one frame. */
static struct plan_first *make_first(void)
{
	struct plan_firsts *firsts = &plan.images[0].frames_first;
	struct plan_first *f = &firsts->first[firsts->count++];

	*f = (struct plan_first){.generations = 1, .part.length = FIRST_PART};
	assert_int_equal(
		hash_bytes(HASH_SHA256, frames_o->data, FIRST_PART, f->part.sha256, &e), 0);
	return f;
}

/* A block that did not change is another one now, unseen by who planned. */
static void damage_running(void)
{
	uint8_t *damaged = malloc(SIZE);

	assert_non_null(damaged);
	memcpy(damaged, old_image, SIZE);
	noise(damaged + 600 * SLOT_BLOCK_SIZE, SLOT_BLOCK_SIZE, 8);
	write_slot('A', damaged);
	free(damaged);
}

static void the_first_part_of_frames_is_enough_for_what_is_new(void **state)
{
	(void)state;
	struct plan_first *f = make_first();
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.tables, leaves_o->len + index_o->len + FIRST_PART);
	assert_int_equal(sum.data, COUNT_NEW * SLOT_BLOCK_SIZE);
	assert_int_equal(sum.requests, 1);
	assert_int_equal(frames_o->opened, 1);
	/* One request, for these bytes and no others. */
	assert_int_equal(frames_o->announced_count, 1);
	assert_int_equal(frames_o->announced[0].offset, 0);
	assert_int_equal(frames_o->announced[0].length, FIRST_PART);
	assert_int_equal(frames_o->read_count, 1);
	assert_int_equal(frames_o->reads[0].length, FIRST_PART);
	/* By its own name: nobody takes it for the table. */
	assert_true(is_kept(f->part.sha256));
	assert_false(is_kept(frames_o->sha256));
	assert_int_equal(planned().tables, 0);
	assert_int_equal(frames_o->opened, 1);
	carry_out();
	assert_int_equal(w->meter.bytes, sum.data);
	assert_int_equal(frames_o->opened, 1);
	mark_written();
	ways_clean(&s, &plan);
	assert_false(is_kept(f->part.sha256));
}

static void old_content_that_is_not_there_needs_the_whole_table(void **state)
{
	(void)state;
	make_first();
	damage_running();
	struct way_sum sum = planned();
	assert_int_equal(sum.tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(frames_o->opened, 1);
	assert_int_equal(frames_o->announced_count, 0);
	carry_out();
	assert_int_equal(w->meter.bytes, sum.data + sum.tables);
}

static void a_whole_table_that_is_kept_is_used(void **state)
{
	(void)state;
	planned();
	make_first();
	assert_int_equal(planned().tables, 0);
	assert_int_equal(frames_o->opened, 1);
}

/* The match found it in the running slot, and there it is no more. */
static void what_is_missing_after_the_plan_brings_the_whole_table(void **state)
{
	(void)state;
	struct plan_first *f = make_first();
	struct way_sum sum = planned();
	damage_running();
	carry_out();
	assert_int_equal(w->image[0].way, WAY_DELTA);
	assert_int_equal(frames_o->opened, 2);
	assert_int_equal(w->meter.bytes, sum.data + sum.tables + frames_o->len + SLOT_FRAME_SIZE);
	assert_int_equal(full_o->opened, 0);
	assert_true(is_kept(f->part.sha256) && is_kept(frames_o->sha256));
}

static void without_the_whole_table_what_is_missing_comes_by_full(void **state)
{
	(void)state;
	make_first();
	planned();
	damage_running();
	frames_o->missing = true;
	struct slot_stats stats = carry_out();
	assert_int_equal(w->image[0].way, WAY_FULL);
	assert_true(stats.leaves_kept > 0);
}

/* One try, then the whole table, and the numbers say so. */
static void expect_one_try_of_first(size_t tried)
{
	struct way_sum sum = planned();

	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.tables, leaves_o->len + index_o->len + frames_o->len + tried);
	assert_int_equal(w->meter.bytes, sum.tables);
	assert_int_equal(frames_o->opened, 2);
	assert_int_equal(planned().tables, 0);
	assert_int_equal(frames_o->opened, 2);
	carry_out();
	assert_int_equal(full_o->opened, 0);
}

static void a_first_part_with_a_wrong_hash_costs_one_try(void **state)
{
	(void)state;
	make_first()->part.sha256[5] ^= 1;
	expect_one_try_of_first(FIRST_PART);
}

static void a_signed_first_part_that_is_garbage_costs_one_try(void **state)
{
	(void)state;
	struct plan_first *f = make_first();
	/* A frame of generation 1, which it is not said to have. */
	f->part.length += SLOT_FRAMES_ENTRY;
	assert_int_equal(hash_bytes(HASH_SHA256, frames_o->data, FIRST_PART + SLOT_FRAMES_ENTRY,
				 f->part.sha256, &e),
		0);
	expect_one_try_of_first(FIRST_PART + SLOT_FRAMES_ENTRY);
}

static void a_signed_first_part_that_lacks_a_frame_costs_one_try(void **state)
{
	(void)state;
	make_first()->generations = 2;
	expect_one_try_of_first(FIRST_PART);
}

static void where_the_table_is_missing_its_first_part_is_asked_for_alone(void **state)
{
	(void)state;
	make_first();
	frames_o->missing = true;
	assert_int_equal(planned().way, WAY_FULL);
	assert_int_equal(frames_o->opened, 1);
	frames_o->missing = false;
	frames_o->down = true;
	assert_int_equal(make_plan(), -1);
	assert_int_equal(e.code, E_NET);
	assert_int_equal(frames_o->opened, 2);
}

static void of_a_bundle_the_table_is_read_whole(void **state)
{
	(void)state;
	make_first();
	from_bundle = true;
	assert_int_equal(planned().tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(frames_o->opened, 1);
	assert_int_equal(frames_o->announced_count, 0);
}

static void of_two_first_parts_the_shortest_that_will_do_comes(void **state)
{
	(void)state;
	struct plan_firsts *firsts = &plan.images[0].frames_first;
	make_first();
	firsts->count = 2;
	firsts->first[1] = (struct plan_first){
		.generations = 4, .part.length = FIRST_PART + 3 * SLOT_FRAMES_ENTRY};
	assert_int_equal(planned().tables, leaves_o->len + index_o->len + FIRST_PART);
}

static void a_table_that_does_not_begin_as_its_first_part_is_refused(void **state)
{
	(void)state;
	make_first();
	planned();
	struct ways_image *im = &w->image[0];
	struct slot_frames *f = &im->delta.frames;
	for (unsigned what = 0; what < 4; what++) {
		f->stored[0] ^= what == 0;
		f->raw[0] ^= what == 1;
		f->sha256[0][7] ^= what == 2;
		f->first[1] ^= what == 3;
		assert_int_equal(ways_complete_frames(w, im, &e), -1);
		assert_int_equal(e.code, E_META);
		assert_non_null(strstr(e.text, "does not begin as"));
		assert_int_equal(f->count, 1);
		assert_true(f->missing > 0);
		f->stored[0] ^= what == 0;
		f->raw[0] ^= what == 1;
		f->sha256[0][7] ^= what == 2;
		f->first[1] ^= what == 3;
	}
	assert_int_equal(ways_complete_frames(w, im, &e), 0);
	assert_int_equal(f->missing, 0);
	assert_true(f->count > 1);
}

#ifdef CONFIG_ZSTD

/* --- Differences of tables --------------------------------------------------------- */

static struct object *leaves_from_o, *index_from_o;

/* `table` as its difference from `old`. */
static struct object *make_difference(
	const struct object *table, const uint8_t *old, size_t len, struct plan_differences *out)
{
	static uint8_t packed[100000];
	const struct difference_wish wish = {.old = old, .old_len = len};
	struct plan_difference *d = &out->from[out->count++];

	assert_int_equal(hash_bytes(HASH_SHA256, old, len, d->base, &e), 0);
	size_t n = difference_make(&wish, table->data, table->len, packed, sizeof(packed));
	return objects_add(&all, packed, n, &d->object);
}

static void keep_in_cache(const uint8_t *data, size_t len, const uint8_t sha256[HASH_SIZE])
{
	AUTO_CLOSE int dir = -1;
	char hex[HASH_HEX_SIZE];

	hash_to_hex(sha256, hex);
	assert_int_equal(file_make_dir(s.data, "cache", &dir, &e), 0);
	assert_int_equal(file_replace(dir, hex, data, len, 0600, &e), 0);
}

/* The running slot's index is kept, and both tables have a difference from the old ones. */
static void make_differences(void)
{
	struct plan_image *i = &plan.images[0];
	struct plan_object *old = &s.state.slots[0].images[0].index;
	AUTO_FREE uint8_t *old_index = malloc(index_o->len);

	assert_non_null(old_index);
	memcpy(old_index, index_o->data, index_o->len);
	noise(old_index + 2000, 160, 5);
	leaves_from_o = make_difference(leaves_o, old_leaves, sizeof(old_leaves), &i->leaves_from);
	index_from_o = make_difference(index_o, old_index, index_o->len, &i->index_from);
	memcpy(old->sha256, i->index_from.from[0].base, HASH_SIZE);
	old->length = index_o->len;
	keep_in_cache(old_index, index_o->len, old->sha256);
}

static void tables_come_as_their_differences_from_what_runs(void **state)
{
	(void)state;
	make_differences();
	struct way_sum sum = planned();
	assert_int_equal(sum.way, WAY_DELTA);
	assert_int_equal(sum.data, COUNT_NEW * SLOT_BLOCK_SIZE);
	assert_int_equal(sum.tables, leaves_from_o->len + index_from_o->len + frames_o->len);
	assert_true(sum.tables < leaves_o->len + index_o->len);
	assert_int_equal(w->meter.bytes, sum.tables);
	assert_int_equal(leaves_o->opened + index_o->opened, 0);
	assert_int_equal(leaves_from_o->opened, 1);
	assert_int_equal(index_from_o->opened, 1);
	carry_out();
	assert_int_equal(w->meter.bytes, sum.data + sum.tables);
	/* A second plan has them. */
	assert_int_equal(planned().tables, 0);
	assert_int_equal(index_from_o->opened, 1);
	/* Both indexes are what the next update may begin with. */
	mark_written();
	ways_clean(&s, &plan);
	assert_true(is_kept(index_o->sha256));
	assert_true(is_kept(s.state.slots[0].images[0].index.sha256));
}

static void without_an_old_table_the_whole_one_comes(void **state)
{
	(void)state;
	make_differences();
	plan.images[0].leaves_from.from[0].base[0] ^= 1;
	plan.images[0].index_from.from[0].base[0] ^= 1;
	assert_int_equal(planned().tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(leaves_from_o->opened + index_from_o->opened, 0);
	assert_int_equal(w->meter.bytes, leaves_o->len + index_o->len + frames_o->len);
}

static void damaged_old_tables_cost_the_whole_one_and_no_more(void **state)
{
	(void)state;
	make_differences();
	struct plan_image *old = &s.state.slots[0].images[0];
	uint8_t wrong[2000] = {0};
	keep_in_cache(wrong, sizeof(wrong), old->index.sha256);
	assert_int_equal(leaves_keep(&s, old, wrong, &e), 0);
	struct way_sum sum = planned();
	assert_int_equal(sum.tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(leaves_from_o->opened + index_from_o->opened, 0);
	assert_false(is_kept(old->index.sha256));
	carry_out();
}

/* One try, then the whole table, and the numbers say so; `tries` are bytes. */
static void expect_one_try(size_t tries)
{
	uint64_t whole = leaves_o->len + index_o->len + frames_o->len;

	assert_int_equal(planned().tables, whole + tries);
	assert_int_equal(w->meter.bytes, whole + tries);
	assert_int_equal(leaves_from_o->opened, 1);
	assert_int_equal(index_from_o->opened, 1);
	assert_int_equal(planned().tables, 0);
	assert_int_equal(index_from_o->opened, 1);
	carry_out();
}

static void a_missing_difference_costs_one_try(void **state)
{
	(void)state;
	make_differences();
	index_from_o->missing = true;
	leaves_from_o->missing = true;
	expect_one_try(0);
}

static void a_lying_difference_costs_one_try(void **state)
{
	(void)state;
	make_differences();
	leaves_from_o->data[3] ^= 1;
	index_from_o->data[3] ^= 1;
	expect_one_try(leaves_from_o->len + index_from_o->len);
}

static void a_signed_difference_that_is_garbage_costs_one_try(void **state)
{
	struct plan_image *i = &plan.images[0];

	(void)state;
	make_differences();
	leaves_from_o = objects_add(&all, "garbage", 7, &i->leaves_from.from[0].object);
	index_from_o = objects_add(&all, "rubbish", 7, &i->index_from.from[0].object);
	expect_one_try(14);
}

static void a_server_that_is_down_is_not_asked_for_the_whole_table(void **state)
{
	(void)state;
	make_differences();
	index_from_o->down = true;
	assert_int_equal(make_plan(), -1);
	assert_int_equal(e.code, E_NET);
	assert_int_equal(index_o->opened, 0);
	leaves_from_o->down = true;
	assert_int_equal(make_plan(), -1);
	assert_int_equal(leaves_o->opened, 0);
}

static int holds_no_differences(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	const struct byte_range *ranges, size_t count, struct err *err)
{
	(void)ctx, (void)length, (void)ranges, (void)count;
	if (hash_equal(sha256, leaves_from_o->sha256) || hash_equal(sha256, index_from_o->sha256))
		return err_set(err, E_NOTFOUND, "not in the bundle");
	return 0;
}

static void a_bundle_without_differences_is_not_asked_for_them(void **state)
{
	(void)state;
	make_differences();
	source.holds = holds_no_differences;
	assert_int_equal(planned().tables, leaves_o->len + index_o->len + frames_o->len);
	assert_int_equal(leaves_from_o->opened + index_from_o->opened, 0);
}

/* A patch needs no index; the one that is there serves the release after the next. */
static void an_index_is_kept_while_patches_come(void **state)
{
	(void)state;
	make_differences();
	uint8_t base[HASH_SIZE];
	memcpy(base, plan.images[0].index_from.from[0].base, HASH_SIZE);
	s.state.slots[0].images[0].index = (struct plan_object){0};
	ways_clean(&s, &plan);
	assert_true(is_kept(base));
	planned(); /* by data: the index of the release itself is the better one */
	ways_clean(&s, &plan);
	assert_false(is_kept(base));
}

#endif

int main(void)
{
#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, make, clear)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_delta_costs_its_tables_and_what_no_seed_has),
		WITH_WORLD(what_the_cache_has_costs_nothing_again),
		WITH_WORLD(a_target_that_holds_it_takes_leaves_only),
		WITH_WORLD(an_image_that_is_whole_in_a_release_that_is_not_is_kept),
		WITH_WORLD(an_image_that_did_not_change_is_copied),
		WITH_WORLD(a_damaged_running_slot_is_not_copied),
		WITH_WORLD(a_patch_that_is_smaller_is_taken),
		WITH_WORLD(beside_a_patch_no_index_is_asked_for),
		WITH_WORLD(a_patch_needs_an_intact_old_image),
		WITH_WORLD(kept_leaves_that_changed_prove_nothing),
		WITH_WORLD(a_patch_from_another_image_is_not_looked_at),
		WITH_WORLD(a_patch_whose_table_names_another_old_size_is_closed),
		WITH_WORLD(a_patch_that_cannot_be_applied_gives_way_to_the_delta),
		WITH_WORLD(a_missing_patch_table_gives_way_to_the_delta),
		WITH_WORLD(a_missing_or_wrong_index_gives_way_to_full),
		WITH_WORLD(data_that_lies_gives_way_to_full),
		WITH_WORLD(full_that_is_missing_gives_way_to_the_delta),
		WITH_WORLD(when_nothing_is_left_the_lie_is_named),
		WITH_WORLD(a_server_that_is_down_ends_the_plan),
		WITH_WORLD(what_is_left_of_full_may_be_less_than_an_index),
		WITH_WORLD(an_unknown_running_slot_is_searched_all_the_same),
		WITH_WORLD(a_file_by_hand_is_a_seed),
		WITH_WORLD(an_index_cut_by_a_rule_of_later_days_is_fetched_by),
		WITH_WORLD(leaves_that_do_not_fit_the_size_are_refused),
		WITH_WORLD(the_cache_keeps_what_the_next_update_can_use),
		WITH_WORLD(where_room_is_short_what_only_saves_bytes_is_not_kept),
		WITH_WORLD(the_first_part_of_frames_is_enough_for_what_is_new),
		WITH_WORLD(old_content_that_is_not_there_needs_the_whole_table),
		WITH_WORLD(a_whole_table_that_is_kept_is_used),
		WITH_WORLD(what_is_missing_after_the_plan_brings_the_whole_table),
		WITH_WORLD(without_the_whole_table_what_is_missing_comes_by_full),
		WITH_WORLD(a_first_part_with_a_wrong_hash_costs_one_try),
		WITH_WORLD(a_signed_first_part_that_is_garbage_costs_one_try),
		WITH_WORLD(a_signed_first_part_that_lacks_a_frame_costs_one_try),
		WITH_WORLD(where_the_table_is_missing_its_first_part_is_asked_for_alone),
		WITH_WORLD(of_a_bundle_the_table_is_read_whole),
		WITH_WORLD(of_two_first_parts_the_shortest_that_will_do_comes),
		WITH_WORLD(a_table_that_does_not_begin_as_its_first_part_is_refused),
#ifdef CONFIG_ZSTD
		WITH_WORLD(tables_come_as_their_differences_from_what_runs),
		WITH_WORLD(without_an_old_table_the_whole_one_comes),
		WITH_WORLD(damaged_old_tables_cost_the_whole_one_and_no_more),
		WITH_WORLD(a_missing_difference_costs_one_try),
		WITH_WORLD(a_lying_difference_costs_one_try),
		WITH_WORLD(a_signed_difference_that_is_garbage_costs_one_try),
		WITH_WORLD(a_server_that_is_down_is_not_asked_for_the_whole_table),
		WITH_WORLD(a_bundle_without_differences_is_not_asked_for_them),
		WITH_WORLD(an_index_is_kept_while_patches_come),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
