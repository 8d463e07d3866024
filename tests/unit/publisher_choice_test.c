/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/choice: which kind of index, and when it changes. */
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
	return (struct choice_facts){.format = format, .possible = {true, true}};
}

/* As `facts`, with both kinds tried on a release before. */
static struct choice_facts tried(enum cutter_kind before, uint64_t blocks, uint64_t chunks)
{
	struct choice_facts f = facts(PLAN_RAW);

	f.before_has_index = true;
	f.before = before;
	f.tried[CUTTER_BLOCKS] = f.tried[CUTTER_CHUNKS] = true;
	f.cost[CUTTER_BLOCKS] = blocks;
	f.cost[CUTTER_CHUNKS] = chunks;
	return f;
}

static void expect(const struct choice_facts *f, enum cutter_kind kind)
{
	struct choice c;

	choice_make(f, &c);
	assert_true(c.why[0] != 0);
	if (c.kind != kind)
		fail_msg("%s: %s", choice_kind_name(c.kind), c.why);
}

static void a_first_release_gets_chunks_unless_nothing_is_known_to_move(void **state)
{
	static const enum plan_format systems[] = {PLAN_SQUASHFS, PLAN_EXT4, PLAN_EROFS};
	struct choice_facts f;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		f = facts(systems[i]);
		expect(&f, CUTTER_CHUNKS);
	}
	f = facts(PLAN_RAW);
	expect(&f, CUTTER_BLOCKS);
	f.packed = true;
	expect(&f, CUTTER_CHUNKS);
}

static void what_is_asked_for_wins(void **state)
{
	struct choice_facts f = tried(CUTTER_BLOCKS, MIB, 90 * MIB);

	(void)state;
	f.wish = CHOICE_CHUNKS;
	expect(&f, CUTTER_CHUNKS);
	f = tried(CUTTER_CHUNKS, 90 * MIB, MIB);
	f.wish = CHOICE_BLOCKS;
	expect(&f, CUTTER_BLOCKS);
	f = facts(PLAN_EXT4);
	f.wish = CHOICE_BLOCKS;
	expect(&f, CUTTER_BLOCKS);
}

static void the_kind_changes_where_the_other_is_clearly_cheaper(void **state)
{
	struct choice_facts f;

	(void)state;
	f = tried(CUTTER_BLOCKS, 100 * MIB, 95 * MIB);
	expect(&f, CUTTER_CHUNKS);
	f = tried(CUTTER_BLOCKS, 100 * MIB, 95 * MIB + 1);
	expect(&f, CUTTER_BLOCKS);
	f = tried(CUTTER_CHUNKS, 95 * MIB, 100 * MIB);
	expect(&f, CUTTER_BLOCKS);
	f = tried(CUTTER_CHUNKS, 95 * MIB + 1, 100 * MIB);
	expect(&f, CUTTER_CHUNKS);
	/* A large part of very little is not enough. */
	f = tried(CUTTER_BLOCKS, 100000, 100000 - 65536);
	expect(&f, CUTTER_CHUNKS);
	f = tried(CUTTER_BLOCKS, 100000, 100000 - 65535);
	expect(&f, CUTTER_BLOCKS);
	f = tried(CUTTER_CHUNKS, 0, 65535);
	expect(&f, CUTTER_CHUNKS);
	f = tried(CUTTER_CHUNKS, 1, 1);
	expect(&f, CUTTER_CHUNKS);
	f = tried(CUTTER_BLOCKS, 1, 1);
	expect(&f, CUTTER_BLOCKS);
}

static void where_there_was_no_index_the_format_decides_what_is_nearly_the_same(void **state)
{
	struct choice_facts f = tried(CUTTER_BLOCKS, MIB, MIB + 1);

	(void)state;
	f.before_has_index = false;
	expect(&f, CUTTER_BLOCKS);
	f.format = PLAN_EXT4;
	expect(&f, CUTTER_CHUNKS);
	f.cost[CUTTER_CHUNKS] = 2 * MIB;
	expect(&f, CUTTER_BLOCKS);
}

static void without_the_old_image_the_kind_stays(void **state)
{
	struct choice_facts f = facts(PLAN_SQUASHFS);

	(void)state;
	f.before_has_index = true;
	f.before = CUTTER_BLOCKS;
	f.tried[CUTTER_BLOCKS] = true;
	expect(&f, CUTTER_BLOCKS);
	f = facts(PLAN_RAW);
	f.before_has_index = true;
	f.before = CUTTER_CHUNKS;
	f.tried[CUTTER_CHUNKS] = true;
	expect(&f, CUTTER_CHUNKS);
}

static void a_kind_with_too_many_entries_is_not_taken(void **state)
{
	struct choice_facts f = facts(PLAN_RAW);

	(void)state;
	f.possible[CUTTER_BLOCKS] = false;
	expect(&f, CUTTER_CHUNKS);
	f = facts(PLAN_EXT4);
	f.possible[CUTTER_CHUNKS] = false;
	expect(&f, CUTTER_BLOCKS);
	f.wish = CHOICE_CHUNKS;
	expect(&f, CUTTER_BLOCKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_release_gets_chunks_unless_nothing_is_known_to_move),
		cmocka_unit_test(what_is_asked_for_wins),
		cmocka_unit_test(the_kind_changes_where_the_other_is_clearly_cheaper),
		cmocka_unit_test(
			where_there_was_no_index_the_format_decides_what_is_nearly_the_same),
		cmocka_unit_test(without_the_old_image_the_kind_stays),
		cmocka_unit_test(a_kind_with_too_many_entries_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
