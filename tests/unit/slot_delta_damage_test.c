/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: a delta whose sources lie. Old content that changed after it was
 * matched costs its own entries; data that is wrong is refused; tables that are
 * wrong waste time at most.
 */
#include "tests/unit/slot_delta_rig.h"

#define SIZE   (9u * LEAF + 3u * SLOT_BLOCK_SIZE)
#define LEAVES 10u

static const enum slot_encoding encodings[] = RIG_ENCODINGS;
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

/* All of the image in a seed, in place. */
static struct delta_rig *rig_with_seed(bool content_defined)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, content_defined, 2);

	delta_add_seed(d, 0, d->rig->content, SIZE);
	delta_match(d, 0, SIZE, delta_seed_place(0, 0));
	delta_need(d, 0, LEAVES);
	return d;
}

/* The entry that holds a byte of the image. */
static struct slot_entry entry_at(const struct delta_rig *d, uint64_t at)
{
	struct slot_walk w = {0};
	struct slot_entry entry = {0};

	while (slot_index_next(&d->index, &w, &entry) && entry.offset + entry.length <= at)
		continue;
	return entry;
}

/* A byte of an entry that is not zero, from `at` on. */
static uint64_t full_byte(const struct delta_rig *d, uint64_t at)
{
	struct slot_entry entry = entry_at(d, at);

	while (entry.zero && entry.offset + entry.length < SIZE)
		entry = entry_at(d, entry.offset + entry.length);
	assert_false(entry.zero);
	return entry.offset > at ? entry.offset : at;
}

/* One frame at most is fetched, the image is whole, and no leaf had to be made twice. */
static void expect_repaired(struct delta_rig *d)
{
	struct slot_stats stats;
	struct err e = {0};

	if (rig_install(d->rig, &stats, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_again, 0);
	assert_int_equal(d->reads, 1);
	assert_int_equal(stats.bytes_fetched, d->bytes_read);
	assert_true(stats.from_seed > 0);
}

static void expect_damage_costs_one_entry(bool content_defined, uint64_t at)
{
	struct delta_rig *d = rig_with_seed(content_defined);

	at = full_byte(d, at);
	delta_damage_seed(d, 0, at);
	expect_repaired(d);
	delta_rig_free(d);
}

static void a_seed_that_changed_costs_its_own_entries(void **state)
{
	static const uint64_t places[] = {0, 4095, LEAF - 1, LEAF, LEAF + 6 * SLOT_BLOCK_SIZE,
		2 * LEAF - 1, 4 * LEAF, 8 * LEAF - 1, 9 * LEAF, SIZE - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		expect_damage_costs_one_entry(false, places[i]);
		expect_damage_costs_one_entry(true, places[i]);
	}
}

/* --- A table of frames of which only the first part is here ------------------------------------ */

struct completing {
	struct delta_rig *rig;
	unsigned calls;
	bool fails;
};

static int complete(void *ctx, struct err *e)
{
	struct completing *c = ctx;
	struct delta_rig *d = c->rig;

	c->calls++;
	if (c->fails)
		return err_set(e, E_NET, "the server is down");
	uint64_t stored = d->frames.stored_total;
	for (uint32_t i = d->frames.count; i < d->table.count; i++)
		stored += d->table.stored[i];
	slot_frames_free(&d->frames);
	return slot_frames_parse(
		d->frames_bytes.data, d->frames_bytes.len, SIZE, stored, &d->frames, e);
}

/* Only generation 0 is known; all of the image lies in a seed. */
static struct delta_rig *rig_with_first_part(struct completing *c)
{
	struct delta_rig *d = rig_with_seed(false);
	struct slot_frames_part p = {.data = d->frames_bytes.data,
		.len = SLOT_FRAMES_HEADER + d->table.first[1] * SLOT_FRAMES_ENTRY,
		.generations = 1,
		.table_length = d->frames_bytes.len};
	uint64_t length = d->frames.stored_total;
	struct err e = {0};

	assert_true(d->table.first[1] > 0 && d->table.first[1] < d->table.count);
	slot_frames_free(&d->frames);
	if (slot_frames_parse_first(&p, SIZE, length, &d->frames, &e) < 0)
		fail_msg("%s", e.text);
	*c = (struct completing){.rig = d};
	d->rig->image.delta.complete = complete;
	d->rig->image.delta.complete_ctx = c;
	return d;
}

/* A byte of an entry of this generation. */
static uint64_t byte_of(const struct delta_rig *d, unsigned generation)
{
	struct slot_walk w = {0};
	struct slot_entry entry;

	while (slot_index_next(&d->index, &w, &entry)) {
		if (!entry.zero && entry.generation == generation && entry.offset > 2 * LEAF)
			return entry.offset;
	}
	fail_msg("there is none");
	return 0;
}

static void frames_that_were_not_known_come_when_a_seed_has_changed(void **state)
{
	struct completing c;
	struct delta_rig *d = rig_with_first_part(&c);

	(void)state;
	delta_damage_seed(d, 0, byte_of(d, 0));
	expect_repaired(d);
	assert_int_equal(c.calls, 0);
	delta_rig_free(d);
	d = rig_with_first_part(&c);
	delta_damage_seed(d, 0, byte_of(d, 1));
	expect_repaired(d);
	assert_int_equal(c.calls, 1);
	assert_int_equal(d->frames.missing, 0);
	delta_rig_free(d);
}

static void frames_that_cannot_be_had_are_an_error_not_a_crash(void **state)
{
	struct slot_stats stats;
	struct completing c;
	struct delta_rig *d = rig_with_first_part(&c);
	struct err e = {0};

	(void)state;
	delta_damage_seed(d, 0, byte_of(d, 1));
	c.fails = true;
	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, E_NET);
	assert_false(rig_target_is_whole(d->rig));
	/* What was written before is kept. */
	c.fails = false;
	if (rig_install(d->rig, &stats, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(rig_target_is_whole(d->rig));
	assert_true(stats.leaves_kept > 0);
	delta_rig_free(d);
	d = rig_with_first_part(&c);
	d->rig->image.delta.complete = NULL;
	delta_damage_seed(d, 0, byte_of(d, 1));
	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, E_META);
	delta_rig_free(d);
}

/* Only an entry in two leaves can be wrong in the one and seen in the other. */
static void an_entry_across_leaves_is_checked_whole(void **state)
{
	unsigned found = 0;

	(void)state;
	for (uint64_t leaf = 1; leaf < LEAVES; leaf++) {
		for (unsigned side = 0; side < 2; side++) {
			struct delta_rig *d = rig_with_seed(true);
			struct slot_entry entry = entry_at(d, leaf * LEAF);
			if (entry.offset < leaf * LEAF && !entry.zero) {
				delta_damage_seed(d, 0, side ? leaf * LEAF : leaf * LEAF - 1);
				expect_repaired(d);
				found++;
			}
			delta_rig_free(d);
		}
	}
	assert_true(found >= 8);
}

static void a_target_that_changed_costs_its_own_entries(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	struct slot_stats stats;
	struct err e = {0};
	uint8_t one = 0x77;

	(void)state;
	rig_write_at(d->rig, 0, d->rig->content, SIZE);
	/* Also block 0, which was zeroed: no match may say this, and it does no harm. */
	delta_match(d, 0, SIZE, SLOT_PLACE_TARGET);
	delta_need(d, 0, LEAVES);
	rig_write_at(d->rig, 4 * LEAF + 2 * SLOT_BLOCK_SIZE + 9, &one, 1);
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_kept, LEAVES - 2);
	assert_int_equal(stats.leaves_again, 0);
	assert_int_equal(d->reads, 2); /* the frames of leaf 0 and leaf 4 */
	delta_rig_free(d);
}

static void a_seed_that_cannot_be_read_is_left_alone_after_some_tries(void **state)
{
	(void)state;
	for (unsigned from = 1; from < 40; from += 3) {
		struct delta_rig *d = rig_with_seed(from % 2 != 0);
		struct slot_stats stats;
		struct err e = {0};
		seeds_do.fail_from = from;
		seeds_do.fail_reads = from % 4 == 0 ? 1 : 1000000;
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(stats.leaves_again, 0);
		assert_int_equal(delta_most_reads(d), d->reads ? 1 : 0);
		if (seeds_do.fail_reads > 1)
			assert_true(seeds_do.reads <= from + 16);
		delta_rig_free(d);
	}
}

/* The index says of old content that it is the new one; only the leaf's hash knows better. */
static void a_match_hash_that_lies_costs_a_second_try_without_seeds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct delta_rig *d = rig_with_seed(i != 0);
		struct slot_stats stats;
		struct err e = {0};
		uint64_t at = full_byte(d, 5 * LEAF + 100);
		struct slot_entry entry = entry_at(d, at);
		delta_damage_seed(d, 0, at);
		d->items[entry.number].hash =
			slot_match_hash(d->seed_content[0] + entry.offset, entry.length);
		delta_read_tables(d);
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		/* An entry in two leaves is wrong in one of them only. */
		assert_int_equal(stats.leaves_again, 1);
		assert_true(d->reads >= 1);
		delta_rig_free(d);
	}
}

/* Right hashes of frames, other content than the leaves: nothing of that leaf is written. */
static void signed_leaves_decide_not_the_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], false, 1);
		uint8_t leaf6[HASH_SIZE];
		struct slot_stats stats;
		struct err e = {0};
		memcpy(leaf6, d->rig->leaves + 6 * HASH_SIZE, HASH_SIZE);
		d->rig->content[6 * LEAF + 20] ^= 1;
		delta_pack(d);
		memcpy(d->rig->leaves + 6 * HASH_SIZE, leaf6, HASH_SIZE);
		assert_int_equal(rig_install(d->rig, &stats, &e), -1);
		assert_int_equal(e.code, E_HASH);
		assert_non_null(strstr(e.text, "image rootfs"));
		assert_non_null(strstr(e.text, "leaf 6"));
		assert_non_null(strstr(e.text, "index and data"));
		assert_int_equal(delta_most_reads(d), 2); /* read again, and no third time */
		assert_true(rig_head_is_spoiled(d->rig));
		assert_true(rig_leaf_written(d->rig, 5));
		assert_false(rig_leaf_written(d->rig, 6));
		assert_false(rig_leaf_written(d->rig, 7));
		delta_rig_free(d);
	}
}

static void a_frame_that_is_wrong_once_is_read_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], true, 2);
		struct slot_stats stats;
		struct err e = {0};
		d->flip_at = d->frames.offset[3] + 7;
		d->flip_times = 1;
		assert_int_equal(rig_install(d->rig, &stats, &e), 0);
		assert_true(rig_target_is_whole(d->rig));
		assert_int_equal(d->frame_reads[3], 2);
		assert_int_equal(d->reads, d->frames.count + 1);
		assert_int_equal(stats.bytes_fetched, d->frames.stored_total + d->frames.stored[3]);
		assert_int_equal(stats.leaves_again, 0);
		delta_rig_free(d);
	}
}

static void a_frame_that_stays_wrong_is_named_and_not_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], false, 1);
		struct slot_stats stats;
		struct err e = {0};
		char place[100];
		/* Without compression leaf n is about frame n. */
		uint64_t begin = d->frames.offset[4];
		d->flip_at = begin + d->frames.stored[4] - 1;
		d->flip_times = 1000;
		assert_int_equal(rig_install(d->rig, &stats, &e), -1);
		assert_int_equal(e.code, E_HASH);
		snprintf(place, sizeof(place), "frame 4 (bytes %llu to %llu of data)",
			(unsigned long long)begin,
			(unsigned long long)(begin + d->frames.stored[4]));
		assert_non_null(strstr(e.text, place));
		assert_non_null(strstr(e.text, "image rootfs"));
		assert_int_equal(d->flip_times, 998); /* tried exactly twice */
		assert_int_equal(d->frame_reads[5], 0);
		assert_true(rig_head_is_spoiled(d->rig));
		assert_true(rig_leaf_written(d->rig, 2));
		assert_false(rig_leaf_written(d->rig, 6));
		delta_rig_free(d);
	}
}

/* hostile.md, bomb and short-long: a signed frame that gives more or less than its table says. */
static void put_frame(
	struct delta_rig *d, uint32_t frame, const uint8_t *raw, size_t len, size_t junk)
{
	uint8_t *out = calloc(1, SLOT_FRAME_STORED_MAX);

	assert_non_null(out);
	size_t n = rig_encode(d->encoding, raw, len, out, SLOT_FRAME_STORED_MAX) + junk;
	/* The last frame: nothing follows whose place would move. */
	assert_int_equal(frame, d->table.count - 1);
	memcpy(d->data + d->frames.offset[frame], out, n);
	d->table.stored[frame] = (uint32_t)n;
	rig_digest(HASH_SHA256, out, n, d->table.sha256[frame]);
	free(out);
	delta_read_tables(d);
}

static void expect_frame_refused(struct delta_rig *d, enum err_code code)
{
	struct slot_stats stats;
	struct err e = {0};

	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, code);
	assert_non_null(strstr(e.text, "frame "));
	assert_int_equal(delta_most_reads(d), 1); /* no second try: the hash was right */
	assert_true(rig_head_is_spoiled(d->rig));
	delta_rig_free(d);
}

static void a_frame_of_another_length_is_refused(void **state)
{
	uint8_t *zeros = calloc(1, 32u << 20);

	(void)state;
	assert_non_null(zeros);
	for (size_t i = 1; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], false, 1);
		uint32_t last = d->table.count - 1;
		put_frame(d, last, zeros, 32u << 20, 0); /* a bomb */
		expect_frame_refused(d, E_SIZE);

		d = delta_rig_new(SIZE, encodings[i], false, 1);
		put_frame(d, last, zeros, d->table.raw[last] + 1, 0);
		expect_frame_refused(d, E_SIZE);

		d = delta_rig_new(SIZE, encodings[i], false, 1);
		put_frame(d, last, zeros, d->table.raw[last] - 1, 0);
		expect_frame_refused(d, E_SIZE);

		d = delta_rig_new(SIZE, encodings[i], false, 1);
		put_frame(d, last, zeros, d->table.raw[last], 3); /* bytes behind the stream */
		expect_frame_refused(d, E_SIZE);
	}
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_NONE, false, 1);
	put_frame(d, d->table.count - 1, zeros, d->table.raw[d->table.count - 1] + 1, 0);
	expect_frame_refused(d, E_META);
	free(zeros);
}

static void expect_refused_unread(struct delta_rig *d, enum err_code code)
{
	struct slot_stats stats;
	struct err e = {0};

	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, code);
	assert_non_null(strstr(e.text, "rootfs"));
	assert_int_equal(d->reads, 0);
	assert_true(rig_head_is_spoiled(d->rig));
	delta_rig_free(d);
}

static void tables_that_do_not_fit_are_refused_before_anything_is_read(void **state)
{
	(void)state;
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	d->index.image_size += SLOT_BLOCK_SIZE;
	expect_refused_unread(d, E_META);

	d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	d->frames.image_size += SLOT_BLOCK_SIZE;
	expect_refused_unread(d, E_META);

	d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	d->index.image_size += SLOT_BLOCK_SIZE; /* both of the same other image */
	d->frames.image_size += SLOT_BLOCK_SIZE;
	expect_refused_unread(d, E_META);

	d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
	d->frames.raw[0]--; /* a stream that is shorter than the index says */
	for (uint32_t i = 1; i < d->frames.first[1]; i++)
		d->frames.at[i]--;
	expect_refused_unread(d, E_META);

	d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
	d->match.place.size -= 8;
	expect_refused_unread(d, E_INTERNAL);

	d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
	d->rig->image.delta.seed_count = SLOT_SEEDS_MAX + 1;
	expect_refused_unread(d, E_INTERNAL);
}

/* Places that no match may give are fetched. */
static void a_match_that_lies_does_no_harm(void **state)
{
	struct delta_rig *d = rig_with_seed(true);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	delta_match(d, LEAF, 2 * LEAF, delta_seed_place(1, 0)); /* there is one seed */
	delta_match(d, 2 * LEAF, 3 * LEAF, delta_seed_place(14, 77));
	delta_match(d, 4 * LEAF, 5 * LEAF, SLOT_PLACE_TARGET); /* not at whole blocks */
	delta_match(d, 5 * LEAF, 6 * LEAF, delta_seed_place(0, SIZE - 5)); /* behind its end */
	delta_match(d, 6 * LEAF, 7 * LEAF, delta_seed_place(0, 12345)); /* other content */
	assert_int_equal(rig_install(d->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(d->rig));
	assert_int_equal(stats.leaves_again, 0);
	assert_int_equal(stats.from_target, 0);
	assert_int_equal(delta_most_reads(d), 1);
	delta_rig_free(d);
}

static void a_generation_that_nobody_reads_is_an_error_not_a_crash(void **state)
{
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 2);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	d->rig->image.delta.data[1] = (struct reader){0};
	assert_int_equal(rig_install(d->rig, &stats, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	assert_true(rig_head_is_spoiled(d->rig));
	delta_rig_free(d);
}

#ifndef CONFIG_ZSTD
static void zstd_is_refused_where_it_is_not_built_in(void **state)
{
	(void)state;
	struct delta_rig *d = delta_rig_new(SIZE, SLOT_ZLIB, false, 1);
	d->rig->image.delta.encoding = SLOT_ZSTD;
	expect_refused_unread(d, E_COMPAT);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_that_changed_costs_its_own_entries),
		cmocka_unit_test(frames_that_were_not_known_come_when_a_seed_has_changed),
		cmocka_unit_test(frames_that_cannot_be_had_are_an_error_not_a_crash),
		cmocka_unit_test(an_entry_across_leaves_is_checked_whole),
		cmocka_unit_test(a_target_that_changed_costs_its_own_entries),
		cmocka_unit_test(a_seed_that_cannot_be_read_is_left_alone_after_some_tries),
		cmocka_unit_test(a_match_hash_that_lies_costs_a_second_try_without_seeds),
		cmocka_unit_test(signed_leaves_decide_not_the_data),
		cmocka_unit_test(a_frame_that_is_wrong_once_is_read_again),
		cmocka_unit_test(a_frame_that_stays_wrong_is_named_and_not_written),
		cmocka_unit_test(a_frame_of_another_length_is_refused),
		cmocka_unit_test(tables_that_do_not_fit_are_refused_before_anything_is_read),
		cmocka_unit_test(a_match_that_lies_does_no_harm),
		cmocka_unit_test(a_generation_that_nobody_reads_is_an_error_not_a_crash),
#ifndef CONFIG_ZSTD
		cmocka_unit_test(zstd_is_refused_where_it_is_not_built_in),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
