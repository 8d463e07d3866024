/* SPDX-License-Identifier: Apache-2.0 */
/* agent/ways_frames: as much of the table of frames as is needed, and all of it where that was not enough. */
#include "tests/unit/agent_ways_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
