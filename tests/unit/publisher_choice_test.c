/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/choice: which kind of index, and who pays for a change of kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "publisher/choice.h"

#define MIB (UINT64_C(1) << 20)

static struct choice_facts facts(enum plan_format format)
{
	return (struct choice_facts){.format = format, .possible = {true, true}, .full = 100 * MIB};
}

/* As `facts`, with both kinds tried on a release before. */
static struct choice_facts tried(uint64_t blocks, uint64_t chunks)
{
	struct choice_facts f = facts(PLAN_RAW);

	f.has_before = f.before_has_index = true;
	f.tried[CUTTER_BLOCKS] = f.tried[CUTTER_CHUNKS] = true;
	f.cost[CUTTER_BLOCKS] = blocks;
	f.cost[CUTTER_CHUNKS] = chunks;
	return f;
}

static struct choice made(const struct choice_facts *f)
{
	struct choice c;

	choice_make(f, &c);
	assert_true(c.why[0] != 0);
	return c;
}

static void expect(const struct choice_facts *f, enum cutter_kind kind, bool costs_a_full)
{
	struct choice c = made(f);

	if (c.kind != kind || c.costs_a_full != costs_a_full)
		fail_msg("%s %d: %s", choice_kind_name(c.kind), c.costs_a_full, c.why);
}

static void the_format_decides_for_a_first_release(void **state)
{
	struct choice_facts f;

	(void)state;
	f = facts(PLAN_SQUASHFS);
	expect(&f, CUTTER_CHUNKS, false);
	f = facts(PLAN_EXT4);
	expect(&f, CUTTER_BLOCKS, false);
	f = facts(PLAN_EROFS);
	expect(&f, CUTTER_BLOCKS, false);
	f = facts(PLAN_RAW);
	expect(&f, CUTTER_BLOCKS, false);
	f.packed = true;
	expect(&f, CUTTER_CHUNKS, false);
}

static void what_is_asked_for_wins_and_its_price_is_said(void **state)
{
	struct choice_facts f = tried(MIB, 90 * MIB);

	(void)state;
	f.wish = CHOICE_CHUNKS;
	expect(&f, CUTTER_CHUNKS, true);
	f.before = CUTTER_CHUNKS;
	expect(&f, CUTTER_CHUNKS, false);
	f.wish = CHOICE_BLOCKS;
	expect(&f, CUTTER_BLOCKS, false);
	f = facts(PLAN_EXT4);
	f.wish = CHOICE_CHUNKS;
	expect(&f, CUTTER_CHUNKS, false);
}

static void going_over_to_chunks_must_be_worth_a_whole_download(void **state)
{
	struct choice_facts f;

	(void)state;
	f = tried(60 * MIB, 10 * MIB);
	expect(&f, CUTTER_CHUNKS, true);
	/* A little less is not enough, nor is a large part of very little. */
	f = tried(60 * MIB, 31 * MIB);
	expect(&f, CUTTER_BLOCKS, false);
	f = tried(2 * MIB, MIB / 2);
	expect(&f, CUTTER_BLOCKS, false);
	f = tried(14 * MIB, 1 * MIB);
	expect(&f, CUTTER_CHUNKS, true);
	/* Devices on a release without an index pay the same. */
	f.before_has_index = false;
	expect(&f, CUTTER_CHUNKS, true);
	f = tried(20 * MIB, 11 * MIB);
	f.before_has_index = false;
	expect(&f, CUTTER_BLOCKS, false);
}

static void going_back_to_blocks_must_save_a_quarter(void **state)
{
	struct choice_facts f;

	(void)state;
	f = tried(80 * MIB, 100 * MIB);
	f.before = CUTTER_CHUNKS;
	expect(&f, CUTTER_CHUNKS, false);
	f = tried(74 * MIB, 100 * MIB);
	f.before = CUTTER_CHUNKS;
	expect(&f, CUTTER_BLOCKS, false);
}

static void without_the_old_image_the_kind_stays(void **state)
{
	struct choice_facts f = facts(PLAN_SQUASHFS);

	(void)state;
	f.has_before = f.before_has_index = true;
	f.before = CUTTER_BLOCKS;
	f.tried[CUTTER_BLOCKS] = true;
	expect(&f, CUTTER_BLOCKS, false);
	f = facts(PLAN_EXT4);
	f.has_before = f.before_has_index = true;
	f.before = CUTTER_CHUNKS;
	f.tried[CUTTER_CHUNKS] = true;
	expect(&f, CUTTER_CHUNKS, false);
}

static void a_kind_with_too_many_entries_is_not_taken(void **state)
{
	struct choice_facts f = facts(PLAN_EXT4);

	(void)state;
	f.possible[CUTTER_BLOCKS] = false;
	expect(&f, CUTTER_CHUNKS, false);
	f = facts(PLAN_SQUASHFS);
	f.wish = CHOICE_CHUNKS;
	f.possible[CUTTER_CHUNKS] = false;
	expect(&f, CUTTER_BLOCKS, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_format_decides_for_a_first_release),
		cmocka_unit_test(what_is_asked_for_wins_and_its_price_is_said),
		cmocka_unit_test(going_over_to_chunks_must_be_worth_a_whole_download),
		cmocka_unit_test(going_back_to_blocks_must_save_a_quarter),
		cmocka_unit_test(without_the_old_image_the_kind_stays),
		cmocka_unit_test(a_kind_with_too_many_entries_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
