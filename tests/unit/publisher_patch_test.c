/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/patch: what is made gives the new image again, is small, and always the same. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef CONFIG_PUBLISHER_PATCH

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/slot/patch_apply.h"
#include "publisher/object.h"
#include "publisher/patch.h"
#include "publisher/patch_input.h"

#define MIB  (1024u * 1024)
#define MOST (12u * MIB)

struct world {
	char dir[64];
	char old_path[96];
	char new_path[96];
	int objects;
	uint8_t *old;
	uint8_t *new;
	uint32_t old_size;
	uint32_t new_size;
	uint64_t noise;
	struct plan_object patch;
	struct plan_object table;
};

static uint32_t any(struct world *w, uint32_t below)
{
	w->noise ^= w->noise << 13;
	w->noise ^= w->noise >> 7;
	w->noise ^= w->noise << 17;
	return (uint32_t)((w->noise >> 11) % below);
}

static void fill(struct world *w, uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += 4) {
		uint32_t four = any(w, UINT32_MAX);
		memcpy(data + i, &four, len - i < 4 ? len - i : 4);
	}
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = {0};

	assert_non_null(w);
	w->noise = 88172645463325252u;
	snprintf(w->dir, sizeof(w->dir), "/tmp/pawl-patch-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->old_path, sizeof(w->old_path), "%s/old.img", w->dir);
	snprintf(w->new_path, sizeof(w->new_path), "%s/new.img", w->dir);
	assert_int_equal(file_open_dir(w->dir, &w->objects, &e), 0);
	w->old = calloc(1, MOST);
	w->new = calloc(1, MOST);
	assert_true(w->old && w->new);
	*state = w;
	return 0;
}

static void drop(struct world *w, const struct plan_object *o)
{
	char name[OBJECT_NAME_SIZE];

	if (o->length == 0)
		return;
	object_name(o->sha256, name);
	unlinkat(w->objects, name, 0);
	name[2] = 0;
	unlinkat(w->objects, name, AT_REMOVEDIR);
}

static void drop_objects(struct world *w)
{
	drop(w, &w->patch);
	drop(w, &w->table);
	w->patch.length = w->table.length = 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	drop_objects(w);
	unlink(w->old_path);
	unlink(w->new_path);
	close(w->objects);
	assert_int_equal(rmdir(w->dir), 0); /* nothing else was left behind */
	free(w->old);
	free(w->new);
	free(w);
	return 0;
}

static void put(const char *path, const uint8_t *data, uint32_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static int make_with(struct world *w, unsigned threads, struct err *e)
{
	const struct patch_request r = {.name = "rootfs",
		.old_path = w->old_path,
		.new_path = w->new_path,
		.threads = threads,
		.level = 1,
		.objects_dir = w->objects};

	return patch_make(&r, &w->patch, &w->table, e);
}

static void make(struct world *w, unsigned threads)
{
	struct err e = {0};

	put(w->old_path, w->old, w->old_size);
	put(w->new_path, w->new, w->new_size);
	if (make_with(w, threads, &e) < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
}

static void read_object(const struct world *w, const struct plan_object *o, struct buf *out)
{
	char name[OBJECT_NAME_SIZE];
	struct err e = {0};

	object_name(o->sha256, name);
	*out = buf_make(MOST * 2);
	assert_int_equal(file_read(w->objects, name, out, &e), 0);
	assert_int_equal(out->len, o->length);
}

static int read_buf(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *b = ctx;

	(void)e;
	assert_true(offset <= b->len && len <= b->len - offset);
	memcpy(data, b->data + offset, len);
	return 0;
}

static uint32_t padded(uint32_t size)
{
	return (size + SLOT_BLOCK_SIZE - 1) / SLOT_BLOCK_SIZE * SLOT_BLOCK_SIZE;
}

static void compare(struct world *w, struct leaf_source *source)
{
	uint64_t size = padded(w->new_size);
	uint8_t *out = malloc(SLOT_LEAF_SIZE);
	struct err e = {0};

	assert_non_null(out);
	memset(w->new + w->new_size, 0, size - w->new_size);
	for (uint64_t leaf = 0; leaf < slot_leaf_count(size); leaf++) {
		size_t len = slot_leaf_length(size, leaf);
		if (source->fill(source->ctx, leaf, false, out, len, &e) < 0)
			fail_msg("%s: %s", err_name(e.code), e.text);
		assert_memory_equal(out, w->new + leaf *SLOT_LEAF_SIZE, len);
	}
	free(out);
}

/* A device with the old image gets the new one; its partition has zeros behind the image. */
static void apply(struct world *w)
{
	AUTO_BUF struct buf patch;
	AUTO_BUF struct buf bytes;
	struct slot_patch_table t;
	struct slot_stats stats = {0};
	struct leaf_source source;
	struct err e = {0};
	struct slot_image image = {
		.name = "rootfs", .size = padded(w->new_size), .way = SLOT_WAY_PATCH};

	read_object(w, &w->patch, &patch);
	read_object(w, &w->table, &bytes);
	if (slot_patch_table_parse(bytes.data, bytes.len, image.size, patch.len, &t, &e) < 0)
		fail_msg("%s: %s", err_name(e.code), e.text);
	assert_int_equal(t.old_size, padded(w->old_size));
	assert_int_equal(truncate(w->old_path, padded(w->old_size)), 0);
	image.patching = (struct slot_patching){
		.table = &t, .old_path = w->old_path, .patch = {.ctx = &patch, .read = read_buf}};
	assert_int_equal(patch_source_open(&image, NULL, &stats, &source, &e), 0);
	compare(w, &source);
	source.close(source.ctx);
	slot_patch_table_free(&t);
}

/* Makes, applies, and sees that patch and table together have at most so many bytes. */
static void costs_at_most(struct world *w, uint64_t most)
{
	make(w, 2);
	if (w->patch.length + w->table.length > most)
		fail_msg("%llu + %llu bytes, more than %llu", (unsigned long long)w->patch.length,
			(unsigned long long)w->table.length, (unsigned long long)most);
	apply(w);
	drop_objects(w);
}

static void start_equal(struct world *w, uint32_t size)
{
	fill(w, w->old, size);
	memcpy(w->new, w->old, size);
	w->old_size = w->new_size = size;
}

static void an_unchanged_image_costs_nothing(void **state)
{
	struct world *w = *state;

	start_equal(w, 9 * MIB);
	costs_at_most(w, 150);
}

static void zero_areas_of_an_unchanged_image_cost_nothing(void **state)
{
	struct world *w = *state;

	start_equal(w, 9 * MIB);
	for (uint32_t at = 0; at + 20000 < 9 * MIB; at += 40000) {
		memset(w->old + at, 0, 20000);
		memset(w->new + at, 0, 20000);
	}
	costs_at_most(w, 300);
}

static void small_edits_cost_little(void **state)
{
	struct world *w = *state;

	/* Some bytes come in near the front: everything behind them moves. */
	start_equal(w, 5 * MIB);
	memmove(w->new + 1010, w->new + 1000, 5 * MIB - 1010);
	fill(w, w->new + 1000, 10);
	costs_at_most(w, 300);

	/* Some go away. */
	start_equal(w, 5 * MIB);
	memmove(w->new + 5000, w->new + 5003, 5 * MIB - 5003);
	costs_at_most(w, 300);

	/* A part moves to another place. */
	start_equal(w, 5 * MIB);
	memmove(w->new + 3 * MIB, w->old + 12345, 77777);
	costs_at_most(w, 350);

	/* The image grows, or becomes shorter. */
	start_equal(w, 5 * MIB);
	fill(w, w->new + 5 * MIB, 1000);
	w->new_size = 5 * MIB + 1000;
	costs_at_most(w, 1400);
	start_equal(w, 5 * MIB);
	w->new_size = 2 * MIB;
	costs_at_most(w, 300);
}

/* As in a program that was compiled again: a byte here and there. */
static void differences_here_and_there_cost_little(void **state)
{
	struct world *w = *state;

	start_equal(w, 2 * MIB);
	for (uint32_t at = 1000; at < 2 * MIB; at += 100 + any(w, 200))
		w->new[at] = (uint8_t)(w->new[at] + 4);
	/* About 10,500 places. */
	costs_at_most(w, 45000);
}

static void zeros_cost_nothing_wherever_they_are(void **state)
{
	struct world *w = *state;

	/* All zero to all zero, of other sizes. */
	memset(w->old, 0, MOST);
	memset(w->new, 0, MOST);
	w->old_size = 3 * MIB;
	w->new_size = 7 * MIB;
	costs_at_most(w, 150);
	/* Zero to content and back. */
	fill(w, w->new + 100000, 5000);
	costs_at_most(w, 5500);
	memset(w->new, 0, MOST);
	fill(w, w->old, 3 * MIB);
	costs_at_most(w, 150);
	/* A zero area comes in. */
	start_equal(w, 3 * MIB);
	memset(w->new + MIB + 1, 0, 500000);
	costs_at_most(w, 350);
}

static void what_is_wholly_new_is_stored(void **state)
{
	struct world *w = *state;

	w->old_size = 3 * MIB;
	w->new_size = 3 * MIB;
	fill(w, w->old, w->old_size);
	fill(w, w->new, w->new_size);
	costs_at_most(w, 3 * MIB + 2000);
}

static void images_of_one_block_or_less_can_be_patched(void **state)
{
	struct world *w = *state;
	static const uint32_t sizes[] = {1, 4096, 4097};

	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++) {
			start_equal(w, 5000);
			w->old_size = sizes[i];
			w->new_size = sizes[k];
			w->new[0] ^= 1;
			costs_at_most(w, 4300);
		}
	}
}

/* Pieces of the old image, noise and zeros in random order. */
static void scramble(struct world *w)
{
	w->new_size = 0;
	while (w->new_size < 4 * MIB) {
		uint32_t len = 1 + any(w, any(w, 8) ? 3000 : 300000);
		uint8_t *to = w->new + w->new_size;
		switch (any(w, 6)) {
		case 0:
			fill(w, to, len);
			break;
		case 1:
			memset(to, 0, len);
			break;
		default:
			memcpy(to, w->old + any(w, w->old_size - len), len);
			for (uint32_t i = any(w, 50); i < len; i += 1 + any(w, 500))
				to[i] ^= (uint8_t)any(w, 256);
		}
		w->new_size += len;
	}
}

static void any_edits_can_be_undone(void **state)
{
	struct world *w = *state;

	for (unsigned round = 0; round < 3; round++) {
		w->old_size = 2 * MIB + 1000 * round;
		fill(w, w->old, w->old_size);
		memset(w->old + MIB + 500000, 0, 123456);
		memcpy(w->old + MIB, w->old, 300000); /* the same content twice */
		scramble(w);
		costs_at_most(w, w->new_size);
	}
}

static void threads_make_no_difference(void **state)
{
	struct world *w = *state;
	struct plan_object patch;
	struct plan_object table;

	w->old_size = 3 * MIB;
	fill(w, w->old, w->old_size);
	scramble(w);
	/* More parts than threads, all different. */
	w->new_size = 11 * MIB;
	memcpy(w->new + 7 * MIB, w->old + 77, 2 * MIB);
	memcpy(w->new + 9 * MIB + 5, w->new, MIB);
	make(w, 1);
	patch = w->patch;
	table = w->table;
	static const unsigned threads[] = {1, 2, 5};
	for (size_t i = 0; i < 3; i++) {
		drop_objects(w);
		make(w, threads[i]);
		assert_memory_equal(patch.sha256, w->patch.sha256, HASH_SIZE);
		assert_memory_equal(table.sha256, w->table.sha256, HASH_SIZE);
	}
}

static void refused(struct world *w, enum err_code code, const char *text)
{
	struct err e = {0};

	assert_int_equal(make_with(w, 1, &e), -1);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%s: %s; not %s: ...%s", err_name(e.code), e.text, err_name(code), text);
	assert_int_equal(w->patch.length, 0);
	assert_int_equal(w->table.length, 0);
}

static void what_is_no_image_or_too_large_is_refused(void **state)
{
	struct world *w = *state;

	start_equal(w, 4096);
	put(w->new_path, w->new, w->new_size);
	refused(w, E_USAGE, w->old_path);
	put(w->old_path, w->old, 0);
	refused(w, E_USAGE, "is not a file with an image in it");
	put(w->old_path, w->old, w->old_size);
	assert_int_equal(truncate(w->old_path, (1 << 30) + 1), 0);
	refused(w, E_USAGE, "up to 1 GiB");
	put(w->old_path, w->old, w->old_size);
	assert_int_equal(truncate(w->new_path, (1 << 30) + 1), 0);
	refused(w, E_USAGE, "up to 1 GiB");
	unlink(w->new_path);
	assert_int_equal(mkfifo(w->new_path, 0600), 0);
	refused(w, E_USAGE, "is not a file with an image in it");
}

static void the_largest_image_is_1_gib(void **state)
{
	struct world *w = *state;
	struct patch_input in;
	struct err e = {0};

	start_equal(w, 4096);
	put(w->old_path, w->old, w->old_size);
	assert_int_equal(truncate(w->old_path, 1 << 30), 0);
	assert_int_equal(patch_input_open(w->old_path, &in, &e), 0);
	assert_int_equal(in.size, 1 << 30);
	patch_input_close(&in);
}

static void a_file_that_changes_meanwhile_is_noticed(void **state)
{
	struct world *w = *state;
	struct patch_input in;
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct err e = {0};

	start_equal(w, 5000);
	put(w->old_path, w->old, w->old_size);
	assert_int_equal(patch_input_open(w->old_path, &in, &e), 0);
	assert_int_equal(in.size, 8192);
	assert_int_equal(patch_input_check(&in, &e), 0);
	assert_int_equal(truncate(w->old_path, 5001), 0);
	assert_int_equal(patch_input_check(&in, &e), -1);
	assert_int_equal(e.code, E_IO);
	patch_input_close(&in);
	assert_int_equal(patch_input_open(w->old_path, &in, &e), 0);
	assert_int_equal(utimensat(AT_FDCWD, w->old_path, times, 0), 0);
	assert_int_equal(patch_input_check(&in, &e), -1);
	patch_input_close(&in);
}

static void a_level_that_zstd_does_not_have_is_refused(void **state)
{
	struct world *w = *state;
	const struct patch_request r = {.name = "rootfs",
		.old_path = w->old_path,
		.new_path = w->new_path,
		.threads = 1,
		.level = 23,
		.objects_dir = w->objects};
	struct err e = {0};

	assert_int_equal(patch_make(&r, &w->patch, &w->table, &e), -1);
	assert_int_equal(e.code, E_USAGE);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(an_unchanged_image_costs_nothing),
		WITH_WORLD(zero_areas_of_an_unchanged_image_cost_nothing),
		WITH_WORLD(small_edits_cost_little),
		WITH_WORLD(differences_here_and_there_cost_little),
		WITH_WORLD(zeros_cost_nothing_wherever_they_are),
		WITH_WORLD(what_is_wholly_new_is_stored),
		WITH_WORLD(images_of_one_block_or_less_can_be_patched),
		WITH_WORLD(any_edits_can_be_undone),
		WITH_WORLD(threads_make_no_difference),
		WITH_WORLD(what_is_no_image_or_too_large_is_refused),
		WITH_WORLD(the_largest_image_is_1_gib),
		WITH_WORLD(a_file_that_changes_meanwhile_is_noticed),
		WITH_WORLD(a_level_that_zstd_does_not_have_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
