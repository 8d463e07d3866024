/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/verb: verbs of one and two words, options, repeated options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/verb.h"

static const struct verb_option options[] = {
	{"--level", "N", "level"},
	{"--force", NULL, "a flag"},
	{"--levels", "N", "begins like another one"},
	{NULL, NULL, NULL},
};

/* Makes argv of up to 8 words that may be changed. */
static int words(char *argv[8], const char *text)
{
	static char store[256];
	int n = 0;

	snprintf(store, sizeof(store), "%s", text);
	for (char *w = strtok(store, " "); w && n < 8; w = strtok(NULL, " "))
		argv[n++] = w;
	return n;
}

static void options_and_words_may_be_mixed(void **state)
{
	const char *values[3];
	char *argv[8];
	int rest = -1;
	struct err e = {0};

	(void)state;
	int argc = words(argv, "a --level 3 b --force --level=4 -- --c");
	assert_int_equal(verb_read_options(options, argc, argv, values, &rest, &e), 0);
	assert_int_equal(rest, 3);
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[1], "b");
	assert_string_equal(argv[2], "--c");
	assert_string_equal(values[0], "4");
	assert_string_equal(values[1], "");
	assert_null(values[2]);
}

static void wrong_options_are_named(void **state)
{
	static const char *const bad[][2] = {
		{"--leve 3", "--leve"}, {"--level", "--level"}, {"--force=1", "--force"}};
	const char *values[3];
	char *argv[8];
	int rest = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct err e = {0};
		int argc = words(argv, bad[i][0]);
		assert_int_equal(verb_read_options(options, argc, argv, values, &rest, &e), -1);
		assert_int_equal(e.code, E_USAGE);
		assert_non_null(strstr(e.text, bad[i][1]));
	}
}

struct seen {
	char text[64];
};

static int note(void *ctx, size_t index, const char *value, struct err *e)
{
	struct seen *s = ctx;
	size_t len = strlen(s->text);

	if (strcmp(value, "stop") == 0)
		return err_set(e, E_USAGE, "stopped");
	snprintf(s->text + len, sizeof(s->text) - len, "%zu=%s;", index, value);
	return 0;
}

static void a_walk_sees_every_occurrence_in_order(void **state)
{
	struct seen seen = {""};
	const struct verb_visitor visitor = {.ctx = &seen, .option = note};
	char *argv[8];
	int rest = -1;
	struct err e = {0};

	(void)state;
	int argc = words(argv, "--level 1 x --levels=2 --force --level 3");
	assert_int_equal(verb_walk_options(options, argc, argv, &visitor, &rest, &e), 0);
	assert_string_equal(seen.text, "0=1;2=2;1=;0=3;");
	assert_int_equal(rest, 1);
	assert_string_equal(argv[0], "x");
}

static void a_visitor_can_refuse(void **state)
{
	struct seen seen = {""};
	const struct verb_visitor visitor = {.ctx = &seen, .option = note};
	char *argv[8];
	int rest = -1;
	struct err e = {0};

	(void)state;
	int argc = words(argv, "--level 1 --level stop --level 3");
	assert_int_equal(verb_walk_options(options, argc, argv, &visitor, &rest, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_string_equal(seen.text, "0=1;");
	assert_int_equal(rest, -1);
}

static void two_words_win_over_one(void **state)
{
	static const struct verb verbs[] = {{.name = "journal", .args = "", .summary = ""},
		{.name = "journal show", .args = "", .summary = ""}, {.name = NULL}};
	const struct verb_program p = {.name = "x", .verbs = verbs};
	char *argv[8];
	int taken = 0;

	(void)state;
	int argc = words(argv, "journal show it");
	assert_ptr_equal(verb_find(&p, argc, argv, &taken), &verbs[1]);
	assert_int_equal(taken, 2);
	argc = words(argv, "journal it");
	assert_ptr_equal(verb_find(&p, argc, argv, &taken), &verbs[0]);
	assert_int_equal(taken, 1);
	argc = words(argv, "journa");
	assert_null(verb_find(&p, argc, argv, &taken));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_may_be_mixed),
		cmocka_unit_test(wrong_options_are_named),
		cmocka_unit_test(a_walk_sees_every_occurrence_in_order),
		cmocka_unit_test(a_visitor_can_refuse),
		cmocka_unit_test(two_words_win_over_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
