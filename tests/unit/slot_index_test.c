/* SPDX-License-Identifier: Apache-2.0 */
/* The index of an image: what is written is read, and every lie is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "partitions/slot/index.h"

#define BLOCK SLOT_BLOCK_SIZE
#define MANY  (SLOT_INDEX_ENTRIES_MAX + 1)

/* Ten blocks, three of them zero: bits and nibbles both end within a byte. */
static const struct slot_index_item blocks[] = {
	{BLOCK, false, 0, 0x1122334455667788},
	{BLOCK, true, 0, 0},
	{BLOCK, false, 15, 2},
	{BLOCK, false, 3, 3},
	{BLOCK, false, 3, 4},
	{BLOCK, true, 0, 0},
	{BLOCK, false, 0, 5},
	{BLOCK, false, 3, 6},
	{BLOCK, true, 0, 0},
	{BLOCK, false, 0, UINT64_MAX},
};

#define BLOCK_COUNT 10u
#define BLOCK_SUM   ((uint64_t)BLOCK_COUNT * BLOCK)

/* Five entries of all sorts of lengths; they add up to 20 blocks. */
static const struct slot_index_item chunks[] = {
	{1, false, 1, 11},
	{SLOT_CHUNK_MAX, false, 0, 12},
	{8191, true, 0, 0},
	{8000, false, 1, 13},
	{192, false, 0, 14},
};

#define CHUNK_COUNT 5u
#define CHUNK_SUM   (20u * (uint64_t)BLOCK)

static struct buf write_blocks(void)
{
	struct buf b = buf_make(1 << 16);
	struct err e = {0};

	assert_int_equal(slot_index_write(BLOCK_SUM, false, blocks, BLOCK_COUNT, &b, &e), 0);
	return b;
}

static struct buf write_chunks(void)
{
	struct buf b = buf_make(1 << 16);
	struct err e = {0};

	assert_int_equal(slot_index_write(CHUNK_SUM, true, chunks, CHUNK_COUNT, &b, &e), 0);
	return b;
}

static void expect_items(
	const struct slot_index *x, const struct slot_index_item *items, uint32_t count)
{
	uint64_t at[SLOT_GENERATIONS] = {0};
	struct slot_walk w = {0};
	struct slot_entry entry;
	uint64_t offset = 0;
	uint32_t stored = 0;

	for (uint32_t i = 0; i < count; i++) {
		assert_true(slot_index_next(x, &w, &entry));
		assert_int_equal(entry.number, i);
		assert_int_equal(entry.stored_number, stored);
		assert_int_equal(entry.offset, offset);
		assert_int_equal(entry.length, items[i].length);
		assert_int_equal(entry.zero, items[i].zero);
		offset += items[i].length;
		if (items[i].zero)
			continue;
		stored++;
		assert_int_equal(entry.generation, items[i].generation);
		assert_true(entry.hash == items[i].hash);
		assert_int_equal(entry.at, at[items[i].generation]);
		at[items[i].generation] += items[i].length;
	}
	assert_false(slot_index_next(x, &w, &entry));
	assert_int_equal(x->count, count);
	assert_int_equal(x->stored, stored);
	assert_memory_equal(x->stream, at, sizeof(at));
}

static void reads_the_blocks_it_wrote(void **state)
{
	AUTO_BUF struct buf b = write_blocks();
	struct slot_index x;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_index_parse(b.data, b.len, BLOCK_SUM, &x, &e), 0);
	assert_false(x.content_defined);
	assert_int_equal(x.rule, SLOT_RULE_BLOCKS);
	assert_int_equal(x.image_size, BLOCK_SUM);
	expect_items(&x, blocks, BLOCK_COUNT);
	assert_int_equal(x.stream[3], 3 * BLOCK);
}

static void reads_the_chunks_it_wrote(void **state)
{
	AUTO_BUF struct buf b = write_chunks();
	struct slot_index x;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_index_parse(b.data, b.len, CHUNK_SUM, &x, &e), 0);
	assert_true(x.content_defined);
	assert_int_equal(x.rule, SLOT_RULE_CHUNKS);
	expect_items(&x, chunks, CHUNK_COUNT);
	/* What a later version cut by its own rule is read as well. */
	b.data[7] = 0x80;
	assert_int_equal(slot_index_parse(b.data, b.len, CHUNK_SUM, &x, &e), 0);
	assert_true(x.content_defined);
	assert_int_equal(x.rule, 0x8001);
	expect_items(&x, chunks, CHUNK_COUNT);
}

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Items that are not zero, each with a hash of its own. */
static void write_many(uint32_t count, struct buf *out)
{
	struct slot_index_item *items = calloc(count, sizeof(*items));
	struct err e = {0};

	assert_non_null(items);
	for (uint32_t i = 0; i < count; i++)
		items[i] = (struct slot_index_item){.length = BLOCK, .hash = i + 1};
	assert_int_equal(slot_index_write((uint64_t)count * BLOCK, 0, items, count, out, &e), 0);
	free(items);
}

/* Only what lies in a file can come back, so only that goes. */
static void rest_gives_a_mapped_index_back_and_changes_nothing(void **state)
{
	const uint32_t count = 1u << 20;
	AUTO_BUF struct buf b = buf_make(16u << 20);
	struct slot_walk w = {0};
	struct slot_entry entry;
	struct slot_index x;
	struct err e = {0};
	FILE *file = tmpfile();

	(void)state;
	write_many(count, &b);
	assert_non_null(file);
	assert_int_equal(fwrite(b.data, 1, b.len, file), b.len);
	assert_int_equal(fflush(file), 0);
	uint8_t *mapped = mmap(NULL, b.len, PROT_READ, MAP_SHARED, fileno(file), 0);
	assert_true(mapped != MAP_FAILED);
	assert_int_equal(slot_index_parse(mapped, b.len, (uint64_t)count * BLOCK, &x, &e), 0);
	long before = resident_kib();
	slot_index_rest(&x);
	assert_true(resident_kib() > before - 1024);
	x.in_file = true;
	slot_index_rest(&x);
	assert_true(resident_kib() < before - 6 * 1024);
	for (uint32_t i = 0; slot_index_next(&x, &w, &entry); i++) {
		if (entry.hash != i + 1)
			fail_msg("entry %u", i);
	}
	assert_int_equal(w.number, count);
	munmap(mapped, b.len);
	fclose(file);
}

static void bytes_are_those_of_the_format_page(void **state)
{
	AUTO_BUF struct buf b = write_blocks();
	AUTO_BUF struct buf c = write_chunks();
	static const uint8_t of_blocks[] = {'P', 'W', 'L', 'I', 1, 0, 0, 0, 0, 0xa0, 0, 0, 0, 0, 0,
		0, 10, 0, 0, 0, /* bits */ 0x22, 0x01, /* generations */ 0xf0, 0x33, 0x30, 0x00,
		/* hashes */ 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 2};
	static const uint8_t of_chunks[] = {'P', 'W', 'L', 'I', 1, 0, 1, 0, 0, 0x40, 1, 0, 0, 0, 0,
		0, 5, 0, 0, 0, /* lengths - 1 */ 0, 0, 0xff, 0xff, 0xfe, 0x1f, 0x3f, 0x1f, 0xbf, 0,
		/* bits */ 0x04, /* generations */ 0x01, 0x01, 11};

	(void)state;
	assert_memory_equal(b.data, of_blocks, sizeof(of_blocks));
	assert_int_equal(b.len, 20 + 2 + 4 + 7 * 8);
	assert_memory_equal(c.data, of_chunks, sizeof(of_chunks));
	assert_int_equal(c.len, 20 + 10 + 1 + 2 + 4 * 8);
}

static void expect_refused(const struct buf *b, size_t len, uint64_t size, const char *word)
{
	struct slot_index x = {.count = 77};
	struct err e = {0};

	assert_int_equal(slot_index_parse(b->data, len, size, &x, &e), -1);
	assert_int_equal(e.code, E_META);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not say \"%s\"", e.text, word);
	assert_int_equal(x.count, 77);
}

static void expect_lie_refused(size_t at, uint8_t value, const char *word)
{
	AUTO_BUF struct buf b = write_blocks();

	b.data[at] = value;
	expect_refused(&b, b.len, BLOCK_SUM, word);
}

static void refuses_a_header_that_lies(void **state)
{
	(void)state;
	expect_lie_refused(3, 'F', "PWLI");
	expect_lie_refused(4, 2, "version");
	expect_lie_refused(5, 1, "version");
	expect_lie_refused(9, 0xb0, "image of");
	expect_lie_refused(15, 0x80, "image of");
	expect_lie_refused(16, 9, "not zero");
	expect_lie_refused(16, 8, "not zero");
	expect_lie_refused(19, 0xff, "more than");
	/* Content-defined all at once, by any rule: lengths are looked for where there are none. */
	expect_lie_refused(6, 1, "index:");
	expect_lie_refused(6, 2, "index:");
	expect_lie_refused(7, 0x80, "index:");
}

static void refuses_bits_behind_the_last_entry(void **state)
{
	(void)state;
	expect_lie_refused(21, 0x05, "bits are set behind");
	expect_lie_refused(21, 0x81, "bits are set behind");
	expect_lie_refused(25, 0x10, "generation behind");
}

static void refuses_another_number_of_zeros(void **state)
{
	(void)state;
	expect_lie_refused(20, 0x23, "not zero");
	expect_lie_refused(20, 0x02, "not zero");
}

static void refuses_every_other_length_of_the_table(void **state)
{
	struct err e = {0};

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		AUTO_BUF struct buf b = kind == 0 ? write_blocks() : write_chunks();
		uint64_t size = kind == 0 ? BLOCK_SUM : CHUNK_SUM;
		size_t right = b.len;
		assert_int_equal(buf_add(&b, "xy", 2, &e), 0);
		for (size_t len = 0; len <= b.len; len++) {
			if (len == right)
				continue;
			/* A copy of its own, so that reading behind the end is noticed. */
			struct buf copy = {.data = malloc(len > 0 ? len : 1), .len = len};
			assert_non_null(copy.data);
			memcpy(copy.data, b.data, len);
			expect_refused(&copy, len, size,
				len < SLOT_INDEX_HEADER ? "less than its header" : "entries");
			free(copy.data);
		}
	}
}

static void refuses_an_index_of_another_image(void **state)
{
	AUTO_BUF struct buf b = write_blocks();
	AUTO_BUF struct buf c = write_chunks();

	(void)state;
	expect_refused(&b, b.len, BLOCK_SUM + BLOCK, "made for an image");
	expect_refused(&b, b.len, BLOCK_SUM + 1, "multiple");
	expect_refused(&b, b.len, 0, "multiple");
	expect_refused(&b, b.len, UINT64_MAX - BLOCK + 1, "multiple");
	/* The header names the size that is asked for, but the entries are for another one. */
	le64_put(b.data + 8, BLOCK_SUM - BLOCK);
	expect_refused(&b, b.len, BLOCK_SUM - BLOCK, "add up");
	le64_put(b.data + 8, BLOCK_SUM + BLOCK);
	expect_refused(&b, b.len, BLOCK_SUM + BLOCK, "add up");
	le64_put(c.data + 8, CHUNK_SUM + BLOCK);
	expect_refused(&c, c.len, CHUNK_SUM + BLOCK, "add up");
}

static void refuses_lengths_that_do_not_add_up(void **state)
{
	AUTO_BUF struct buf c = write_chunks();

	(void)state;
	c.data[20] = 1; /* one byte too many */
	expect_refused(&c, c.len, CHUNK_SUM, "add up");
	c.data[20] = 0;
	c.data[28] = 0xbe; /* one too few, in the last */
	expect_refused(&c, c.len, CHUNK_SUM, "add up");
	c.data[28] = 0xbf;
	c.data[26] = 0xff; /* the entries before the last are the image already */
	expect_refused(&c, c.len, CHUNK_SUM, "4 of 5 entries add up");
	c.data[26] = 0x3f;
	c.data[21] = 0xff; /* all of them as long as can be */
	c.data[20] = 0xff;
	expect_refused(&c, c.len, CHUNK_SUM, "add up");
}

/* A changed table is refused, or it is one that adds up all the same (other hashes, say). */
static void expect_refused_or_sound(const uint8_t *data, size_t len, uint64_t size)
{
	struct slot_walk w = {0};
	struct slot_entry entry;
	uint64_t sum = 0;
	struct slot_index x;
	struct err e = {0};

	if (slot_index_parse(data, len, size, &x, &e) < 0) {
		assert_int_equal(e.code, E_META);
		return;
	}
	while (slot_index_next(&x, &w, &entry)) {
		assert_true(entry.length > 0 && entry.offset + entry.length <= size);
		assert_true(entry.zero || entry.generation < SLOT_GENERATIONS);
		sum += entry.length;
	}
	assert_int_equal(sum, size);
	assert_int_equal(w.stored_number, x.stored);
	assert_memory_equal(w.at, x.stream, sizeof(x.stream));
}

static void no_change_of_a_byte_leads_astray(void **state)
{
	static const uint8_t masks[] = {0x01, 0x02, 0x08, 0x40, 0x80, 0x7f, 0xff};

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		AUTO_BUF struct buf b = kind == 0 ? write_blocks() : write_chunks();
		uint64_t size = kind == 0 ? BLOCK_SUM : CHUNK_SUM;
		/* Of exactly this length, so that a look behind the end is noticed. */
		AUTO_FREE uint8_t *copy = malloc(b.len);
		assert_non_null(copy);
		for (size_t i = 0; i < b.len * sizeof(masks); i++) {
			memcpy(copy, b.data, b.len);
			copy[i / sizeof(masks)] ^= masks[i % sizeof(masks)];
			expect_refused_or_sound(copy, b.len, size);
		}
	}
}

/* A table of so many zero blocks, which is right in all but perhaps their number. */
static struct buf zero_blocks(uint32_t count)
{
	struct buf b = buf_make(1 << 20);
	AUTO_FREE uint8_t *bits = malloc(count / 8 + 1);
	uint8_t header[SLOT_INDEX_HEADER] = {'P', 'W', 'L', 'I', 1};
	struct err e = {0};

	assert_non_null(bits);
	memset(bits, 0xff, count / 8 + 1);
	bits[count / 8] = (uint8_t)((1u << count % 8) - 1);
	le64_put(header + 8, (uint64_t)count * BLOCK);
	le32_put(header + 16, count);
	assert_int_equal(buf_add(&b, header, sizeof(header), &e), 0);
	assert_int_equal(buf_add(&b, bits, (count + 7) / 8, &e), 0);
	return b;
}

/* As the pages of a mapped file may: the walk keeps to the image and to the table. */
static void no_byte_that_changes_after_the_check_leads_astray(void **state)
{
	static const uint8_t changes[] = {0x01, 0x80, 0xff};
	struct slot_entry entry;
	struct slot_index x;
	struct err e = {0};

	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		AUTO_BUF struct buf b = kind == 0 ? write_blocks() : write_chunks();
		const uint64_t size = kind == 0 ? BLOCK_SUM : CHUNK_SUM;
		assert_int_equal(slot_index_parse(b.data, b.len, size, &x, &e), 0);
		for (size_t i = SLOT_INDEX_HEADER; i < 3 * b.len; i++) {
			struct slot_walk w = {0};
			b.data[i / 3] ^= changes[i % 3];
			while (slot_index_next(&x, &w, &entry)) {
				assert_true(entry.offset + entry.length <= size);
				assert_true(entry.zero || entry.stored_number < x.stored);
			}
			assert_true(w.stored_number <= x.stored);
			b.data[i / 3] ^= changes[i % 3];
		}
	}
}

static void entries_end_at_2_to_the_22nd(void **state)
{
	AUTO_BUF struct buf most = zero_blocks(SLOT_INDEX_ENTRIES_MAX);
	AUTO_BUF struct buf more = zero_blocks(MANY);
	struct slot_index x;
	struct err e = {0};

	(void)state;
	assert_int_equal(slot_index_parse(most.data, most.len,
				 (uint64_t)SLOT_INDEX_ENTRIES_MAX * BLOCK, &x, &e),
		0);
	assert_int_equal(x.count, SLOT_INDEX_ENTRIES_MAX);
	assert_int_equal(x.stored, 0);
	expect_refused(&more, more.len, (uint64_t)MANY * BLOCK, "4194305 entries are more");
}

static void the_writer_refuses_what_no_reader_would_take(void **state)
{
	AUTO_BUF struct buf b = buf_make(1 << 20);
	AUTO_BUF struct buf small = buf_make(30);
	AUTO_FREE struct slot_index_item *many = calloc(MANY, sizeof(*many));
	struct err e = {0};

	(void)state;
	assert_non_null(many);
	for (uint32_t i = 0; i < MANY; i++)
		many[i] = (struct slot_index_item){.length = BLOCK, .zero = true};
	assert_int_equal(slot_index_write((uint64_t)MANY * BLOCK, false, many, MANY, &b, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(slot_index_write(BLOCK_SUM, false, blocks, BLOCK_COUNT, &small, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(
		slot_index_write(BLOCK_SUM + BLOCK, false, blocks, BLOCK_COUNT, &b, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_int_equal(slot_index_write(CHUNK_SUM, false, chunks, CHUNK_COUNT, &b, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	many[0].generation = SLOT_GENERATIONS;
	assert_int_equal(slot_index_write(BLOCK, false, many, 1, &b, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	many[0] = (struct slot_index_item){.length = 0};
	assert_int_equal(slot_index_write(BLOCK, true, many, 1, &b, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	many[0].length = SLOT_CHUNK_MAX + 1;
	assert_int_equal(slot_index_write(SLOT_CHUNK_MAX + 1, true, many, 1, &b, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_int_equal(b.len, 0);
}

/* Vectors of the XXH3 specification: another hash would make every table worthless. */
static void the_match_hash_is_xxh3_64_with_seed_0(void **state)
{
	static const uint8_t zeros[BLOCK];

	(void)state;
	assert_true(slot_match_hash("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(slot_match_hash("a", 1) == UINT64_C(0xe6c632b61e964e1f));
	assert_true(slot_match_hash(zeros, 1) == UINT64_C(0xc44bdff4074eecdb));
}

static void one_byte_anywhere_is_not_zero(void **state)
{
	AUTO_FREE uint8_t *data = calloc(1, BLOCK + 1);

	(void)state;
	assert_non_null(data);
	assert_true(slot_is_zero(data, 0));
	assert_true(slot_is_zero(data, 1));
	assert_true(slot_is_zero(data, BLOCK));
	for (size_t i = 0; i < BLOCK; i++) {
		data[i] = 0x80;
		assert_false(slot_is_zero(data, BLOCK));
		assert_true(slot_is_zero(data, i));
		data[i] = 0;
	}
	data[BLOCK] = 1; /* behind the end: not looked at */
	assert_true(slot_is_zero(data, BLOCK));
	memset(data, 0xff, BLOCK); /* all equal, not zero */
	assert_false(slot_is_zero(data, BLOCK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_blocks_it_wrote),
		cmocka_unit_test(reads_the_chunks_it_wrote),
		cmocka_unit_test(rest_gives_a_mapped_index_back_and_changes_nothing),
		cmocka_unit_test(bytes_are_those_of_the_format_page),
		cmocka_unit_test(refuses_a_header_that_lies),
		cmocka_unit_test(refuses_bits_behind_the_last_entry),
		cmocka_unit_test(refuses_another_number_of_zeros),
		cmocka_unit_test(refuses_every_other_length_of_the_table),
		cmocka_unit_test(refuses_an_index_of_another_image),
		cmocka_unit_test(refuses_lengths_that_do_not_add_up),
		cmocka_unit_test(no_change_of_a_byte_leads_astray),
		cmocka_unit_test(no_byte_that_changes_after_the_check_leads_astray),
		cmocka_unit_test(entries_end_at_2_to_the_22nd),
		cmocka_unit_test(the_writer_refuses_what_no_reader_would_take),
		cmocka_unit_test(the_match_hash_is_xxh3_64_with_seed_0),
		cmocka_unit_test(one_byte_anywhere_is_not_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
