/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/boot/tryboot: the whole cycle against a model of the firmware, and
 * a refusal with its reason wherever something does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "agent/base/file.h"
#include "partitions/boot/boot.h"
#include "tests/unit/tryboot_fixture.h"

#define TRIAL_FILE "state/tryboot-trial"

/* Power is cut before or after the write of a sector, or the write of the trial fails. */
static struct {
	bool cut_before;
	bool cut_after;
	bool replace_fails;
	bool remove_fails;
} hook;

int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __real_file_replace(
	int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e);
int __wrap_file_replace(
	int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e);
int __real_file_remove(int dirfd, const char *name, struct err *e);
int __wrap_file_remove(int dirfd, const char *name, struct err *e);

static jmp_buf power;

int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	if (hook.cut_before)
		longjmp(power, 1);
	int rc = __real_file_pwrite_full(fd, data, len, offset, e);
	if (hook.cut_after)
		longjmp(power, 1);
	return rc;
}

int __wrap_file_replace(
	int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e)
{
	if (hook.replace_fails)
		return err_sys(e, E_SPACE, ENOSPC, "cannot make %s", name);
	return __real_file_replace(dirfd, name, data, len, mode, e);
}

int __wrap_file_remove(int dirfd, const char *name, struct err *e)
{
	if (hook.remove_fails)
		return err_sys(e, E_IO, EIO, "cannot remove %s", name);
	return __real_file_remove(dirfd, name, e);
}

static struct boot *open_pi(struct pi *p)
{
	struct boot *b = NULL;
	struct err e = {0};

	if (boot_open(&p->options, &b, &e) < 0)
		fail_msg("%s", e.text);
	return b;
}

static struct boot *begin(struct pi *p)
{
	memset(&hook, 0, sizeof(hook));
	pi_make(p);
	return open_pi(p);
}

static void end(struct pi *p, struct boot *b)
{
	boot_close(b);
	pi_remove(p);
}

static void expect_facts(struct boot *b, char booted, char committed, char trial, unsigned tries)
{
	struct boot_facts f;
	struct err e = {0};

	if (boot_read(b, &f, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(f.booted, booted);
	assert_int_equal(f.committed, committed);
	assert_int_equal(f.trial, trial);
	assert_int_equal(f.tries, tries);
	assert_int_equal(f.fallback, 0);
	assert_false(f.blank);
}

static void a_good_release_is_tried_and_committed(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);
	char before[513];
	char after[513];

	(void)state;
	assert_int_equal(boot_self_test(b, &e), 0);
	expect_facts(b, 'A', 'A', 0, 0);
	pi_sector(&p, before);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	/* The firmware's file is not touched by a trial. */
	pi_sector(&p, after);
	assert_memory_equal(before, after, 512);
	expect_facts(b, 'A', 'A', 'B', 3);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'B');
	expect_facts(b, 'B', 'A', 'B', 2);
	assert_int_equal(boot_commit(b, 'B', 'A', &e), 0);
	expect_facts(b, 'B', 'B', 0, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pi_boot(&p), 'B');
	expect_facts(b, 'B', 'B', 0, 0);
	/* And back again. */
	assert_int_equal(boot_set_trial(b, 'A', 1, &e), 0);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	expect_facts(b, 'A', 'B', 'A', 0);
	assert_int_equal(boot_commit(b, 'A', 0, &e), 0);
	pi_sector(&p, after);
	assert_memory_equal(before, after, 512);
	assert_int_equal(pi_boot(&p), 'A');
	end(&p, b);
}

static void any_other_reboot_leads_back_and_costs_no_try(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	assert_int_equal(boot_set_trial(b, 'B', 2, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	expect_facts(b, 'A', 'A', 'B', 2);
	/* Both tries end in a hang; the watchdog resets. */
	for (unsigned left = 2; left > 0; left--) {
		assert_int_equal(boot_reboot(b, &e), 0);
		expect_facts(b, 'A', 'A', 'B', left - 1);
		assert_int_equal(pi_boot(&p), 'B');
		assert_int_equal(pi_boot(&p), 'A');
		expect_facts(b, 'A', 'A', 'B', left - 1);
	}
	/* Used up: no reboot tries it any more. */
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	assert_int_equal(boot_cancel(b, 0, &e), 0);
	expect_facts(b, 'A', 'A', 0, 0);
	end(&p, b);
}

static void a_failed_trial_goes_back_at_once(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'B');
	assert_int_equal(boot_cancel(b, 0, &e), 0);
	/* What runs is still not committed, and nobody may take it for a fallback. */
	expect_facts(b, 'B', 'A', 'B', 0);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	expect_facts(b, 'A', 'A', 0, 0);
	end(&p, b);
}

/* The data partition is full or dying: the way back needs no try and no file. */
static void the_way_back_needs_no_data_partition(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	hook.replace_fails = true;
	/* In the committed slot a try that cannot be counted is not started. */
	assert_int_equal(boot_reboot(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(pi_boot(&p), 'A');
	hook.replace_fails = false;
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'B');
	hook.replace_fails = hook.remove_fails = true;
	assert_int_equal(boot_cancel(b, 0, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	end(&p, b);
}

static void a_reboot_that_fails_gives_the_try_back(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	pi_write(p.reboot, "#!/bin/sh\nexit 1\n", 17);
	assert_int_equal(boot_reboot(b, &e), -1);
	assert_int_equal(e.code, E_IO);
	expect_facts(b, 'A', 'A', 'B', 3);
	end(&p, b);
}

static void commit_with_cut(struct pi *p, struct boot *b, bool before)
{
	struct err e = {0};

	hook.cut_before = before;
	hook.cut_after = !before;
	if (setjmp(power) == 0) {
		boot_commit(b, 'B', 'A', &e);
		fail_msg("no sector was written: %s", e.text);
	}
	memset(&hook, 0, sizeof(hook));
	(void)p;
}

static void a_power_cut_at_the_commit_leaves_one_of_both(void **state)
{
	struct err e = {0};
	struct pi p;

	(void)state;
	for (int before = 0; before < 2; before++) {
		struct boot *b = begin(&p);
		assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
		assert_int_equal(boot_reboot(b, &e), 0);
		assert_int_equal(pi_boot(&p), 'B');
		commit_with_cut(&p, b, before);
		if (before) {
			/* Not committed: A runs, and B has two tries left. */
			assert_int_equal(pi_boot(&p), 'A');
			expect_facts(b, 'A', 'A', 'B', 2);
			assert_int_equal(boot_reboot(b, &e), 0);
			assert_int_equal(pi_boot(&p), 'B');
			assert_int_equal(boot_commit(b, 'B', 'A', &e), 0);
		}
		/* Committed: what is left of the trial means nothing, now and later. */
		assert_int_equal(pi_boot(&p), 'B');
		expect_facts(b, 'B', 'B', 0, 0);
		assert_int_equal(boot_reboot(b, &e), 0);
		assert_int_equal(pi_boot(&p), 'B');
		assert_int_equal(boot_commit(b, 'A', 0, &e), 0);
		assert_int_equal(pi_boot(&p), 'A');
		expect_facts(b, 'A', 'A', 0, 0);
		end(&p, b);
	}
}

/* Self-test and set-trial refuse, and neither trial nor autoboot.txt is there afterwards. */
static void expect_refused(struct pi *p, struct boot *b, enum err_code code, const char *why)
{
	struct err e = {0};
	char before[513];
	char after[513];
	char path[192];

	pi_sector(p, before);
	assert_int_equal(boot_self_test(b, &e), -1);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(e.code, code);
	pi_path(p, TRIAL_FILE, path);
	assert_int_equal(access(path, F_OK), -1);
	pi_sector(p, after);
	assert_memory_equal(before, after, 512);
}

static void a_firmware_that_is_too_old_is_refused(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	pi_set_tree(&p, "capabilities", 0x7b);
	expect_refused(&p, b, E_BOOTENV, "capabilities 0x7b");
	pi_set_tree(&p, "capabilities", 0x7f);
	assert_int_equal(boot_self_test(b, &e), 0);
	/* The EEPROM's word counts more than its date. */
	pi_set_tree(&p, "build-timestamp", 1600000000);
	assert_int_equal(boot_self_test(b, &e), 0);
	pi_remove_below(&p, "proc/device-tree/chosen/bootloader/capabilities");
	expect_refused(&p, b, E_BOOTENV, "November 2022");
	pi_set_tree(&p, "build-timestamp", 1700000000);
	assert_int_equal(boot_self_test(b, &e), 0);
	pi_write_below(&p, "proc/device-tree/chosen/bootloader/capabilities", "abc", 3);
	expect_refused(&p, b, E_BOOTENV, "3 bytes, 4 are wanted");
	pi_remove_below(&p, "proc/device-tree/chosen/bootloader/capabilities");
	pi_remove_below(&p, "proc/device-tree/chosen/bootloader/tryboot");
	expect_refused(&p, b, E_BOOTENV, "does not know tryboot");
	pi_remove_below(&p, "proc/device-tree/chosen/bootloader/partition");
	struct boot *none = NULL;
	assert_int_equal(boot_open(&p.options, &none, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "no Raspberry Pi"));
	end(&p, b);
}

static void a_kernel_without_the_flag_is_refused(void **state)
{
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	pi_remove_below(&p, "dev/vcio");
	expect_refused(&p, b, E_BOOTENV, "CONFIG_BCM_VCIO");
	end(&p, b);
}

static void a_disk_that_does_not_fit_is_refused(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	pi_set_types(&p, 0xee, 0, 0, 0);
	expect_refused(&p, b, E_BOOTENV, "has a GPT");
	/* A hybrid one, too. */
	pi_set_types(&p, 0x0c, 0x0c, 0x0c, 0xee);
	expect_refused(&p, b, E_BOOTENV, "has a GPT");
	pi_set_types(&p, 0x0c, 0x83, 0x0c, 0x05);
	expect_refused(&p, b, E_BOOTENV, "2 and 3");
	pi_set_types(&p, 0x0c, 0x0c, 0x83, 0x05);
	expect_refused(&p, b, E_BOOTENV, "2 and 3");
	pi_set_types(&p, 0x83, 0x0c, 0x0c, 0x05);
	expect_refused(&p, b, E_BOOTENV, "first FAT partition, 2");
	pi_set_types(&p, 0x0e, 0x0b, 0x06, 0x05);
	assert_int_equal(boot_self_test(b, &e), 0);
	pi_poke(p.disk, "\0", 1, 511);
	expect_refused(&p, b, E_BOOTENV, "no MBR");
	assert_int_equal(truncate(p.disk, 100), 0);
	expect_refused(&p, b, E_BOOTENV, "partition table");
	pi_set_types(&p, 0x0c, 0x0c, 0x0c, 0x05);
	pi_write_below(&p, "sys/devices/mmcblk0/mmcblk0p1/partition", "5\n", 2);
	expect_refused(&p, b, E_BOOTENV, "must be a primary one");
	pi_write_below(&p, "sys/devices/mmcblk0/mmcblk0p1/partition", "12\n", 3);
	expect_refused(&p, b, E_BOOTENV, "must be a primary one");
	pi_remove_below(&p, "sys/devices/mmcblk0/mmcblk0p1/partition");
	expect_refused(&p, b, E_BOOTENV, "a partition?");
	pi_remove_below(&p, "sys/class/block/mmcblk0p1");
	expect_refused(&p, b, E_BOOTENV, "is no partition");
	end(&p, b);
}

static void an_autoboot_that_does_not_fit_is_refused(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	pi_set_text(&p, "boot_partition=2\n[tryboot]\nboot_partition=3\n");
	expect_refused(&p, b, E_BOOTENV, "no tryboot_a_b=1");
	pi_set_text(&p, "tryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=2\n");
	expect_refused(&p, b, E_BOOTENV, "two minds");
	/* Still known what is committed; a commit repairs it. */
	expect_facts(b, 'A', 'A', 0, 0);
	assert_int_equal(boot_commit(b, 'A', 0, &e), 0);
	assert_int_equal(boot_self_test(b, &e), 0);
	pi_set_text(&p, "tryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=4\n");
	expect_refused(&p, b, E_BOOTENV, "two minds");
	pi_set_text(&p, "tryboot_a_b=1\nboot_partition=2\n");
	expect_refused(&p, b, E_BOOTENV, "two minds");
	struct boot_facts f;
	pi_set_text(&p, "tryboot_a_b=1\nboot_partition=4\n[tryboot]\nboot_partition=3\n");
	expect_refused(&p, b, E_BOOTENV, "boots partition 4");
	assert_int_equal(boot_read(b, &f, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	pi_set_text(&p, "tryboot_a_b=1\n[tryboot]\nboot_partition=3\n");
	expect_refused(&p, b, E_BOOTENV, "boots partition 0");
	end(&p, b);
}

static void a_trial_is_not_started_by_a_file_that_changed(void **state)
{
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	pi_set_text(&p, "boot_partition=2\n[tryboot]\nboot_partition=3\n");
	assert_int_equal(boot_reboot(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "tryboot_a_b"));
	expect_facts(b, 'A', 'A', 'B', 3);
	end(&p, b);
}

static void witnesses_that_disagree_are_an_error(void **state)
{
	struct boot_facts f;
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	pi_write_below(&p, "proc/cmdline", "pawl.slot=B\n", 12);
	assert_int_equal(boot_read(b, &f, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "kernel was told pawl.slot=B"));
	/* A kernel that is told nothing contradicts nothing. */
	pi_write_below(&p, "proc/cmdline", "quiet\n", 6);
	expect_facts(b, 'A', 'A', 0, 0);
	pi_set_tree(&p, "partition", 4);
	assert_int_equal(boot_read(b, &f, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "started partition 4"));
	/* Where nothing can be told, a reboot is an ordinary one. */
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(pi_boot(&p), 'A');
	end(&p, b);
}

static void a_trial_file_of_another_form_is_no_trial(void **state)
{
	static const char *const bad[] = {"", "trial=B tries=3", "trial=C tries=3\n",
		"trial=B tries=x\n", "trial=B tries=33\n", "trial=B,tries=3\n", "xrial=B tries=3\n",
		"trial=B tries=3\nx"};
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pi_write_below(&p, TRIAL_FILE, bad[i], strlen(bad[i]));
		expect_facts(b, 'A', 'A', 0, 0);
		assert_int_equal(boot_self_test(b, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(e.text, "remove it"));
	}
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	expect_facts(b, 'A', 'A', 'B', 3);
	/* A trial that the firmware started is one, whatever the file says. */
	pi_write_below(&p, TRIAL_FILE, "x", 1);
	pi_start(&p, 3, true);
	expect_facts(b, 'B', 'A', 'B', 0);
	/* Booted by hand, without the flag: not a trial. */
	pi_start(&p, 3, false);
	expect_facts(b, 'B', 'A', 0, 0);
	end(&p, b);
}

static void a_configuration_that_does_not_fit_is_refused(void **state)
{
	static const unsigned bad[][2] = {{0, 3}, {2, 0}, {2, 2}, {5, 2}, {2, 6}};
	struct err e = {0};
	struct pi p;
	struct boot *b = begin(&p);
	struct boot *none = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p.options.partition[0] = bad[i][0];
		p.options.partition[1] = bad[i][1];
		assert_int_equal(boot_open(&p.options, &none, &e), -1);
		assert_int_equal(e.code, E_CONFIG);
	}
	p.options.partition[0] = 2;
	p.options.partition[1] = 3;
	p.options.autoboot = "";
	assert_int_equal(boot_open(&p.options, &none, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	p.options.autoboot = p.autoboot;
	p.options.state_dir = NULL;
	assert_int_equal(boot_open(&p.options, &none, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	assert_int_equal(boot_set_identity(b, "00112233445566778899aabbccddeeff", &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_settle(b, &e), 0);
	end(&p, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_release_is_tried_and_committed),
		cmocka_unit_test(any_other_reboot_leads_back_and_costs_no_try),
		cmocka_unit_test(a_failed_trial_goes_back_at_once),
		cmocka_unit_test(the_way_back_needs_no_data_partition),
		cmocka_unit_test(a_reboot_that_fails_gives_the_try_back),
		cmocka_unit_test(a_power_cut_at_the_commit_leaves_one_of_both),
		cmocka_unit_test(a_firmware_that_is_too_old_is_refused),
		cmocka_unit_test(a_kernel_without_the_flag_is_refused),
		cmocka_unit_test(a_disk_that_does_not_fit_is_refused),
		cmocka_unit_test(an_autoboot_that_does_not_fit_is_refused),
		cmocka_unit_test(a_trial_is_not_started_by_a_file_that_changed),
		cmocka_unit_test(witnesses_that_disagree_are_an_error),
		cmocka_unit_test(a_trial_file_of_another_form_is_no_trial),
		cmocka_unit_test(a_configuration_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("boot_tryboot", tests, NULL, NULL);
}
