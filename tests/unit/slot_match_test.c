/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching, and its proof: an assembler that knows only the match rebuilds the new image out of
 * the target, the seeds, and those frames that are said to be needed.
 */
#include "tests/unit/slot_match_rig.h"

#define MIB  (1024u * 1024)
#define SIZE (4 * MIB + 5 * BLOCK) /* the last leaf is short */

/* A new image, what the target holds, and up to two seeds. */
struct world {
	struct files files;
	struct image new;
	uint8_t *target; /* its content, as it was surveyed */
	const char *target_path;
	const char *seed_path[SLOT_SEEDS_MAX];
	struct slot_seed *seeds[SLOT_SEEDS_MAX];
	size_t seed_count;
	struct slot_survey survey;
	struct slot_match match;
};

/* Takes both contents, each of SIZE bytes. */
static void world_open(struct world *w, uint8_t *content, bool content_defined, uint8_t *target)
{
	memset(w, 0, sizeof(*w));
	files_open(&w->files);
	w->new = image_make(content, SIZE, content_defined);
	w->target = target;
	w->target_path = files_add(&w->files, target, SIZE);
}

static void world_close(struct world *w)
{
	for (size_t i = 0; i < w->seed_count; i++)
		slot_seed_close(w->seeds[i]);
	slot_match_free(&w->match);
	slot_survey_free(&w->survey);
	image_free(&w->new);
	free(w->target);
	files_close(&w->files);
}

/* The content stays the caller's. */
static const char *add_seed(struct world *w, const uint8_t *content, size_t len)
{
	const char *path = files_add(&w->files, content, len);
	struct slot_seed_request r = {
		.path = path, .rule = w->new.index.rule, .scratch_dir = w->files.fd};
	struct err e = {0};

	if (slot_seed_open(&r, &w->seeds[w->seed_count], &e) < 0)
		fail_msg("%s", e.text);
	w->seed_path[w->seed_count++] = path;
	return path;
}

static int make(struct world *w, const struct slot_frames *frames, struct err *e)
{
	struct slot_survey_request s = {.path = w->target_path,
		.image_size = SIZE,
		.leaf_alg = HASH_SHA256,
		.leaves = w->new.leaves,
		.with_blocks = !w->new.index.content_defined,
		.scratch_dir = w->files.fd};
	struct slot_match_request m = {.index = &w->new.index,
		.frames = frames,
		.survey = &w->survey,
		.seeds = w->seeds,
		.seed_count = w->seed_count,
		.scratch_dir = w->files.fd};

	if (slot_survey(&s, &w->survey, e) < 0)
		fail_msg("%s", e->text);
	return slot_match_make(&m, &w->match, e);
}

static uint64_t place_of(const struct world *w, uint32_t stored_number)
{
	return ((const uint64_t *)w->match.place.data)[stored_number];
}

static bool is_needed(const struct world *w, uint32_t frame)
{
	return (w->match.need[frame / 8] >> (frame % 8) & 1) != 0;
}

/* The bytes of an entry out of `data`; the whole of it must lie in one needed frame. */
static void from_data(const struct world *w, const struct slot_entry *entry, uint8_t *out)
{
	const struct slot_frames *f = &w->new.frames;

	for (uint32_t i = f->first[entry->generation]; i < f->first[entry->generation + 1]; i++) {
		if (entry->at < f->at[i] || entry->at >= f->at[i] + f->raw[i])
			continue;
		assert_true(is_needed(w, i));
		assert_true(entry->at + entry->length <= f->at[i] + f->raw[i]);
		memcpy(out, w->new.data + f->offset[i] + (entry->at - f->at[i]), entry->length);
		return;
	}
	fail_msg("no frame has entry %u", entry->number);
}

static void from_file(const char *path, uint64_t offset, uint8_t *out, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, out, len, (off_t)offset), (ssize_t)len);
	close(fd);
}

/* The entry at its place in `image`, which began as the target with a zeroed head. */
static void assemble(struct world *w, const struct slot_entry *entry, uint8_t *image)
{
	uint8_t *out = image + entry->offset;

	if (entry->zero) {
		memset(out, 0, entry->length);
		return;
	}
	uint64_t place = place_of(w, entry->stored_number);
	if (place == SLOT_PLACE_TARGET)
		return;
	if (place == SLOT_PLACE_DATA) {
		from_data(w, entry, out);
		return;
	}
	uint64_t seed = place >> SLOT_PLACE_SEED_SHIFT;
	assert_true(seed < w->seed_count);
	uint64_t offset = place & ((UINT64_C(1) << SLOT_PLACE_SEED_SHIFT) - 1);
	from_file(w->seed_path[seed], offset, out, entry->length);
}

static bool touches_wanted(const struct world *w, const struct slot_entry *entry)
{
	return leaf_set_has(&w->survey.wanted, entry->offset / LEAF) ||
	       leaf_set_has(&w->survey.wanted, (entry->offset + entry->length - 1) / LEAF);
}

/* Rebuilds the image, and checks that the sums are those of the wanted leaves. */
static void expect_exact(struct world *w)
{
	uint8_t *image = malloc(SIZE);
	struct slot_walk walk = {0};
	struct slot_entry entry;
	uint64_t bytes = 0;
	uint32_t frames = 0;
	const struct slot_match *m = &w->match;

	assert_non_null(image);
	memcpy(image, w->target, SIZE);
	memset(image, 0, BLOCK);
	while (slot_index_next(&w->new.index, &walk, &entry)) {
		if (touches_wanted(w, &entry))
			assemble(w, &entry, image);
	}
	assert_memory_equal(image, w->new.content, SIZE);
	free(image);
	assert_int_equal(
		m->zeros + m->from_target + m->from_data + m->from_seed[0] + m->from_seed[1],
		w->survey.wanted_bytes);
	for (uint32_t i = 0; i < w->new.frames.count; i++) {
		frames += is_needed(w, i);
		bytes += is_needed(w, i) ? w->new.frames.stored[i] : 0;
	}
	assert_int_equal(frames, m->frames_needed);
	assert_int_equal(bytes, m->data_bytes);
}

static void make_exact(struct world *w)
{
	struct err e = {0};

	if (make(w, &w->new.frames, &e) < 0)
		fail_msg("%s", e.text);
	expect_exact(w);
}

static struct slot_match_request request_of(struct world *w)
{
	return (struct slot_match_request){.index = &w->new.index,
		.survey = &w->survey,
		.seeds = w->seeds,
		.seed_count = w->seed_count,
		.scratch_dir = w->files.fd};
}

/* Zeros, copies of other blocks, and the rest random. */
static uint8_t *old_content(void)
{
	uint8_t *c = rig_new_content(SIZE, 1);

	memset(c + MIB, 0, 40 * BLOCK);
	memset(c + 3 * MIB - 2 * BLOCK, 0, 70 * BLOCK);
	for (unsigned i = 0; i < 30; i++)
		memcpy(c + 2 * MIB + i * BLOCK, c + 17 * BLOCK, BLOCK);
	return c;
}

/* As an update changes an image: places overwritten, freed, filled again, and moved. */
static uint8_t *new_content(const uint8_t *old)
{
	uint8_t *c = malloc(SIZE);

	assert_non_null(c);
	memcpy(c, old, SIZE);
	rig_random(c, 100, 50);
	rig_random(c + 300 * BLOCK, 9 * BLOCK, 51);
	rig_random(c + MIB + 5 * BLOCK, 3 * BLOCK, 52);
	memset(c + 600 * BLOCK, 0, 4 * BLOCK);
	memcpy(c + 700 * BLOCK, old + 200 * BLOCK, 20 * BLOCK);
	rig_random(c + SIZE - 3, 3, 53);
	return c;
}

/* As a squashfs changes: bytes inserted, everything behind them shifts. */
static uint8_t *shifted_content(const uint8_t *old)
{
	uint8_t *c = malloc(SIZE);

	assert_non_null(c);
	memcpy(c, old, SIZE);
	memmove(c + MIB + 1234, old + MIB, SIZE - MIB - 1234);
	rig_random(c + MIB, 1234, 60);
	rig_random(c + 3 * MIB, 5000, 61);
	return c;
}

static uint8_t *nothing(void)
{
	uint8_t *c = calloc(1, SIZE);

	assert_non_null(c);
	return c;
}

/* What of the table of frames is of use is known without it. */
static void generations_are_known_before_the_frames(void **state)
{
	struct world w;
	uint8_t *old = old_content();
	uint8_t *new = new_content(old);
	struct slot_match both;
	struct err e = {0};

	(void)state;
	/* Four generations, 23 blocks of each at a time: 0, 5, 10, 15. */
	memcpy(new, old, SIZE);
	rig_random(new + (4 * 23 + 3) * BLOCK, BLOCK, 60);
	rig_random(new + (4 * 23 + 23 + 3) * BLOCK, BLOCK, 61);
	world_open(&w, new, false, rig_new_content(SIZE, 9));
	add_seed(&w, old, SIZE);
	make_exact(&w);
	both = w.match;
	w.match = (struct slot_match){0};
	struct slot_match_request r = request_of(&w);
	assert_int_equal(slot_match_make(&r, &w.match, &e), 0);
	assert_null(w.match.need);
	assert_int_equal(w.match.generations, 6);
	assert_int_equal(both.generations, 6);
	assert_int_equal(w.match.from_data, 2 * BLOCK);
	/* The first part with five of them lacks one, with six it gives what the table gives. */
	struct slot_frames part = w.new.frames;
	part.count = part.first[6];
	part.missing = w.new.frames.count - part.count;
	for (unsigned g = 7; g <= SLOT_GENERATIONS; g++)
		part.first[g] = part.count;
	r.frames = &part;
	part.generations = 5;
	assert_int_equal(slot_match_find_frames(&r, &w.match, &e), -1);
	assert_int_equal(e.code, E_INTERNAL);
	part.generations = 6;
	for (int twice = 0; twice < 2; twice++) {
		if (slot_match_find_frames(&r, &w.match, &e) < 0)
			fail_msg("%s", e.text);
		assert_int_equal(w.match.frames_needed, both.frames_needed);
		assert_int_equal(w.match.data_bytes, both.data_bytes);
		assert_memory_equal(w.match.need, both.need, w.new.frames.count / 8 + 1);
	}
	slot_match_free(&both);
	expect_exact(&w);
	world_close(&w);
	free(old);
}

static void a_block_image_is_rebuilt_from_the_running_slot_and_little_data(void **state)
{
	uint8_t *old = old_content();
	struct world w;

	(void)state;
	world_open(&w, new_content(old), false, nothing());
	add_seed(&w, old, SIZE);
	make_exact(&w);
	/* 1 + 9 + 3 + 1 blocks are new, and they are all that comes from data. */
	assert_int_equal(w.match.from_data, 14 * BLOCK);
	assert_true(w.match.frames_needed > 0 && w.match.frames_needed <= 14);
	assert_int_equal(w.match.from_target, 0);
	free(old);
	world_close(&w);
}

static void a_shifted_image_is_rebuilt_from_the_running_slot_and_little_data(void **state)
{
	uint8_t *old = old_content();
	struct image before = image_make(old, SIZE, true);
	struct world w;

	(void)state;
	world_open(&w, shifted_content(old), true, nothing());
	add_seed(&w, old, SIZE);
	make_exact(&w);
	assert_true(w.match.from_seed[0] > SIZE - 2 * MIB);
	assert_true(w.match.from_data > 6000 && w.match.from_data < 300 * 1024);
	image_free(&before);
	world_close(&w);
}

static void without_anything_old_all_frames_are_needed(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		uint8_t *old = old_content();
		struct world w;
		world_open(&w, new_content(old), kind == 1, nothing());
		make_exact(&w);
		assert_int_equal(w.match.frames_needed, w.new.frames.count);
		assert_int_equal(w.match.data_bytes, w.new.frames.stored_total);
		free(old);
		world_close(&w);
	}
}

/* An attempt that ended in the middle, over an older release: the rest of it is used again. */
static void the_target_is_the_first_source(void **state)
{
	uint8_t *old = old_content();
	uint8_t *target = malloc(SIZE);
	struct world w;

	(void)state;
	assert_non_null(target);
	uint8_t *content = new_content(old);
	memcpy(target, old, SIZE);
	memcpy(target, content, 5 * LEAF);
	world_open(&w, content, false, target);
	add_seed(&w, old, SIZE);
	make_exact(&w);
	/* Leaves 1 to 4 are right and need nothing at all. */
	assert_true(w.survey.wanted_bytes <= SIZE - 4 * LEAF);
	assert_true(w.match.from_target > 20 * BLOCK);
	/* Block 0 is about to be zeroed: it is new in the image, so it must be fetched. */
	assert_true(place_of(&w, 0) == SLOT_PLACE_DATA);
	assert_true(place_of(&w, 1) == SLOT_PLACE_TARGET);
	/* Only what moved is looked for in the seed: 20 blocks. */
	assert_true(w.match.from_seed[0] <= 20 * BLOCK);
	free(old);
	world_close(&w);
}

static void a_target_that_is_whole_needs_its_first_block_only(void **state)
{
	uint8_t *old = old_content();
	uint8_t *target = malloc(SIZE);
	struct world w;

	(void)state;
	assert_non_null(target);
	uint8_t *content = new_content(old);
	memcpy(target, content, SIZE);
	world_open(&w, content, false, target);
	make_exact(&w);
	assert_true(w.survey.whole);
	assert_int_equal(w.match.from_target, LEAF - BLOCK);
	assert_int_equal(w.match.from_data, BLOCK);
	assert_int_equal(w.match.frames_needed, 1);
	free(old);
	world_close(&w);
}

static void what_touches_no_wanted_leaf_needs_nothing(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		uint8_t *old = old_content();
		uint8_t *target = malloc(SIZE);
		struct slot_walk walk = {0};
		struct slot_entry entry;
		struct world w;

		assert_non_null(target);
		memcpy(target, old, SIZE);
		target[9 * LEAF + 3] ^= 1;
		world_open(&w, old, kind == 1, target);
		make_exact(&w);
		assert_int_equal(w.survey.wanted_count, 2);
		while (slot_index_next(&w.new.index, &walk, &entry)) {
			if (!entry.zero && !touches_wanted(&w, &entry))
				assert_true(place_of(&w, entry.stored_number) == SLOT_PLACE_DATA);
		}
		assert_true(w.match.data_bytes <= 2 * LEAF + 40 * RIG_FRAME);
		assert_true(w.match.frames_needed < w.new.frames.count);
		world_close(&w);
	}
}

static void the_first_seed_comes_before_the_second(void **state)
{
	uint8_t *old = old_content();
	uint8_t *content = new_content(old);
	struct world w;

	(void)state;
	world_open(&w, content, false, nothing());
	/* The second has everything, the first half of it. */
	add_seed(&w, old, SIZE / 2 + 100);
	add_seed(&w, content, SIZE);
	make_exact(&w);
	assert_int_equal(w.match.from_data, 0);
	assert_int_equal(w.match.frames_needed, 0);
	assert_true(w.match.from_seed[0] > MIB);
	assert_true(w.match.from_seed[1] > MIB);
	/* Wherever the first has it, it is the first's. */
	assert_true(place_of(&w, 20) == 20 * BLOCK);
	/* Block 300: 37 of those before it are zero. */
	assert_true(place_of(&w, 263) == (UINT64_C(1) << SLOT_PLACE_SEED_SHIFT | 300 * BLOCK));
	free(old);
	world_close(&w);
}

static void damage_in_a_seed_is_fetched_and_no_more(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		uint8_t *old = old_content();
		struct image before = image_make(old, SIZE, kind == 1);
		uint8_t *content = malloc(SIZE);
		uint8_t *rotten = malloc(SIZE);
		struct world w;

		assert_true(content && rotten);
		memcpy(content, old, SIZE);
		memcpy(rotten, old, SIZE);
		rotten[100 * BLOCK + 5] ^= 0x20;
		rotten[900 * BLOCK] ^= 0x01;
		world_open(&w, content, kind == 1, nothing());
		add_seed(&w, rotten, SIZE);
		make_exact(&w);
		assert_int_equal(w.match.frames_needed, 2);
		assert_true(kind == 1 || w.match.from_data == 2 * BLOCK);
		assert_true(w.match.from_data <= 2 * SLOT_CHUNK_MAX);
		free(rotten);
		image_free(&before);
		world_close(&w);
	}
}

/* Content that is there more than once comes from where its neighbours come from. */
static void runs_stay_together(void **state)
{
	uint8_t *old = rig_new_content(SIZE, 8);
	uint8_t *content = malloc(SIZE);
	struct world w;

	(void)state;
	assert_non_null(content);
	for (unsigned i = 0; i < 8; i++)
		memcpy(old + (500 + i) * BLOCK, old + (100 + i % 2) * BLOCK, BLOCK);
	memcpy(content, old, SIZE);
	/* All of it lies three blocks further on from here. */
	memmove(content + 403 * BLOCK, old + 400 * BLOCK, SIZE - 403 * BLOCK);
	world_open(&w, content, false, nothing());
	add_seed(&w, old, SIZE);
	make_exact(&w);
	for (uint32_t i = 403; i < w.new.index.count; i++)
		assert_int_equal(place_of(&w, i), (i - 3ull) * BLOCK);
	free(old);
	world_close(&w);
}

static void an_image_of_zeros_needs_nothing(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, nothing(), false, rig_new_content(SIZE, 3));
	make_exact(&w);
	assert_int_equal(w.match.zeros, SIZE);
	assert_int_equal(w.match.data_bytes, 0);
	assert_int_equal(w.match.place.size, 0);
	world_close(&w);
}

static void a_settled_seed_still_gives_what_was_found_in_it(void **state)
{
	uint8_t *old = old_content();
	uint8_t got[BLOCK];
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, new_content(old), false, nothing());
	add_seed(&w, old, SIZE);
	make_exact(&w);
	slot_seed_settle(w.seeds[0]);
	uint64_t place = place_of(&w, 50);
	assert_true(place < SIZE);
	assert_int_equal(slot_seed_read(w.seeds[0], place, got, BLOCK, &e), 0);
	assert_memory_equal(got, w.new.content + 50 * BLOCK, BLOCK);
	free(old);
	world_close(&w);
}

static void tables_that_do_not_belong_together_are_refused(void **state)
{
	uint8_t *old = old_content();
	struct image other = image_make(new_content(old), SIZE, true);
	struct err e = {0};
	struct world w;

	(void)state;
	world_open(&w, new_content(old), false, nothing());
	assert_int_equal(make(&w, &other.frames, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_null(w.match.need);
	assert_null(w.match.place.data);
	image_free(&other);
	free(old);
	world_close(&w);
}

/* Whatever is edited, by both kinds, from whatever was there: the result is exact. */
static void random_edits_are_rebuilt_exactly(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 8; round++) {
		uint8_t *old = old_content();
		struct image before = image_make(old, SIZE, round % 2 == 1);
		uint8_t *content = malloc(SIZE);
		uint8_t *target = malloc(SIZE);
		uint32_t dice[40];
		struct world w;

		assert_true(content && target);
		memcpy(content, old, SIZE);
		memcpy(target, old, SIZE);
		rig_random((uint8_t *)dice, sizeof(dice), round + 100);
		for (unsigned i = 0; i + 4 < 40; i += 4) {
			uint32_t len = dice[i] % (3 * LEAF) + 1;
			uint32_t to = dice[i + 1] % (SIZE - len);
			uint32_t from = dice[i + 2] % (SIZE - len);
			uint8_t *what = dice[i + 3] % 4 == 0 ? target : content;
			if (dice[i + 3] % 3 == 0)
				rig_random(what + to, len % (20 * BLOCK), dice[i]);
			else
				memmove(what + to, old + from, len);
		}
		world_open(&w, content, round % 2 == 1, target);
		add_seed(&w, old, SIZE);
		make_exact(&w);
		assert_true(w.match.from_seed[0] + w.match.from_target > 0);
		image_free(&before);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_are_known_before_the_frames),
		cmocka_unit_test(a_block_image_is_rebuilt_from_the_running_slot_and_little_data),
		cmocka_unit_test(a_shifted_image_is_rebuilt_from_the_running_slot_and_little_data),
		cmocka_unit_test(without_anything_old_all_frames_are_needed),
		cmocka_unit_test(the_target_is_the_first_source),
		cmocka_unit_test(a_target_that_is_whole_needs_its_first_block_only),
		cmocka_unit_test(what_touches_no_wanted_leaf_needs_nothing),
		cmocka_unit_test(the_first_seed_comes_before_the_second),
		cmocka_unit_test(damage_in_a_seed_is_fetched_and_no_more),
		cmocka_unit_test(runs_stay_together),
		cmocka_unit_test(an_image_of_zeros_needs_nothing),
		cmocka_unit_test(a_settled_seed_still_gives_what_was_found_in_it),
		cmocka_unit_test(tables_that_do_not_belong_together_are_refused),
		cmocka_unit_test(random_edits_are_rebuilt_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
