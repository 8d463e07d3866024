/* SPDX-License-Identifier: Apache-2.0 */
/* agent/base/log: lines for people; what comes from outside cannot steer a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/base/log.h"

static char text[4096];

/* What the line writes to standard error. */
static const char *written(const struct log *l, enum log_level level, const char *value)
{
	int ends[2];
	int kept = dup(STDERR_FILENO);

	assert_int_equal(pipe(ends), 0);
	fflush(stderr);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_line(l, level, "event value=%s", value);
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static void has_the_form_of_its_reader(void **state)
{
	struct log l = {.level = LOG_LEVEL_INFO};

	(void)state;
	assert_string_equal(written(&l, LOG_LEVEL_WARN, "1"), "pawl: event value=1\n");
	l.prefix = true;
	assert_string_equal(written(&l, LOG_LEVEL_WARN, "1"), "<4>event value=1\n");
}

static void says_nothing_below_its_level(void **state)
{
	const struct log l = {.level = LOG_LEVEL_WARN};

	(void)state;
	assert_string_equal(written(&l, LOG_LEVEL_INFO, "1"), "");
	assert_string_equal(written(&l, LOG_LEVEL_WARN, "1"), "pawl: event value=1\n");
	assert_string_equal(written(&l, LOG_LEVEL_ERROR, "1"), "pawl: event value=1\n");
	assert_string_equal(written(NULL, LOG_LEVEL_ERROR, "1"), "");
}

static void control_characters_are_escaped(void **state)
{
	const struct log l = {.level = LOG_LEVEL_INFO};

	(void)state;
	assert_string_equal(written(&l, LOG_LEVEL_INFO, "a\x1b[2J\nb\x7f%s"),
		"pawl: event value=a\\x1b[2J\\x0ab\\x7f%s\n");
	assert_string_equal(written(&l, LOG_LEVEL_INFO,
				    "\xc2\x9b"
				    "2J \xe2\x80\xae \xc3\xa4"),
		"pawl: event value=\\xc2\\x9b2J \\xe2\\x80\\xae \xc3\xa4\n");
}

static void a_long_line_is_cut_and_stays_one_line(void **state)
{
	const struct log l = {.level = LOG_LEVEL_INFO};
	char big[3000];

	(void)state;
	memset(big, 1, sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	const char *line = written(&l, LOG_LEVEL_INFO, big);
	assert_true(strlen(line) < 2100);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void under_systemd_lines_have_levels(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	struct log l = log_make(LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	assert_true(l.prefix);
	assert_false(l.syslog);
	assert_int_equal(l.level, LOG_LEVEL_INFO);
}

static void where_nobody_reads_it_goes_to_syslog(void **state)
{
	int kept = dup(STDERR_FILENO);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	unsetenv("JOURNAL_STREAM");
	dup2(null, STDERR_FILENO);
	struct log l = log_make(LOG_LEVEL_INFO);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(null);
	assert_true(l.syslog);
	assert_false(l.prefix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_form_of_its_reader),
		cmocka_unit_test(says_nothing_below_its_level),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(a_long_line_is_cut_and_stays_one_line),
		cmocka_unit_test(under_systemd_lines_have_levels),
		cmocka_unit_test(where_nobody_reads_it_goes_to_syslog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
