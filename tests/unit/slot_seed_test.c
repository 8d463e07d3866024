/* SPDX-License-Identifier: Apache-2.0 */
/* Seeds: what is really there is found, and nothing else; reading goes on where the medium fails. */
#include "tests/unit/slot_match_rig.h"

#include <errno.h>

#include "partitions/slot/seed_table.h"

#define MIB  (1024u * 1024)
#define SIZE (5 * MIB + 7 * BLOCK)
#define STEP 65536u /* what is lost around an unreadable place */

/* Cuts fall on the same content again after so many bytes, here. */
#define RESYNC 20000u

int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);

/* Bytes [from, to) of the medium cannot be read. */
static uint64_t bad_from;
static uint64_t bad_to;
static unsigned reads;
static uint64_t bytes_read;

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	__atomic_add_fetch(&reads, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&bytes_read, len, __ATOMIC_SEQ_CST);
	if (offset < bad_to && offset + len > bad_from)
		return err_sys(e, E_IO, EIO, "reading at byte %llu", (unsigned long long)offset);
	return __real_file_pread_full(fd, data, len, offset, e);
}

struct world {
	struct files files;
	struct image image; /* the old one */
	const char *path;
};

/* Zeros at 1 MiB … 1.5 MiB, and block 400 is a copy of block 3. */
static void world_open(struct world *w, bool content_defined)
{
	uint8_t *content = rig_new_content(SIZE, 5);

	bad_from = bad_to = 0;
	memset(content + MIB, 0, MIB / 2);
	memcpy(content + 400 * BLOCK, content + 3 * BLOCK, BLOCK);
	files_open(&w->files);
	w->path = files_add(&w->files, content, SIZE);
	w->image = image_make(content, SIZE, content_defined);
}

static void world_close(struct world *w)
{
	image_free(&w->image);
	files_close(&w->files);
}

static struct slot_seed *seed_open(const struct world *w)
{
	const struct slot_index *x = &w->image.index;
	struct slot_seed_request r = {.path = w->path, .rule = x->rule, .scratch_dir = w->files.fd};
	struct slot_seed *s = NULL;
	struct err e = {0};

	if (slot_seed_open(&r, &s, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

/* Is the entry found where its content is? `near` is far from it. */
static bool finds(const struct slot_seed *s, const struct world *w, const struct slot_entry *entry)
{
	uint64_t offset = UINT64_MAX;

	if (!slot_seed_find(s, entry->hash, entry->length, 1, &offset))
		return false;
	assert_true(offset <= w->image.size - entry->length);
	assert_memory_equal(
		w->image.content + offset, w->image.content + entry->offset, entry->length);
	return true;
}

/*
 * Entries that touch [from, to) are not found, all others are; of content-defined ones,
 * those behind it within RESYNC may be lost as well.
 */
static void expect_all_but(
	const struct slot_seed *s, const struct world *w, uint64_t from, uint64_t to)
{
	struct slot_walk walk = {0};
	struct slot_entry entry;

	while (slot_index_next(&w->image.index, &walk, &entry)) {
		bool lost = entry.offset < to && entry.offset + entry.length > from;
		bool any = w->image.index.content_defined && entry.offset >= to &&
			   entry.offset - to < RESYNC;
		if (!entry.zero && !any && finds(s, w, &entry) == lost)
			fail_msg("the entry at %llu is %s there", (unsigned long long)entry.offset,
				lost ? "still" : "not");
	}
}

static void everything_that_is_not_zero_is_found(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct world w;
		world_open(&w, kind == 1);
		struct slot_seed *s = seed_open(&w);
		assert_string_equal(slot_seed_path(s), w.path);
		expect_all_but(s, &w, 0, 0);
		slot_seed_close(s);
		world_close(&w);
	}
}

/* Where the seed's chunks of reading begin and end does not show, nor where the seed does. */
static void seeds_of_all_sizes_are_cut_as_the_publisher_cuts(void **state)
{
	static const uint64_t blocks[] = {1, 2, 15, 16, 17, 31, 32, 33, 240, 254, 255, 256, 257,
		271, 272, 273, 511, 512, 513};

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		uint64_t size = blocks[i] * BLOCK;
		struct world w;
		uint8_t *content = rig_new_content(size, i + 1);
		/* Entries of the longest kind, across a border. */
		if (size > MIB)
			memset(content + MIB - 100000, 'x', 100001);
		files_open(&w.files);
		w.path = files_add(&w.files, content, size);
		w.image = image_make(content, size, true);
		struct slot_seed *s = seed_open(&w);
		expect_all_but(s, &w, 0, 0);
		slot_seed_close(s);
		world_close(&w);
	}
}

static void what_moved_is_found_where_it_lies_now(void **state)
{
	static const uint64_t places[] = {0, 1000, 2 * MIB - 1, 3 * MIB, 3 * MIB + 4711};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct world w;
		world_open(&w, true);
		uint64_t at = places[i];
		files_change(w.path, at + 777, w.image.content + at, SIZE - at - 777);
		struct slot_seed *s = seed_open(&w);
		struct slot_walk walk = {0};
		struct slot_entry entry;
		while (slot_index_next(&w.image.index, &walk, &entry)) {
			uint64_t offset = 0;
			uint64_t end = entry.offset + entry.length;
			if (entry.zero || end + 777 > SIZE ||
				(end > at && entry.offset < at + 777 + RESYNC))
				continue;
			if (!slot_seed_find(s, entry.hash, entry.length, 1, &offset))
				fail_msg("moved at %llu: the entry at %llu is not there",
					(unsigned long long)at, (unsigned long long)entry.offset);
			assert_int_equal(offset, entry.offset + (entry.offset < at ? 0 : 777));
		}
		slot_seed_close(s);
		world_close(&w);
	}
}

static void what_is_not_there_is_not_found(void **state)
{
	static const uint8_t zeros[BLOCK];
	uint64_t offset = 77;
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	uint64_t hash = slot_match_hash(w.image.content + 5 * BLOCK, BLOCK);
	assert_false(slot_seed_find(s, hash + 1, BLOCK, 5 * BLOCK, &offset));
	assert_false(slot_seed_find(s, hash ^ UINT64_C(1) << 63, BLOCK, 5 * BLOCK, &offset));
	assert_false(slot_seed_find(s, hash, BLOCK - 1, 5 * BLOCK, &offset));
	assert_false(slot_seed_find(s, hash, 2 * BLOCK, 5 * BLOCK, &offset));
	assert_false(slot_seed_find(s, 0, BLOCK, MIB, &offset));
	assert_false(slot_seed_find(s, slot_match_hash(zeros, BLOCK), BLOCK, MIB, &offset));
	assert_int_equal(offset, 77);
	slot_seed_close(s);
	world_close(&w);
}

static void the_near_place_is_preferred_to_the_first(void **state)
{
	uint64_t offset;
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	uint64_t hash = slot_match_hash(w.image.content + 3 * BLOCK, BLOCK);
	assert_true(slot_seed_find(s, hash, BLOCK, 400 * BLOCK, &offset));
	assert_int_equal(offset, 400 * BLOCK);
	assert_true(slot_seed_find(s, hash, BLOCK, 3 * BLOCK, &offset));
	assert_int_equal(offset, 3 * BLOCK);
	static const uint64_t elsewhere[] = {
		400 * BLOCK + 1, 401 * BLOCK, MIB, SIZE, UINT64_MAX - BLOCK + 1, UINT64_MAX};
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		assert_true(slot_seed_find(s, hash, BLOCK, elsewhere[i], &offset));
		assert_int_equal(offset, 3 * BLOCK);
	}
	slot_seed_close(s);
	world_close(&w);
}

/* The table says what was there; the medium has changed since. Each kind notices by itself. */
static void what_changed_or_rotted_is_not_there_and_its_neighbours_are(void **state)
{
	static const uint64_t places[] = {0, 2 * MIB - 1, 3 * MIB + 12345, SIZE - 1};

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		for (size_t i = 0; i < 4; i++) {
			struct world w;
			world_open(&w, kind == 1);
			uint8_t other = w.image.content[places[i]] ^ 4;
			files_change(w.path, places[i], &other, 1);
			struct slot_seed *s = seed_open(&w);
			expect_all_but(s, &w, places[i], places[i] + 1);
			slot_seed_close(s);
			world_close(&w);
		}
	}
}

static void new_content_of_a_block_is_found_whatever_was_there_before(void **state)
{
	uint8_t fresh[BLOCK];
	uint64_t offset;
	struct world w;

	(void)state;
	world_open(&w, false);
	rig_random(fresh, BLOCK, 99);
	files_change(w.path, MIB + 3 * BLOCK, fresh, BLOCK);
	struct slot_seed *s = seed_open(&w);
	assert_true(slot_seed_find(s, slot_match_hash(fresh, BLOCK), BLOCK, 0, &offset));
	assert_int_equal(offset, MIB + 3 * BLOCK);
	slot_seed_close(s);
	world_close(&w);
}

static void an_unreadable_place_costs_what_is_around_it(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct world w;
		world_open(&w, kind == 1);
		bad_from = 3 * MIB + 5 * STEP + 100;
		bad_to = bad_from + 512;
		struct slot_seed *s = seed_open(&w);
		expect_all_but(s, &w, 3 * MIB + 5 * STEP, 3 * MIB + 6 * STEP);
		slot_seed_close(s);
		world_close(&w);
	}
}

static void after_too_many_unreadable_places_what_was_found_is_kept(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct world w;
		world_open(&w, kind == 1);
		/* Sixteen: the rest is there. */
		bad_from = 2 * MIB;
		bad_to = 3 * MIB;
		struct slot_seed *s = seed_open(&w);
		expect_all_but(s, &w, bad_from, bad_to);
		slot_seed_close(s);
		/* One more: nothing behind it is looked at. */
		bad_to++;
		unsigned before = reads;
		s = seed_open(&w);
		expect_all_but(s, &w, bad_from, SIZE);
		assert_true(reads - before < 24);
		slot_seed_close(s);
		world_close(&w);
	}
}

static void a_medium_that_reads_nothing_is_an_empty_seed(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, false);
	bad_to = UINT64_MAX;
	struct slot_seed *s = seed_open(&w);
	expect_all_but(s, &w, 0, SIZE);
	slot_seed_close(s);
	world_close(&w);
}

static void a_seed_that_is_missing_or_too_small_is_refused(void **state)
{
	struct slot_seed *s = NULL;
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, true);
	struct slot_seed_request r = {.path = "/nonexistent/seed", .scratch_dir = w.files.fd};
	assert_int_equal(slot_seed_open(&r, &s, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "/nonexistent/seed"));
	r = (struct slot_seed_request){.path = w.path, .size = SIZE + 1};
	assert_int_equal(slot_seed_open(&r, &s, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, w.path));
	assert_null(s);
	world_close(&w);
}

static void a_rule_that_is_not_known_is_refused(void **state)
{
	struct slot_seed *s = NULL;
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, true);
	struct slot_seed_request r = {
		.path = w.path, .rule = SLOT_RULE_CHUNKS + 1, .scratch_dir = w.files.fd};
	assert_int_equal(slot_seed_open(&r, &s, &e), -1);
	assert_int_equal(e.code, E_COMPAT);
	assert_non_null(strstr(e.text, "rule 2"));
	assert_null(s);
	world_close(&w);
}

static void only_the_bytes_that_count_are_read(void **state)
{
	uint64_t offset;
	uint8_t byte;
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed_request r = {
		.path = w.path, .size = 10 * BLOCK + 5, .scratch_dir = w.files.fd};
	struct slot_seed *s = NULL;
	assert_int_equal(slot_seed_open(&r, &s, &e), 0);
	uint64_t in = slot_match_hash(w.image.content + 9 * BLOCK, BLOCK);
	uint64_t behind = slot_match_hash(w.image.content + 10 * BLOCK, BLOCK);
	assert_true(slot_seed_find(s, in, BLOCK, 0, &offset));
	assert_false(slot_seed_find(s, behind, BLOCK, 10 * BLOCK, &offset));
	assert_int_equal(slot_seed_read(s, 10 * BLOCK - 1, &byte, 1, &e), 0);
	assert_int_equal(byte, w.image.content[10 * BLOCK - 1]);
	assert_int_equal(slot_seed_read(s, 10 * BLOCK, &byte, 1, &e), -1);
	assert_int_equal(e.code, E_IO);
	slot_seed_close(s);
	/* A file of less than a block has nothing, and is no error. */
	assert_int_equal(truncate(w.path, 100), 0);
	r.size = 0;
	assert_int_equal(slot_seed_open(&r, &s, &e), 0);
	assert_false(slot_seed_find(s, in, BLOCK, 0, &offset));
	slot_seed_close(s);
	slot_seed_close(NULL);
	world_close(&w);
}

static void after_settling_only_reading_remains(void **state)
{
	uint8_t got[100];
	uint64_t offset;
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	uint64_t hash = slot_match_hash(w.image.content, BLOCK);
	assert_true(slot_seed_find(s, hash, BLOCK, 0, &offset));
	slot_seed_settle(s);
	assert_false(slot_seed_find(s, hash, BLOCK, 0, &offset));
	assert_int_equal(slot_seed_read(s, 4000, got, sizeof(got), &e), 0);
	assert_memory_equal(got, w.image.content + 4000, sizeof(got));
	slot_seed_settle(s);
	slot_seed_close(s);
	world_close(&w);
}

static void any_bytes_are_read_as_they_are(void **state)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} wanted[] = {{0, 1}, {4095, 2}, {1, SIZE - 1}, {SIZE - 1, 1}, {0, SIZE}, {MIB - 3, 8192},
		{100, 0}, {SIZE, 0}, {2 * MIB + 1, 65536}, {2 * MIB, 4096}, {12, 3 * MIB}};
	uint8_t *got = malloc(SIZE);
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (slot_seed_read(s, wanted[i].offset, got, wanted[i].len, &e) < 0)
			fail_msg("%s", e.text);
		assert_memory_equal(got, w.image.content + wanted[i].offset, wanted[i].len);
	}
	assert_int_equal(slot_seed_read(s, SIZE, got, 1, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(slot_seed_read(s, 1, got, SIZE, &e), -1);
	assert_int_equal(slot_seed_read(s, UINT64_MAX, got, 2, &e), -1);
	free(got);
	slot_seed_close(s);
	world_close(&w);
}

static void runs_are_few_large_reads_and_single_blocks_small_ones(void **state)
{
	uint8_t got[BLOCK];
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	reads = 0;
	for (uint64_t at = 0; at < SIZE; at += BLOCK) {
		assert_int_equal(slot_seed_read(s, at, got, BLOCK, &e), 0);
		assert_memory_equal(got, w.image.content + at, BLOCK);
	}
	assert_true(reads < 20);
	reads = 0;
	bytes_read = 0;
	for (uint64_t at = 4 * MIB; at > 0; at -= MIB / 2)
		assert_int_equal(slot_seed_read(s, at, got, BLOCK, &e), 0);
	assert_int_equal(reads, 8);
	assert_true(bytes_read <= 8 * 4 * BLOCK);
	slot_seed_close(s);
	world_close(&w);
}

static void an_unreadable_place_behind_what_is_read_does_no_harm(void **state)
{
	uint8_t got[BLOCK];
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, false);
	struct slot_seed *s = seed_open(&w);
	bad_from = 2 * MIB + BLOCK;
	bad_to = bad_from + 1;
	assert_int_equal(slot_seed_read(s, 2 * MIB, got, BLOCK, &e), 0);
	assert_memory_equal(got, w.image.content + 2 * MIB, BLOCK);
	assert_int_equal(slot_seed_read(s, bad_from, got, 10, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, w.path));
	/* And the next one is read as if nothing had been. */
	assert_int_equal(slot_seed_read(s, 2 * MIB + 2 * BLOCK, got, BLOCK, &e), 0);
	assert_memory_equal(got, w.image.content + 2 * MIB + 2 * BLOCK, BLOCK);
	slot_seed_close(s);
	world_close(&w);
}

/* Hashes that all begin at one place of the table, and more than one entry of the same hash. */
static void crowded_hashes_are_told_apart(void **state)
{
	struct seed_table t;
	struct files files;
	uint64_t offset;
	struct err e = {0};

	(void)state;
	files_open(&files);
	assert_int_equal(seed_table_get(files.fd, 4000, false, &t, &e), 0);
	for (uint32_t i = 0; i < 4000; i++)
		seed_table_note(&t, i, UINT64_C(0xffffffff) << 32 | (i % 1000 + 1) << 10);
	assert_int_equal(seed_table_finish(files.fd, &t, &e), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t hash = UINT64_C(0xffffffff) << 32 | (i + 1) << 10;
		assert_true(seed_table_find(&t, hash, BLOCK, 1, &offset));
		assert_int_equal(offset, (uint64_t)i * BLOCK);
		assert_true(seed_table_find(&t, hash, BLOCK, (i + 3000ull) * BLOCK, &offset));
		assert_int_equal(offset, (i + 3000ull) * BLOCK);
		assert_false(seed_table_find(&t, hash + 1, BLOCK, 1, &offset));
	}
	seed_table_free(&t);
	files_close(&files);
}

/* So many that every row of the table is a file, which is settled while it is filled. */
static void entries_of_large_tables_are_found_at_their_places(void **state)
{
	const uint32_t count = 300000;
	struct seed_table t;
	struct files files;
	uint64_t at = 0;
	uint64_t offset;
	struct err e = {0};

	(void)state;
	files_open(&files);
	assert_int_equal(seed_table_get(files.fd, count, true, &t, &e), 0);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = slot_match_hash(&i, sizeof(i));
		uint32_t length = i % 7 * 100 + 1;
		seed_table_add(&t, i % 3 == 0 ? 0 : hash, at, length);
		at += length;
	}
	assert_int_equal(t.count, count / 3 * 2);
	assert_int_equal(seed_table_finish(files.fd, &t, &e), 0);
	assert_true(t.hash.size > SCRATCH_MEMORY_MAX && t.slots.size > SCRATCH_MEMORY_MAX);
	at = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = slot_match_hash(&i, sizeof(i));
		uint32_t length = i % 7 * 100 + 1;
		bool found = seed_table_find(&t, hash, length, i % 2 == 0 ? at : at + 1, &offset);
		if (found != (i % 3 != 0) || (found && offset != at))
			fail_msg("entry %u is not where it is", i);
		assert_false(seed_table_find(&t, hash, length + 1, at, &offset));
		at += length;
	}
	seed_table_free(&t);
	files_close(&files);
}

static void a_full_table_takes_no_more_and_keeps_what_it_has(void **state)
{
	struct seed_table t;
	uint64_t offset;
	struct err e = {0};

	(void)state;
	assert_int_equal(seed_table_get(-1, 2, true, &t, &e), 0);
	seed_table_add(&t, 11, 0, 1);
	assert_false(seed_table_is_full(&t));
	seed_table_add(&t, 12, SLOT_IMAGE_MAX - SLOT_CHUNK_MAX, SLOT_CHUNK_MAX);
	assert_true(seed_table_is_full(&t));
	seed_table_add(&t, 13, SLOT_IMAGE_MAX, 1);
	assert_int_equal(seed_table_finish(-1, &t, &e), 0);
	assert_true(seed_table_find(&t, 11, 1, 5, &offset));
	assert_int_equal(offset, 0);
	assert_true(seed_table_find(&t, 12, SLOT_CHUNK_MAX, 0, &offset));
	assert_int_equal(offset, SLOT_IMAGE_MAX - SLOT_CHUNK_MAX);
	assert_false(seed_table_find(&t, 13, 1, SLOT_IMAGE_MAX, &offset));
	seed_table_free(&t);
}

static void the_last_number_that_a_table_can_hold_is_found(void **state)
{
	struct seed_table t;
	struct files files;
	uint64_t offset;
	struct err e = {0};

	(void)state;
	files_open(&files);
	assert_int_equal(seed_table_get(files.fd, SEED_ENTRIES_MAX, false, &t, &e), 0);
	seed_table_note(&t, SEED_ENTRIES_MAX - 1, UINT64_MAX);
	seed_table_note(&t, 0, 1);
	assert_int_equal(seed_table_finish(files.fd, &t, &e), 0);
	assert_true(seed_table_find(&t, UINT64_MAX, BLOCK, 1, &offset));
	assert_int_equal(offset, (uint64_t)(SEED_ENTRIES_MAX - 1) * BLOCK);
	assert_true(seed_table_find(&t, 1, BLOCK, 1, &offset));
	assert_int_equal(offset, 0);
	seed_table_free(&t);
	files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_is_not_zero_is_found),
		cmocka_unit_test(seeds_of_all_sizes_are_cut_as_the_publisher_cuts),
		cmocka_unit_test(what_moved_is_found_where_it_lies_now),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(the_near_place_is_preferred_to_the_first),
		cmocka_unit_test(what_changed_or_rotted_is_not_there_and_its_neighbours_are),
		cmocka_unit_test(new_content_of_a_block_is_found_whatever_was_there_before),
		cmocka_unit_test(an_unreadable_place_costs_what_is_around_it),
		cmocka_unit_test(after_too_many_unreadable_places_what_was_found_is_kept),
		cmocka_unit_test(a_medium_that_reads_nothing_is_an_empty_seed),
		cmocka_unit_test(a_seed_that_is_missing_or_too_small_is_refused),
		cmocka_unit_test(a_rule_that_is_not_known_is_refused),
		cmocka_unit_test(only_the_bytes_that_count_are_read),
		cmocka_unit_test(after_settling_only_reading_remains),
		cmocka_unit_test(any_bytes_are_read_as_they_are),
		cmocka_unit_test(runs_are_few_large_reads_and_single_blocks_small_ones),
		cmocka_unit_test(an_unreadable_place_behind_what_is_read_does_no_harm),
		cmocka_unit_test(crowded_hashes_are_told_apart),
		cmocka_unit_test(entries_of_large_tables_are_found_at_their_places),
		cmocka_unit_test(a_full_table_takes_no_more_and_keeps_what_it_has),
		cmocka_unit_test(the_last_number_that_a_table_can_hold_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
