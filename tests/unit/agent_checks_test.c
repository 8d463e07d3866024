/* SPDX-License-Identifier: Apache-2.0 */
/* agent: checks that stand behind others, so that no command reaches them; roots on block devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "agent/agent.h"
#include "agent/running.h"
#include "agent/txn.h"

static struct session s;
static struct running d;
static struct manifest m;
static struct offer o;
static struct err e;

static int reset(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	memset(&m, 0, sizeof(m));
	s.data = -1;
	s.lock = -1;
	snprintf(s.config.root, sizeof(s.config.root), "/");
	snprintf(s.config.file, sizeof(s.config.file), "pawl.conf");
	snprintf(s.config.loader, sizeof(s.config.loader), "uboot");
	snprintf(s.config.root_mount, sizeof(s.config.root_mount), "/fake/root");
	for (int i = 0; i < 2; i++) {
		struct config_slot *slot = &s.config.slots[i];
		slot->count = 1;
		snprintf(slot->parts[0].image, sizeof(slot->parts[0].image), "rootfs");
		snprintf(
			slot->parts[0].path, sizeof(slot->parts[0].path), "/fake/part-%c", 'a' + i);
	}
	m.plan.image_count = 1;
	m.plan.release = 2;
	snprintf(m.plan.images[0].name, sizeof(m.plan.images[0].name), "rootfs");
	m.plan.images[0].size = 4096;
	o = (struct offer){.manifest = &m};
	d = (struct running){.booted = 'A', .committed = 'A', .target = 'B'};
	e = (struct err){0};
	return 0;
}

/* --- a block device for each name; slot A is 253:77, slot B 253:78 ---------------- */

static dev_t root_on;
static mode_t part_mode;

static int fake_stat(const char *path, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/fake/root") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_dev = root_on;
		return 0;
	}
	st->st_mode = part_mode;
	st->st_rdev = makedev(253, strcmp(path, "/fake/part-a") == 0 ? 77 : 78);
	return 0;
}

int __wrap_stat(const char *path, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);

int __wrap_stat(const char *path, struct stat *st)
{
	return fake_stat(path, st);
}

int __wrap_stat64(const char *path, struct stat *st)
{
	return fake_stat(path, st);
}

static int reset_root(void **state)
{
	root_on = makedev(253, 77);
	part_mode = S_IFBLK | 0600;
	return reset(state);
}

static void root_on_the_slots_device_is_accepted(void **state)
{
	(void)state;
	assert_int_equal(running_check_root(&s.config, 'A', &e), 0);
}

static void root_on_the_other_slots_device_is_refused(void **state)
{
	(void)state;
	assert_int_equal(running_check_root(&s.config, 'B', &e), -1);
	assert_int_equal(e.code, E_BOOT);
	assert_non_null(strstr(e.text, "253:77"));
	assert_non_null(strstr(e.text, "/fake/part-b (253:78)"));
}

static void root_on_no_block_device_is_refused(void **state)
{
	(void)state;
	root_on = makedev(0, 42);
	assert_int_equal(running_check_root(&s.config, 'A', &e), -1);
	assert_int_equal(e.code, E_BOOT);
	assert_non_null(strstr(e.text, "root-mount"));
}

static void a_slot_that_is_no_block_device_is_refused(void **state)
{
	(void)state;
	part_mode = S_IFREG | 0600;
	assert_int_equal(running_check_root(&s.config, 'A', &e), -1);
	assert_int_equal(e.code, E_BOOT);
	assert_non_null(strstr(e.text, "not a block device"));
}

/* --- the last look before a step that writes ---------------------------------------- */

static void an_offer_that_policy_holds_back_is_not_installed(void **state)
{
	static const enum policy_verdict other[] = {POLICY_WAIT, POLICY_TELL, POLICY_CURRENT};

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		e = (struct err){0};
		o.answer.verdict = other[i];
		snprintf(o.answer.why, sizeof(o.answer.why), "its turn is later");
		assert_int_equal(agent_install(&s, &d, &o, &e), -1);
		assert_int_equal(e.code, E_POLICY);
		assert_non_null(strstr(e.text, "its turn is later"));
		assert_int_equal(s.state.txn.phase, STATE_TXN_NONE);
	}
}

static void refuse_target(char target, char committed)
{
	e = (struct err){0};
	d.target = target;
	d.committed = committed;
	assert_int_equal(txn_write(&s, &d, &o, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_int_equal(s.state.slots[0].status, STATE_SLOT_UNKNOWN);
	assert_int_equal(s.state.slots[1].status, STATE_SLOT_UNKNOWN);
}

static void neither_the_running_nor_the_committed_slot_is_written(void **state)
{
	(void)state;
	refuse_target('A', 'A');
	refuse_target('B', 'B');
	refuse_target('A', 'B');
	refuse_target(0, 'A');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(root_on_the_slots_device_is_accepted, reset_root),
		cmocka_unit_test_setup(root_on_the_other_slots_device_is_refused, reset_root),
		cmocka_unit_test_setup(root_on_no_block_device_is_refused, reset_root),
		cmocka_unit_test_setup(a_slot_that_is_no_block_device_is_refused, reset_root),
		cmocka_unit_test_setup(an_offer_that_policy_holds_back_is_not_installed, reset),
		cmocka_unit_test_setup(
			neither_the_running_nor_the_committed_slot_is_written, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
