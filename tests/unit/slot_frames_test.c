/* SPDX-License-Identifier: Apache-2.0 */
/* The table of frames: what is written is read, every lie is refused, ranges are what is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "partitions/slot/index.h"

#define BLOCK SLOT_BLOCK_SIZE
#define IMAGE (UINT64_C(200) * BLOCK)
#define COUNT 6u
#define DATA  (100u + 200 + 300 + 400 + 500 + 600)

/* Generation 0 has two frames, 2 has three, 15 has one. */
static uint32_t stored[] = {100, 200, 300, 400, 500, 600};
static uint32_t raw[] = {
	SLOT_FRAME_SIZE, BLOCK, SLOT_FRAME_SIZE, SLOT_FRAME_SIZE, 2 * BLOCK, BLOCK};
static uint8_t sha256[COUNT][HASH_SIZE] = {{1}, {2}, {3}, {4}, {5}, {6}};

static struct slot_frames some_frames(void)
{
	struct slot_frames f = {.image_size = IMAGE,
		.count = COUNT,
		.stored = stored,
		.raw = raw,
		.sha256 = sha256};

	for (unsigned g = 0; g <= SLOT_GENERATIONS; g++)
		f.first[g] = g == 0 ? 0 : g <= 2 ? 2 : g <= 15 ? 5 : 6;
	return f;
}

static struct buf right_table(void)
{
	struct slot_frames f = some_frames();
	struct buf b = buf_make(1000);
	struct err e = {0};

	assert_int_equal(slot_frames_write(&f, &b, &e), 0);
	assert_int_equal(b.len, SLOT_FRAMES_HEADER + COUNT * SLOT_FRAMES_ENTRY);
	return b;
}

static struct slot_frames parsed(const struct buf *b, uint64_t data_length)
{
	struct slot_frames f;
	struct err e = {0};

	if (slot_frames_parse(b->data, b->len, IMAGE, data_length, &f, &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

static void reads_what_it_wrote(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_frames f = parsed(&b, DATA);

	(void)state;
	assert_int_equal(f.image_size, IMAGE);
	assert_int_equal(f.count, COUNT);
	assert_memory_equal(f.stored, stored, sizeof(stored));
	assert_memory_equal(f.raw, raw, sizeof(raw));
	assert_memory_equal(f.sha256, sha256, sizeof(sha256));
	assert_memory_equal(f.first, some_frames().first, sizeof(f.first));
	assert_int_equal(f.stored_total, DATA);
	assert_int_equal(f.offset[0], 0);
	assert_int_equal(f.offset[5], DATA - 600);
	assert_int_equal(f.at[1], SLOT_FRAME_SIZE);
	assert_int_equal(f.at[2], 0);
	assert_int_equal(f.at[4], 2 * SLOT_FRAME_SIZE);
	assert_int_equal(f.at[5], 0);
	slot_frames_free(&f);
}

static void bytes_are_those_of_the_format_page(void **state)
{
	AUTO_BUF struct buf b = right_table();
	static const uint8_t head[] = {'P', 'W', 'L', 'F', 1, 0, 0, 0, 0, 0x80, 0x0c, 0, 0, 0, 0, 0,
		6, 0, 0, 0, /* frame 0 */ 0, 100, 0, 0, 0, 0, 0, 4, 0, 1};
	static const uint8_t last[] = {15, 0x58, 2, 0, 0, 0, 0x10, 0, 0, 6};

	(void)state;
	assert_memory_equal(b.data, head, sizeof(head));
	assert_memory_equal(b.data + 20 + 5 * 41, last, sizeof(last));
}

static void a_table_without_frames_is_right_for_an_image_of_zeros(void **state)
{
	AUTO_BUF struct buf b = buf_make(100);
	struct slot_frames none = {.image_size = IMAGE};
	struct byte_range *ranges = NULL;
	uint64_t bytes = 1;
	size_t count = 1;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_frames_write(&none, &b, &e), 0);
	struct slot_frames f = parsed(&b, 0);
	assert_int_equal(f.count, 0);
	assert_int_equal(slot_frames_find(&f, 0, 0), 0);
	assert_int_equal(slot_frames_ranges(&f, (const uint8_t *)"", SLOT_GENERATIONS, &ranges,
				 &count, &bytes, &e),
		0);
	assert_int_equal(count, 0);
	assert_int_equal(bytes, 0);
	free(ranges);
	slot_frames_free(&f);
}

static void expect_refused(
	const struct buf *b, size_t len, uint64_t image, uint64_t data, const char *word)
{
	struct slot_frames f = {.count = 77};
	struct err e = {0};

	assert_int_equal(slot_frames_parse(b->data, len, image, data, &f, &e), -1);
	assert_int_equal(e.code, E_META);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not say \"%s\"", e.text, word);
	assert_int_equal(f.count, 77);
}

static void expect_lie_refused(size_t at, uint8_t value, const char *word)
{
	AUTO_BUF struct buf b = right_table();

	b.data[at] = value;
	expect_refused(&b, b.len, IMAGE, DATA, word);
}

static void refuses_a_header_that_lies(void **state)
{
	AUTO_BUF struct buf b = right_table();

	(void)state;
	expect_lie_refused(3, 'I', "PWLF");
	expect_lie_refused(4, 0, "version");
	expect_lie_refused(6, 1, "flags"); /* an index may have it, frames may not */
	expect_lie_refused(9, 0x90, "image of");
	expect_lie_refused(16, 5, "5 frames need");
	expect_lie_refused(16, 7, "7 frames need");
	expect_lie_refused(18, 0x40, "more than"); /* 2^22 + 6 */
	expect_lie_refused(19, 0xff, "more than");
	expect_refused(&b, b.len, IMAGE + BLOCK, DATA, "made for an image");
	expect_refused(&b, b.len, IMAGE + 1, DATA, "multiple");
}

static void refuses_every_other_length_of_the_table(void **state)
{
	AUTO_BUF struct buf b = right_table();
	size_t right = b.len;
	struct err e = {0};

	(void)state;
	assert_int_equal(buf_add(&b, "x", 1, &e), 0);
	for (size_t len = 0; len <= b.len; len++) {
		if (len == right)
			continue;
		struct buf copy = {.data = malloc(len > 0 ? len : 1), .len = len};
		assert_non_null(copy.data);
		memcpy(copy.data, b.data, len);
		expect_refused(&copy, len, IMAGE, DATA,
			len < SLOT_FRAMES_HEADER ? "less than its header" : "frames need");
		free(copy.data);
	}
}

static void refuses_generations_that_fall_or_are_none(void **state)
{
	(void)state;
	expect_lie_refused(20, 1, "after"); /* 1, 0, 2 ... */
	expect_lie_refused(20 + 5 * 41, 1, "after");
	expect_lie_refused(20 + 5 * 41, 16, "generation 16");
	expect_lie_refused(20 + 5 * 41, 255, "generation 255");
}

static void refuses_lengths_that_lie(void **state)
{
	AUTO_BUF struct buf b = right_table();

	(void)state;
	expect_lie_refused(20 + 1, 0, "stored in 0");
	expect_lie_refused(20 + 4, 0xff, "stored in");
	expect_lie_refused(20 + 7, 0, "holds 0");
	expect_lie_refused(20 + 5, 1, "holds 262145");
	expect_lie_refused(20 + 8, 0xff, "holds");
	expect_lie_refused(20 + 1, 101, "add up");
	expect_lie_refused(20 + 5 * 41 + 1, 0x57, "add up");
	expect_refused(&b, b.len, IMAGE, DATA + 1, "add up");
	expect_refused(&b, b.len, IMAGE, 0, "add up");
}

static void stored_length_ends_at_260_kib(void **state)
{
	AUTO_BUF struct buf b = right_table();

	(void)state;
	le32_put(b.data + 21, SLOT_FRAME_STORED_MAX);
	struct slot_frames f = parsed(&b, DATA - 100 + SLOT_FRAME_STORED_MAX);
	assert_int_equal(f.stored[0], SLOT_FRAME_STORED_MAX);
	slot_frames_free(&f);
	le32_put(b.data + 21, SLOT_FRAME_STORED_MAX + 1);
	expect_refused(&b, b.len, IMAGE, DATA - 100 + SLOT_FRAME_STORED_MAX + 1, "stored in");
}

/* The index that belongs to the frames above, written out as the publisher would. */
static struct buf fitting_index(void)
{
	struct slot_index_item items[200];
	struct buf b = buf_make(1 << 16);
	struct err e = {0};

	for (uint32_t i = 0; i < 200; i++) {
		items[i] = (struct slot_index_item){.length = BLOCK, .hash = i, .zero = i >= 196};
		items[i].generation = i < 65 ? 0 : i < 195 ? 2 : 15;
	}
	assert_int_equal(slot_index_write(IMAGE, false, items, 200, &b, &e), 0);
	return b;
}

static int check(const struct slot_frames *f, const struct buf *index, uint64_t size, struct err *e)
{
	struct slot_index x;

	if (slot_index_parse(index->data, index->len, size, &x, e) < 0)
		fail_msg("%s", e->text);
	return slot_frames_check(f, &x, e);
}

static void index_and_frames_that_belong_together_are_taken(void **state)
{
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	struct slot_frames f = parsed(&b, DATA);
	struct err e = {0};

	(void)state;
	if (check(&f, &index, IMAGE, &e) < 0)
		fail_msg("%s", e.text);
	slot_frames_free(&f);
}

static void streams_of_other_lengths_do_not_belong_together(void **state)
{
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	struct err e = {0};

	(void)state;
	/* A block moves from one generation to another: 65, 130, 1 become 64, 131, 1 entries. */
	index.data[20 + 25 + 32] = 0x22;
	struct slot_frames f = parsed(&b, DATA);
	assert_int_equal(check(&f, &index, IMAGE, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "generation 0 has 262144 bytes"));
	slot_frames_free(&f);
	/* The last frame one byte shorter than its only entry. */
	AUTO_BUF struct buf right = fitting_index();
	le32_put(b.data + 20 + 5 * 41 + 5, BLOCK - 1);
	f = parsed(&b, DATA);
	assert_int_equal(check(&f, &right, IMAGE, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "generation 15"));
	slot_frames_free(&f);
}

static void an_entry_in_two_frames_is_refused(void **state)
{
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	struct err e = {0};

	(void)state;
	/* The streams are as long as before, but the cut lies within entry 63. */
	le32_put(b.data + 20 + 5, SLOT_FRAME_SIZE - 1);
	le32_put(b.data + 20 + 41 + 5, BLOCK + 1);
	struct slot_frames f = parsed(&b, DATA);
	assert_int_equal(check(&f, &index, IMAGE, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "entry 63 does not lie within one frame"));
	slot_frames_free(&f);
}

static void tables_of_two_images_do_not_belong_together(void **state)
{
	AUTO_BUF struct buf b = buf_make(100);
	AUTO_BUF struct buf index = buf_make(100);
	struct slot_index_item zeros[2] = {{BLOCK, true, 0, 0}, {BLOCK, true, 0, 0}};
	struct slot_frames none = {.image_size = IMAGE};
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_frames_write(&none, &b, &e), 0);
	assert_int_equal(slot_index_write(2 * BLOCK, false, zeros, 2, &index, &e), 0);
	struct slot_frames f = parsed(&b, 0);
	assert_int_equal(check(&f, &index, 2 * BLOCK, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "different images"));
	slot_frames_free(&f);
}

/* What a changed table that was not refused says of the index's entries: each in one frame. */
static void expect_entries_found(const struct slot_frames *f, const struct slot_index *x)
{
	struct slot_walk w = {0};
	struct slot_entry entry;

	while (slot_index_next(x, &w, &entry)) {
		if (entry.zero)
			continue;
		uint32_t i = slot_frames_find(f, entry.generation, entry.at);
		assert_true(i < f->count && f->at[i] <= entry.at);
		assert_true(entry.at + entry.length <= f->at[i] + f->raw[i]);
		assert_true(f->offset[i] + f->stored[i] <= f->stored_total);
	}
}

static void no_change_of_a_byte_leads_astray(void **state)
{
	static const uint8_t masks[] = {0x01, 0x02, 0x04, 0x10, 0x80, 0x7f, 0xff};
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	AUTO_FREE uint8_t *copy = malloc(b.len);
	struct slot_frames f;
	struct slot_index x;
	unsigned sound = 0;
	struct err e = {0};

	(void)state;
	assert_non_null(copy);
	assert_int_equal(slot_index_parse(index.data, index.len, IMAGE, &x, &e), 0);
	for (size_t i = 0; i < b.len * sizeof(masks); i++) {
		memcpy(copy, b.data, b.len);
		copy[i / sizeof(masks)] ^= masks[i % sizeof(masks)];
		if (slot_frames_parse(copy, b.len, IMAGE, DATA, &f, &e) < 0) {
			assert_int_equal(e.code, E_META);
			continue;
		}
		if (slot_frames_check(&f, &x, &e) == 0) {
			expect_entries_found(&f, &x);
			sound++;
		} else {
			assert_int_equal(e.code, E_META);
		}
		slot_frames_free(&f);
	}
	/* Only the hashes may be others. */
	assert_int_equal(sound, COUNT * HASH_SIZE * sizeof(masks));
}

static void the_frame_of_every_byte_is_found(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_frames f = parsed(&b, DATA);

	(void)state;
	assert_int_equal(slot_frames_find(&f, 0, 0), 0);
	assert_int_equal(slot_frames_find(&f, 0, SLOT_FRAME_SIZE - 1), 0);
	assert_int_equal(slot_frames_find(&f, 0, SLOT_FRAME_SIZE), 1);
	assert_int_equal(slot_frames_find(&f, 0, SLOT_FRAME_SIZE + BLOCK - 1), 1);
	assert_int_equal(slot_frames_find(&f, 0, SLOT_FRAME_SIZE + BLOCK), COUNT);
	assert_int_equal(slot_frames_find(&f, 1, 0), COUNT);
	assert_int_equal(slot_frames_find(&f, 2, SLOT_FRAME_SIZE - 1), 2);
	assert_int_equal(slot_frames_find(&f, 2, SLOT_FRAME_SIZE), 3);
	assert_int_equal(slot_frames_find(&f, 2, 2 * SLOT_FRAME_SIZE + BLOCK), 4);
	assert_int_equal(slot_frames_find(&f, 2, UINT64_MAX), COUNT);
	assert_int_equal(slot_frames_find(&f, 15, BLOCK - 1), 5);
	assert_int_equal(slot_frames_find(&f, 16, 0), COUNT);
	slot_frames_free(&f);
}

static void expect_ranges(
	uint8_t need, unsigned generation, const struct byte_range *want, size_t want_count)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_frames f = parsed(&b, DATA);
	struct byte_range *got = NULL;
	uint64_t sum = 0;
	uint64_t bytes;
	size_t count;
	struct err e = {0};

	assert_int_equal(slot_frames_ranges(&f, &need, generation, &got, &count, &bytes, &e), 0);
	assert_int_equal(count, want_count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got[i].offset, want[i].offset);
		assert_int_equal(got[i].length, want[i].length);
		sum += got[i].length;
	}
	assert_int_equal(bytes, sum);
	free(got);
	assert_int_equal(slot_frames_ranges(&f, &need, generation, &got, &count, NULL, &e), 0);
	free(got);
	slot_frames_free(&f);
}

static void ranges_join_neighbours(void **state)
{
	(void)state;
	expect_ranges(0x3f, SLOT_GENERATIONS, (struct byte_range[]){{0, DATA}}, 1);
	expect_ranges(0x00, SLOT_GENERATIONS, NULL, 0);
	expect_ranges(0x06, SLOT_GENERATIONS, (struct byte_range[]){{100, 500}}, 1);
	expect_ranges(0x2b, SLOT_GENERATIONS,
		(struct byte_range[]){{0, 300}, {600, 400}, {1500, 600}}, 3);
	/* One generation at a time; its neighbour does not join. */
	expect_ranges(0x06, 0, (struct byte_range[]){{100, 200}}, 1);
	expect_ranges(0x06, 2, (struct byte_range[]){{300, 300}}, 1);
	expect_ranges(0x3f, 2, (struct byte_range[]){{300, 1200}}, 1);
	expect_ranges(0x3f, 1, NULL, 0);
	expect_ranges(0x3f, 15, (struct byte_range[]){{1500, 600}}, 1);
}

/* --- The first part of a table ------------------------------------------------------------- */

#define PART(frames) (SLOT_FRAMES_HEADER + (frames)*SLOT_FRAMES_ENTRY)

static int parse_first(const struct buf *b, size_t len, unsigned generations, uint64_t data,
	struct slot_frames *out, struct err *e)
{
	AUTO_FREE uint8_t *copy = malloc(len > 0 ? len : 1);
	const struct slot_frames_part p = {
		.data = copy, .len = len, .generations = generations, .table_length = b->len};

	assert_non_null(copy);
	memcpy(copy, b->data, len);
	return slot_frames_parse_first(&p, IMAGE, data, out, e);
}

static struct slot_frames first_part(const struct buf *b, uint32_t frames, unsigned generations)
{
	struct slot_frames f;
	struct err e = {0};

	if (parse_first(b, PART(frames), generations, DATA, &f, &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

static void the_first_part_has_the_newest_generations_and_says_so(void **state)
{
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	struct err e = {0};

	(void)state;
	for (unsigned generations = 1; generations < SLOT_GENERATIONS; generations++) {
		uint32_t count = generations < 3 ? 2 : 5;
		struct slot_frames f = first_part(&b, count, generations);
		assert_int_equal(f.count, count);
		assert_int_equal(f.missing, COUNT - count);
		assert_int_equal(slot_frames_total(&f), COUNT);
		for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
			assert_int_equal(slot_frames_has(&f, g), g < generations);
		assert_int_equal(slot_frames_find(&f, 0, SLOT_FRAME_SIZE), 1);
		assert_int_equal(slot_frames_find(&f, 15, 0), count);
		if (generations < 3)
			assert_int_equal(slot_frames_find(&f, 2, 0), count);
		assert_memory_equal(f.stored, stored, count * sizeof(stored[0]));
		assert_memory_equal(f.sha256, sha256, count * sizeof(sha256[0]));
		assert_int_equal(check(&f, &index, IMAGE, &e), 0);
		slot_frames_free(&f);
	}
	struct slot_frames whole = parsed(&b, DATA);
	assert_int_equal(slot_frames_total(&whole), COUNT);
	assert_true(slot_frames_has(&whole, 0) && slot_frames_has(&whole, 15));
	slot_frames_free(&whole);
}

static void expect_part_refused(
	const struct buf *b, size_t len, unsigned generations, uint64_t data, const char *word)
{
	struct slot_frames f = {.count = 77};
	struct err e = {0};

	assert_int_equal(parse_first(b, len, generations, data, &f, &e), -1);
	assert_int_equal(e.code, E_META);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not say \"%s\"", e.text, word);
	assert_int_equal(f.count, 77);
}

static void a_first_part_ends_with_a_frame_and_before_the_table(void **state)
{
	AUTO_BUF struct buf b = right_table();

	(void)state;
	for (size_t len = 0; len <= b.len; len++) {
		if (len < SLOT_FRAMES_HEADER)
			expect_part_refused(&b, len, 15, DATA, "less than its header");
		else if (len == b.len || (len - SLOT_FRAMES_HEADER) % SLOT_FRAMES_ENTRY != 0)
			expect_part_refused(&b, len, 15, DATA, "no first part");
	}
	/* The header counts the frames of the whole table. */
	b.data[16] = 2;
	expect_part_refused(&b, PART(2), 1, DATA, "no first part");
	b.data[16] = COUNT + 1;
	expect_part_refused(&b, PART(2), 1, DATA, "no first part");
}

static void a_first_part_has_no_frames_of_other_generations(void **state)
{
	AUTO_BUF struct buf b = right_table();

	(void)state;
	expect_part_refused(&b, PART(3), 1, DATA, "more than the first 1");
	expect_part_refused(&b, PART(3), 2, DATA, "more than the first 2");
	expect_part_refused(&b, PART(2), 0, DATA, "more than the first 0");
	/* Its entries are looked at as those of a table. */
	b.data[20] = 1;
	expect_part_refused(&b, PART(2), 3, DATA, "comes after");
	b.data[20] = 0;
	le32_put(b.data + 20 + 5, SLOT_FRAME_SIZE + 1);
	expect_part_refused(&b, PART(2), 1, DATA, "holds");
}

static void a_first_part_is_less_than_all_data(void **state)
{
	AUTO_BUF struct buf b = right_table();
	struct slot_frames f;
	struct err e = {0};

	(void)state;
	expect_part_refused(&b, PART(2), 1, 299, "adds up");
	expect_part_refused(&b, PART(2), 1, 300, "adds up");
	assert_int_equal(parse_first(&b, PART(2), 1, 301, &f, &e), 0);
	slot_frames_free(&f);
}

static void a_first_part_without_some_of_its_frames_does_not_fit_the_index(void **state)
{
	AUTO_BUF struct buf b = right_table();
	AUTO_BUF struct buf index = fitting_index();
	struct err e = {0};

	(void)state;
	struct slot_frames f = first_part(&b, 4, 3);
	assert_int_equal(check(&f, &index, IMAGE, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_non_null(strstr(e.text, "generation 2"));
	slot_frames_free(&f);
	/* Nothing is known of the others. */
	index.data[20 + 25 + 32 + 60] = 0x33;
	f = first_part(&b, 2, 1);
	assert_int_equal(check(&f, &index, IMAGE, &e), 0);
	slot_frames_free(&f);
}

static void the_writer_refuses_what_does_not_fit(void **state)
{
	AUTO_BUF struct buf small = buf_make(50);
	AUTO_BUF struct buf b = buf_make(1000);
	struct slot_frames f = some_frames();
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_frames_write(&f, &small, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	f.count = SLOT_INDEX_ENTRIES_MAX + 1;
	assert_int_equal(slot_frames_write(&f, &b, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_wrote),
		cmocka_unit_test(bytes_are_those_of_the_format_page),
		cmocka_unit_test(a_table_without_frames_is_right_for_an_image_of_zeros),
		cmocka_unit_test(refuses_a_header_that_lies),
		cmocka_unit_test(refuses_every_other_length_of_the_table),
		cmocka_unit_test(refuses_generations_that_fall_or_are_none),
		cmocka_unit_test(refuses_lengths_that_lie),
		cmocka_unit_test(stored_length_ends_at_260_kib),
		cmocka_unit_test(index_and_frames_that_belong_together_are_taken),
		cmocka_unit_test(streams_of_other_lengths_do_not_belong_together),
		cmocka_unit_test(an_entry_in_two_frames_is_refused),
		cmocka_unit_test(tables_of_two_images_do_not_belong_together),
		cmocka_unit_test(no_change_of_a_byte_leads_astray),
		cmocka_unit_test(the_frame_of_every_byte_is_found),
		cmocka_unit_test(ranges_join_neighbours),
		cmocka_unit_test(the_first_part_has_the_newest_generations_and_says_so),
		cmocka_unit_test(a_first_part_ends_with_a_frame_and_before_the_table),
		cmocka_unit_test(a_first_part_has_no_frames_of_other_generations),
		cmocka_unit_test(a_first_part_is_less_than_all_data),
		cmocka_unit_test(a_first_part_without_some_of_its_frames_does_not_fit_the_index),
		cmocka_unit_test(the_writer_refuses_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
