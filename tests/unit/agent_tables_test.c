/* SPDX-License-Identifier: Apache-2.0 */
/* agent/tables: nothing is used unverified, nothing is fetched twice without need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/tables.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/agent_room.h"

#define BIG (2u << 20)

static char dir_path[64];
static int dir = -1;
static struct log log_;
static struct tables t;
static struct objects all;
static struct object_source source;
static struct plan_object named;
static struct object *object;
static struct table table;
static struct err e;
static bool reads_fail;
static bool writes_fail;

int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *err);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *err);
int __real_file_write_full(int fd, const void *data, size_t len, struct err *err);
int __wrap_file_write_full(int fd, const void *data, size_t len, struct err *err);

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *err)
{
	return reads_fail ? err_sys(err, E_IO, EIO, "reading")
			  : __real_file_pread_full(fd, data, len, offset, err);
}

int __wrap_file_write_full(int fd, const void *data, size_t len, struct err *err)
{
	return writes_fail ? err_sys(err, E_IO, EIO, "writing")
			   : __real_file_write_full(fd, data, len, err);
}

static void add(size_t len, uint64_t key)
{
	uint8_t *data = malloc(len);

	assert_non_null(data);
	noise(data, len, key);
	object = objects_add(&all, data, len, &named);
	free(data);
}

static int make(void **state)
{
	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-tables-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	e = (struct err){0};
	assert_int_equal(file_open_dir(dir_path, &dir, &e), 0);
	log_ = log_make(LOG_LEVEL_ERROR);
	assert_int_equal(tables_open(dir, &log_, &t, &e), 0);
	room = UINT64_C(1) << 29;
	reads_fail = writes_fail = false;
	source = objects_source(&all);
	add(5000, 1);
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
	return tables_get(&t, &r, &table, &e);
}

static int get_kept(bool map)
{
	struct table_request r = {.object = &named, .cap = BIG, .what = "a table", .map = map};

	e = (struct err){0};
	table_free(&table);
	return tables_get(&t, &r, &table, &e);
}

static void assert_right(void)
{
	assert_int_equal(table.len, object->len);
	assert_memory_equal(table.data, object->data, object->len);
}

static char *path_of(char path[200])
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(named.sha256, hex);
	snprintf(path, 200, "%s/cache/%s", dir_path, hex);
	return path;
}

static void damage(void)
{
	char path[200];
	int fd = open(path_of(path), O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "\xaa\x55", 2, 100), 2);
	close(fd);
}

static unsigned files(void)
{
	char path[200];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/cache", dir_path);
	DIR *d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void a_table_is_fetched_once_and_kept(void **state)
{
	(void)state;
	for (int map = 0; map <= 1; map++) {
		add(BIG, 10 + (unsigned)map);
		assert_false(tables_has(&t, &named));
		assert_int_equal(get(map, BIG), 0);
		assert_right();
		assert_int_equal(table.mapped, map);
		assert_true(tables_has(&t, &named));
		assert_int_equal(get(map, BIG), 0);
		assert_right();
		assert_int_equal(object->opened, 1);
		assert_int_equal(get_kept(map), 0);
		assert_right();
	}
}

static void other_bytes_than_signed_are_not_used_and_not_kept(void **state)
{
	(void)state;
	for (int map = 0; map <= 1; map++) {
		object->data[4999] ^= 1;
		assert_int_equal(get(map, BIG), -1);
		assert_int_equal(e.code, E_HASH);
		assert_null(table.data);
		assert_int_equal(files(), 0);
		object->data[4999] ^= 1;
	}
	assert_int_equal(get(true, BIG), 0);
	assert_right();
}

static void a_damaged_kept_table_is_fetched_again(void **state)
{
	(void)state;
	for (int map = 0; map <= 1; map++) {
		assert_int_equal(get(map, BIG), 0);
		damage();
		assert_int_equal(get(map, BIG), 0);
		assert_right();
		damage();
		assert_int_equal(get_kept(map), -1);
		assert_int_equal(e.code, E_NOTFOUND);
		assert_int_equal(files(), 0);
	}
	assert_int_equal(object->opened, 4);
}

static void a_length_beyond_the_cap_is_refused_before_anything_is_fetched(void **state)
{
	(void)state;
	assert_int_equal(get(false, 4999), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(get(true, 4999), -1);
	assert_int_equal(e.code, E_META);
	named.length = 0;
	assert_int_equal(get(false, 4999), -1);
	assert_int_equal(e.code, E_META);
	assert_int_equal(object->opened, 0);
}

static void a_full_disk_keeps_nothing_and_small_tables_still_come(void **state)
{
	(void)state;
	room = 1000;
	assert_int_equal(get(false, BIG), 0);
	assert_right();
	assert_int_equal(get(true, BIG), 0);
	assert_right();
	assert_false(table.mapped);
	assert_int_equal(files(), 0);
	add(TABLES_MEMORY_MAX + 1, 2);
	assert_int_equal(get(true, BIG), -1);
	assert_int_equal(e.code, E_SPACE);
	assert_int_equal(object->opened, 0);
}

static void room_is_left_for_the_state(void **state)
{
	(void)state;
	room = (8u << 20) + 1000;
	assert_true(tables_has_room(&t, 1000));
	assert_false(tables_has_room(&t, 1001));
	assert_false(tables_has_room(&t, UINT64_MAX));
	room = (8u << 20) - 1;
	assert_false(tables_has_room(&t, 0));
}

/* In a mapped page this would be a signal, at each start. */
static void a_kept_table_that_cannot_be_read_is_fetched_again(void **state)
{
	(void)state;
	for (int map = 0; map <= 1; map++) {
		add(5000, 20 + (unsigned)map);
		assert_int_equal(get(map, BIG), 0);
		reads_fail = true;
		assert_int_equal(get(map, BIG), 0);
		reads_fail = false;
		assert_right();
		assert_int_equal(object->opened, 2);
		assert_int_equal(get(map, BIG), 0);
		assert_int_equal(object->opened, 2);
	}
}

static void a_cache_that_cannot_be_written_costs_no_small_table(void **state)
{
	(void)state;
	writes_fail = true;
	assert_int_equal(get(true, BIG), 0);
	assert_right();
	assert_false(table.mapped);
	assert_int_equal(files(), 1); /* kept behind that, which does not go through here */
	add(TABLES_MEMORY_MAX + 1, 2);
	assert_int_equal(get(true, TABLES_MEMORY_MAX + 1), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(files(), 1);
}

static void the_servers_failure_is_handed_on(void **state)
{
	(void)state;
	for (int map = 0; map <= 1; map++) {
		object->missing = true;
		assert_int_equal(get(map, BIG), -1);
		assert_int_equal(e.code, E_NOTFOUND);
		object->missing = false;
		object->down = true;
		assert_int_equal(get(map, BIG), -1);
		assert_int_equal(e.code, E_NET);
		object->down = false;
		assert_int_equal(files(), 0);
	}
}

/* Else a link that somebody put there would make the agent read, or remove, another file. */
static void a_link_in_the_cache_is_not_followed(void **state)
{
	char path[200];
	char other[200];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", dir_path);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(object->data, 1, object->len, f), object->len);
	fclose(f);
	assert_int_equal(symlink(other, path_of(path)), 0);
	assert_false(tables_has(&t, &named));
	assert_int_equal(get(false, BIG), 0);
	assert_int_equal(object->opened, 1);
	assert_int_equal(unlink(other), 0);
}

static bool is_this(const void *ctx, const char *name)
{
	return strcmp(ctx, name) == 0;
}

static void only_what_is_claimed_is_kept(void **state)
{
	char hex[HASH_HEX_SIZE];

	(void)state;
	assert_int_equal(get(false, BIG), 0);
	hash_to_hex(named.sha256, hex);
	add(300, 7);
	assert_int_equal(get(false, BIG), 0);
	assert_int_equal(file_replace(t.dir, "odd.part", "x", 1, 0600, &e), 0);
	assert_int_equal(files(), 3);
	tables_sweep(&t, is_this, hex);
	assert_int_equal(files(), 1);
	assert_false(tables_has(&t, &named));
}

int main(void)
{
#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make, clear)
	const struct CMUnitTest tests[] = {
		WITH_DIR(a_table_is_fetched_once_and_kept),
		WITH_DIR(other_bytes_than_signed_are_not_used_and_not_kept),
		WITH_DIR(a_damaged_kept_table_is_fetched_again),
		WITH_DIR(a_length_beyond_the_cap_is_refused_before_anything_is_fetched),
		WITH_DIR(a_full_disk_keeps_nothing_and_small_tables_still_come),
		WITH_DIR(room_is_left_for_the_state),
		WITH_DIR(a_kept_table_that_cannot_be_read_is_fetched_again),
		WITH_DIR(a_cache_that_cannot_be_written_costs_no_small_table),
		WITH_DIR(the_servers_failure_is_handed_on),
		WITH_DIR(a_link_in_the_cache_is_not_followed),
		WITH_DIR(only_what_is_claimed_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
