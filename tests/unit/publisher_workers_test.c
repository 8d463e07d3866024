/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/workers: results in order, bounded work in flight, the lowest failure is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "publisher/workers.h"

#define ITEMS 300

struct world {
	unsigned threads;
	uint64_t in_slot[2 * WORKERS_MAX]; /* index + 1 while a result waits there */
	uint64_t taken;
	uint64_t fails_at; /* this item and all later ones */
	uint64_t take_fails_at;
	atomic_uint_fast64_t highest; /* item that was begun */
	atomic_bool wrong;
};

static int work(void *ctx, const struct workers_item *item, struct err *e)
{
	struct world *w = ctx;
	/* Early items take longer, so that later ones overtake them. */
	const struct timespec pause = {.tv_nsec = item->index % 7 == 0 ? 300000 : 0};

	nanosleep(&pause, NULL);
	if (item->worker >= w->threads || item->slot >= workers_slots(w->threads) ||
		w->in_slot[item->slot] != 0)
		atomic_store(&w->wrong, true);
	w->in_slot[item->slot] = item->index + 1;
	if (item->index > atomic_load(&w->highest))
		atomic_store(&w->highest, item->index);
	if (item->index >= w->fails_at)
		return err_set(e, E_IO, "item %d", (int)item->index);
	return 0;
}

static int take(void *ctx, const struct workers_item *item, struct err *e)
{
	struct world *w = ctx;

	if (item->index != w->taken || w->in_slot[item->slot] != item->index + 1)
		atomic_store(&w->wrong, true);
	w->in_slot[item->slot] = 0;
	w->taken++;
	if (item->index >= w->take_fails_at)
		return err_set(e, E_SPACE, "taking %d", (int)item->index);
	return 0;
}

static int run(struct world *w, uint64_t count, struct err *e)
{
	const struct workers_task task = {
		.count = count, .threads = w->threads, .ctx = w, .work = work, .take = take};

	return workers_run(&task, e);
}

static void every_item_is_taken_once_in_order(void **state)
{
	static const unsigned threads[] = {1, 2, 3, 16, WORKERS_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		struct world w = {.threads = threads[i], .fails_at = ITEMS, .take_fails_at = ITEMS};
		struct err e = {0};
		assert_int_equal(run(&w, ITEMS, &e), 0);
		assert_int_equal(w.taken, ITEMS);
		assert_false(atomic_load(&w.wrong));
	}
}

static void fewer_items_than_threads_and_none_at_all(void **state)
{
	struct world w = {.threads = 8, .fails_at = ITEMS, .take_fails_at = ITEMS};
	struct err e = {0};

	(void)state;
	assert_int_equal(run(&w, 0, &e), 0);
	assert_int_equal(w.taken, 0);
	assert_int_equal(run(&w, 3, &e), 0);
	assert_int_equal(w.taken, 3);
	assert_false(atomic_load(&w.wrong));
}

static void the_lowest_failure_is_told_and_ends_the_work(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= 8; threads++) {
		struct world w = {.threads = threads, .fails_at = 35, .take_fails_at = ITEMS};
		struct err e = {0};
		assert_int_equal(run(&w, ITEMS, &e), -1);
		assert_int_equal(e.code, E_IO);
		assert_string_equal(e.text, "item 35");
		assert_int_equal(w.taken, 35);
		assert_true(atomic_load(&w.highest) < 35 + workers_slots(threads));
	}
}

static void a_failure_to_take_ends_the_work(void **state)
{
	struct world w = {.threads = 4, .fails_at = ITEMS, .take_fails_at = 20};
	struct err e = {0};

	(void)state;
	assert_int_equal(run(&w, ITEMS, &e), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_int_equal(w.taken, 21);
	/* no more was begun than had room */
	assert_true(atomic_load(&w.highest) <= 20 + workers_slots(4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_is_taken_once_in_order),
		cmocka_unit_test(fewer_items_than_threads_and_none_at_all),
		cmocka_unit_test(the_lowest_failure_is_told_and_ends_the_work),
		cmocka_unit_test(a_failure_to_take_ends_the_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
