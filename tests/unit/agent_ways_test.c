/* SPDX-License-Identifier: Apache-2.0 */
/* agent/ways: what costs least is gone, nothing is fetched to find out that it was not worth it. */
#include "tests/unit/agent_ways_world.h"

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

int main(void)
{
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
