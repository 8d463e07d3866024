/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/patch_table: tables that lie, and the ranges that leaves need. */
#include "tests/unit/slot_rig.h"

#include "agent/base/buf.h"
#include "partitions/slot/patch.h"

#define FRAMES 3u
#define SIZE   (4u * LEAF)
#define STORED (100u + 200 + 300)

/* Frames of 1.5, 0.5 and 2 leaves. */
static void make(struct buf *out)
{
	uint32_t output[FRAMES] = {LEAF + LEAF / 2, LEAF / 2, 2 * LEAF};
	uint32_t stored[FRAMES] = {100, 200, 300};
	uint32_t raw[FRAMES] = {SLOT_PATCH_FRAME_HEAD, 5000, SLOT_PATCH_RAW_MAX};
	uint8_t sha256[FRAMES][HASH_SIZE] = {{1}, {2}, {3}};
	const struct slot_patch_table t = {.image_size = SIZE,
		.old_size = 3 * LEAF,
		.count = FRAMES,
		.output = output,
		.stored = stored,
		.raw = raw,
		.sha256 = sha256};
	struct err e = {0};

	*out = buf_make(1u << 23);
	assert_int_equal(slot_patch_table_write(&t, out, &e), 0);
}

/* Parses a copy that ends where the table ends, so that sanitizers see what is behind. */
static int parse(const struct buf *b, size_t len, uint64_t size, uint64_t stored,
	struct slot_patch_table *t, struct err *e)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, b->data, len);
	int rc = slot_patch_table_parse(copy, len, size, stored, t, e);
	free(copy);
	return rc;
}

static void refused_as(
	const struct buf *b, size_t len, uint64_t size, uint64_t stored, const char *text)
{
	struct slot_patch_table t = {.count = 77};
	struct err e = {0};

	assert_int_equal(parse(b, len, size, stored, &t, &e), -1);
	if (e.code != E_META || !strstr(e.text, text))
		fail_msg("%s: %s; not E_META: ...%s", err_name(e.code), e.text, text);
	assert_int_equal(t.count, 77); /* untouched */
}

static void refused(const struct buf *b, const char *text)
{
	refused_as(b, b->len, SIZE, STORED, text);
}

/* The table with one 32-bit number changed. */
static void refused_with(size_t at, uint32_t value, const char *text)
{
	AUTO_BUF struct buf b;

	make(&b);
	le32_put(b.data + at, value);
	refused(&b, text);
}

static size_t entry(uint32_t i)
{
	return SLOT_PATCH_HEADER + (size_t)i * SLOT_PATCH_ENTRY;
}

static void what_was_written_is_read(void **state)
{
	AUTO_BUF struct buf b;
	struct slot_patch_table t;
	struct err e = {0};

	(void)state;
	make(&b);
	assert_int_equal(b.len, SLOT_PATCH_HEADER + FRAMES * SLOT_PATCH_ENTRY);
	assert_int_equal(parse(&b, b.len, SIZE, STORED, &t, &e), 0);
	assert_int_equal(t.image_size, SIZE);
	assert_int_equal(t.old_size, 3 * LEAF);
	assert_int_equal(t.count, FRAMES);
	assert_int_equal(t.output[1], LEAF / 2);
	assert_int_equal(t.raw[2], SLOT_PATCH_RAW_MAX);
	assert_int_equal(t.offset[0], 0);
	assert_int_equal(t.offset[2], 300);
	assert_int_equal(t.at[1], LEAF + LEAF / 2);
	assert_int_equal(t.at[2], 2 * LEAF);
	assert_int_equal(t.sha256[2][0], 3);
	assert_int_equal(t.stored_total, STORED);
	slot_patch_table_free(&t);
	assert_null(t.output);
}

static void the_header_must_be_right(void **state)
{
	AUTO_BUF struct buf b;

	(void)state;
	make(&b);
	for (size_t len = 0; len < SLOT_PATCH_HEADER; len++)
		refused_as(&b, len, SIZE, STORED, "less than its header");
	refused_as(&b, b.len, SIZE + 4096, STORED, "made for an image of 1048576 bytes");
	refused_with(0, 0x504c5750, "PWLD");
	refused_with(4, 2, "version 2");
	refused_with(4, 0x10001, "flags 1");
	refused_with(12, 1, "made for an image of");
}

static void an_image_is_whole_blocks_up_to_1_gib(void **state)
{
	static const uint64_t bad[] = {0, SIZE + 1, (UINT64_C(1) << 30) + 4096, UINT64_MAX - 4095};
	AUTO_BUF struct buf b;

	(void)state;
	make(&b);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		le64_put(b.data + 20, bad[i]);
		refused(&b, "an old image of");
	}
	le64_put(b.data + 20, 3 * LEAF);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		le64_put(b.data + 8, bad[i]);
		refused_as(&b, b.len, bad[i], STORED, "an image of");
	}
	/* One whose frames add up. */
	le64_put(b.data + 8, SIZE + 1);
	le32_put(b.data + entry(2), 2 * LEAF + 1);
	refused_as(&b, b.len, SIZE + 1, STORED, "an image of");
}

static void the_count_must_fit_the_file(void **state)
{
	AUTO_BUF struct buf b;

	(void)state;
	make(&b);
	refused_as(&b, b.len - 1, SIZE, STORED, "where 3 frames need 160");
	refused_as(&b, b.len - SLOT_PATCH_ENTRY, SIZE, STORED, "where 3 frames need 160");
	refused_with(16, 2, "where 2 frames need 116");
	refused_with(16, 0, "0 frames");
	refused_with(16, 0x20000000, "frames; 1 to 65536");
	refused_with(16, UINT32_MAX, "frames; 1 to 65536");
}

/* A table that is right but for having one frame more than is allowed. */
static void a_table_has_at_most_65536_frames(void **state)
{
	const uint32_t most = SLOT_PATCH_FRAMES_MAX;
	struct slot_patch_table t = {.image_size = (uint64_t)(most + 1) * 4096, .old_size = 4096};
	struct slot_patch_table got;
	AUTO_BUF struct buf b = buf_make(1u << 23);
	struct err e = {0};

	(void)state;
	t.output = calloc(most + 1, 4);
	t.stored = calloc(most + 1, 4);
	t.raw = calloc(most + 1, 4);
	t.sha256 = calloc(most + 1, HASH_SIZE);
	assert_true(t.output && t.stored && t.raw && t.sha256);
	for (uint32_t i = 0; i <= most; i++) {
		t.output[i] = 4096;
		t.stored[i] = 1;
		t.raw[i] = 40;
	}
	t.count = most + 1;
	assert_int_equal(slot_patch_table_write(&t, &b, &e), 0);
	refused_as(&b, b.len, t.image_size, most + 1, "65537 frames");
	buf_clear(&b);
	t.count = most;
	t.image_size -= 4096;
	assert_int_equal(slot_patch_table_write(&t, &b, &e), 0);
	assert_int_equal(b.len, SLOT_PATCH_TABLE_MAX);
	assert_int_equal(parse(&b, b.len, t.image_size, most, &got, &e), 0);
	slot_patch_table_free(&got);
	slot_patch_table_free(&t);
}

static void every_length_has_its_bounds(void **state)
{
	(void)state;
	refused_with(entry(1), 0, "frame 1 gives no output");
	refused_with(entry(1) + 4, 0, "frame 1 is stored in 0 bytes");
	refused_with(entry(2) + 4, SLOT_PATCH_STORED_MAX + 1, "frame 2 is stored in");
	refused_with(entry(0) + 8, SLOT_PATCH_FRAME_HEAD - 1, "frame 0 has 31 bytes");
	refused_with(entry(2) + 8, SLOT_PATCH_RAW_MAX + 1, "frame 2 has");
}

/* The same with sums that fit, so that nothing but the bound can object. */
static void a_bound_stands_when_sums_fit(void **state)
{
	AUTO_BUF struct buf b;

	(void)state;
	make(&b);
	le32_put(b.data + entry(1), 0);
	le32_put(b.data + entry(0), 2 * LEAF);
	refused(&b, "frame 1 gives no output");
	buf_free(&b);
	make(&b);
	le32_put(b.data + entry(1) + 4, 0);
	le32_put(b.data + entry(2) + 4, 500);
	refused(&b, "frame 1 is stored in 0 bytes");
	le32_put(b.data + entry(1) + 4, SLOT_PATCH_STORED_MAX + 1);
	refused_as(&b, b.len, SIZE, 600 + SLOT_PATCH_STORED_MAX + 1, "frame 1 is stored in");
}

static void sums_must_be_right(void **state)
{
	AUTO_BUF struct buf b;

	(void)state;
	make(&b);
	refused_as(&b, b.len, SIZE, STORED - 1, "the patch has 599");
	refused_as(&b, b.len, SIZE, STORED + 1, "the patch has 601");
	refused_with(entry(1), LEAF / 2 - 1, "frames give 1048575 bytes");
	/* Numbers that come to the right sum in 32 bits. */
	refused_with(entry(1), UINT32_MAX, "frames give");
}

static void the_frame_of_a_place_is_found(void **state)
{
	AUTO_BUF struct buf b;
	struct slot_patch_table t;
	struct err e = {0};

	(void)state;
	make(&b);
	assert_int_equal(parse(&b, b.len, SIZE, STORED, &t, &e), 0);
	assert_int_equal(slot_patch_find(&t, 0), 0);
	assert_int_equal(slot_patch_find(&t, LEAF + LEAF / 2 - 1), 0);
	assert_int_equal(slot_patch_find(&t, LEAF + LEAF / 2), 1);
	assert_int_equal(slot_patch_find(&t, 2 * LEAF - 1), 1);
	assert_int_equal(slot_patch_find(&t, 2 * LEAF), 2);
	assert_int_equal(slot_patch_find(&t, SIZE - 1), 2);
	slot_patch_table_free(&t);
}

static void leaves_need_just_their_frames(void **state)
{
	/* Wanted leaves (bits), ranges, first offset and length, sum. */
	static const struct {
		uint8_t bits;
		size_t count;
		uint64_t offset;
		uint64_t length;
		uint64_t bytes;
	} want[] = {
		{0x0, 0, 0, 0, 0},
		{0x1, 1, 0, 100, 100},
		{0x2, 1, 0, 300, 300}, /* leaf 1 is in frames 0 and 1 */
		{0x4, 1, 300, 300, 300},
		{0x9, 2, 0, 100, 400},
		{0xf, 1, 0, 600, 600},
	};
	AUTO_BUF struct buf b;
	struct slot_patch_table t;
	struct err e = {0};

	(void)state;
	make(&b);
	assert_int_equal(parse(&b, b.len, SIZE, STORED, &t, &e), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		uint8_t bits = want[i].bits;
		struct leaf_set set = {.bits = &bits, .count = 4};
		struct byte_range *ranges = NULL;
		size_t count;
		uint64_t bytes;
		assert_int_equal(slot_patch_ranges(&t, &set, &ranges, &count, &bytes, &e), 0);
		assert_int_equal(count, want[i].count);
		assert_int_equal(bytes, want[i].bytes);
		if (count > 0) {
			assert_int_equal(ranges[0].offset, want[i].offset);
			assert_int_equal(ranges[0].length, want[i].length);
		}
		if (count == 2)
			assert_int_equal(ranges[1].offset, 300);
		free(ranges);
	}
	slot_patch_table_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(the_header_must_be_right),
		cmocka_unit_test(an_image_is_whole_blocks_up_to_1_gib),
		cmocka_unit_test(the_count_must_fit_the_file),
		cmocka_unit_test(a_table_has_at_most_65536_frames),
		cmocka_unit_test(every_length_has_its_bounds),
		cmocka_unit_test(a_bound_stands_when_sums_fit),
		cmocka_unit_test(sums_must_be_right),
		cmocka_unit_test(the_frame_of_a_place_is_found),
		cmocka_unit_test(leaves_need_just_their_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
