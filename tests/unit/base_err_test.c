/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/err: stable codes, and every one of them in docs/errors.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/file.h"

static void every_code_is_in_the_documentation(void **state)
{
	const char *below = strstr(__FILE__, "tests/unit/");
	AUTO_BUF struct buf doc = buf_make(1 << 20);
	char path[512];
	struct err e;

	(void)state;
	snprintf(path, sizeof(path), "%.*sdocs/errors.md", (int)(below - __FILE__), __FILE__);
	if (file_read(AT_FDCWD, path, &doc, &e) < 0)
		fail_msg("%s", e.text);
	for (int i = 0; i < E_CODE_COUNT; i++) {
		enum err_code code = (enum err_code)i;
		char row[512];
		snprintf(row, sizeof(row), "\n| `%s` | %d | %s | %s |\n", err_name(code),
			err_exit(code), err_meaning(code), err_action(code));
		if (!strstr(buf_text(&doc), row))
			fail_msg("docs/errors.md lacks the row: %s", row);
	}
}

static void codes_are_found_by_name_and_exit_statuses_are_unique(void **state)
{
	bool seen[256] = {false};

	(void)state;
	for (int i = 0; i < E_CODE_COUNT; i++) {
		int status = err_exit((enum err_code)i);
		assert_in_range(status, 0, 125);
		assert_false(seen[status]);
		seen[status] = true;
		assert_int_equal(err_find(err_name((enum err_code)i)), i);
	}
	assert_int_equal(err_find("E_NO_SUCH"), E_CODE_COUNT);
	assert_int_equal(err_exit(E_OK), 0);
}

static void text_from_outside_is_made_printable_and_cut(void **state)
{
	struct err e = {0};
	char text[2000];

	(void)state;
	assert_int_equal(err_set(&e, E_META, "name \"%s\"", "a\x1b[2J\n"), -1);
	assert_int_equal(e.code, E_META);
	assert_null(strchr(e.text, '\x1b'));
	assert_null(strchr(e.text, '\n'));
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	err_set(&e, E_META, "%s", text);
	assert_true(strlen(e.text) < sizeof(e.text));
	assert_string_equal(e.text + strlen(e.text) - 3, "...");
}

static void text_from_outside_cannot_forge_what_a_message_says(void **state)
{
	struct err e = {0};

	(void)state;
	/* U+009B is "ESC [" for a terminal, U+202E writes what follows backwards. */
	err_set(&e, E_META, "role \"%s\"",
		"a\xc2\x9b"
		"2Jb\xe2\x80\xae"
		"c\xc3\xa4");
	assert_string_equal(e.text, "role \"a??2Jb???c\xc3\xa4\"");
}

static void a_long_context_leaves_room_for_the_reason(void **state)
{
	struct err e = {0};
	char url[2000];

	(void)state;
	memset(url, 'x', sizeof(url) - 1);
	url[sizeof(url) - 1] = 0;
	err_set(&e, E_NET, "status 500");
	err_wrap(&e, "%s", url);
	assert_non_null(strstr(e.text, "xxx...: status 500"));
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	err_wrap(&e, "mirror");
	assert_non_null(strstr(e.text, "mirror: xxx"));
	err_sys(&e, E_IO, 2, "cannot open %s", url);
	assert_non_null(strstr(e.text, "xxx...: No such file or directory"));
	/* The reason alone fills the text: the context is still named in front of it. */
	err_set(&e, E_NET, "%s", url);
	err_wrap(&e, "metadata");
	assert_memory_equal(e.text, "metadata: xxx", 13);
	assert_string_equal(e.text + strlen(e.text) - 4, "x...");
}

static void the_systems_reason_is_named(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err_sys(&e, E_IO, 2, "cannot open x"), -1);
	assert_string_equal(e.text, "cannot open x: No such file or directory");
}

static void wrapping_keeps_code_and_errno(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err_sys(&e, E_IO, 2, "cannot open x"), -1);
	assert_int_equal(err_wrap(&e, "state"), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(e.sys, 2);
	assert_memory_equal(e.text, "state: cannot open x: ", 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_is_in_the_documentation),
		cmocka_unit_test(codes_are_found_by_name_and_exit_statuses_are_unique),
		cmocka_unit_test(text_from_outside_is_made_printable_and_cut),
		cmocka_unit_test(text_from_outside_cannot_forge_what_a_message_says),
		cmocka_unit_test(a_long_context_leaves_room_for_the_reason),
		cmocka_unit_test(the_systems_reason_is_named),
		cmocka_unit_test(wrapping_keeps_code_and_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
