/* SPDX-License-Identifier: Apache-2.0 */
/* agent/journal: what a record holds, what it may not hold, and who sees it. */
#include "tests/unit/journal_world.h"

#include <time.h>

#include "agent/base/process.h"

/* Seconds by which the wall clock is wrong. */
static long wall_offset;

time_t __wrap_time(time_t *t);
time_t __real_time(time_t *t);

time_t __wrap_time(time_t *t)
{
	time_t now = __real_time(NULL) + wall_offset;

	if (t)
		*t = now;
	return now;
}

static void hash_text(const char *text, size_t len, char hex[HASH_HEX_SIZE])
{
	uint8_t digest[HASH_SIZE];
	struct err e;

	assert_int_equal(hash_bytes(HASH_SHA256, text, len, digest, &e), 0);
	hash_to_hex(digest, hex);
}

/* Does what docs/journal.md tells an auditor to do, on the bytes of the file. */
static void lines_are_sealed_and_chained_as_documented(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);
	char prev[HASH_HEX_SIZE];
	char hex[HASH_HEX_SIZE];
	unsigned n = 0;

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	add(j, JOURNAL_COMMIT, 2);
	uint64_t seq;
	uint8_t head[HASH_SIZE];
	journal_head(j, &seq, head);
	journal_close(j);
	memset(prev, '0', sizeof(prev) - 1);
	prev[64] = 0;
	AUTO_BUF struct buf b = world_read(&w, M1);
	for (char *line = (char *)b.data, *end; (end = strchr(line, '\n')); line = end + 1) {
		size_t len = (size_t)(end - line);
		char want[HASH_HEX_SIZE + 16];
		hash_text(line, len - 72, hex);
		snprintf(want, sizeof(want), ",\"h\":\"%s\"}", hex);
		assert_memory_equal(line + len - 72, want, 72);
		snprintf(want, sizeof(want), "\"%s\"", prev);
		*end = 0;
		assert_non_null(strstr(line, want));
		hash_text(line, len, prev);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(seq, 3);
	hash_to_hex(head, hex);
	assert_string_equal(hex, prev);
}

static void record_has_every_field(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);
	JSON_AUTO json_t *data =
		json_pack("{s:i, s:b, s:s}", "release", 7, "hand", 1, "why", "x-1");
	struct journal_record r = {.event = JOURNAL_REFUSED,
		.outcome = JOURNAL_FAIL,
		.rc = E_SIG,
		.actor = JOURNAL_SERVER,
		.txn = 12,
		.data = data};
	static const char *const fields[] = {"v", "seq", "epoch", "boot", "mono", "wall", "clk",
		"dev", "prod", "ag", "cat", "evt", "txn", "out", "rc", "act", "prev", "dseq",
		"data", "h"};
	size_t i = 0;
	const char *key;
	json_t *value;

	(void)state;
	journal_add(j, &r);
	journal_close(j);
	AUTO_COUNT struct count c = world_count(&w, JOURNAL_REFUSED);
	json_object_foreach (c.last, key, value)
		assert_string_equal(key, fields[i++]);
	assert_int_equal(i, sizeof(fields) / sizeof(fields[0]));
	assert_int_equal(json_integer_value(json_object_get(c.last, "boot")), 7);
	assert_int_equal(json_integer_value(json_object_get(c.last, "txn")), 12);
	assert_string_equal(json_string_value(json_object_get(c.last, "clk")), "free");
	assert_string_equal(json_string_value(json_object_get(c.last, "prod")), "demo");
	assert_string_equal(json_string_value(json_object_get(c.last, "cat")), "trust");
	assert_string_equal(json_string_value(json_object_get(c.last, "out")), "fail");
	assert_string_equal(json_string_value(json_object_get(c.last, "rc")), "E_SIG");
	assert_string_equal(json_string_value(json_object_get(c.last, "act")), "server");
	assert_true(json_equal(json_object_get(c.last, "data"), data));
}

static void details_and_milestones_share_one_count(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		add(j, JOURNAL_POLL, i);
		add(j, JOURNAL_INSTALL, i);
	}
	journal_close(j);
	/* count_one asserts that numbers rise over both chains */
	AUTO_COUNT struct count c = world_count(&w, JOURNAL_EVENT_COUNT);
	assert_int_equal(c.all, 11);
	assert_int_equal(c.seq, 11);
}

static void private_data_is_left_out(void **state)
{
	static const char *const bad[] = {"10.0.0.1", "fe80::1", "/data/x", "https://a", "Name",
		"two words", "a@b", "\xc3\xa4", "",
		"0123456789012345678901234567890123456789012345678901234567890123456789"};
	static const char *const good[] = {"a", "10-network.relative", "e_sig", "2.1.0",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		JSON_AUTO json_t *data = json_pack("{s:s, s:i}", "word", bad[i], "n", (int)i);
		struct journal_record r = {.event = JOURNAL_OFFER, .data = data};
		journal_add(j, &r);
		AUTO_COUNT struct count c = world_count(&w, JOURNAL_OFFER);
		const json_t *kept = json_object_get(c.last, "data");
		assert_null(json_object_get(kept, "word"));
		assert_int_equal(json_integer_value(json_object_get(kept, "n")), i);
		assert_int_equal(json_integer_value(json_object_get(kept, "dropped")), 1);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		JSON_AUTO json_t *data = json_pack("{s:s}", "word", good[i]);
		struct journal_record r = {.event = JOURNAL_OFFER, .data = data};
		journal_add(j, &r);
		AUTO_COUNT struct count c = world_count(&w, JOURNAL_OFFER);
		assert_true(json_equal(json_object_get(c.last, "data"), data));
	}
	JSON_AUTO json_t *odd = json_pack("{s:{s:i}, s:[i], s:n, s:f, s:i}", "object", "a", 1,
		"array", 1, "null", "real", 1.5, "Key", 1);
	struct journal_record r = {.event = JOURNAL_OFFER, .data = odd};
	journal_add(j, &r);
	journal_close(j);
	assert_int_equal(world_number(&w, JOURNAL_OFFER, "dropped"), 5);
	AUTO_COUNT struct count c = world_count(&w, JOURNAL_OFFER);
	assert_int_equal(json_object_size(json_object_get(c.last, "data")), 1);
}

static void record_is_never_longer_than_its_limit(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);
	JSON_AUTO json_t *data = json_object();

	(void)state;
	/* Grows over the limit: the event stays, its data goes. */
	for (int i = 0; i < 40; i++) {
		char key[16];
		snprintf(key, sizeof(key), "key_%d", i);
		json_object_set_new(data, key, json_integer(INT64_MAX));
		struct journal_record r = {.event = JOURNAL_OFFER, .data = data};
		journal_add(j, &r);
	}
	assert_int_equal(journal_lost(j), 0);
	journal_close(j);
	assert_int_equal(world_events(&w, JOURNAL_OFFER), 40);
	assert_int_equal(world_number(&w, JOURNAL_OFFER, "oversize"), 1);
	assert_verifies(&w);
}

static void names_from_outside_cannot_break_a_line(void **state)
{
	AUTO_WORLD struct world w = world_make();

	(void)state;
	w.config.product = "x\",\"seq\":\"";
	strcpy(w.config.device, "A B");
	struct journal *j = world_open(&w);
	add(j, JOURNAL_INSTALL, 1);
	journal_close(j);
	AUTO_COUNT struct count c = world_count(&w, JOURNAL_INSTALL);
	assert_string_equal(json_string_value(json_object_get(c.last, "prod")), "");
	assert_string_equal(json_string_value(json_object_get(c.last, "dev")), "");
}

static void clock_jumps_are_recorded_and_order_stays(void **state)
{
	const long years = 20L * 365 * 86400;
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	add(j, JOURNAL_INSTALL, 1);
	assert_int_equal(world_events(&w, JOURNAL_CLOCK), 0);
	wall_offset = years;
	add(j, JOURNAL_INSTALL, 2);
	assert_in_range(world_number(&w, JOURNAL_CLOCK, "seconds"), years - 5, years + 5);
	wall_offset = -years;
	add(j, JOURNAL_INSTALL, 3);
	add(j, JOURNAL_INSTALL, 4);
	journal_close(j);
	assert_int_equal(world_events(&w, JOURNAL_CLOCK), 2);
	int64_t back = world_number(&w, JOURNAL_CLOCK, "seconds");
	assert_true(back > -2 * years - 5 && back < -2 * years + 5);
	/* A later boot whose clock is behind the last record. */
	w.config.boot++;
	wall_offset -= 3600;
	j = world_open(&w);
	add(j, JOURNAL_BOOTED, 5);
	journal_close(j);
	assert_int_equal(world_events(&w, JOURNAL_CLOCK), 3);
	/* One whose clock is ahead was just switched off for a while. */
	w.config.boot++;
	wall_offset += 86400;
	j = world_open(&w);
	add(j, JOURNAL_BOOTED, 6);
	journal_close(j);
	assert_int_equal(world_events(&w, JOURNAL_CLOCK), 3);
	wall_offset = 0;
	assert_verifies(&w);
}

static void epoch_never_falls_and_numbers_go_on(void **state)
{
	AUTO_WORLD struct world w = world_make();

	(void)state;
	w.config.epoch = 5;
	struct journal *j = world_open(&w);
	add(j, JOURNAL_INSTALL, 1);
	journal_close(j);
	w.config.epoch = 1;
	j = world_open(&w);
	add(j, JOURNAL_COMMIT, 2);
	journal_close(j);
	assert_verifies(&w);
	AUTO_COUNT struct count c = world_count(&w, JOURNAL_COMMIT);
	assert_int_equal(json_integer_value(json_object_get(c.last, "epoch")), 5);
	assert_int_equal(json_integer_value(json_object_get(c.last, "seq")), 3);
}

static void ring_of_details_is_bounded_and_milestones_stay(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	for (unsigned i = 1; i <= 120; i++) {
		add(j, JOURNAL_POLL, i);
		if (i % 10 == 0)
			add(j, JOURNAL_COMMIT, i);
	}
	journal_close(j);
	assert_verifies(&w);
	assert_false(world_has(&w, D1));
	assert_true(world_has(&w, M1));
	assert_int_equal(world_events(&w, JOURNAL_COMMIT), 12);
	unsigned details = world_events(&w, JOURNAL_POLL);
	assert_in_range(details, 20, 36);
	assert_int_equal(world_number(&w, JOURNAL_POLL, "n"), 120);
	unsigned segments = 0;
	for (unsigned i = 1; i < 60; i++) {
		char name[64];
		snprintf(name, sizeof(name), "journal/d-%08u.jsonl", i);
		segments += world_has(&w, name);
	}
	assert_int_equal(segments, 4);
	/* Goes on after a restart. */
	j = world_open(&w);
	add(j, JOURNAL_POLL, 121);
	add(j, JOURNAL_COMMIT, 121);
	journal_close(j);
	assert_verifies(&w);
	assert_int_equal(world_events(&w, JOURNAL_TRUNCATED), 0);
	assert_int_equal(world_events(&w, JOURNAL_RECOVERED), 0);
}

static void finished_segments_are_plain_lines(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);

	(void)state;
	for (unsigned i = 1; i <= 8; i++)
		add(j, JOURNAL_COMMIT, i);
	journal_close(j);
	assert_true(world_has(&w, M2));
	AUTO_BUF struct buf b = world_read(&w, M1);
	assert_null(memchr(b.data, 0, b.len));
	assert_int_equal(b.data[b.len - 1], '\n');
	/* The newest keeps the room that was set aside. */
	AUTO_BUF struct buf newest = world_read(&w, M2);
	assert_int_equal(newest.len, 4096);
}

static uint8_t world_sum(const struct world *w, const char *name, struct stat *st)
{
	AUTO_BUF struct buf b = world_read(w, name);
	uint8_t sum = 0;

	assert_int_equal(fstatat(w->config.dir, name, st, 0), 0);
	for (size_t i = 0; i < b.len; i++)
		sum = (uint8_t)(sum * 31 + b.data[i]);
	return sum;
}

static void read_only_changes_nothing_and_gives_the_head(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = NULL;
	struct stat a;
	struct stat b;
	struct err e;
	uint64_t seq;
	uint8_t head[HASH_SIZE];

	(void)state;
	w.config.read_only = true;
	assert_int_equal(journal_open(&w.config, &j, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_false(world_has(&w, "journal"));
	w.config.read_only = false;
	j = world_open(&w);
	add(j, JOURNAL_INSTALL, 1);
	world_remember(&w, j);
	journal_close(j);
	AUTO_BUF struct buf torn = world_read(&w, M1);
	memcpy(strchr((char *)torn.data, 0), "{\"half", 6);
	world_write(&w, M1, torn.data, torn.len);
	uint8_t before = world_sum(&w, M1, &a);
	w.config.read_only = true;
	assert_int_equal(journal_open(&w.config, &j, &e), 0);
	journal_head(j, &seq, head);
	assert_int_equal(seq, w.config.expected_seq);
	assert_memory_equal(head, w.config.expected_head, HASH_SIZE);
	add(j, JOURNAL_COMMIT, 1);
	assert_int_equal(journal_lost(j), 1);
	journal_close(j);
	assert_int_equal(world_sum(&w, M1, &b), before);
	assert_int_equal(a.st_size, b.st_size);
	assert_memory_equal(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim));
}

static void second_writer_counts_and_leaves_the_first_alone(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *first = world_open(&w);
	struct journal *second = world_open(&w);

	(void)state;
	add(second, JOURNAL_COMMIT, 9);
	assert_int_equal(journal_lost(second), 1);
	journal_close(second);
	add(first, JOURNAL_INSTALL, 1);
	assert_int_equal(journal_lost(first), 0);
	journal_close(first);
	assert_int_equal(world_events(&w, JOURNAL_COMMIT), 0);
	assert_int_equal(world_events(&w, JOURNAL_INSTALL), 1);
}

static void no_journal_at_all_is_no_fault(void **state)
{
	uint64_t seq = 9;
	uint8_t head[HASH_SIZE];

	(void)state;
	add(NULL, JOURNAL_COMMIT, 1);
	journal_head(NULL, &seq, head);
	assert_int_equal(seq, 0);
	assert_int_equal(journal_lost(NULL), 0);
	journal_close(NULL);
}

static void every_event_is_in_the_documentation(void **state)
{
	AUTO_BUF struct buf doc = buf_make(1 << 20);

	(void)state;
	world_read_source(__FILE__, "docs/journal.md", &doc);
	for (int i = 0; i < JOURNAL_EVENT_COUNT; i++) {
		enum journal_event ev = (enum journal_event)i;
		char row[256];
		snprintf(row, sizeof(row), "| `%s` | ", journal_event_name(ev));
		if (!strstr(buf_text(&doc), row) ||
			!strstr(buf_text(&doc), journal_event_meaning(ev)))
			fail_msg("docs/journal.md lacks: %s %s", row, journal_event_meaning(ev));
	}
}

/* Runs the recipe of docs/journal.md, as it stands there, in the folder of the journal. */
static struct buf run_recipe(const struct world *w)
{
	AUTO_BUF struct buf doc = buf_make(1 << 20);
	struct buf out = buf_make(1 << 20);
	struct process_result res;
	char script[4096];
	struct err e = {0};

	world_read_source(__FILE__, "docs/journal.md", &doc);
	const char *start = strstr(buf_text(&doc), "```sh\n");
	assert_non_null(start);
	const char *end = strstr(start + 6, "```");
	snprintf(script, sizeof(script), "cd %s/journal\n%.*s", w->path, (int)(end - start - 6),
		start + 6);
	const char *argv[] = {"sh", "-c", script, NULL};
	const char *env[] = {"PATH=/usr/bin:/bin", NULL};
	struct process_request req = {
		.path = "/bin/sh", .argv = argv, .env = env, .timeout_seconds = 60};
	assert_int_equal(process_run(&req, &out, &out, &res, &e), 0);
	assert_int_equal(res.exit_status, 0);
	return out;
}

static void recipe_of_the_documentation_verifies(void **state)
{
	AUTO_WORLD struct world w = world_make();
	struct journal *j = world_open(&w);
	char last[HASH_HEX_SIZE];

	(void)state;
	if (access("/usr/bin/jq", X_OK) < 0)
		skip();
	for (unsigned i = 1; i <= 8; i++)
		add(j, JOURNAL_COMMIT, i);
	world_remember(&w, j);
	journal_close(j);
	assert_true(world_has(&w, M2));
	AUTO_BUF struct buf good = run_recipe(&w);
	assert_null(strstr(buf_text(&good), "changed"));
	assert_null(strstr(buf_text(&good), "follow"));
	hash_to_hex(w.config.expected_head, last);
	assert_non_null(strstr(buf_text(&good), last));
	AUTO_BUF struct buf b = world_read(&w, M1);
	uint8_t *n = memmem(b.data, b.len, "\"txn\":1", 7);
	n[6] = '9';
	world_write(&w, M1, b.data, b.len);
	AUTO_BUF struct buf bad = run_recipe(&w);
	assert_non_null(strstr(buf_text(&bad), "changed: "));
	assert_non_null(strstr(buf_text(&bad), "does not follow: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_sealed_and_chained_as_documented),
		cmocka_unit_test(record_has_every_field),
		cmocka_unit_test(details_and_milestones_share_one_count),
		cmocka_unit_test(private_data_is_left_out),
		cmocka_unit_test(record_is_never_longer_than_its_limit),
		cmocka_unit_test(names_from_outside_cannot_break_a_line),
		cmocka_unit_test(clock_jumps_are_recorded_and_order_stays),
		cmocka_unit_test(epoch_never_falls_and_numbers_go_on),
		cmocka_unit_test(ring_of_details_is_bounded_and_milestones_stay),
		cmocka_unit_test(finished_segments_are_plain_lines),
		cmocka_unit_test(read_only_changes_nothing_and_gives_the_head),
		cmocka_unit_test(second_writer_counts_and_leaves_the_first_alone),
		cmocka_unit_test(no_journal_at_all_is_no_fault),
		cmocka_unit_test(every_event_is_in_the_documentation),
		cmocka_unit_test(recipe_of_the_documentation_verifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
