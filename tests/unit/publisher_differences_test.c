/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/differences: from which releases, when they are worth it, and always the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "partitions/slot/difference.h"
#include "publisher/differences.h"
#include "tests/unit/agent_objects.h"
#include "tests/unit/publisher_delta.h"

#define SIZE  (4u << 20) /* 16 leaves, 1024 blocks */
#define BLOCK SLOT_BLOCK_SIZE

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

static uint8_t image[SIZE];
static struct chain chain;
static struct manifest *made[8];
static size_t count;

static int set_up(void **state)
{
	(void)state;
	noise(image, SIZE, 1);
	chain_begin(&chain);
	count = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++)
		manifest_free(made[i]);
	chain_end(&chain);
	return 0;
}

/* The next release, with some blocks of it new; `from` is --tables-from, NULL = as by itself. */
static const struct plan_image *next(size_t blocks, const char *from)
{
	AUTO_SETTINGS struct release_settings s = {0};

	for (size_t i = 0; i < blocks; i++)
		noise(image + (count * 7 + i) * BLOCK, BLOCK, 100 * count + i + 2);
	if (from)
		chain_give(&s, RELEASE_TABLES_FROM, from);
	made[count] = chain_release(&chain, image, SIZE, "raw", &s);
	return &made[count++]->plan.images[0];
}

static void read_object(const struct manifest *m, const struct plan_object *o, struct buf *out)
{
	const struct shelf shelf = {.publisher = &chain.p, .plan = &m->plan};
	struct err e = {0};

	if (shelf_read(&shelf, o, out, &e) < 0)
		fail_msg("%s", e.text);
}

/* The difference gives the table out of the one of that older release. */
static void assert_gives(const struct plan_object *table, const struct plan_difference *d,
	const struct manifest *old, const struct plan_object *old_table)
{
	const struct manifest *m = made[count - 1];
	AUTO_BUF struct buf want = {0};
	AUTO_BUF struct buf base = {0};
	AUTO_BUF struct buf bytes = {0};
	struct err e = {0};

	assert_memory_equal(d->base, old_table->sha256, HASH_SIZE);
	read_object(m, table, &want);
	read_object(old, old_table, &base);
	read_object(m, &d->object, &bytes);
	AUTO_FREE uint8_t *out = malloc(want.len);
	const struct slot_difference one = {
		.old = base.data, .old_len = base.len, .data = bytes.data, .len = bytes.len};
	assert_non_null(out);
	if (slot_difference_apply(&one, out, want.len, &e) < 0)
		fail_msg("%s", e.text);
	assert_memory_equal(out, want.data, want.len);
	assert_true(d->object.length <= table->length - table->length / 4);
}

static void tables_have_differences_from_the_last_four_releases(void **state)
{
	const struct plan_image *i = NULL;

	(void)state;
	for (int r = 0; r < 6; r++) {
		i = next(3, NULL);
		assert_int_equal(i->leaves_from.count, r < 4 ? r : 4);
		assert_int_equal(i->index_from.count, r < 4 ? r : 4);
	}
	for (size_t k = 0; k < 4; k++) {
		const struct manifest *old = made[4 - k];
		assert_gives(&i->leaves, &i->leaves_from.from[k], old, &old->plan.images[0].leaves);
		assert_gives(&i->index, &i->index_from.from[k], old, &old->plan.images[0].index);
	}
	assert_non_null(strstr(chain.notes, "tables from earlier releases: leaves 4"));
}

static void how_many_releases_is_said_by_hand(void **state)
{
	(void)state;
	for (int r = 0; r < 3; r++)
		next(2, NULL);
	assert_int_equal(next(2, "0")->index_from.count, 0);
	assert_int_equal(made[3]->plan.images[0].leaves_from.count, 0);
	assert_int_equal(next(2, "1")->index_from.count, 1);
	const struct plan_image *i = next(2, "8");
	assert_int_equal(i->index_from.count, 5);
	assert_memory_equal(
		i->index_from.from[4].base, made[0]->plan.images[0].index.sha256, HASH_SIZE);
}

static void more_than_eight_releases_are_refused(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	const struct release_watcher w = {.warn = chain_ignore};
	struct manifest *m = NULL;
	struct err e = {0};
	char path[600];

	(void)state;
	snprintf(path, sizeof(path), "rootfs=%s/pawl-repo.json:raw", chain.p.dir);
	chain_give(&s, RELEASE_VERSION, "1");
	chain_give(&s, RELEASE_COMPATIBLE, "board");
	chain_give(&s, RELEASE_CLASS, "functional");
	chain_give(&s, RELEASE_IMAGE, path);
	chain_give(&s, RELEASE_TABLES_FROM, "9");
	assert_int_equal(release_make(&chain.p, &s, false, &w, &m, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_non_null(strstr(e.text, "--tables-from"));
}

static void what_did_not_change_needs_none(void **state)
{
	(void)state;
	next(3, NULL);
	next(0, NULL);
	const struct plan_image *i = next(0, NULL);
	/* The same leaves, in the image before and in the one before that. */
	assert_int_equal(i->leaves_from.count, 0);
	/* Ages went on, so the index is another one each time. */
	assert_int_equal(i->index_from.count, 2);
	/* Of two releases with the same leaves one is enough. */
	i = next(1, NULL);
	assert_int_equal(i->leaves_from.count, 1);
	assert_int_equal(i->index_from.count, 3);
}

static void a_difference_that_saves_little_is_left_out(void **state)
{
	(void)state;
	next(3, NULL);
	noise(image, SIZE, 99);
	const struct plan_image *i = next(0, NULL);
	assert_int_equal(i->leaves_from.count, 0);
	assert_int_equal(i->index_from.count, 0);
}

static void the_same_tables_give_the_same_differences(void **state)
{
	struct err e = {0};
	const struct image_request r = {.name = "rootfs"};

	(void)state;
	next(3, NULL);
	const struct plan_image *i = next(3, NULL);
	struct plan_image again = *i;
	const struct shelf before = {.publisher = &chain.p, .plan = &made[0]->plan};
	AUTO_CLOSE int objects =
		openat(chain.p.fd, "staging/demo-2/objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(objects >= 0);
	again.leaves_from.count = 0;
	again.index_from.count = 0;
	if (differences_add_from(&before, &r, objects, &again, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(again.leaves_from.count, 1);
	assert_int_equal(again.index_from.count, 1);
	assert_memory_equal(&again.leaves_from.from[0], &i->leaves_from.from[0],
		sizeof(i->leaves_from.from[0]));
	assert_memory_equal(
		&again.index_from.from[0], &i->index_from.from[0], sizeof(i->index_from.from[0]));
}

static void path_of(const struct manifest *m, const struct plan_object *o, char path[128])
{
	char name[OBJECT_NAME_SIZE];

	object_name(o->sha256, name);
	snprintf(path, 128, "staging/demo-%d/objects/%s", (int)m->plan.release, name);
}

static void tables_that_are_elsewhere_are_forgiven(void **state)
{
	char path[128];

	(void)state;
	next(3, NULL);
	next(3, NULL);
	path_of(made[0], &made[0]->plan.images[0].index, path);
	assert_int_equal(unlinkat(chain.p.fd, path, 0), 0);
	const struct plan_image *i = next(3, NULL);
	assert_int_equal(i->leaves_from.count, 2);
	assert_int_equal(i->index_from.count, 1);
}

static void a_damaged_table_of_an_older_release_is_refused(void **state)
{
	const struct image_request r = {.name = "rootfs"};
	struct err e = {0};
	char path[128];
	uint8_t byte = 0;

	(void)state;
	next(3, NULL);
	struct plan_image again = *next(3, NULL);
	const struct shelf before = {.publisher = &chain.p, .plan = &made[0]->plan};
	path_of(made[0], &made[0]->plan.images[0].leaves, path);
	AUTO_CLOSE int fd = openat(chain.p.fd, path, O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int objects =
		openat(chain.p.fd, "staging/demo-2/objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_pread_full(fd, &byte, 1, 50, &e), 0);
	byte ^= 1;
	assert_int_equal(file_pwrite_full(fd, &byte, 1, 50, &e), 0);
	again.leaves_from.count = 0;
	assert_int_equal(differences_add_from(&before, &r, objects, &again, &e), -1);
	assert_int_equal(e.code, E_HASH);
}

static void images_without_an_index_have_none(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};

	(void)state;
	next(3, NULL);
	chain_give(&s, RELEASE_NO_DELTA, "yes");
	noise(image, BLOCK, 55);
	made[count++] = chain_release(&chain, image, SIZE, "raw", &s);
	assert_int_equal(made[1]->plan.images[0].leaves_from.count, 0);
	/* The release behind it begins with the one in front. */
	assert_int_equal(next(2, NULL)->index_from.count, 1);
}

int main(void)
{
#define WITH_CHAIN(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		WITH_CHAIN(tables_have_differences_from_the_last_four_releases),
		WITH_CHAIN(how_many_releases_is_said_by_hand),
		WITH_CHAIN(more_than_eight_releases_are_refused),
		WITH_CHAIN(what_did_not_change_needs_none),
		WITH_CHAIN(a_difference_that_saves_little_is_left_out),
		WITH_CHAIN(the_same_tables_give_the_same_differences),
		WITH_CHAIN(tables_that_are_elsewhere_are_forgiven),
		WITH_CHAIN(a_damaged_table_of_an_older_release_is_refused),
		WITH_CHAIN(images_without_an_index_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
