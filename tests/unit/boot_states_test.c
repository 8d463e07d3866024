/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/boot/sim: every state of the environment boots what the rules of
 * docs/boot.md say. The expectation is computed here from the text of the rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libuboot.h>

#include "partitions/boot/boot.h"
#include "partitions/boot/sim.h"
#include "tests/unit/boot_fixture.h"

int __real_libuboot_env_store(struct uboot_ctx *ctx);
int __wrap_libuboot_env_store(struct uboot_ctx *ctx);
int __wrap_fsync(int fd);

/* What is wrong with the environment. */
enum fault {
	FAULT_NONE,
	FAULT_COPY_0, /* its checksum; the state is in copy 1 */
	FAULT_COPY_1,
	FAULT_BOTH,
	FAULT_MISSING, /* the file is not there */
	FAULT_SAVE_FAILS, /* the store reports an error */
	FAULT_SAVE_LOST, /* the store reports success and writes nothing */
	FAULT_COUNT,
};

static enum fault fault_now;

int __wrap_libuboot_env_store(struct uboot_ctx *ctx)
{
	if (fault_now == FAULT_SAVE_FAILS)
		return -5;
	if (fault_now == FAULT_SAVE_LOST)
		return 0;
	return __real_libuboot_env_store(ctx);
}

/* Thousands of boots: the medium need not be waited for. */
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

struct state {
	const char *slot;
	const char *trial;
	const char *tries;
	const char *fallback;
	const char *loads; /* slots that can be loaded */
	enum fault fault;
};

struct expectation {
	char slot;
	bool trial;
	bool saved;
	const char *tries; /* afterwards */
};

static bool names_slot(const char *text)
{
	return strcmp(text, "A") == 0 || strcmp(text, "B") == 0;
}

static struct expectation expect(const struct state *s)
{
	static const char *const one_less[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
	bool lost = s->fault == FAULT_BOTH || s->fault == FAULT_MISSING;
	const char *slot = lost ? "" : s->slot;
	const char *trial = lost ? "" : s->trial;
	struct expectation x = {.tries = s->tries};
	char list[8] = "";

	/* "if pawl_trial is set and pawl_tries > 0: pawl_tries -= 1; save" */
	bool wanted = !lost && names_slot(trial) && s->tries[0] >= '1' && s->tries[0] <= '9' &&
		      s->tries[1] == 0;
	bool can_save = s->fault != FAULT_SAVE_FAILS && s->fault != FAULT_SAVE_LOST;
	/* "if saved and read back: slot := pawl_trial (save fails: boot pawl_slot)" */
	if (wanted && can_save) {
		x.saved = true;
		x.tries = one_less[s->tries[0] - '1'];
		strcat(list, trial);
	}
	/* "slot := pawl_slot, or A when empty"; "try pawl_slot, then pawl_fallback" */
	strcat(list, names_slot(slot) ? slot : "A");
	if (!lost && names_slot(s->fallback))
		strcat(list, s->fallback);
	/* "empty environment: A, then B" */
	if (!names_slot(slot))
		strcat(list, "B");
	for (size_t i = 0; list[i] && !x.slot; i++) {
		if (strchr(s->loads, list[i])) {
			x.slot = list[i];
			x.trial = x.saved && i == 0;
		}
	}
	return x;
}

static bool loads(void *ctx, char slot)
{
	return strchr(ctx, slot) != NULL;
}

static const char *root_of(void *ctx, char slot)
{
	(void)ctx;
	return slot == 'A' ? "/dev/a" : "/dev/b";
}

static void set_up(const struct fixture *f, const struct state *s)
{
	char vars[512];

	snprintf(vars, sizeof(vars),
		"bootcmd=run pawl\npawl_fallback=%s\npawl_id=" FIXTURE_ID
		"\npawl_slot=%s\npawl_trial=%s\npawl_tries=%s\n",
		s->fallback, s->slot, s->trial, s->tries);
	/* The older copy says something else, which must not count. */
	fixture_write_copy(f, 0, 7, s->fault == FAULT_COPY_0 ? "x=y\n" : vars);
	fixture_write_copy(
		f, 1, 6, s->fault == FAULT_COPY_0 ? vars : "pawl_slot=B\npawl_fallback=A\n");
	if (s->fault == FAULT_COPY_0 || s->fault == FAULT_BOTH)
		fixture_spoil_copy(f, 0);
	if (s->fault == FAULT_COPY_1 || s->fault == FAULT_BOTH)
		fixture_spoil_copy(f, 1);
	if (s->fault == FAULT_MISSING)
		unlink(f->copy[0]);
	fault_now = s->fault;
}

static void expect_cmdline(const struct fixture *f, const struct state *s, char slot)
{
	bool lost = s->fault == FAULT_BOTH || s->fault == FAULT_MISSING;
	char path[128];
	char got[512] = "";
	char want[512];

	snprintf(path, sizeof(path), "%s/proc/cmdline", f->dir);
	if (slot == 0) {
		assert_int_equal(access(path, F_OK), -1);
		return;
	}
	fixture_read(path, got, sizeof(got) - 1);
	snprintf(want, sizeof(want), "root=/dev/%c rootwait ro panic=5 pawl.slot=%c%s\n",
		slot == 'A' ? 'a' : 'b', slot, lost ? "" : " pawl.id=" FIXTURE_ID);
	assert_string_equal(got, want);
}

static void check_state(struct fixture *f, const struct state *s)
{
	struct sim_slots slots = {
		.ctx = (void *)(uintptr_t)s->loads, .loads = loads, .root_of = root_of};
	struct expectation x = expect(s);
	struct sim_outcome got = {.slot = '?'};
	struct err e = {0};
	uint8_t before[2][0x400];
	uint8_t after[2][0x400];

	set_up(f, s);
	for (int i = s->fault == FAULT_MISSING; i < 2; i++)
		fixture_read(f->copy[i], before[i], sizeof(before[i]));
	int rc = sim_boot(&f->options, &slots, &got, &e);
	bool lost = s->fault == FAULT_BOTH || s->fault == FAULT_MISSING;
	if (got.slot != x.slot || got.trial != x.trial || got.env_saved != x.saved ||
		rc != (lost ? -1 : 0))
		fail_msg(
			"slot=%s trial=%s tries=%s fallback=%s loads=%s fault=%d: booted %c trial=%d "
			"saved=%d rc=%d (%s), expected %c trial=%d saved=%d",
			s->slot, s->trial, s->tries, s->fallback, s->loads, s->fault,
			got.slot ? got.slot : '-', got.trial, got.env_saved, rc, e.text,
			x.slot ? x.slot : '-', x.trial, x.saved);
	if (lost)
		assert_int_equal(e.code, E_BOOTENV);
	expect_cmdline(f, s, x.slot);
	if (x.saved) {
		fixture_expect(f, "pawl_tries", x.tries);
		fixture_expect(f, "pawl_slot", s->slot);
		fixture_expect(f, "pawl_trial", s->trial);
		fixture_expect(f, "pawl_fallback", s->fallback);
		fixture_expect(f, "pawl_id", FIXTURE_ID);
		fixture_expect(f, "bootcmd", "run pawl");
		return;
	}
	/* "The environment is written only while a trial runs." */
	for (int i = s->fault == FAULT_MISSING; i < 2; i++) {
		fixture_read(f->copy[i], after[i], sizeof(after[i]));
		assert_memory_equal(before[i], after[i], sizeof(after[i]));
	}
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void every_state_boots_what_the_rules_say(void **state)
{
	static const char *const slots[] = {"", "A", "B", "C"};
	static const char *const trials[] = {"", "A", "B", "AB"};
	static const char *const tries[] = {"", "0", "1", "3", "9", "a", "10"};
	static const char *const fallbacks[] = {"", "A", "B", "x"};
	static const char *const loadable[] = {"", "A", "B", "AB"};
	struct fixture f;
	size_t checked = 0;

	(void)state;
	fixture_make(&f, 0x400);
	for (size_t i = 0; i < COUNT(slots) * COUNT(trials) * COUNT(tries) * COUNT(fallbacks);
		i++) {
		for (size_t k = 0; k < COUNT(loadable) * FAULT_COUNT; k++) {
			const struct state s = {
				.slot = slots[i % COUNT(slots)],
				.trial = trials[i / COUNT(slots) % COUNT(trials)],
				.tries = tries[i / (COUNT(slots) * COUNT(trials)) % COUNT(tries)],
				.fallback = fallbacks[i / (COUNT(slots) * COUNT(trials) *
								  COUNT(tries))],
				.loads = loadable[k % COUNT(loadable)],
				.fault = (enum fault)(k / COUNT(loadable)),
			};
			check_state(&f, &s);
			checked++;
		}
	}
	assert_int_equal(checked, 4 * 4 * 7 * 4 * 4 * FAULT_COUNT);
	fixture_remove(&f);
}

static void a_trial_that_is_never_committed_ends_by_itself(void **state)
{
	struct sim_slots slots = {
		.ctx = (void *)(uintptr_t) "AB", .loads = loads, .root_of = root_of};
	struct sim_outcome got;
	struct boot_facts facts;
	struct boot *b = NULL;
	struct fixture f;
	struct err e = {0};

	(void)state;
	fault_now = FAULT_NONE;
	fixture_make(&f, 0x400);
	fixture_write_copy(&f, 0, 1, "pawl_id=" FIXTURE_ID "\npawl_slot=A\n");
	fixture_write_copy(&f, 1, 0, "pawl_slot=A\n");
	assert_int_equal(boot_open(&f.options, &b, &e), 0);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	for (unsigned left = 3; left > 0; left--) {
		assert_int_equal(sim_boot(&f.options, &slots, &got, &e), 0);
		assert_int_equal(got.slot, 'B');
		assert_true(got.trial);
		assert_int_equal(boot_read(b, &facts, &e), 0);
		assert_int_equal(facts.booted, 'B');
		assert_int_equal(facts.committed, 'A');
		assert_int_equal(facts.tries, left - 1);
	}
	for (int again = 0; again < 2; again++) {
		assert_int_equal(sim_boot(&f.options, &slots, &got, &e), 0);
		assert_int_equal(got.slot, 'A');
		assert_false(got.trial);
		assert_false(got.env_saved);
	}
	boot_close(b);
	fixture_remove(&f);
}

static void a_restart_is_asked_for_and_a_boot_answers_it(void **state)
{
	struct sim_slots slots = {
		.ctx = (void *)(uintptr_t) "A", .loads = loads, .root_of = root_of};
	struct sim_outcome got;
	struct boot *b = NULL;
	struct fixture f;
	struct err e = {0};
	char asked[128];
	char id_path[128];
	char first[64] = "";
	char second[64] = "";

	(void)state;
	fault_now = FAULT_NONE;
	fixture_make(&f, 0x400);
	snprintf(asked, sizeof(asked), "%s/run/pawl-reboot", f.dir);
	snprintf(id_path, sizeof(id_path), "%s/proc/sys/kernel/random/boot_id", f.dir);
	fixture_write_copy(&f, 0, 1, "pawl_slot=A\n");
	fixture_write_copy(&f, 1, 0, "pawl_slot=A\n");
	assert_int_equal(boot_open(&f.options, &b, &e), 0);
	assert_int_equal(boot_reboot(b, &e), 0);
	assert_int_equal(access(asked, F_OK), 0);
	assert_int_equal(sim_boot(&f.options, &slots, &got, &e), 0);
	assert_int_equal(access(asked, F_OK), -1);
	assert_int_equal(fixture_read(id_path, first, sizeof(first) - 1), 37);
	assert_int_equal(sim_boot(&f.options, &slots, &got, &e), 0);
	fixture_read(id_path, second, sizeof(second) - 1);
	assert_string_not_equal(first, second);
	boot_close(b);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_boots_what_the_rules_say),
		cmocka_unit_test(a_trial_that_is_never_committed_ends_by_itself),
		cmocka_unit_test(a_restart_is_asked_for_and_a_boot_answers_it),
	};

	return cmocka_run_group_tests_name("boot_states", tests, NULL, NULL);
}
