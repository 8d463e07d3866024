/* SPDX-License-Identifier: Apache-2.0 */
/* agent/journal: whatever is changed in the record is found, and named. */
#include "tests/unit/journal_world.h"

#include "agent/journal/line.h"

/* Three milestones and two details, closed; expected head as state.json keeps it. */
static struct world small_world(void)
{
	struct world w = world_make();
	struct journal *j = world_open(&w);

	add(j, JOURNAL_POLL, 1);
	add(j, JOURNAL_INSTALL, 2);
	add(j, JOURNAL_POLL, 3);
	add(j, JOURNAL_COMMIT, 4);
	journal_close(j);
	return w;
}

static void every_flipped_byte_is_found_in(struct world *w, const char *name)
{
	AUTO_BUF struct buf b = world_read(w, name);
	struct journal_verdict v;

	assert_int_equal(world_verify(w, &v), 0);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= (uint8_t)(1u << (i % 8));
		world_write(w, name, b.data, b.len);
		if (world_verify(w, &v) == 0)
			fail_msg("%s: change of byte %zu was not found", name, i);
		assert_string_equal(v.bad_file, name + strlen("journal/"));
		assert_true(v.bad_line > 0);
		assert_true(v.why[0] != 0);
		b.data[i] ^= (uint8_t)(1u << (i % 8));
	}
	world_write(w, name, b.data, b.len);
	assert_int_equal(world_verify(w, &v), 0);
}

static void every_flipped_byte_of_milestones_is_found_without_state(void **state)
{
	AUTO_WORLD struct world w = small_world();

	(void)state;
	every_flipped_byte_is_found_in(&w, M1);
}

static void every_flipped_byte_of_details_is_found(void **state)
{
	AUTO_WORLD struct world w = small_world();

	(void)state;
	every_flipped_byte_is_found_in(&w, D1);
}

struct lines {
	struct buf file;
	const uint8_t *text[32];
	size_t len[32]; /* with the newline */
	size_t count;
};

static struct lines split(struct world *w, const char *name)
{
	struct lines l = {.file = world_read(w, name)};
	size_t at = 0;
	const uint8_t *end;

	while ((end = memchr(l.file.data + at, '\n', l.file.len - at))) {
		l.text[l.count] = l.file.data + at;
		l.len[l.count] = (size_t)(end - l.text[l.count]) + 1;
		at += l.len[l.count++];
	}
	return l;
}

/* Writes these lines, in this order, instead of the file. */
static void join(struct world *w, const char *name, const struct lines *l, const int *order)
{
	AUTO_BUF struct buf b = buf_make(1 << 20);
	struct err e;

	for (; *order >= 0; order++)
		assert_int_equal(buf_add(&b, l->text[*order], l->len[*order], &e), 0);
	world_write(w, name, b.data, b.len);
}

static void assert_bad(struct world *w, const char *file, uint64_t line, const char *why)
{
	struct journal_verdict v = {0};

	assert_int_equal(world_verify(w, &v), -1);
	assert_string_equal(v.bad_file, file);
	assert_int_equal(v.bad_line, line);
	if (!strstr(v.why, why))
		fail_msg("\"%s\" does not say \"%s\"", v.why, why);
}

static void removed_moved_and_repeated_records_are_found(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, M1);
	static const struct {
		int order[8];
		uint64_t line;
		const char *why;
	} cases[] = {
		{{0, 2, 3, -1}, 2, "does not follow"}, /* first record gone */
		{{0, 1, 3, -1}, 3, "does not follow"}, /* one from the middle */
		{{0, 1, 3, 2, -1}, 3, "does not follow"}, /* two changed places */
		{{0, 2, 1, 3, -1}, 2, "does not follow"},
		{{0, 1, 2, 2, 3, -1}, 4, "does not come after"}, /* one twice */
		{{1, 2, 3, -1}, 1, "header"}, /* no header */
		{{0, 0, 1, 2, 3, -1}, 2, "header"}, /* header twice */
	};

	(void)state;
	assert_int_equal(l.count, 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		join(&w, M1, &l, cases[i].order);
		assert_bad(&w, "m-00000001.jsonl", cases[i].line, cases[i].why);
	}
	join(&w, M1, &l, (const int[]){0, 1, 2, 3, -1});
	assert_verifies(&w);
	buf_free(&l.file);
}

static void missing_end_is_found_with_the_head_that_state_keeps(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct journal *j = world_open(&w);
	struct lines l = split(&w, M1);

	(void)state;
	world_remember(&w, j);
	journal_close(j);
	assert_verifies(&w);
	join(&w, M1, &l, (const int[]){0, 1, 2, -1});
	assert_bad(&w, "journal", 0, "is not there");
	/* Without state the chain alone cannot know: that is what level L0 does not show. */
	w.config.expected_seq = 0;
	assert_verifies(&w);
	buf_free(&l.file);
}

static void whole_journal_gone_is_found(void **state)
{
	AUTO_WORLD struct world w = world_make();

	(void)state;
	assert_verifies(&w);
	w.config.expected_seq = 3;
	assert_bad(&w, "journal", 0, "folder is gone");
}

/* An older head that state still keeps is a lower bound, but must be this very record. */
static void older_head_is_a_lower_bound(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	world_remember(&w, j);
	add(j, JOURNAL_COMMIT, 2);
	add(j, JOURNAL_POLL, 3);
	journal_close(j);
	assert_verifies(&w);
	journal_close(world_open(&w));
	assert_int_equal(world_events(&w, JOURNAL_TRUNCATED), 0);
	w.config.expected_head[5] ^= 1;
	assert_bad(&w, "m-00000001.jsonl", 3, "another record");
}

/* Rebuilt with right hashes, by somebody who knows the format: only state knows better. */
static void rewritten_record_is_found_when_opened(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	world_remember(&w, j);
	journal_close(j);
	assert_int_equal(unlinkat(w.config.dir, M1, 0), 0);
	struct world other = w;
	other.config.expected_seq = 0;
	j = world_open(&other);
	add(j, JOURNAL_COMMIT, 1);
	journal_close(j);
	journal_close(world_open(&w));
	w.config.expected_seq = 0;
	assert_int_equal(world_events(&w, JOURNAL_TRUNCATED), 1);
}

/* Four segments of milestones, some details. */
static struct world long_world(void)
{
	struct world w = world_make();
	struct journal *j = world_open(&w);

	for (unsigned i = 1; !world_has(&w, "journal/m-00000004.jsonl"); i++) {
		add(j, JOURNAL_INSTALL, i);
		if (i % 2)
			add(j, JOURNAL_POLL, i);
	}
	world_remember(&w, j);
	journal_close(j);
	return w;
}

static void rename_in(struct world *w, const char *from, const char *to)
{
	assert_int_equal(renameat(w->config.dir, from, w->config.dir, to), 0);
}

static void swapped_and_missing_segments_are_found(void **state)
{
	AUTO_WORLD struct world w = long_world();

	(void)state;
	assert_verifies(&w);
	rename_in(&w, M1, "journal/x");
	rename_in(&w, M2, M1);
	rename_in(&w, "journal/x", M2);
	assert_bad(&w, "m-00000001.jsonl", 1, "is segment 2");
	rename_in(&w, M1, "journal/x");
	rename_in(&w, M2, M1);
	assert_bad(&w, "m-00000003.jsonl", 1, "does not follow");
	rename_in(&w, "journal/x", M2);
	assert_verifies(&w);
	/* The oldest gone: milestones are for life. */
	rename_in(&w, M1, "journal/x");
	assert_bad(&w, "m-00000002.jsonl", 1, "older segments are gone");
	rename_in(&w, "journal/x", M1);
	/* The newest under another number: the chain alone would not notice. */
	AUTO_BUF struct buf newest = world_read(&w, "journal/m-00000004.jsonl");
	rename_in(&w, "journal/m-00000004.jsonl", "journal/m-00000009.jsonl");
	assert_bad(&w, "m-00000009.jsonl", 1, "is segment 4");
	assert_int_equal(unlinkat(w.config.dir, "journal/m-00000009.jsonl", 0), 0);
	assert_bad(&w, "journal", 0, "is not there");
	world_write(&w, "journal/m-00000004.jsonl", newest.data, newest.len);
	assert_verifies(&w);
	/* A segment of the other chain under a name of this one. */
	rename_in(&w, D1, "journal/d");
	AUTO_BUF struct buf m = world_read(&w, M1);
	world_write(&w, D1, m.data, m.len);
	assert_bad(&w, "d-00000001.jsonl", 1, "header of its chain");
}

static void details_that_a_milestone_vouches_for_cannot_go_or_change(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, D1);

	(void)state;
	assert_int_equal(l.count, 3);
	join(&w, D1, &l, (const int[]){0, 1, -1});
	assert_bad(&w, "m-00000001.jsonl", 4, "details up to 4");
	assert_int_equal(unlinkat(w.config.dir, D1, 0), 0);
	assert_bad(&w, "m-00000001.jsonl", 3, "details up to 2");
	buf_free(&l.file);
}

/* A line with right hashes, as a forger would make it. */
static void forge(
	struct world *w, const char *name, const char *text, const uint8_t prev[HASH_SIZE])
{
	AUTO_BUF struct buf old = world_read(w, name);
	AUTO_BUF struct buf b = buf_make(1 << 20);
	char hex[HASH_HEX_SIZE];
	struct err e;

	hash_to_hex(prev, hex);
	assert_int_equal(buf_printf(&b, &e, "%s,\"prev\":\"%s\"", text, hex), 0);
	assert_int_equal(line_seal(&b, &e), 0);
	AUTO_BUF struct buf all = buf_make(1 << 20);
	const uint8_t *end = memchr(old.data, 0, old.len);
	assert_int_equal(buf_add(&all, old.data, end ? (size_t)(end - old.data) : old.len, &e), 0);
	assert_int_equal(buf_add(&all, b.data, b.len, &e), 0);
	world_write(w, name, all.data, all.len);
}

static void forged_details_differ_from_what_the_milestone_names(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, D1);
	struct line first;
	struct err e;

	(void)state;
	assert_int_equal(line_read(l.text[1], l.len[1] - 1, &first, NULL, &e), 0);
	join(&w, D1, &l, (const int[]){0, 1, -1});
	forge(&w, D1,
		"{\"v\":1,\"seq\":4,\"epoch\":1,\"boot\":7,\"mono\":1,\"wall\":1,\"evt\":\"poll.result\"",
		first.hash);
	assert_bad(&w, "m-00000001.jsonl", 4, "details up to 4");
	buf_free(&l.file);
}

static bool says(struct world *w, const char *name, const char *text)
{
	AUTO_BUF struct buf b = world_read(w, name);

	return memmem(b.data, b.len, text, strlen(text)) != NULL;
}

/* The agent, too, notices at its next start, and the forged ones stay as evidence. */
static void forged_details_are_found_when_opened(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, D1);
	struct line first;
	struct err e;

	(void)state;
	assert_int_equal(line_read(l.text[1], l.len[1] - 1, &first, NULL, &e), 0);
	join(&w, D1, &l, (const int[]){0, 1, -1});
	forge(&w, D1, "{\"v\":1,\"seq\":4,\"epoch\":1,\"boot\":7,\"mono\":1,\"wall\":1",
		first.hash);
	journal_close(world_open(&w));
	assert_true(says(&w, M1, "\"evt\":\"journal.truncated\""));
	assert_true(says(&w, M1, "\"data\":{\"chain\":\"details\",\"want\":4,\"last\":4}"));
	assert_bad(&w, "m-00000001.jsonl", 4, "details up to 4");
	buf_free(&l.file);
}

static void numbers_must_rise(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, M1);
	struct line last;
	struct err e;

	(void)state;
	assert_int_equal(line_read(l.text[3], l.len[3] - 1, &last, NULL, &e), 0);
	forge(&w, M1, "{\"v\":1,\"seq\":3,\"epoch\":1,\"boot\":7,\"mono\":1,\"wall\":1", last.hash);
	assert_bad(&w, "m-00000001.jsonl", 5, "does not come after");
	/* A higher epoch begins anew. */
	join(&w, M1, &l, (const int[]){0, 1, 2, 3, -1});
	forge(&w, M1, "{\"v\":1,\"seq\":1,\"epoch\":2,\"boot\":7,\"mono\":1,\"wall\":1", last.hash);
	assert_verifies(&w);
	buf_free(&l.file);
}

/* The difference to the clock's next reading would not fit into 64 bits. */
static void a_time_that_no_clock_shows_is_no_record(void **state)
{
	AUTO_WORLD struct world w = small_world();
	struct lines l = split(&w, M1);
	struct line last;
	struct err e;

	(void)state;
	assert_int_equal(line_read(l.text[3], l.len[3] - 1, &last, NULL, &e), 0);
	forge(&w, M1,
		"{\"v\":1,\"seq\":90,\"epoch\":1,\"boot\":7,\"mono\":1,"
		"\"wall\":-9223372036854775808",
		last.hash);
	assert_bad(&w, "m-00000001.jsonl", 5, "no valid record");
	struct journal *j = world_open(&w);
	add(j, JOURNAL_POLL, 1);
	assert_int_equal(journal_lost(j), 0);
	journal_close(j);
	assert_true(says(&w, M1, "\"evt\":\"journal.recovered\""));
	assert_verifies(&w);
	buf_free(&l.file);
}

static void each_stops_at_the_bad_record(void **state)
{
	AUTO_WORLD struct world w = small_world();
	AUTO_BUF struct buf b = world_read(&w, M1);
	struct count c = {0};
	struct err e = {0};

	(void)state;
	uint8_t *n = memmem(b.data, b.len, "\"evt\":\"install.start\"", 21);
	assert_non_null(n);
	n[8] = 'x';
	world_write(&w, M1, b.data, b.len);
	assert_int_equal(journal_each(&w.config, true, count_one, &c, &e), -1);
	assert_int_equal(e.code, E_JOURNAL);
	assert_non_null(strstr(e.text, "m-00000001.jsonl line 3"));
	assert_int_equal(c.n, 1);
	count_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flipped_byte_of_milestones_is_found_without_state),
		cmocka_unit_test(every_flipped_byte_of_details_is_found),
		cmocka_unit_test(removed_moved_and_repeated_records_are_found),
		cmocka_unit_test(missing_end_is_found_with_the_head_that_state_keeps),
		cmocka_unit_test(whole_journal_gone_is_found),
		cmocka_unit_test(older_head_is_a_lower_bound),
		cmocka_unit_test(rewritten_record_is_found_when_opened),
		cmocka_unit_test(swapped_and_missing_segments_are_found),
		cmocka_unit_test(details_that_a_milestone_vouches_for_cannot_go_or_change),
		cmocka_unit_test(forged_details_differ_from_what_the_milestone_names),
		cmocka_unit_test(forged_details_are_found_when_opened),
		cmocka_unit_test(numbers_must_rise),
		cmocka_unit_test(a_time_that_no_clock_shows_is_no_record),
		cmocka_unit_test(each_stops_at_the_bad_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
