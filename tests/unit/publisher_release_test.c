/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/release: what a maker says becomes a manifest that the agent reads the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "publisher/backstop.h"
#include "publisher/release.h"
#include "tests/unit/publisher_tree.h"

#define NOW INT64_C(1767225600) /* 2026-01-01T00:00:00Z */

static char work[64];

static int set_up(void **state)
{
	(void)state;
	tree_make(work);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_remove(work);
	return 0;
}

static const char *file(const char *name, const char *text)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", work, name);
	tree_write(path, text, strlen(text));
	return path;
}

static void give(struct release_settings *s, enum release_option option, const char *value)
{
	struct err e = {0};

	if (release_settings_add(s, option, value, true, &e) < 0)
		fail_msg("%s", e.text);
}

/* The least that makes a release. */
static void give_minimum(struct release_settings *s)
{
	give(s, RELEASE_VERSION, "2.1.0");
	give(s, RELEASE_COMPATIBLE, "board-1");
	give(s, RELEASE_CLASS, "functional");
}

static struct plan_image an_image(void)
{
	struct plan_image i = {.name = "rootfs",
		.format = PLAN_EXT4,
		.size = 8192,
		.leaf_alg = HASH_SHA512_256,
		.encoding = PLAN_ZLIB,
		.leaves = {.length = 32},
		.full = {.length = 77},
		.pieces = {.length = 56}};

	memset(i.leaves.sha256, 1, HASH_SIZE);
	memset(i.full.sha256, 2, HASH_SIZE);
	memset(i.pieces.sha256, 3, HASH_SIZE);
	return i;
}

static struct release_identity an_identity(void)
{
	return (struct release_identity){
		.product = "demo", .release = 7, .epoch = 2, .issued = NOW};
}

static int make(const struct release_settings *s, struct manifest **m, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);
	struct release_identity id = an_identity();
	struct plan_image image = an_image();

	return release_manifest(s, &id, &image, 1, &text, m, e);
}

static struct manifest *made(const struct release_settings *s)
{
	struct manifest *m = NULL;
	struct err e = {0};

	if (make(s, &m, &e) < 0)
		fail_msg("%s", e.text);
	return m;
}

static void refuses(const struct release_settings *s, const char *word)
{
	struct manifest *m = NULL;
	struct err e = {0};

	assert_int_equal(make(s, &m, &e), -1);
	assert_null(m);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not name %s", e.text, word);
}

static void everything_given_comes_back_from_the_agents_parser(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_MANIFEST struct manifest *m = NULL;

	(void)state;
	give(&s, RELEASE_VERSION, "2.1.0");
	give(&s, RELEASE_CHANNEL, "beta, stable");
	give(&s, RELEASE_COMPATIBLE, "board-1");
	give(&s, RELEASE_COMPATIBLE, "board-2");
	give(&s, RELEASE_MIN_FROM, "3");
	give(&s, RELEASE_CLASS, "mixed");
	give(&s, RELEASE_INSEPARABLE_REASON, "new kernel");
	give(&s, RELEASE_ADVISORY, "DEMO-1");
	give(&s, RELEASE_CVE, "CVE-2026-1,CVE-2026-2");
	give(&s, RELEASE_SBOM, file("bom.json", "abc"));
	give(&s, RELEASE_SUPPORT_END, "2040-06-30");
	give(&s, RELEASE_NOTES, "one\ntwo");
	give(&s, RELEASE_ROLLOUT_START, "2026-02-01");
	give(&s, RELEASE_WAVE, "5@0,25@12h");
	give(&s, RELEASE_WAVE, "100@3d");
	m = made(&s);
	assert_string_equal(m->plan.product, "demo");
	assert_string_equal(m->plan.version, "2.1.0");
	assert_int_equal(m->plan.release, 7);
	assert_int_equal(m->plan.epoch, 2);
	assert_int_equal(m->plan.issued, NOW);
	assert_int_equal(m->min_from, 3);
	assert_int_equal(m->channel_count, 2);
	assert_string_equal(m->channels[0], "beta");
	assert_string_equal(m->channels[1], "stable");
	assert_int_equal(m->compatible_count, 2);
	assert_string_equal(m->compatible[1], "board-2");
	assert_int_equal(m->plan.update_class, PLAN_MIXED);
	assert_string_equal(m->inseparable_reason, "new kernel");
	assert_int_equal(m->advisory_count, 1);
	assert_int_equal(m->cve_count, 2);
	assert_string_equal(m->cves[1], "CVE-2026-2");
	assert_string_equal(m->sbom_uri, "bom.json");
	assert_int_equal(m->plan.sbom[0], 0xba); /* SHA-256 of "abc" */
	assert_int_equal(m->plan.sbom[31], 0xad);
	assert_string_equal(m->notes, "one two");
	/* the end of that day; and as it is later than ten years from now, so is availability */
	assert_int_equal(m->plan.support_end, INT64_C(2224713599));
	assert_int_equal(m->available_until, m->plan.support_end);
	assert_true(m->has_rollout);
	assert_int_equal(m->rollout_start, NOW + 31 * 86400);
	assert_string_equal(m->rollout_salt, "demo-7");
	assert_int_equal(m->wave_count, 3);
	assert_int_equal(m->waves[1].percent, 25);
	assert_int_equal(m->waves[1].seconds, 43200);
	assert_int_equal(m->waves[2].seconds, 259200);
}

static void images_come_back_from_the_agents_parser(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	const struct plan_image want = an_image();

	(void)state;
	give_minimum(&s);
	AUTO_MANIFEST struct manifest *m = made(&s);
	const struct plan_image *got = &m->plan.images[0];
	assert_int_equal(m->plan.image_count, 1);
	assert_string_equal(got->name, want.name);
	assert_int_equal(got->format, want.format);
	assert_int_equal(got->size, want.size);
	assert_int_equal(got->leaf_alg, want.leaf_alg);
	assert_int_equal(got->encoding, want.encoding);
	assert_memory_equal(got->leaves.sha256, want.leaves.sha256, HASH_SIZE);
	assert_memory_equal(got->full.sha256, want.full.sha256, HASH_SIZE);
	assert_memory_equal(got->pieces.sha256, want.pieces.sha256, HASH_SIZE);
	assert_int_equal(got->full.length, 77);
}

static void what_is_not_said_has_sound_defaults(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};

	(void)state;
	give_minimum(&s);
	AUTO_MANIFEST struct manifest *m = made(&s);
	assert_int_equal(m->channel_count, 1);
	assert_string_equal(m->channels[0], "stable");
	assert_int_equal(m->min_from, 0);
	assert_false(m->has_rollout);
	assert_int_equal(m->plan.support_end, 0);
	/* ten years on, on the same day: 2036-01-01 */
	assert_int_equal(m->available_until, INT64_C(2082758400));
}

static void hardware_is_that_of_the_release_before(void **state)
{
	AUTO_SETTINGS struct release_settings before = {0};
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);
	AUTO_MANIFEST struct manifest *m = NULL;
	struct release_identity id = an_identity();
	struct plan_image image = an_image();
	struct err e = {0};

	(void)state;
	give_minimum(&before);
	AUTO_MANIFEST struct manifest *newest = made(&before);
	give(&s, RELEASE_VERSION, "3");
	give(&s, RELEASE_CLASS, "functional");
	refuses(&s, "--compatible");
	id.newest = newest;
	assert_int_equal(release_manifest(&s, &id, &image, 1, &text, &m, &e), 0);
	assert_int_equal(m->compatible_count, 1);
	assert_string_equal(m->compatible[0], "board-1");
}

static void what_is_missing_or_wrong_is_named(void **state)
{
	static const struct {
		enum release_option option;
		const char *value;
		const char *word;
	} bad[] = {
		{RELEASE_CLASS, "mixed", "inseparable_reason"},
		{RELEASE_CLASS, "secure", "class"},
		{RELEASE_MIN_FROM, "7", "--min-from"},
		{RELEASE_MIN_FROM, "-1", "--min-from"},
		{RELEASE_CHANNEL, "Stable", "channels"},
		{RELEASE_CHANNEL, "../x", "channels"},
		{RELEASE_SUPPORT_END, "2030-02-30", "--support-end"},
		{RELEASE_SUPPORT_END, "soon", "--support-end"},
		{RELEASE_SBOM, "/nonexistent/bom", "--sbom"},
		{RELEASE_SBOM, "https://x/bom#sha256=12", "--sbom"},
		{RELEASE_SBOM_URI, "https://x/bom", "--sbom"},
		{RELEASE_SALT, "x", "--wave"},
		{RELEASE_WAVE, "101@0", "--wave"},
		{RELEASE_WAVE, "50@1w", "--wave"},
		{RELEASE_WAVE, "50", "--wave"},
		{RELEASE_WAVE, "50@0,20@1d", "wave"},
		{RELEASE_VERSION, "\xff", "version"},
		{RELEASE_VERSION, "1\x1b[31m", "version"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_SETTINGS struct release_settings s = {0};
		give_minimum(&s);
		give(&s, bad[i].option, bad[i].value);
		refuses(&s, bad[i].word);
	}
	AUTO_SETTINGS struct release_settings none = {0};
	refuses(&none, "--version");
}

static void a_document_elsewhere_is_named_with_its_hash(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	char value[128];

	(void)state;
	give_minimum(&s);
	snprintf(value, sizeof(value), "https://x/bom#sha256=%064d", 7);
	give(&s, RELEASE_SBOM, value);
	AUTO_MANIFEST struct manifest *m = made(&s);
	assert_string_equal(m->sbom_uri, "https://x/bom");
	assert_int_equal(m->plan.sbom[31], 7);
}

static void the_same_settings_give_the_same_bytes(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	struct buf text[2] = {buf_make(MANIFEST_MAX), buf_make(MANIFEST_MAX)};

	(void)state;
	give_minimum(&s);
	for (size_t i = 0; i < 2; i++) {
		AUTO_MANIFEST struct manifest *m = NULL;
		struct release_identity id = an_identity();
		struct plan_image image = an_image();
		struct err e = {0};
		assert_int_equal(release_manifest(&s, &id, &image, 1, &text[i], &m, &e), 0);
	}
	assert_int_equal(text[0].len, text[1].len);
	assert_memory_equal(text[0].data, text[1].data, text[0].len);
	buf_free(&text[0]);
	buf_free(&text[1]);
}

/* --- the file and the command line ------------------------------------------ */

static void the_command_line_wins_over_the_file(void **state)
{
	static const char ini[] = "[release]\nversion = 1\nchannel = a\nchannel = b, c\n"
				  "class = security ; a comment\nnotes = from the file\n";
	char path[128];
	char *argv[] = {
		(char *)"--version", (char *)"2", (char *)"--file", path, (char *)"--channel=x"};
	AUTO_SETTINGS struct release_settings s = {0};
	struct err e = {0};

	(void)state;
	snprintf(path, sizeof(path), "%s", file("release.ini", ini));
	assert_int_equal(release_settings_read_words(&s, release_options, 5, argv, &e), 0);
	assert_string_equal(release_setting(&s, RELEASE_VERSION), "2");
	assert_int_equal(s.value[RELEASE_CHANNEL].count, 1);
	assert_string_equal(s.value[RELEASE_CHANNEL].text[0], "x");
	assert_string_equal(release_setting(&s, RELEASE_CLASS), "security");
	assert_string_equal(release_setting(&s, RELEASE_NOTES), "from the file");
}

static void lists_of_a_file_grow(void **state)
{
	static const char ini[] = "[release]\nchannel = a\nchannel = b, c\nimage = rootfs=/x,y\n";
	AUTO_SETTINGS struct release_settings s = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(release_settings_read_file(&s, file("lists.ini", ini), &e), 0);
	assert_int_equal(s.value[RELEASE_CHANNEL].count, 3);
	assert_string_equal(s.value[RELEASE_CHANNEL].text[2], "c");
	assert_int_equal(s.value[RELEASE_IMAGE].count, 1);
	assert_string_equal(s.value[RELEASE_IMAGE].text[0], "rootfs=/x,y");
}

static void wrong_lines_of_a_file_are_named(void **state)
{
	char longline[400];
	const struct {
		const char *text;
		const char *word;
	} bad[] = {
		{"[release]\nversion = 1\nverison = 2\n", "line 3"},
		{"[release]\nfile = x\n", "line 2"},
		{"[images]\nversion = 1\n", "[images]"},
		{"version = 1\n", "line 1"},
		{"[release]\nversion = 1\nversion = 2\n", "line 3"},
		{"[release]\nversion =\n", "line 2"},
		{"[release]\nnonsense\n", "line 2"},
		{longline, "line 2"},
	};

	(void)state;
	memset(longline, 'x', sizeof(longline));
	memcpy(longline, "[release]\nnotes = ", 18);
	longline[sizeof(longline) - 1] = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_SETTINGS struct release_settings s = {0};
		struct err e = {0};
		assert_int_equal(
			release_settings_read_file(&s, file("bad.ini", bad[i].text), &e), -1);
		if (!strstr(e.text, bad[i].word) || !strstr(e.text, "bad.ini"))
			fail_msg("\"%s\" does not name %s", e.text, bad[i].word);
	}
}

static void every_option_of_adopt_is_one_of_release(void **state)
{
	(void)state;
	for (size_t i = 0; adopt_options[i].name; i++)
		assert_int_not_equal(
			release_option_find(adopt_options[i].name), RELEASE_OPTION_COUNT);
	assert_int_equal(release_option_find("--nothing"), RELEASE_OPTION_COUNT);
	assert_null(release_options[RELEASE_OPTION_COUNT].name);
}

static void images_are_split_from_their_option(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	struct image_request r[PLAN_IMAGES_MAX];
	size_t count = 0;
	struct err e = {0};

	(void)state;
	give(&s, RELEASE_IMAGE, "rootfs=/a/b=c:erofs");
	give(&s, RELEASE_IMAGE, "boot=/a:b");
	give(&s, RELEASE_ENCODING, "zlib");
	give(&s, RELEASE_LEVEL, "5");
	give(&s, RELEASE_THREADS, "3");
	assert_int_equal(release_images(&s, r, &count, &e), 0);
	assert_int_equal(count, 2);
	assert_string_equal(r[0].name, "rootfs");
	assert_string_equal(r[0].path, "/a/b=c");
	assert_false(r[0].detect);
	assert_int_equal(r[0].format, PLAN_EROFS);
	assert_string_equal(r[1].path, "/a:b");
	assert_true(r[1].detect);
	assert_int_equal(r[1].encoding, PLAN_ZLIB);
	assert_int_equal(r[1].level, 5);
	assert_int_equal(r[1].threads, 3);
}

static void wrong_images_are_refused(void **state)
{
	static const char *const bad[] = {"rootfs", "rootfs=", "=x", "Root=x", "../x=y"};
	struct image_request r[PLAN_IMAGES_MAX];
	size_t count = 0;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_SETTINGS struct release_settings s = {0};
		give(&s, RELEASE_IMAGE, bad[i]);
		assert_int_equal(release_images(&s, r, &count, &e), -1);
		assert_int_equal(e.code, E_USAGE);
	}
	AUTO_SETTINGS struct release_settings none = {0};
	assert_int_equal(release_images(&none, r, &count, &e), -1);
	AUTO_SETTINGS struct release_settings level = {0};
	give(&level, RELEASE_IMAGE, "a=b");
	give(&level, RELEASE_ENCODING, "none");
	give(&level, RELEASE_LEVEL, "3");
	assert_int_equal(release_images(&level, r, &count, &e), -1);
	assert_non_null(strstr(e.text, "level"));
}

/* --- what the law wants to be said ------------------------------------------- */

static void collect(void *ctx, const char *text)
{
	struct buf *b = ctx;
	struct err e = {0};

	buf_add_text(b, text, &e);
	buf_add_text(b, "\n", &e);
}

static int lint(const struct release_settings *s, struct buf *warnings, struct err *e)
{
	const struct release_watcher w = {.ctx = warnings, .warn = collect};
	AUTO_MANIFEST struct manifest *m = made(s);

	return release_lint(m, &w, e);
}

static void a_complete_release_has_no_warning(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf warnings = buf_make(4096);
	struct err e = {0};

	(void)state;
	give_minimum(&s);
	give(&s, RELEASE_CLASS, "security");
	give(&s, RELEASE_ADVISORY, "DEMO-1");
	give(&s, RELEASE_SUPPORT_END, "2031-12-31");
	give(&s, RELEASE_SBOM, file("bom.json", "x"));
	give(&s, RELEASE_WAVE, "100@1d");
	assert_int_equal(lint(&s, &warnings, &e), 0);
	assert_string_equal(buf_text(&warnings), "");
}

static void what_is_missing_is_warned_of(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf warnings = buf_make(4096);
	struct err e = {0};

	(void)state;
	give_minimum(&s);
	give(&s, RELEASE_CLASS, "security");
	give(&s, RELEASE_WAVE, "50@1d");
	give(&s, RELEASE_INSEPARABLE_REASON, "why");
	give(&s, RELEASE_AVAILABLE_UNTIL, "2030-01-01");
	assert_int_equal(lint(&s, &warnings, &e), 0);
	static const char *const words[] = {"--advisory", "--support-end", "--sbom", "below 100",
		"class mixed only", "--available-until"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strstr(buf_text(&warnings), words[i]))
			fail_msg("no warning of %s", words[i]);
	}
}

static void a_functional_release_that_fixes_flaws_is_warned_of(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf warnings = buf_make(4096);
	struct err e = {0};

	(void)state;
	give_minimum(&s);
	give(&s, RELEASE_CVE, "CVE-2026-1");
	assert_int_equal(lint(&s, &warnings, &e), 0);
	assert_non_null(strstr(buf_text(&warnings), "class functional"));
}

static void support_that_is_over_is_an_error(void **state)
{
	AUTO_SETTINGS struct release_settings s = {0};
	AUTO_BUF struct buf warnings = buf_make(4096);
	struct err e = {0};

	(void)state;
	give_minimum(&s);
	give(&s, RELEASE_SUPPORT_END, "2025-12-31");
	assert_int_equal(lint(&s, &warnings, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_non_null(strstr(e.text, "--support-end"));
}

static void a_backstop_has_the_documented_form(void **state)
{
	const struct backstop b = {
		.product = "demo", .release = 7, .epoch = 1, .root_version = 2, .build_time = NOW};
	AUTO_BUF struct buf text = buf_make(1024);
	struct err e = {0};

	(void)state;
	assert_int_equal(backstop_write(&b, &text, &e), 0);
	assert_string_equal(buf_text(&text),
		"{\"schema\": 1, \"product\": \"demo\", \"release\": 7, \"epoch\": 1, "
		"\"root_version\": 2,\n \"build_time\": \"2026-01-01T00:00:00Z\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_given_comes_back_from_the_agents_parser),
		cmocka_unit_test(images_come_back_from_the_agents_parser),
		cmocka_unit_test(what_is_not_said_has_sound_defaults),
		cmocka_unit_test(hardware_is_that_of_the_release_before),
		cmocka_unit_test(what_is_missing_or_wrong_is_named),
		cmocka_unit_test(a_document_elsewhere_is_named_with_its_hash),
		cmocka_unit_test(the_same_settings_give_the_same_bytes),
		cmocka_unit_test(the_command_line_wins_over_the_file),
		cmocka_unit_test(lists_of_a_file_grow),
		cmocka_unit_test(wrong_lines_of_a_file_are_named),
		cmocka_unit_test(every_option_of_adopt_is_one_of_release),
		cmocka_unit_test(images_are_split_from_their_option),
		cmocka_unit_test(wrong_images_are_refused),
		cmocka_unit_test(a_complete_release_has_no_warning),
		cmocka_unit_test(what_is_missing_is_warned_of),
		cmocka_unit_test(a_functional_release_that_fixes_flaws_is_warned_of),
		cmocka_unit_test(support_that_is_over_is_an_error),
		cmocka_unit_test(a_backstop_has_the_documented_form),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
