/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/boot/autoboot*: what the firmware would do with autoboot.txt is
 * understood or refused, and it changes by one write of one sector.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "agent/base/file.h"
#include "partitions/boot/autoboot.h"
#include "partitions/boot/autoboot_fat.h"
#include "partitions/boot/autoboot_sector.h"
#include "tests/unit/tryboot_fixture.h"

/* What the wrapped functions do next, and what they saw. */
static struct {
	unsigned writes;
	size_t write_len;
	uint64_t write_at;
	unsigned lie_at; /* this read, counted from the first write, gives a wrong byte */
	unsigned reads_since;
	unsigned fail_sync; /* this many fail */
	bool lose_writes;
	bool busy;
} hook;

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_sync(int fd, struct err *e);
int __wrap_file_sync(int fd, struct err *e);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap___open_2(const char *path, int flags);
int __wrap___open64_2(const char *path, int flags);

int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	hook.writes++;
	hook.write_len = len;
	hook.write_at = offset;
	return hook.lose_writes ? 0 : __real_file_pwrite_full(fd, data, len, offset, e);
}

int __wrap_file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	int rc = __real_file_pread_full(fd, data, len, offset, e);

	if (hook.writes > 0 && rc == 0 && ++hook.reads_since == hook.lie_at)
		((uint8_t *)data)[7] ^= 1;
	return rc;
}

int __wrap_file_sync(int fd, struct err *e)
{
	if (hook.fail_sync == 0)
		return __real_file_sync(fd, e);
	hook.fail_sync--;
	return err_sys(e, E_IO, EIO, "flush");
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	if (hook.busy && (flags & O_ACCMODE) == O_RDWR) {
		errno = EBUSY;
		return -1;
	}
	return openat(AT_FDCWD, path, flags, mode);
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	return __wrap_open64(path, flags, mode);
}

/* What open becomes with _FORTIFY_SOURCE. */
int __wrap___open64_2(const char *path, int flags)
{
	return __wrap_open64(path, flags, 0);
}

int __wrap___open_2(const char *path, int flags)
{
	return __wrap_open64(path, flags, 0);
}

static void expect_parse(const char *text, unsigned normal, unsigned trial, bool a_b)
{
	struct autoboot a = {0};
	struct err e = {0};

	if (autoboot_parse(text, strlen(text), &a, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	assert_int_equal(a.normal, normal);
	assert_int_equal(a.trial, trial);
	assert_int_equal(a.a_b, a_b);
	/* The firmware's own rules, written down a second time, agree. */
	assert_int_equal(a.normal, pi_firmware_partition(text, strlen(text), false));
	assert_int_equal(a.trial, pi_firmware_partition(text, strlen(text), true));
}

static void what_the_firmware_would_do_is_understood(void **state)
{
	(void)state;
	expect_parse(PI_AUTOBOOT, 2, 3, true);
	expect_parse("boot_partition=4\n", 4, 4, false);
	expect_parse("boot_partition=1", 1, 1, false);
	expect_parse(
		"[ALL]\r\ntryboot_a_b=1\r\nboot_partition=3\r\n[Tryboot]\r\nboot_partition=2\r\n",
		3, 2, true);
	expect_parse("# boot_partition=9\n\n[all]\nboot_partition=2\ntryboot_a_b=0\n[tryboot]\n"
		     "boot_partition=3\ntryboot_a_b=1\n",
		2, 3, true);
	/* What stands last counts: [all] behind [tryboot] wins over it. */
	expect_parse("[tryboot]\nboot_partition=3\n[all]\nboot_partition=2\n", 2, 2, false);
	expect_parse(
		"[none]\nboot_partition=1\ntryboot_a_b=1\n[all]\nboot_partition=2\n", 2, 2, false);
	expect_parse("[tryboot]\nboot_partition=3\n", 0, 3, false);
	expect_parse("other=x y\nword\nboot_partition=2\n", 2, 2, false);
}

static void what_cannot_be_understood_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{"[pi4]\nboot_partition=2\n", "line 1: section [pi4]"},
		{"[all]\n[board-type=0x11]\n", "line 2: section"},
		{"[all\n", "no ]"},
		{"[\n", "no ]"},
		{"[]\n", "section []"},
		{"boot_partition=0\n", "1 to 4"},
		{"boot_partition=5\n", "1 to 4"},
		{"boot_partition=22\n", "1 to 4"},
		{"boot_partition=\n", "1 to 4"},
		{"boot_partition=x\n", "1 to 4"},
		{"boot_partition=-1\n", "1 to 4"},
		{"boot_partition=02\n", "1 to 4"},
		{"boot_partition= 2\n", "space around ="},
		{"boot_partition =2\n", "space around ="},
		{"Boot_Partition=7\n", "1 to 4"},
		{"boot_partition=2\nboot_partition=3\n",
			"line 2: boot_partition is said twice in [all]"},
		{"boot_partition=2\n[all]\nboot_partition=2\n", "twice"},
		{"[tryboot]\nboot_partition=2\n[all]\n[tryboot]\nboot_partition=2\n", "twice"},
		{"tryboot_a_b=yes\n", "0 or 1"},
		{"tryboot_a_b=11\n", "0 or 1"},
		{"boot_partition=2\n\x01\n", "control character"},
		{"boot_\x1bpartition=2\n", "control character"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct autoboot a = {.normal = 77};
		struct err e = {0};
		if (autoboot_parse(bad[i].text, strlen(bad[i].text), &a, &e) == 0)
			fail_msg("%s was taken", bad[i].text);
		assert_int_equal(e.code, E_BOOTENV);
		if (!strstr(e.text, bad[i].why))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, e.text, bad[i].why);
		assert_int_equal(a.normal, 77);
	}
	/* A NUL ends nothing. */
	struct autoboot a;
	struct err e = {0};
	assert_int_equal(autoboot_parse("[all]\n\0\nboot_partition=2\n", 26, &a, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
}

static void a_text_of_another_size_is_refused(void **state)
{
	char text[AUTOBOOT_MAX + 1];
	struct autoboot a;
	struct err e = {0};

	(void)state;
	memset(text, '#', sizeof(text));
	memcpy(text, "boot_partition=2\n", 17);
	assert_int_equal(autoboot_parse(text, AUTOBOOT_MAX, &a, &e), 0);
	assert_int_equal(a.normal, 2);
	assert_int_equal(autoboot_parse(text, AUTOBOOT_MAX + 1, &a, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(autoboot_parse(text, 0, &a, &e), -1);
}

/* Whatever the bytes are: understood as the firmware does, or refused, within bounds. */
static void random_texts_are_understood_or_refused(void **state)
{
	static const char *const words[] = {"[all]", "[tryboot]", "[none]", "[x]", "\n", "\n", "\r",
		"boot_partition=", "tryboot_a_b=1", "1", "2", "3", "4", "9", "#", " ", "=", "]",
		"\t"};
	uint32_t seed = 1;
	size_t taken = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char text[AUTOBOOT_MAX];
		size_t len = 0;
		seed = seed * 1664525u + 1013904223u;
		for (unsigned left = 1 + (seed >> 28); left > 0; left--) {
			seed = seed * 1664525u + 1013904223u;
			const char *w = words[(seed >> 16) % (sizeof(words) / sizeof(words[0]))];
			memcpy(text + len, w, strlen(w));
			len += strlen(w);
		}
		/* On the heap with its very size, so that a step too far is seen. */
		char *exact = malloc(len);
		struct autoboot a;
		struct err e = {0};
		assert_non_null(exact);
		memcpy(exact, text, len);
		if (autoboot_parse(exact, len, &a, &e) == 0) {
			taken++;
			assert_true(a.normal <= 4 && a.trial <= 4);
			assert_true(a.normal == 0 || exact[a.normal_at] == (char)('0' + a.normal));
			assert_true(a.trial_at == 0 || exact[a.trial_at] == (char)('0' + a.trial));
		} else {
			assert_int_equal(e.code, E_BOOTENV);
		}
		free(exact);
	}
	assert_true(taken > 1000);
}

static void the_file_is_found_in_each_kind_of_fat(void **state)
{
	static const unsigned kinds[] = {12, 16, 32};
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	for (size_t i = 0; i < 3; i++) {
		struct autoboot_text got;
		struct fat_place place;
		struct err e = {0};
		pi_make_fat(p.autoboot, &p.fat, kinds[i], PI_AUTOBOOT, strlen(PI_AUTOBOOT));
		int fd = open(p.autoboot, O_RDONLY);
		if (fat_find_autoboot(fd, &place, &e) < 0)
			fail_msg("FAT%u: %s", kinds[i], e.text);
		close(fd);
		assert_int_equal(place.offset, p.fat.file_sector * 512u);
		assert_int_equal(place.size, strlen(PI_AUTOBOOT));
		assert_int_equal(autoboot_load(p.autoboot, &got, &e), 0);
		assert_int_equal(got.said.normal, 2);
		assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), 0);
		assert_int_equal(autoboot_load(p.autoboot, &got, &e), 0);
		assert_int_equal(got.said.normal, 3);
		assert_int_equal(got.said.trial, 2);
	}
	pi_remove(&p);
}

/* Makes a FAT of a kind, spoils one thing in it, and expects a refusal that says why. */
static void expect_bad_fat(
	struct pi *p, unsigned bits, off_t at, const void *bytes, size_t len, const char *why)
{
	struct autoboot_text got = {.len = 77};
	struct err e = {0};

	pi_make_fat(p->autoboot, &p->fat, bits, PI_AUTOBOOT, strlen(PI_AUTOBOOT));
	pi_poke(p->autoboot, bytes, len, at);
	if (autoboot_load(p->autoboot, &got, &e) == 0)
		fail_msg("FAT%u with other bytes at %ld was taken", bits, (long)at);
	assert_int_equal(e.code, E_BOOTENV);
	if (!strstr(e.text, why))
		fail_msg("FAT%u at %ld: \"%s\" does not say \"%s\"", bits, (long)at, e.text, why);
	assert_int_equal(got.len, 77);
	/* Nor is it written. */
	hook.writes = 0;
	assert_int_equal(autoboot_change(p->autoboot, 3, 2, &e), -1);
	assert_int_equal(hook.writes, 0);
}

static void a_fat_that_lies_is_refused(void **state)
{
	static const char none[] = "no FAT";
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	expect_bad_fat(&p, 12, 510, "\0", 1, none);
	expect_bad_fat(&p, 12, 13, "\0", 1, none);
	expect_bad_fat(&p, 12, 13, "\3", 1, none);
	expect_bad_fat(&p, 12, 14, "\0\0", 2, none);
	expect_bad_fat(&p, 12, 16, "\0", 1, none);
	expect_bad_fat(&p, 12, 16, "\xff", 1, none);
	expect_bad_fat(&p, 12, 17, "\xff\xff", 2, none);
	expect_bad_fat(&p, 12, 17, "\0\0", 2, none);
	expect_bad_fat(&p, 12, 19, "\2\0", 2, none);
	expect_bad_fat(&p, 16, 22, "\1\0", 2, none);
	expect_bad_fat(&p, 32, 36, "\0\0\0\0", 4, none);
	expect_bad_fat(&p, 32, 36, "\xff\xff\xff\xff", 4, none);
	expect_bad_fat(&p, 12, 11, "\0\x10", 2, "sectors of 4096 bytes");
	/* A root folder in a circle, one that leads nowhere, one beyond the end. */
	uint8_t full[512];
	memset(full, 0xe5, sizeof(full));
	off_t folder32 = (32 + 2 * 513) * 512;
	pi_make_fat(p.autoboot, &p.fat, 32, PI_AUTOBOOT, strlen(PI_AUTOBOOT));
	pi_poke(p.autoboot, full, 512, folder32);
	pi_set_entry(p.autoboot, &p.fat, 2, 2);
	struct autoboot_text got;
	struct err e = {0};
	alarm(10); /* Without a limit this would go round for ever. */
	assert_int_equal(autoboot_load(p.autoboot, &got, &e), -1);
	alarm(0);
	assert_non_null(strstr(e.text, "has no end"));
	pi_set_entry(p.autoboot, &p.fat, 2, 1);
	assert_int_equal(autoboot_load(p.autoboot, &got, &e), -1);
	assert_non_null(strstr(e.text, "leads to cluster 1"));
	pi_set_entry(p.autoboot, &p.fat, 2, 0x0ffffff8);
	assert_int_equal(autoboot_load(p.autoboot, &got, &e), -1);
	assert_non_null(strstr(e.text, "no autoboot.txt"));
	expect_bad_fat(&p, 32, 44, "\0\0\0\0", 4, "leads to cluster 0");
	expect_bad_fat(&p, 32, 44, "\xff\xff\xff\x0f", 4, "which is none");
	/* The file's entry. */
	off_t entry = (1 + 2) * 512 + 128;
	expect_bad_fat(&p, 12, entry, "\0", 1, "no autoboot.txt");
	expect_bad_fat(&p, 12, entry, "X", 1, "no autoboot.txt");
	expect_bad_fat(&p, 12, entry + 28, "\0\0\0\0", 4, "0 bytes");
	expect_bad_fat(&p, 12, entry + 28, "\1\2\0\0", 4, "513 bytes");
	expect_bad_fat(&p, 12, entry + 28, "\xff\xff\xff\xff", 4, "bytes");
	expect_bad_fat(&p, 12, entry + 26, "\0\0", 2, "cluster 0, which is none");
	expect_bad_fat(&p, 12, entry + 26, "\1\0", 2, "cluster 1, which is none");
	expect_bad_fat(&p, 12, entry + 26, "\x3e\0", 2, "cluster 62, which is none");
	expect_bad_fat(&p, 12, entry + 26, "\6\0", 2, "fsck.vfat");
	expect_bad_fat(&p, 32, folder32 + 128 + 20, "\xff\xff", 2, "which is none");
	pi_remove(&p);
}

/* Damage of any byte of the first sectors is refused or harmless, and never leads astray. */
static void damage_anywhere_leads_nowhere(void **state)
{
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	for (off_t at = 0; at < 4 * 512; at++) {
		struct fat_place place = {0};
		struct err e = {0};
		uint8_t byte = 0xff;
		uint8_t old;
		pi_peek(p.autoboot, &old, 1, at);
		pi_poke(p.autoboot, &byte, 1, at);
		int fd = open(p.autoboot, O_RDONLY);
		if (fat_find_autoboot(fd, &place, &e) == 0)
			assert_true(
				place.offset % 512 == 0 && place.size >= 1 && place.size <= 512);
		else
			assert_int_equal(e.code, E_BOOTENV);
		close(fd);
		pi_poke(p.autoboot, &old, 1, at);
	}
	/* And a partition that ends too early. */
	for (off_t size = 0; size < p.fat.file_sector * 512 + 512; size += 256) {
		struct autoboot_text got;
		struct err e = {0};
		assert_int_equal(truncate(p.autoboot, size), 0);
		assert_int_equal(autoboot_load(p.autoboot, &got, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		pi_set_text(&p, PI_AUTOBOOT);
	}
	pi_remove(&p);
}

static void a_change_is_one_sector_and_two_digits(void **state)
{
	char before[513];
	char after[513];
	struct err e = {0};
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	pi_sector(&p, before);
	assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), 0);
	assert_int_equal(hook.writes, 1);
	assert_int_equal(hook.write_len, 512);
	assert_int_equal(hook.write_at, p.fat.file_sector * 512u);
	pi_sector(&p, after);
	for (size_t i = 0; i < 512; i++) {
		if (before[i] != after[i])
			assert_true((before[i] == '2' && after[i] == '3') ||
				    (before[i] == '3' && after[i] == '2'));
	}
	assert_int_equal(pi_firmware_partition(after, strlen(PI_AUTOBOOT), false), 3);
	assert_int_equal(pi_firmware_partition(after, strlen(PI_AUTOBOOT), true), 2);
	/* What says it already is not written. */
	assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), 0);
	assert_int_equal(hook.writes, 1);
	/* Two minds are repaired. */
	pi_set_text(&p, "boot_partition=2\n[tryboot]\nboot_partition=2\n");
	assert_int_equal(autoboot_change(p.autoboot, 2, 3, &e), 0);
	pi_sector(&p, after);
	assert_int_equal(pi_firmware_partition(after, 43, true), 3);
	pi_remove(&p);
}

static void a_change_without_a_line_of_its_own_is_refused(void **state)
{
	static const char *const texts[] = {"[all]\nboot_partition=2\n",
		"[tryboot]\nboot_partition=3\n",
		"[tryboot]\nboot_partition=3\n[all]\nboot_partition=2\n"};
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	for (size_t i = 0; i < 3; i++) {
		struct err e = {0};
		pi_set_text(&p, texts[i]);
		assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(e.text, "has no boot_partition in"));
		assert_int_equal(hook.writes, 0);
	}
	pi_remove(&p);
}

static void a_change_that_failed_is_undone(void **state)
{
	char before[513];
	char after[513];
	struct pi p;

	(void)state;
	for (int fault = 0; fault < 3; fault++) {
		struct err e = {0};
		memset(&hook, 0, sizeof(hook));
		pi_make(&p);
		pi_sector(&p, before);
		hook.lie_at = fault == 0 ? 1 : 0;
		hook.fail_sync = fault == 1 ? 1 : fault == 2 ? 2 : 0;
		assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(
			e.text, fault < 2 ? "nothing was changed" : "look at it before a reboot"));
		assert_int_equal(hook.writes, 2);
		pi_sector(&p, after);
		assert_memory_equal(before, after, 512);
		pi_remove(&p);
	}
	/* A medium that takes the write and forgets it. */
	struct err e = {0};
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	hook.lose_writes = true;
	assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "reads back as something else"));
	pi_remove(&p);
}

static void a_mounted_partition_is_not_written(void **state)
{
	struct autoboot_text got;
	struct err e = {0};
	struct pi p;

	(void)state;
	memset(&hook, 0, sizeof(hook));
	pi_make(&p);
	assert_int_equal(autoboot_check_writable(p.autoboot, &e), 0);
	hook.busy = true;
	assert_int_equal(autoboot_check_writable(p.autoboot, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_int_equal(autoboot_change(p.autoboot, 3, 2, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_non_null(strstr(e.text, "is mounted"));
	assert_int_equal(hook.writes, 0);
	/* Reading it is harmless. */
	assert_int_equal(autoboot_load(p.autoboot, &got, &e), 0);
	pi_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_firmware_would_do_is_understood),
		cmocka_unit_test(what_cannot_be_understood_is_refused),
		cmocka_unit_test(a_text_of_another_size_is_refused),
		cmocka_unit_test(random_texts_are_understood_or_refused),
		cmocka_unit_test(the_file_is_found_in_each_kind_of_fat),
		cmocka_unit_test(a_fat_that_lies_is_refused),
		cmocka_unit_test(damage_anywhere_leads_nowhere),
		cmocka_unit_test(a_change_is_one_sector_and_two_digits),
		cmocka_unit_test(a_change_without_a_line_of_its_own_is_refused),
		cmocka_unit_test(a_change_that_failed_is_undone),
		cmocka_unit_test(a_mounted_partition_is_not_written),
	};

	return cmocka_run_group_tests_name("boot_autoboot", tests, NULL, NULL);
}
