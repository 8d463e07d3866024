/* SPDX-License-Identifier: Apache-2.0 */
/* agent/ways_tables: tables come as their differences from older ones; without zstd there are none. */
#ifdef CONFIG_ZSTD
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/difference_maker.h"

#include "tests/unit/agent_ways_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(tables_come_as_their_differences_from_what_runs),
		WITH_WORLD(without_an_old_table_the_whole_one_comes),
		WITH_WORLD(damaged_old_tables_cost_the_whole_one_and_no_more),
		WITH_WORLD(a_missing_difference_costs_one_try),
		WITH_WORLD(a_lying_difference_costs_one_try),
		WITH_WORLD(a_signed_difference_that_is_garbage_costs_one_try),
		WITH_WORLD(a_server_that_is_down_is_not_asked_for_the_whole_table),
		WITH_WORLD(a_bundle_without_differences_is_not_asked_for_them),
		WITH_WORLD(an_index_is_kept_while_patches_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else
#include <stdio.h>

int main(void)
{
	puts("1..1\nok 1 - differences # SKIP this build has no zstd");
	return 0;
}

#endif
