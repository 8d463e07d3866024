/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/slot/patch_steps, patch_apply: frames that lie give no byte, and say who they are. */
#include "tests/unit/slot_patch_maker.h"

#ifdef CONFIG_ZSTD

#define OLD (2u * LEAF)

/* A good frame for leaf 0; the second one, for leaf 1, is what each test makes. */
static struct maker *begin(void)
{
	struct maker *m = maker_new(OLD);

	maker_copy(m, LEAF);
	maker_frame(m);
	return m;
}

/* A frame for leaf 1 with each kind of operation, for tests that spoil one of its numbers. */
static void make_good(struct maker *m)
{
	maker_move(m, 1000);
	maker_copy(m, 500);
	maker_change(m, 300);
	maker_insert(m, 200);
	maker_zero(m, 100);
	maker_move(m, 50);
	maker_copy(m, LEAF - 1100);
	maker_raw(m);
}

/* Ends the frame that lies, and sees that it is refused, and the good one is not. */
static void refused(struct maker *m, enum err_code code, const char *text)
{
	struct err e = {0};

	maker_pack(m);
	m->table.output[1] = LEAF; /* whatever was made */
	m->image_size = 2 * LEAF;
	m->table.image_size = 2 * LEAF;
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_is_right(m, 0, false);
	maker_leaf_fails(m, 1, code, "patch frame 1");
	maker_leaf_fails(m, 1, code, text);
	/* What was refused is not taken for loaded. */
	maker_leaf_is_right(m, 0, false);
	maker_free(m);
}

static void refused_with(unsigned number, uint32_t value, const char *text)
{
	struct maker *m = begin();

	make_good(m);
	le32_put(m->raw + 4 * (size_t)number, value);
	refused(m, E_META, text);
}

static void a_good_frame_is_right(void **state)
{
	struct maker *m = begin();
	struct err e = {0};

	(void)state;
	make_good(m);
	maker_pack(m);
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_is_right(m, 0, false);
	maker_leaf_is_right(m, 1, false);
	maker_free(m);
}

static void a_frame_must_have_its_head(void **state)
{
	uint8_t raw[SLOT_PATCH_FRAME_HEAD] = {0};
	struct patch_steps s = {.old_size = 77};
	struct err e = {0};

	(void)state;
	for (size_t len = 0; len < sizeof(raw); len++) {
		uint8_t *copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, raw, len);
		assert_int_equal(patch_steps_begin(copy, len, 1, OLD, &s, &e), -1);
		assert_int_equal(e.code, E_META);
		assert_non_null(strstr(e.text, "less than the head"));
		assert_int_equal(s.old_size, 77);
		free(copy);
	}
	assert_int_equal(patch_steps_begin(raw, sizeof(raw), 1, OLD, &s, &e), 0);
}

static void parts_must_lie_inside_of_the_frame(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 8; number++) {
		refused_with(number, UINT32_MAX, "a part of 4294967295 bytes");
		refused_with(number, 1u << 20, "a part of 1048576 bytes");
	}
}

static void every_operation_has_a_length(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++) {
		struct maker *m = begin();
		maker_copy(m, LEAF);
		maker_op(m, kind, 128);
		m->lengths[kind].len -= kind == SLOT_PATCH_COPY ? 1 : 2; /* cut, or none at all */
		maker_raw(m);
		refused(m, E_META, "has fewer lengths than operations");
	}
}

static void a_length_is_never_0_and_fits_32_bits(void **state)
{
	static const uint64_t bad[] = {
		0, UINT64_C(1) << 32, (UINT64_C(1) << 35) - 1, UINT64_C(1) << 40};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct maker *m = begin();
		maker_copy(m, LEAF);
		maker_op(m, SLOT_PATCH_FORWARD, bad[i]);
		maker_raw(m);
		refused(m, E_META, "has a length of 0 or of more than 32 bits");
	}
}

/* A length of 1 that is spelled in five bytes is odd and harmless; in six it is refused. */
static void a_length_has_at_most_five_bytes(void **state)
{
	static const uint8_t odd[] = {0x81, 0x80, 0x80, 0x80, 0x80, 0x00};

	(void)state;
	for (size_t len = 5; len <= 6; len++) {
		struct maker *m = begin();
		struct err e = {0};
		maker_copy(m, LEAF);
		maker_op(m, SLOT_PATCH_BACK, 1);
		buf_clear(&m->lengths[SLOT_PATCH_BACK]);
		maker_add(&m->lengths[SLOT_PATCH_BACK], odd, 4);
		if (len == 5)
			maker_add(&m->lengths[SLOT_PATCH_BACK], odd + 5, 1);
		else
			maker_add(&m->lengths[SLOT_PATCH_BACK], odd + 4, 2);
		maker_raw(m);
		if (len == 6) {
			refused(m, E_META, "has a length of 0 or of more than 32 bits");
			continue;
		}
		maker_pack(m);
		assert_int_equal(maker_open(m, &e), 0);
		maker_leaf_is_right(m, 1, false);
		maker_free(m);
	}
}

static void an_unknown_operation_is_refused(void **state)
{
	static const uint8_t bad[] = {6, 7, 8, 255};

	(void)state;
	for (size_t i = 0; i < sizeof(bad); i++) {
		struct maker *m = begin();
		maker_copy(m, LEAF);
		maker_op(m, bad[i], 1);
		maker_raw(m);
		refused(m, E_META, "which is not known");
	}
}

static void the_old_place_stays_in_the_old_image(void **state)
{
	struct maker *m = begin();

	(void)state;
	maker_copy(m, LEAF);
	maker_op(m, SLOT_PATCH_BACK, LEAF + 1);
	maker_raw(m);
	refused(m, E_META, "goes 262145 bytes back from byte 262144");

	m = begin();
	maker_copy(m, LEAF);
	maker_op(m, SLOT_PATCH_FORWARD, OLD - LEAF + 1);
	maker_raw(m);
	refused(m, E_META, "goes 262145 bytes forward from byte 262144 of 524288");

	m = begin();
	maker_copy(m, LEAF);
	maker_op(m, SLOT_PATCH_FORWARD, UINT32_MAX);
	maker_raw(m);
	refused(m, E_META, "bytes forward");
}

static void nothing_is_read_behind_the_old_image(void **state)
{
	struct maker *m = begin();

	(void)state;
	/* Up to its last byte is fine. */
	maker_move(m, OLD - LEAF);
	maker_copy(m, LEAF);
	maker_frame(m);
	struct err e = {0};
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_is_right(m, 1, false);
	maker_free(m);

	m = begin();
	maker_op(m, SLOT_PATCH_FORWARD, OLD - LEAF + 1);
	maker_op(m, SLOT_PATCH_COPY, LEAF);
	maker_raw(m);
	refused(m, E_META, "needs bytes 262145 to 524289 of an old image of 524288");

	m = begin();
	maker_op(m, SLOT_PATCH_FORWARD, OLD);
	maker_op(m, SLOT_PATCH_ADD, 1);
	maker_op(m, SLOT_PATCH_ZERO, LEAF - 1);
	maker_add(&m->differences, "x", 1);
	maker_raw(m);
	refused(m, E_META, "needs bytes 524288 to 524289");
}

static void the_output_is_given_exactly(void **state)
{
	static const enum slot_patch_kind kinds[] = {SLOT_PATCH_COPY, SLOT_PATCH_ZERO};
	struct maker *m;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		m = begin();
		maker_op(m, kinds[i], LEAF + 1);
		maker_raw(m);
		refused(m, E_META, "gives 262145 bytes where 262144 are left");

		m = begin();
		maker_op(m, kinds[i], LEAF - 1);
		maker_raw(m);
		refused(m, E_META, "ends 1 bytes short");
	}
	m = begin();
	maker_op(m, SLOT_PATCH_ZERO, LEAF);
	maker_op(m, SLOT_PATCH_ZERO, UINT32_MAX);
	maker_raw(m);
	refused(m, E_META, "gives 4294967295 bytes where 0 are left");

	/* No operation at all. */
	m = begin();
	maker_raw(m);
	refused(m, E_META, "ends 262144 bytes short");
}

static void what_is_added_or_inserted_must_be_there(void **state)
{
	struct maker *m = begin();

	(void)state;
	maker_op(m, SLOT_PATCH_ADD, LEAF);
	maker_add(&m->differences, m->old, LEAF - 1);
	maker_add(&m->literals, m->old, 1);
	maker_raw(m);
	refused(m, E_META, "adds 262144 differences where 262143 are left");

	m = begin();
	maker_op(m, SLOT_PATCH_INSERT, LEAF);
	maker_add(&m->literals, m->old, LEAF - 1);
	maker_raw(m);
	refused(m, E_META, "inserts 262144 bytes where 262143 are left");
}

static void nothing_may_be_left_over(void **state)
{
	struct maker *m;

	(void)state;
	for (unsigned part = 0; part < 3; part++) {
		m = begin();
		maker_copy(m, LEAF);
		if (part == 0)
			maker_add(&m->lengths[SLOT_PATCH_ADD], "\1", 1);
		if (part == 1)
			maker_add(&m->differences, "x", 1);
		if (part == 2)
			maker_add(&m->literals, "x", 1);
		maker_raw(m);
		refused(m, E_META, "over");
	}
}

static void a_frame_has_the_raw_length_that_the_table_says(void **state)
{
	(void)state;
	for (int by = -1; by <= 1; by += 2) {
		struct maker *m = begin();
		make_good(m);
		maker_pack(m);
		m->table.raw[1] = (uint32_t)((int)m->table.raw[1] + by);
		struct err e = {0};
		assert_int_equal(maker_open(m, &e), 0);
		maker_leaf_fails(m, 1, E_SIZE, "patch frame 1");
		maker_leaf_is_right(m, 0, false);
		maker_free(m);
	}
}

static void a_bomb_ends_at_its_limit(void **state)
{
	struct maker *m = begin();
	uint8_t *zeros = calloc(1, 64u << 20);
	struct err e = {0};

	(void)state;
	assert_non_null(zeros);
	make_good(m);
	maker_pack(m);
	uint64_t at = m->table.offset[1];
	size_t n = ZSTD_compress(m->patch + at, MAKER_MAX - at, zeros, 64u << 20, 1);
	assert_false(ZSTD_isError(n));
	free(zeros);
	m->table.stored[1] = (uint32_t)n;
	m->table.stored_total = at + n;
	maker_hash(m, 1);
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_fails(m, 1, E_SIZE, "patch frame 1");
	maker_free(m);
}

static void bytes_after_the_stream_are_refused(void **state)
{
	struct maker *m = begin();
	struct err e = {0};

	(void)state;
	make_good(m);
	maker_pack(m);
	m->patch[m->table.stored_total++] = 0;
	m->table.stored[1]++;
	maker_hash(m, 1);
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_fails(m, 1, E_SIZE, "patch frame 1");
	maker_free(m);
}

static void a_cut_stream_is_refused(void **state)
{
	struct maker *m = begin();
	struct err e = {0};

	(void)state;
	make_good(m);
	maker_pack(m);
	m->table.stored_total--;
	m->table.stored[1]--;
	maker_hash(m, 1);
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_fails(m, 1, E_SIZE, "patch frame 1");
	maker_free(m);
}

static void what_is_no_stream_is_refused(void **state)
{
	struct maker *m = begin();
	struct err e = {0};

	(void)state;
	make_good(m);
	maker_pack(m);
	m->patch[m->table.offset[1]] ^= 1; /* the magic number; the hash is right */
	maker_hash(m, 1);
	assert_int_equal(maker_open(m, &e), 0);
	maker_leaf_fails(m, 1, E_META, "patch frame 1");
	maker_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_frame_is_right),
		cmocka_unit_test(a_frame_must_have_its_head),
		cmocka_unit_test(parts_must_lie_inside_of_the_frame),
		cmocka_unit_test(every_operation_has_a_length),
		cmocka_unit_test(a_length_is_never_0_and_fits_32_bits),
		cmocka_unit_test(a_length_has_at_most_five_bytes),
		cmocka_unit_test(an_unknown_operation_is_refused),
		cmocka_unit_test(the_old_place_stays_in_the_old_image),
		cmocka_unit_test(nothing_is_read_behind_the_old_image),
		cmocka_unit_test(the_output_is_given_exactly),
		cmocka_unit_test(what_is_added_or_inserted_must_be_there),
		cmocka_unit_test(nothing_may_be_left_over),
		cmocka_unit_test(a_frame_has_the_raw_length_that_the_table_says),
		cmocka_unit_test(a_bomb_ends_at_its_limit),
		cmocka_unit_test(bytes_after_the_stream_are_refused),
		cmocka_unit_test(a_cut_stream_is_refused),
		cmocka_unit_test(what_is_no_stream_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
