/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/image_delta, before, data, delta: index and data of a chain of releases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/publisher_delta.h"

#define SIZE  (1u << 20)
#define BLOCK SLOT_BLOCK_SIZE

/* A thousand flushes are most of the time, and durability is tested elsewhere. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

static uint8_t image[2 * SIZE];
static uint8_t other[2 * SIZE];
static struct chain chain;

static void fill(uint8_t *out, size_t len, uint64_t seed)
{
	uint64_t x = seed * 2862933555777941757u + 3037000493u;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)(x >> 32);
	}
}

static int set_up(void **state)
{
	(void)state;
	fill(image, sizeof(image), 1);
	chain_begin(&chain);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	chain_end(&chain);
	return 0;
}

static void set(struct release_settings *s, enum release_option option, const char *value)
{
	chain_give(s, option, value);
}

/* The next release of `image` with its ages as loaded tables. */
static void next(size_t len, struct delta_tables *t)
{
	AUTO_MANIFEST struct manifest *m = chain_release(&chain, image, len, "raw", NULL);

	chain_check(&chain, m, image, len);
	delta_free(t);
	chain_load(&chain, m, t);
}

static void content_that_comes_and_goes_is_new_again(void **state)
{
	AUTO_DELTA struct delta_tables t = {0};
	uint8_t a[BLOCK];
	uint8_t b[BLOCK];
	const size_t at = 7 * BLOCK;

	(void)state;
	memcpy(a, image + at, BLOCK);
	fill(b, BLOCK, 2);
	next(SIZE, &t); /* 1: a */
	assert_int_equal(chain_age(&t, at), 0);
	assert_int_equal(t.frames.first[1], t.frames.count);
	memcpy(image + at, b, BLOCK);
	next(SIZE, &t); /* 2: b is new */
	assert_int_equal(chain_age(&t, at), 0);
	assert_int_equal(chain_age(&t, 0), 1);
	next(SIZE, &t); /* 3: b stays */
	assert_int_equal(chain_age(&t, at), 1);
	assert_int_equal(chain_age(&t, 0), 2);
	memcpy(image + at, a, BLOCK);
	next(SIZE, &t); /* 4: a is back, and the release before lacks it */
	assert_int_equal(chain_age(&t, at), 0);
	assert_int_equal(chain_age(&t, 0), 3);
	/* 5: b is back, and a is somewhere else as well, where its age goes on. */
	memcpy(image + at, b, BLOCK);
	memcpy(image + 9 * BLOCK, a, BLOCK);
	next(SIZE, &t);
	assert_int_equal(chain_age(&t, at), 0);
	assert_int_equal(chain_age(&t, 9 * BLOCK), 1);
	memset(image + at, 0, BLOCK);
	next(SIZE, &t); /* 6 */
	assert_int_equal(chain_age(&t, 9 * BLOCK), 2);
	assert_int_equal(chain_age(&t, 0), 5);
}

static void a_device_on_the_release_before_needs_one_range(void **state)
{
	struct delta_tables t[3] = {0};
	struct delta_need need = {0};
	struct err e = {0};

	(void)state;
	for (size_t r = 0; r < 3; r++) {
		for (size_t i = r; i < 200; i += 20)
			fill(image + i * BLOCK, BLOCK, 100 * r + i);
		next(SIZE, &t[r]);
	}
	assert_int_equal(delta_need(&t[1].index, &t[2].index, &t[2].frames, &need, &e), 0);
	assert_int_equal(need.ranges, 1);
	assert_int_equal(need.content, 10 * BLOCK);
	assert_int_equal(need.count, t[2].frames.first[1]);
	assert_true(need.bytes >= 10 * BLOCK && need.bytes < 11 * BLOCK);
	assert_int_equal(need.frames[0], 1);
	delta_need_free(&need);
	/* Two releases behind: the next generation, too, right behind the first. */
	assert_int_equal(delta_need(&t[0].index, &t[2].index, &t[2].frames, &need, &e), 0);
	assert_int_equal(need.ranges, 1);
	assert_int_equal(need.content, 20 * BLOCK);
	assert_int_equal(need.count, t[2].frames.first[2]);
	delta_need_free(&need);
	/* A device that has it needs nothing; one that has nothing needs all. */
	assert_int_equal(delta_need(&t[2].index, &t[2].index, &t[2].frames, &need, &e), 0);
	assert_int_equal(need.count, 0);
	assert_int_equal(need.bytes, 0);
	delta_need_free(&need);
	struct index_set nothing = {0};
	assert_int_equal(delta_need_of(&nothing, &t[2].index, &t[2].frames, &need, &e), 0);
	assert_int_equal(need.count, t[2].frames.count);
	assert_int_equal(need.bytes, t[2].frames.stored_total);
	delta_need_free(&need);
	for (size_t i = 0; i < 3; i++)
		delta_free(&t[i]);
}

#define LARGE (14u * SIZE)

static void expect_first(
	const struct manifest *m, size_t number, unsigned generations, const struct delta_tables *t)
{
	const struct shelf shelf = {.publisher = &chain.p, .plan = &m->plan};
	const struct plan_image *i = &m->plan.images[0];
	const struct plan_first *f = &i->frames_first.first[number];
	AUTO_BUF struct buf table = {0};
	uint8_t digest[HASH_SIZE];
	struct err e = {0};

	assert_true(number < i->frames_first.count);
	assert_int_equal(f->generations, generations);
	assert_int_equal(f->part.length,
		SLOT_FRAMES_HEADER + t->frames.first[generations] * SLOT_FRAMES_ENTRY);
	assert_int_equal(shelf_read(&shelf, &i->frames, &table, &e), 0);
	assert_int_equal(
		hash_bytes(HASH_SHA256, table.data, (size_t)f->part.length, digest, &e), 0);
	assert_memory_equal(digest, f->part.sha256, HASH_SIZE);
}

/* What a device that has the old release fetches of the table of the newest one. */
static uint64_t frames_bytes(
	const struct delta_tables *old, const struct manifest *m, const struct delta_tables *t)
{
	AUTO_NEED struct delta_need need = {0};
	struct err e = {0};

	assert_int_equal(delta_need(&old->index, &t->index, &t->frames, &need, &e), 0);
	return delta_frames_bytes(&m->plan.images[0], &t->frames, &need);
}

static void first_parts_of_frames_are_listed_where_they_save_something(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_FREE uint8_t *large = malloc(LARGE);
	struct delta_tables t[4] = {0};
	struct manifest *m[4];

	(void)state;
	assert_non_null(large);
	fill(large, LARGE, 3);
	set(&s, RELEASE_ENCODING, "none");
	set(&s, RELEASE_LEVEL, "0");
	for (size_t r = 0; r < 4; r++) {
		if (r == 1)
			fill(large, BLOCK, 4);
		if (r == 2)
			fill(large + SIZE, 6 * SIZE + SIZE / 2, 5);
		if (r == 3)
			fill(large + SIZE, BLOCK, 6);
		m[r] = chain_release(&chain, large, LARGE, "raw", &s);
		chain_load(&chain, m[r], &t[r]);
	}
	/* All of the first release is new; of the second, one frame, in however many generations. */
	assert_int_equal(m[0]->plan.images[0].frames_first.count, 0);
	assert_int_equal(m[1]->plan.images[0].frames_first.count, 1);
	expect_first(m[1], 0, 1, &t[1]);
	/* Of the third, half: the next generation adds nothing to it. */
	assert_int_equal(m[2]->plan.images[0].frames_first.count, 1);
	expect_first(m[2], 0, 2, &t[2]);
	assert_int_equal(m[3]->plan.images[0].frames_first.count, 2);
	expect_first(m[3], 0, 1, &t[3]);
	expect_first(m[3], 1, 2, &t[3]);
	const struct plan_image *i = &m[3]->plan.images[0];
	assert_int_equal(frames_bytes(&t[2], m[3], &t[3]), i->frames_first.first[0].part.length);
	assert_int_equal(frames_bytes(&t[3], m[3], &t[3]), i->frames_first.first[0].part.length);
	assert_int_equal(frames_bytes(&t[1], m[3], &t[3]), i->frames_first.first[1].part.length);
	assert_int_equal(frames_bytes(&t[0], m[3], &t[3]), i->frames.length);
	for (size_t r = 0; r < 4; r++) {
		delta_free(&t[r]);
		manifest_free(m[r]);
	}
}

static void frames_hold_whole_entries_of_one_generation(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_MANIFEST struct manifest *one = NULL;
	AUTO_MANIFEST struct manifest *two = NULL;
	AUTO_DELTA struct delta_tables t = {0};

	(void)state;
	set(&s, RELEASE_INDEX, "chunks");
	set(&s, RELEASE_ENCODING, "none");
	set(&s, RELEASE_LEVEL, "0");
	one = chain_release(&chain, image, SIZE, "raw", &s);
	chain_check(&chain, one, image, SIZE);
	memcpy(other, image, SIZE);
	memset(other + 500000, 'x', 5);
	two = chain_release(&chain, other, SIZE, "raw", &s);
	chain_check(&chain, two, other, SIZE);
	chain_load(&chain, two, &t);
	assert_int_equal(two->plan.images[0].data_encoding, PLAN_NONE);
	assert_true(t.index.content_defined);
	assert_int_equal(t.frames.first[1], 1);
	/* Cut before what does not fit, so all but the last are nearly full. */
	for (uint32_t i = t.frames.first[1]; i + 1 < t.frames.count; i++)
		assert_true(t.frames.raw[i] > SLOT_FRAME_SIZE - SLOT_CHUNK_MAX);
}

static void threads_do_not_change_index_and_data(void **state)
{
	static const char *const threads[] = {"1", "2", "7"};
	AUTO_MANIFEST struct manifest *first = NULL;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		AUTO_SETTINGS struct release_settings s = {0};
		set(&s, RELEASE_THREADS, threads[i]);
		struct manifest *m = chain_release(&chain, image, 2 * SIZE, "squashfs", &s);
		const struct plan_image *a = &m->plan.images[0];
		chain_end(&chain);
		chain_begin(&chain);
		if (i == 0) {
			first = m;
			continue;
		}
		const struct plan_image *b = &first->plan.images[0];
		assert_memory_equal(a->index.sha256, b->index.sha256, HASH_SIZE);
		assert_memory_equal(a->data.sha256, b->data.sha256, HASH_SIZE);
		assert_memory_equal(a->frames.sha256, b->frames.sha256, HASH_SIZE);
		manifest_free(m);
	}
}

static void the_manifest_says_what_was_made(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_MANIFEST struct manifest *m = NULL;

	(void)state;
	set(&s, RELEASE_ENCODING, "zlib");
	m = chain_release(&chain, image, SIZE, "raw", &s);
	assert_true(m->plan.images[0].has_delta);
	assert_int_equal(m->plan.images[0].data_encoding, PLAN_ZLIB);
	chain_check(&chain, m, image, SIZE);
}

static void no_delta_leaves_index_and_data_out(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_MANIFEST struct manifest *without = NULL;
	AUTO_MANIFEST struct manifest *with = NULL;
	AUTO_DELTA struct delta_tables t = {0};

	(void)state;
	set(&s, RELEASE_NO_DELTA, "yes");
	without = chain_release(&chain, image, SIZE, "raw", &s);
	assert_false(without->plan.images[0].has_delta);
	assert_string_equal(chain.notes, "");
	/* The release behind it finds its content in `full`. */
	fill(image, BLOCK, 5);
	with = chain_release(&chain, image, SIZE, "raw", NULL);
	chain_check(&chain, with, image, SIZE);
	chain_load(&chain, with, &t);
	assert_int_equal(chain_age(&t, 0), 0);
	assert_int_equal(chain_age(&t, BLOCK), 1);
}

static void small_and_empty_images_have_none(void **state)
{
	AUTO_MANIFEST struct manifest *small = NULL;
	AUTO_MANIFEST struct manifest *zero = NULL;
	AUTO_MANIFEST struct manifest *little = NULL;

	(void)state;
	small = chain_release(&chain, image, 256 * 1024 - BLOCK, "raw", NULL);
	assert_false(small->plan.images[0].has_delta);
	memset(other, 0, SIZE);
	zero = chain_release(&chain, other, SIZE, "raw", NULL);
	assert_false(zero->plan.images[0].has_delta);
	/* One byte is enough; the rest of the block is padding. */
	other[SIZE] = 'x';
	little = chain_release(&chain, other, SIZE + 1, "raw", NULL);
	chain_check(&chain, little, other, SIZE + BLOCK);
}

static void everything_shifted_goes_over_to_chunks(void **state)
{
	AUTO_MANIFEST struct manifest *one = NULL;
	AUTO_MANIFEST struct manifest *two = NULL;
	AUTO_MANIFEST struct manifest *three = NULL;
	AUTO_DELTA struct delta_tables t = {0};

	(void)state;
	one = chain_release(&chain, image, 2 * SIZE, "raw", NULL);
	chain_load(&chain, one, &t);
	assert_false(t.index.content_defined);
	memcpy(other, image, BLOCK);
	memcpy(other + BLOCK, "moved", 5);
	memcpy(other + BLOCK + 5, image + BLOCK, 2 * SIZE - BLOCK - 5);
	two = chain_release(&chain, other, 2 * SIZE, "raw", NULL);
	delta_free(&t);
	chain_load(&chain, two, &t);
	assert_true(t.index.content_defined);
	assert_non_null(
		strstr(chain.notes, "index of chunks: from the release before, blocks cost"));
	assert_null(strchr(chain.notes, '!'));
	/* Ages are known, because the old content was cut the new way. */
	assert_int_equal(chain_age(&t, SIZE), 1);
	chain_check(&chain, two, other, 2 * SIZE);
	three = chain_release(&chain, other, 2 * SIZE, "raw", NULL);
	delta_free(&t);
	chain_load(&chain, three, &t);
	assert_true(t.index.content_defined);
	assert_null(strchr(chain.notes, '!'));
	assert_int_equal(chain_age(&t, SIZE), 2);
}

/* 1.5 MiB of it are text, which compresses to little. */
static void write_text(uint8_t *out, size_t len)
{
	char line[32];

	for (size_t at = 0, n = 0; at < len; at += n) {
		n = (size_t)snprintf(line, sizeof(line), "line %zu of the text\n", at);
		n = n < len - at ? n : len - at;
		memcpy(out + at, line, n);
	}
}

/*
 * Files change places, and text moves by a byte: in blocks more is new than in chunks, but all
 * of it is text.
 */
static void what_compresses_well_counts_for_little(void **state)
{
	AUTO_MANIFEST struct manifest *one = NULL;
	AUTO_MANIFEST struct manifest *two = NULL;
	AUTO_DELTA struct delta_tables t = {0};
	size_t files = SIZE / 2;

	(void)state;
	write_text(image + files, 2 * SIZE - files);
	one = chain_release(&chain, image, 2 * SIZE, "raw", NULL);
	for (size_t at = 0; at < files; at += BLOCK)
		memcpy(other + at, image + (at * 5 + 3 * (size_t)BLOCK) % files, BLOCK);
	other[files] = '!';
	memcpy(other + files + 1, image + files, 2 * SIZE - files - 1);
	two = chain_release(&chain, other, 2 * SIZE, "raw", NULL);
	chain_load(&chain, two, &t);
	assert_non_null(
		strstr(chain.notes, "index of blocks: from the release before, blocks cost"));
	assert_false(t.index.content_defined);
	chain_check(&chain, two, other, 2 * SIZE);
}

static void objects_that_are_elsewhere_are_said_and_forgiven(void **state)
{
	AUTO_MANIFEST struct manifest *one = NULL;
	AUTO_MANIFEST struct manifest *two = NULL;
	AUTO_DELTA struct delta_tables t = {0};
	char name[OBJECT_NAME_SIZE];
	char path[128];

	(void)state;
	one = chain_release(&chain, image, SIZE, "raw", NULL);
	object_name(one->plan.images[0].full.sha256, name);
	snprintf(path, sizeof(path), "staging/demo-1/objects/%s", name);
	assert_int_equal(unlinkat(chain.p.fd, path, 0), 0);
	two = chain_release(&chain, image, SIZE, "raw", NULL);
	chain_load(&chain, two, &t);
	assert_int_equal(chain_age(&t, 0), 1);
	assert_non_null(strstr(chain.notes, "!image rootfs: release 1: "));
	assert_non_null(strstr(chain.notes, "as in the release before"));
}

/* Flips a byte of an object in staging. */
static void damage(const struct manifest *m, const struct plan_object *o)
{
	char name[OBJECT_NAME_SIZE];
	char path[128];
	uint8_t byte;
	struct err e = {0};

	object_name(o->sha256, name);
	snprintf(path, sizeof(path), "staging/demo-%d/objects/%s", (int)m->plan.release, name);
	AUTO_CLOSE int fd = openat(chain.p.fd, path, O_RDWR | O_CLOEXEC);
	assert_int_equal(file_pread_full(fd, &byte, 1, o->length / 2, &e), 0);
	byte ^= 1;
	assert_int_equal(file_pwrite_full(fd, &byte, 1, o->length / 2, &e), 0);
}

static void a_damaged_release_before_is_refused(void **state)
{
	AUTO_MANIFEST struct manifest *one = NULL;
	const struct plan_object *objects[2];
	struct err e = {0};

	(void)state;
	one = chain_release(&chain, image, SIZE, "raw", NULL);
	objects[0] = &one->plan.images[0].index;
	objects[1] = &one->plan.images[0].full;
	for (size_t i = 0; i < 2; i++) {
		static const bool both[CUTTER_KINDS] = {true, true};
		const struct shelf shelf = {.publisher = &chain.p, .plan = &one->plan};
		struct before b = {0};
		damage(one, objects[i]);
		assert_int_equal(before_load(&shelf, "rootfs", both, &b, &e), -1);
		assert_int_equal(e.code, E_HASH);
		before_free(&b);
		damage(one, objects[i]); /* whole again */
		assert_int_equal(before_load(&shelf, "rootfs", both, &b, &e), 0);
		assert_true(b.known[CUTTER_BLOCKS] && b.known[CUTTER_CHUNKS]);
		before_free(&b);
	}
}

/* The first progress of the data stage: the file grows by nothing, but its time changes. */
static void touch(void *ctx, const char *name, uint64_t done, uint64_t total)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	(void)done;
	(void)total;
	if (strcmp(name, "rootfs data") == 0 && utimensat(AT_FDCWD, ctx, times, 0) != 0)
		abort();
}

static void an_image_that_changes_while_data_is_made_is_refused(void **state)
{
	char path[600];
	struct plan_image out = {.size = 77};
	struct image_facts facts;
	struct err e = {0};

	(void)state;
	snprintf(path, sizeof(path), "%s/image", chain.p.dir);
	tree_write(path, image, SIZE);
	const struct image_request r = {.name = "rootfs",
		.path = path,
		.encoding = PLAN_NONE,
		.threads = 1,
		.watcher = {.ctx = path, .progress = touch}};
	AUTO_CLOSE int dir = tree_open(chain.p.dir);
	assert_int_equal(image_cut(&r, dir, &out, &facts, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "was changed"));
	assert_int_equal(out.size, 77);
}

static void wrong_words_for_the_index_are_refused(void **state)
{
	static const struct {
		enum release_option option[2];
		const char *value[2];
		const char *word;
	} bad[] = {
		{{RELEASE_INDEX, RELEASE_LEVEL}, {"block", "1"}, "neither"},
		{{RELEASE_INDEX, RELEASE_NO_DELTA}, {"auto", "yes"}, "either"},
		{{RELEASE_NO_DELTA, RELEASE_LEVEL}, {"maybe", "1"}, "yes or no"},
	};
	struct image_request r[PLAN_IMAGES_MAX];
	size_t count;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_SETTINGS struct release_settings s = {0};
		struct err e = {0};
		set(&s, RELEASE_IMAGE, "rootfs=x");
		set(&s, bad[i].option[0], bad[i].value[0]);
		set(&s, bad[i].option[1], bad[i].value[1]);
		assert_int_equal(release_images(&s, r, &count, &e), -1);
		assert_int_equal(e.code, E_USAGE);
		assert_non_null(strstr(e.text, bad[i].word));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			content_that_comes_and_goes_is_new_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_device_on_the_release_before_needs_one_range, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			frames_hold_whole_entries_of_one_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			threads_do_not_change_index_and_data, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_manifest_says_what_was_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			first_parts_of_frames_are_listed_where_they_save_something, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			no_delta_leaves_index_and_data_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			small_and_empty_images_have_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			everything_shifted_goes_over_to_chunks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_compresses_well_counts_for_little, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			objects_that_are_elsewhere_are_said_and_forgiven, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_damaged_release_before_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_image_that_changes_while_data_is_made_is_refused, set_up, tear_down),
		cmocka_unit_test(wrong_words_for_the_index_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
