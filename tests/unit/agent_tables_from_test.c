/* SPDX-License-Identifier: Apache-2.0 */
/* agent/tables_from: a table out of an older one, exact, or an error that leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/tables_from.h"
#include "partitions/slot/difference.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/agent_room.h"
#include "tests/unit/difference_maker.h"

#define LEN (2u << 20) /* above what is held in memory where the disk is full */
#define CAP (3u << 20)

static char dir_path[64];
static int dir = -1;
static struct log log_;
static struct tables t;
static struct objects all;
static struct object_source source;
static uint8_t old[LEN];
static uint8_t new[LEN];
static struct plan_object named; /* the new table, whole */
static struct object *whole;
static struct plan_difference from;
static struct object *difference;
static struct table table;
static struct err e;

static void path_of(const uint8_t sha256[HASH_SIZE], char path[200])
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(sha256, hex);
	snprintf(path, 200, "%s/cache/%s", dir_path, hex);
}

static void keep_old(size_t len)
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(from.base, hex);
	assert_int_equal(file_replace(t.dir, hex, old, len, 0600, &e), 0);
}

static bool is_kept(const uint8_t sha256[HASH_SIZE])
{
	char path[200];

	path_of(sha256, path);
	return access(path, F_OK) == 0;
}

/* The difference that gives these bytes out of the first `old_len` of the old table. */
static void add_difference(const uint8_t *data, size_t len, size_t old_len)
{
	static uint8_t packed[LEN + (1u << 16)];
	const struct difference_wish w = {.old = old, .old_len = old_len};
	size_t n = difference_make(&w, data, len, packed, sizeof(packed));

	difference = objects_add(&all, packed, n, &from.object);
}

static int make(void **state)
{
	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-tables-from-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	e = (struct err){0};
	assert_int_equal(file_open_dir(dir_path, &dir, &e), 0);
	log_ = log_make(LOG_LEVEL_ERROR);
	assert_int_equal(tables_open(dir, &log_, &t, &e), 0);
	room = UINT64_C(1) << 29;
	source = objects_source(&all);
	noise(old, LEN, 1);
	memcpy(new, old + 500, LEN - 500);
	noise(new + 7000, 300, 2);
	noise(new + LEN - 500, 500, 3);
	whole = objects_add(&all, new, LEN, &named);
	assert_int_equal(hash_bytes(HASH_SHA256, old, LEN, from.base, &e), 0);
	keep_old(LEN);
	add_difference(new, LEN, LEN);
	return 0;
}

static bool nothing(const void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return false;
}

static int clear(void **state)
{
	(void)state;
	table_free(&table);
	tables_sweep(&t, nothing, NULL);
	tables_close(&t);
	objects_free(&all);
	unlinkat(dir, "cache", AT_REMOVEDIR);
	close(dir);
	return rmdir(dir_path);
}

static int get(bool map, size_t cap)
{
	struct table_request r = {
		.objects = &source, .object = &named, .cap = cap, .what = "a table", .map = map};

	e = (struct err){0};
	table_free(&table);
	return tables_get_from(&t, &r, t.dir, &from, &table, &e);
}

static void assert_right(bool mapped)
{
	assert_int_equal(table.len, LEN);
	assert_memory_equal(table.data, new, LEN);
	assert_int_equal(table.mapped, mapped);
	assert_int_equal(table.fetched, difference->len);
	assert_int_equal(whole->opened, 0);
}

/* Refused with this code; nothing of it is kept. */
static void refused(enum err_code code)
{
	for (int map = 0; map <= 1; map++) {
		assert_int_equal(get(map, CAP), -1);
		if (e.code != code)
			fail_msg("%s instead of %s: %s", err_name(e.code), err_name(code), e.text);
		assert_null(table.data);
		assert_false(is_kept(named.sha256));
		assert_int_equal(faccessat(t.dir, "new", F_OK, 0), -1);
	}
	assert_int_equal(whole->opened, 0);
}

static void only_the_difference_is_fetched_and_the_table_is_kept(void **state)
{
	struct table_request kept = {.object = &named, .cap = CAP, .what = "a table"};
	char path[200];

	(void)state;
	for (int map = 0; map <= 1; map++) {
		if (get(map, CAP) < 0)
			fail_msg("%s", e.text);
		assert_right(map);
		table_free(&table);
		assert_int_equal(tables_get(&t, &kept, &table, &e), 0);
		assert_memory_equal(table.data, new, LEN);
		assert_int_equal(table.fetched, 0);
		assert_true(is_kept(from.base)); /* another difference may be from it, too */
		path_of(named.sha256, path);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(difference->opened, 2);
}

static void the_smallest_difference_from_what_is_there_is_found(void **state)
{
	struct plan_differences list = {.count = 3, .from = {from, from, from}};

	(void)state;
	list.from[0].base[0] ^= 1; /* not there */
	list.from[0].object.length = 1;
	list.from[1].object.length = 700;
	list.from[2].object.length = 600;
	assert_ptr_equal(tables_find_difference(t.dir, &list), &list.from[2]);
	list.from[2].object.length = 800;
	assert_ptr_equal(tables_find_difference(t.dir, &list), &list.from[1]);
	list.count = 1;
	assert_null(tables_find_difference(t.dir, &list));
	list.count = 0;
	assert_null(tables_find_difference(t.dir, &list));
}

static void a_damaged_old_table_is_noticed_before_anything_is_fetched(void **state)
{
	char path[200];

	(void)state;
	path_of(from.base, path);
	for (int map = 0; map <= 1; map++) {
		keep_old(LEN);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, "\xaa\x55", 2, 9000), 2);
		close(fd);
		assert_int_equal(get(map, CAP), -1);
		assert_int_equal(e.code, E_HASH);
		assert_false(is_kept(from.base));
	}
	assert_int_equal(difference->opened, 0);
}

static void an_old_table_that_is_gone_or_no_file_is_none(void **state)
{
	char path[200];
	char other[200];

	(void)state;
	path_of(from.base, path);
	assert_int_equal(unlink(path), 0);
	refused(E_NOTFOUND);
	snprintf(other, sizeof(other), "%s/other", dir_path);
	assert_int_equal(symlink(other, path), 0);
	const struct plan_differences list = {.count = 1, .from = {from}};
	assert_null(tables_find_difference(t.dir, &list));
	refused(E_NOTFOUND);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(tables_find_difference(t.dir, &list));
	refused(E_SIZE);
	assert_int_equal(rmdir(path), 0);
	keep_old(0);
	refused(E_SIZE);
	assert_int_equal(difference->opened, 0);
}

static void an_old_table_above_the_cap_is_not_read(void **state)
{
	(void)state;
	char path[200];
	path_of(from.base, path);
	assert_int_equal(truncate(path, CAP + 1), 0);
	refused(E_SIZE);
	assert_int_equal(difference->opened, 0);
}

static void other_bytes_than_signed_reach_no_decoder(void **state)
{
	(void)state;
	for (size_t at = 0; at < difference->len; at += difference->len / 3) {
		difference->data[at] ^= 1;
		refused(E_HASH);
		assert_non_null(strstr(e.text, "differs from its signed hash"));
		difference->data[at] ^= 1;
	}
	assert_int_equal(get(true, CAP), 0);
}

/* Signed, but made for another table of the same length. */
static void a_difference_that_gives_another_table_is_refused(void **state)
{
	(void)state;
	new[LEN / 2] ^= 1;
	add_difference(new, LEN, LEN);
	new[LEN / 2] ^= 1;
	refused(E_HASH);
	assert_non_null(strstr(e.text, "gives another table"));
}

/* What it takes from there is not what it was made from. */
static void a_difference_from_another_old_table_is_refused(void **state)
{
	uint8_t was[200];

	(void)state;
	memcpy(was, old + LEN - 900, sizeof(was));
	noise(old + LEN - 900, sizeof(was), 77);
	memcpy(new + 300000, old + LEN - 900, sizeof(was));
	whole = objects_add(&all, new, LEN, &named);
	add_difference(new, LEN, LEN);
	memcpy(old + LEN - 900, was, sizeof(was));
	refused(E_HASH);
}

static void garbage_that_was_signed_is_refused(void **state)
{
	uint8_t rubbish[900];

	(void)state;
	noise(rubbish, sizeof(rubbish), 5);
	difference = objects_add(&all, rubbish, sizeof(rubbish), &from.object);
	refused(E_META);
	/* The right one, cut. */
	add_difference(new, LEN, LEN);
	difference = objects_add(&all, difference->data, difference->len - 1, &from.object);
	refused(E_SIZE);
}

static void a_difference_for_another_length_is_refused(void **state)
{
	static uint8_t zeros[LEN + 10];

	(void)state;
	add_difference(new, LEN - 1, LEN);
	refused(E_SIZE);
	add_difference(zeros, LEN + 10, LEN);
	refused(E_SIZE);
}

static void a_difference_above_the_cap_is_not_fetched(void **state)
{
	(void)state;
	from.object.length = SLOT_DIFFERENCE_MAX + 1;
	refused(E_META);
	assert_non_null(strstr(e.text, "is signed with"));
	assert_int_equal(difference->opened, 0);
}

static void a_table_beyond_its_cap_is_refused_before_anything_is_fetched(void **state)
{
	(void)state;
	assert_int_equal(get(true, LEN - 1), -1);
	assert_int_equal(e.code, E_META);
	named.length = 0;
	assert_int_equal(get(false, CAP), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(difference->opened, 0);
}

static void a_full_disk_keeps_nothing(void **state)
{
	(void)state;
	room = 1000;
	assert_int_equal(get(true, CAP), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_int_equal(get(false, CAP), 0);
	assert_right(false);
	assert_false(is_kept(named.sha256));
	assert_int_equal(faccessat(t.dir, "new", F_OK, 0), -1);
}

static void the_servers_failure_is_handed_on(void **state)
{
	(void)state;
	difference->missing = true;
	refused(E_NOTFOUND);
	difference->missing = false;
	difference->down = true;
	refused(E_NET);
}

int main(void)
{
#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make, clear)
	const struct CMUnitTest tests[] = {
		WITH_DIR(only_the_difference_is_fetched_and_the_table_is_kept),
		WITH_DIR(the_smallest_difference_from_what_is_there_is_found),
		WITH_DIR(a_damaged_old_table_is_noticed_before_anything_is_fetched),
		WITH_DIR(an_old_table_that_is_gone_or_no_file_is_none),
		WITH_DIR(an_old_table_above_the_cap_is_not_read),
		WITH_DIR(other_bytes_than_signed_reach_no_decoder),
		WITH_DIR(a_difference_that_gives_another_table_is_refused),
		WITH_DIR(a_difference_from_another_old_table_is_refused),
		WITH_DIR(garbage_that_was_signed_is_refused),
		WITH_DIR(a_difference_for_another_length_is_refused),
		WITH_DIR(a_difference_above_the_cap_is_not_fetched),
		WITH_DIR(a_table_beyond_its_cap_is_refused_before_anything_is_fetched),
		WITH_DIR(a_full_disk_keeps_nothing),
		WITH_DIR(the_servers_failure_is_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
