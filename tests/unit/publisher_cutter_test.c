/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/cutter and entries: cuts follow the content, zeros stay cheap, streams do not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/buf.h"
#include "partitions/slot/chunk.h"
#include "publisher/cutter.h"
#include "publisher/entries.h"

#define SIZE (4u << 20)

static uint8_t noise[SIZE];
static uint8_t other[SIZE + 65536];

static int set_up(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (size_t i = 0; i < SIZE; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		noise[i] = (uint8_t)(x >> 32);
	}
	return 0;
}

/* Cuts `len` bytes that come in parts of `part`. */
static void cut(const uint8_t *data, size_t len, size_t part, struct entries lists[CUTTER_KINDS])
{
	struct cutter_sink sinks[CUTTER_KINDS];
	struct cutter *c = NULL;
	struct err e = {0};

	for (int k = 0; k < CUTTER_KINDS; k++) {
		lists[k] = (struct entries){0};
		sinks[k] = (struct cutter_sink){.ctx = &lists[k], .take = entries_take};
	}
	assert_int_equal(cutter_make(sinks, &c, &e), 0);
	for (size_t at = 0; at < len; at += part)
		assert_int_equal(
			cutter_add(c, data + at, len - at < part ? len - at : part, &e), 0);
	assert_int_equal(cutter_end(c, &e), 0);
	cutter_free(c);
}

static void free_lists(struct entries lists[CUTTER_KINDS])
{
	for (int k = 0; k < CUTTER_KINDS; k++)
		entries_free(&lists[k]);
}

/* The entries are those of the content, one behind the other to its end. */
static void check_entries(const struct entries *l, const uint8_t *data, size_t len)
{
	size_t at = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct slot_index_item *item = &l->item[i];
		assert_true(item->length > 0 && item->length <= SLOT_CHUNK_MAX);
		assert_true(item->length <= len - at);
		assert_int_equal(item->zero, slot_is_zero(data + at, item->length));
		assert_true(
			item->hash == (item->zero ? 0 : slot_match_hash(data + at, item->length)));
		at += item->length;
	}
	assert_int_equal(at, len);
}

static void lengths_keep_to_their_limits_and_average(void **state)
{
	struct entries l[CUTTER_KINDS];

	(void)state;
	cut(noise, SIZE, SIZE, l);
	check_entries(&l[CUTTER_CHUNKS], noise, SIZE);
	check_entries(&l[CUTTER_BLOCKS], noise, SIZE);
	assert_int_equal(l[CUTTER_BLOCKS].count, SIZE / SLOT_BLOCK_SIZE);
	for (uint32_t i = 0; i + 1 < l[CUTTER_CHUNKS].count; i++)
		assert_true(l[CUTTER_CHUNKS].item[i].length > CHUNK_MIN);
	assert_true(l[CUTTER_CHUNKS].count > SIZE / 4096);
	assert_true(l[CUTTER_CHUNKS].count < SIZE / 3072);
	free_lists(l);
	/* Content without cuts ends at the limit. */
	memset(other, 'x', SLOT_CHUNK_MAX * 2 + 1);
	cut(other, SLOT_CHUNK_MAX * 2 + 1, 1000, l);
	assert_int_equal(l[CUTTER_CHUNKS].count, 3);
	assert_int_equal(l[CUTTER_CHUNKS].item[0].length, SLOT_CHUNK_MAX);
	assert_int_equal(l[CUTTER_CHUNKS].item[2].length, 1);
	free_lists(l);
}

static void parts_of_a_stream_do_not_matter(void **state)
{
	static const size_t parts[] = {1, 4095, 65536, 1u << 20, SIZE};
	struct entries first[CUTTER_KINDS];
	struct entries l[CUTTER_KINDS];

	(void)state;
	memset(noise + 500000, 0, 100000);
	cut(noise, 1u << 20, 1u << 20, first);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		cut(noise, 1u << 20, parts[i], l);
		for (int k = 0; k < CUTTER_KINDS; k++) {
			assert_int_equal(l[k].count, first[k].count);
			assert_int_equal(l[k].stored_bytes, first[k].stored_bytes);
			for (uint32_t n = 0; n < l[k].count; n++) {
				assert_int_equal(l[k].item[n].length, first[k].item[n].length);
				assert_true(l[k].item[n].hash == first[k].item[n].hash);
			}
		}
		free_lists(l);
	}
	free_lists(first);
	set_up(NULL);
}

/* Bytes of chunks of `now` that are not in `before`. */
static uint64_t fresh(const struct entries *now, const struct entries *before)
{
	AUTO_INDEX_SET struct index_set set = {0};
	struct err e = {0};

	for (uint32_t i = 0; i < before->count; i++) {
		const struct slot_index_item *item = &before->item[i];
		if (!item->zero)
			assert_int_equal(index_set_add(&set, item->hash, item->length, 0, &e), 0);
	}
	return entries_fresh(now, &set);
}

static void cuts_come_back_behind_inserted_bytes(void **state)
{
	static const size_t places[] = {0, 3, 1000, 300000, 2000001};
	struct entries before[CUTTER_KINDS];
	struct entries l[CUTTER_KINDS];

	(void)state;
	cut(noise, SIZE, SIZE, before);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t at = places[i];
		memcpy(other, noise, at);
		memset(other + at, 'i', 77);
		memcpy(other + at + 77, noise + at, SIZE - at);
		cut(other, SIZE + 77, SIZE, l);
		uint64_t chunks = fresh(&l[CUTTER_CHUNKS], &before[CUTTER_CHUNKS]);
		assert_true(chunks > 0 && chunks <= 2 * (uint64_t)SLOT_CHUNK_MAX);
		/* Blocks find nothing behind the place. */
		uint64_t blocks = fresh(&l[CUTTER_BLOCKS], &before[CUTTER_BLOCKS]);
		assert_true(blocks >= SIZE - at - SLOT_BLOCK_SIZE);
		free_lists(l);
	}
	free_lists(before);
}

static void rows_of_zeros_are_entries_of_their_own(void **state)
{
	struct entries l[CUTTER_KINDS];
	uint32_t zeros = 0;

	(void)state;
	memcpy(other, noise, SIZE);
	memset(other + 100001, 0, 1000000);
	memset(other + SIZE - 77, 0, 77);
	cut(other, SIZE, SIZE, l);
	check_entries(&l[CUTTER_CHUNKS], other, SIZE);
	for (uint32_t i = 0; i < l[CUTTER_CHUNKS].count; i++)
		zeros += l[CUTTER_CHUNKS].item[i].zero ? l[CUTTER_CHUNKS].item[i].length : 0;
	/* A row shorter than 2 KiB stays with what is before it, up to the next cut. */
	assert_in_range(zeros, 1000000, 1000000 + 77);
	assert_true(l[CUTTER_CHUNKS].count < SIZE / 3072);
	free_lists(l);
	memset(other, 0, SIZE);
	cut(other, SIZE, SIZE, l);
	assert_int_equal(l[CUTTER_CHUNKS].stored, 0);
	assert_int_equal(l[CUTTER_CHUNKS].count, SIZE / SLOT_CHUNK_MAX);
	assert_int_equal(l[CUTTER_BLOCKS].stored, 0);
	free_lists(l);
}

/* The manifest's limit of an index is one entry for each 512 bytes (agent/plan). */
static void hostile_content_makes_no_more_entries_than_a_manifest_allows(void **state)
{
	struct entries l[CUTTER_KINDS];

	(void)state;
	/* In each block: a byte, a row of zeros, and what ends with the block. */
	memset(other, 0, SIZE);
	for (size_t i = 0; i < SIZE; i += SLOT_BLOCK_SIZE) {
		other[i] = 'x';
		memset(other + i + 1 + CHUNK_ZEROS, 'y',
			SLOT_BLOCK_SIZE - 1 - CHUNK_ZEROS - CHUNK_TAIL);
	}
	cut(other, SIZE, SIZE, l);
	check_entries(&l[CUTTER_CHUNKS], other, SIZE);
	assert_true(l[CUTTER_CHUNKS].count >= 3 * (SIZE / SLOT_BLOCK_SIZE));
	assert_true(l[CUTTER_CHUNKS].count <= SIZE / 512 + 1);
	free_lists(l);
}

static void a_set_knows_content_by_hash_and_length(void **state)
{
	AUTO_INDEX_SET struct index_set s = {0};
	struct err e = {0};
	uint8_t generation = 99;

	(void)state;
	assert_false(index_set_has(&s, 0, 4096, &generation));
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(index_set_add(&s, i << 40, 4096, (uint8_t)(i % 16), &e), 0);
	assert_int_equal(s.count, 5000);
	for (uint64_t i = 0; i < 5000; i++) {
		assert_true(index_set_has(&s, i << 40, 4096, &generation));
		assert_int_equal(generation, i % 16);
		assert_false(index_set_has(&s, i << 40, 4097, NULL));
		assert_false(index_set_has(&s, i << 40 | 1, 4096, NULL));
	}
	assert_int_equal(index_set_add(&s, 0, SLOT_CHUNK_MAX, 3, &e), 0);
	assert_int_equal(index_set_add(&s, 0, SLOT_CHUNK_MAX, 7, &e), 0);
	assert_int_equal(index_set_add(&s, 0, SLOT_CHUNK_MAX, 5, &e), 0);
	assert_true(index_set_has(&s, 0, SLOT_CHUNK_MAX, &generation));
	assert_int_equal(generation, 7);
	assert_int_equal(s.count, 5001);
}

static void ages_rise_by_one_to_fifteen(void **state)
{
	AUTO_INDEX_SET struct index_set s = {0};
	AUTO_ENTRIES struct entries l = {0};
	struct err e = {0};

	(void)state;
	for (uint8_t g = 0; g < 16; g++) {
		struct slot_index_item item = {.length = 4096, .hash = g + 1u, .generation = 9};
		assert_int_equal(entries_take(&l, &item, &e), 0);
		assert_int_equal(index_set_add(&s, item.hash, 4096, g, &e), 0);
	}
	struct slot_index_item unknown = {.length = 4096, .hash = 77, .generation = 9};
	struct slot_index_item zero = {.length = 4096, .zero = true};
	assert_int_equal(entries_take(&l, &unknown, &e), 0);
	assert_int_equal(entries_take(&l, &zero, &e), 0);
	entries_age(&l, &s);
	for (uint8_t g = 0; g < 16; g++)
		assert_int_equal(l.item[g].generation, g < 15 ? g + 1 : 15);
	assert_int_equal(l.item[16].generation, 0);
	assert_int_equal(l.item[17].generation, 0);
	assert_int_equal(entries_fresh(&l, &s), 4096);
}

static void the_size_of_an_index_is_known_beforehand(void **state)
{
	struct entries l[CUTTER_KINDS];
	struct err e = {0};

	(void)state;
	memcpy(other, noise, SIZE);
	memset(other + 100001, 0, 1000000);
	cut(other, SIZE, SIZE, l);
	for (int k = 0; k < CUTTER_KINDS; k++) {
		AUTO_BUF struct buf b = buf_make(SIZE);
		assert_int_equal(
			slot_index_write(SIZE, k == CUTTER_CHUNKS, l[k].item, l[k].count, &b, &e),
			0);
		assert_int_equal(entries_index_size(&l[k], k == CUTTER_CHUNKS), b.len);
	}
	free_lists(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_keep_to_their_limits_and_average),
		cmocka_unit_test(parts_of_a_stream_do_not_matter),
		cmocka_unit_test(cuts_come_back_behind_inserted_bytes),
		cmocka_unit_test(rows_of_zeros_are_entries_of_their_own),
		cmocka_unit_test(hostile_content_makes_no_more_entries_than_a_manifest_allows),
		cmocka_unit_test(a_set_knows_content_by_hash_and_length),
		cmocka_unit_test(ages_rise_by_one_to_fifteen),
		cmocka_unit_test(the_size_of_an_index_is_known_beforehand),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
