/* SPDX-License-Identifier: Apache-2.0 */
/* boot: an environment of which no copy is valid is written anew, and nothing else ever is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "partitions/boot/boot.h"
#include "tests/unit/boot_fixture.h"

#define ENV_SIZE 0x4000
#define ID       "ffeeddccbbaa99887766554433221100"

static struct fixture f;
static struct boot *b;
static struct err e;
static char defaults[128];
static uint8_t before[2][ENV_SIZE];

static void snapshot(uint8_t out[2][ENV_SIZE])
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(fixture_read(f.copy[i], out[i], ENV_SIZE), ENV_SIZE);
}

static int make(void **state)
{
	char path[128];

	(void)state;
	fixture_make(&f, ENV_SIZE);
	snprintf(path, sizeof(path), "%s/etc", f.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(defaults, sizeof(defaults), "%s/etc/u-boot-initial-env", f.dir);
	fixture_write_text(defaults, "bootcmd=run pawl\nbootdelay=0\npawl_slot=A\n");
	assert_int_equal(boot_open(&f.options, &b, &e), 0);
	return 0;
}

static int drop(void **state)
{
	char path[128];

	(void)state;
	boot_close(b);
	unlink(defaults);
	snprintf(path, sizeof(path), "%s/etc", f.dir);
	rmdir(path);
	fixture_remove(&f);
	return 0;
}

/* Refused with this word, and neither copy has changed by a byte. */
static void expect_refusal(char slot, const char *id, const char *word)
{
	static uint8_t after[2][ENV_SIZE];

	snapshot(before);
	e = (struct err){0};
	assert_int_equal(boot_restore(b, slot, id, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	if (!strstr(e.text, word))
		fail_msg("\"%s\" does not say \"%s\"", e.text, word);
	snapshot(after);
	assert_memory_equal(before, after, sizeof(before));
}

static void erased_copies_get_defaults_slot_and_identity(void **state)
{
	struct boot_facts facts;

	(void)state;
	assert_int_equal(boot_restore(b, 'B', ID, &e), 0);
	fixture_expect(&f, "bootcmd", "run pawl");
	fixture_expect(&f, "bootdelay", "0");
	fixture_expect(&f, "pawl_slot", "B");
	fixture_expect(&f, "pawl_id", ID);
	assert_int_equal(boot_read(b, &facts, &e), 0);
	assert_int_equal(facts.copies_bad, 0);
	assert_int_equal(facts.committed, 'B');
	for (int i = 0; i < 2; i++) {
		fixture_spoil_copy(&f, i); /* each copy alone holds all of it */
		fixture_expect(&f, "bootcmd", "run pawl");
		fixture_expect(&f, "pawl_id", ID);
		fixture_spoil_copy(&f, i);
	}
}

static void torn_and_erased_flash_copies_are_written_anew(void **state)
{
	static uint8_t ones[ENV_SIZE];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	fixture_write(f.copy[0], ones, sizeof(ones));
	fixture_write_copy(&f, 1, 7, "bootcmd=old\npawl_slot=A\npawl_id=" FIXTURE_ID "\n");
	fixture_spoil_copy(&f, 1);
	assert_int_equal(boot_restore(b, 'A', ID, &e), 0);
	fixture_expect(&f, "bootcmd", "run pawl");
	fixture_expect(&f, "pawl_id", ID);
}

/* libubootenv does not clear what it writes behind the variables. */
static void what_lies_behind_the_variables_does_not_matter(void **state)
{
	static uint8_t image[ENV_SIZE];

	(void)state;
	fixture_write_copy(&f, 1, 7, "bootcmd=old\npawl_slot=A\n");
	assert_int_equal(fixture_read(f.copy[1], image, ENV_SIZE), ENV_SIZE);
	memset(image + 64, 0xbe, ENV_SIZE - 64);
	fixture_write(f.copy[1], image, ENV_SIZE);
	assert_int_equal(boot_restore(b, 'A', ID, &e), 0);
	fixture_expect(&f, "bootcmd", "run pawl");
}

static void a_valid_copy_is_never_replaced(void **state)
{
	(void)state;
	fixture_write_copy(&f, 1, 7, "bootcmd=mine\npawl_slot=B\n");
	expect_refusal('A', ID, "is valid");
}

/* Wrong offsets: the superblock of a file system, say. */
static void something_else_at_the_offsets_is_not_written_over(void **state)
{
	static uint8_t other[ENV_SIZE];

	(void)state;
	other[ENV_SIZE - 1] = 0x53;
	other[ENV_SIZE - 2] = 0xef;
	fixture_write(f.copy[1], other, sizeof(other));
	expect_refusal('A', ID, "CONFIG_ENV_OFFSET");
	memset(other, 0, sizeof(other));
	memcpy(other, "EFI PART\0\0\1\0", 12); /* a GPT */
	fixture_write(f.copy[1], other, sizeof(other));
	expect_refusal('A', ID, "CONFIG_ENV_OFFSET");
	memset(other, 0, sizeof(other));
	memcpy(other, "\xeb\x3c\x90MSDOS5.0\0\2=\4", 14); /* a FAT */
	fixture_write(f.copy[1], other, sizeof(other));
	expect_refusal('A', ID, "CONFIG_ENV_OFFSET");
	memset(other, 'x', sizeof(other)); /* a text */
	fixture_write(f.copy[1], other, sizeof(other));
	expect_refusal('A', ID, "CONFIG_ENV_OFFSET");
}

static void defaults_without_bootcmd_or_none_at_all_are_refused(void **state)
{
	(void)state;
	fixture_write_text(defaults, "bootdelay=0\n");
	expect_refusal('A', ID, "bootcmd");
	unlink(defaults);
	expect_refusal('A', ID, "u-boot-initial-env");
}

static void slot_and_identity_must_be_some(void **state)
{
	(void)state;
	expect_refusal(0, ID, "slot A or B");
	expect_refusal('A', "", "identity");
	expect_refusal('A', "xyz", "identity");
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(erased_copies_get_defaults_slot_and_identity),
		CASE(torn_and_erased_flash_copies_are_written_anew),
		CASE(what_lies_behind_the_variables_does_not_matter),
		CASE(a_valid_copy_is_never_replaced),
		CASE(something_else_at_the_offsets_is_not_written_over),
		CASE(defaults_without_bootcmd_or_none_at_all_are_refused),
		CASE(slot_and_identity_must_be_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
