/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/boot: fw_env.config and the kernel command line are read strictly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "partitions/boot/cmdline.h"
#include "partitions/boot/env_config.h"
#include "partitions/boot/env_media.h"
#include "tests/unit/boot_fixture.h"

#define OTHER_ID "ffeeddccbbaa99887766554433221100"

static void fw_env_config_is_read_as_libubootenv_reads_it(void **state)
{
	struct env_config c;
	struct fixture f;
	struct err e = {0};

	(void)state;
	fixture_make(&f, 0x400);
	fixture_write_text(f.config, "# comment\n\n"
				     "/dev/mmcblk0   -0x8000\t0x4000\n"
				     "/dev/mmcblk0 1048576 4000 0x200 8\r\n");
	assert_int_equal(env_config_read(f.config, &c, &e), 0);
	assert_int_equal(c.count, 2);
	assert_string_equal(c.place[0].device, "/dev/mmcblk0");
	assert_int_equal(c.place[0].offset, -0x8000);
	assert_int_equal(c.place[0].size, 0x4000);
	assert_int_equal(c.place[1].offset, 1048576);
	/* Sizes are hexadecimal even without 0x, offsets are not. */
	assert_int_equal(c.place[1].size, 0x4000);
	fixture_write_text(f.config, "/dev/x 0 0x4000");
	assert_int_equal(env_config_read(f.config, &c, &e), 0);
	assert_int_equal(c.count, 1);
	fixture_remove(&f);
}

static void fw_env_config_that_is_not_understood_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *names; /* what the message must name */
	} bad[] = {
		{"", "no copy"},
		{"# only\n", "no copy"},
		{"/dev/a 0\n", "line 1"},
		{"/dev/a 0 0x4000\n/dev/b\n", "line 2"},
		{"/dev/a 0 0x4000\n/dev/b 0 0x4000\n/dev/c 0 0x4000\n", "line 3"},
		{"/dev/a 0 0x4000\n/dev/b 0 0x8000\n", "differ in size"},
		{"/dev/a 0 0\n", "size"},
		{"/dev/a 0 0xff\n", "size"},
		{"/dev/a 0 0x400001\n", "size"},
		{"/dev/a 0 ffffffffffffffffff\n", "size"},
		{"/dev/a 0 -4000\n", "size"},
		{"/dev/a 0 16K\n", "size"},
		{"/dev/a x 0x4000\n", "offset"},
		{"/dev/a 99999999999999999999 0x4000\n", "offset"},
		{"mtd0 0 0x4000\n", "device"},
		{"/dev/a 0 0x4000 0x200 1 more\n", "line 1"},
		{"/dev/a 0 0x4000 zz\n", "zz"},
		{" # indented\n", "line 1"},
	};
	struct fixture f;
	char long_name[400];

	(void)state;
	fixture_make(&f, 0x400);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct env_config c = {.count = 7};
		struct err e = {0};
		fixture_write_text(f.config, bad[i].text);
		if (env_config_read(f.config, &c, &e) == 0)
			fail_msg("accepted: %s", bad[i].text);
		assert_int_equal(e.code, E_CONFIG);
		assert_int_equal(c.count, 7);
		if (!strstr(e.text, bad[i].names))
			fail_msg("\"%s\" does not name \"%s\"", e.text, bad[i].names);
	}
	struct env_config c;
	struct err e = {0};
	memset(long_name, '/', 300);
	snprintf(long_name + 300, sizeof(long_name) - 300, " 0 0x4000\n");
	fixture_write_text(f.config, long_name);
	assert_int_equal(env_config_read(f.config, &c, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	fixture_write(f.config, "/dev/a\0 0 0x4000\n", 17);
	assert_int_equal(env_config_read(f.config, &c, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	unlink(f.config);
	assert_int_equal(env_config_read(f.config, &c, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	fixture_remove(&f);
}

static void media_that_are_missing_or_short_are_named(void **state)
{
	struct env_media m;
	struct fixture f;
	struct env_config c;
	struct err e = {0};

	(void)state;
	fixture_make(&f, 0x400);
	assert_int_equal(env_config_read(f.config, &c, &e), 0);
	fixture_write(f.copy[1], "short", 5);
	assert_int_equal(env_media_open(&c, &m, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "env1"));
	unlink(f.copy[0]);
	assert_int_equal(env_media_open(&c, &m, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "env0"));
	/* From the end of a file: libubootenv knows that for block devices only. */
	fixture_write(f.copy[0], "x", 1);
	c.place[0].offset = -1;
	assert_int_equal(env_media_open(&c, &m, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	fixture_remove(&f);
}

static void the_checksum_is_the_one_of_zlib(void **state)
{
	(void)state;
	/* The check value of CRC-32/ISO-HDLC. */
	assert_int_equal(env_crc32((const uint8_t *)"123456789", 9), 0xcbf43926u);
	assert_int_equal(env_crc32((const uint8_t *)"", 0), 0);
}

/* Slot, identity and root of a command line that must be accepted. */
static void expect_line(
	const struct fixture *f, const char *line, char slot, const char *id, const char *root)
{
	struct cmdline c;
	struct err e = {0};

	fixture_write_cmdline(f, line);
	if (cmdline_read(f->dir, &c, &e) < 0)
		fail_msg("%s: %s", line, e.text);
	assert_int_equal(c.slot, slot);
	assert_string_equal(c.id, id);
	assert_string_equal(c.root, root);
}

static void the_command_line_says_slot_identity_and_root(void **state)
{
	struct fixture f;

	(void)state;
	fixture_make(&f, 0x400);
	expect_line(&f, "quiet root=/dev/b rw pawl.slot=B pawl.id=" FIXTURE_ID " panic=5\n", 'B',
		FIXTURE_ID, "/dev/b");
	expect_line(&f, "", 0, "", "");
	expect_line(&f, "quiet\n", 0, "", "");
	expect_line(&f, "root=/dev/x root=/dev/a", 0, "", "/dev/a");
	expect_line(&f, "x=\"quoted pawl.slot=B\" pawl.slot=A", 'A', "", "");
	expect_line(&f, "xpawl.slot=B pawl.slots=C pawl.slot=A pawl.slot=A", 'A', "", "");
	fixture_remove(&f);
}

static void a_command_line_that_contradicts_itself_is_refused(void **state)
{
	static const char *const bad[] = {"pawl.slot=C", "pawl.slot=", "pawl.slot=AB",
		"pawl.slot=A quiet pawl.slot=B", "pawl.id=xyz",
		"pawl.id=" FIXTURE_ID " pawl.id=" OTHER_ID, "pawl.id=" FIXTURE_ID "0"};
	struct fixture f;

	(void)state;
	fixture_make(&f, 0x400);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cmdline c;
		struct err e = {0};
		fixture_write_cmdline(&f, bad[i]);
		if (cmdline_read(f.dir, &c, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(e.text, "kernel command line"));
	}
	struct cmdline c;
	struct err e = {0};
	assert_int_equal(cmdline_read("/nonexistent", &c, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fw_env_config_is_read_as_libubootenv_reads_it),
		cmocka_unit_test(fw_env_config_that_is_not_understood_is_refused),
		cmocka_unit_test(media_that_are_missing_or_short_are_named),
		cmocka_unit_test(the_checksum_is_the_one_of_zlib),
		cmocka_unit_test(the_command_line_says_slot_identity_and_root),
		cmocka_unit_test(a_command_line_that_contradicts_itself_is_refused),
	};

	return cmocka_run_group_tests_name("boot_input", tests, NULL, NULL);
}
