/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/boot/env: what belongs together changes in one store, a store that
 * went wrong leaves the old values, and a torn copy leaves a whole one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <libuboot.h>
#include <sys/file.h>
#include <time.h>

#include "partitions/boot/boot.h"
#include "partitions/boot/env.h"
#include "partitions/boot/sim.h"
#include "tests/unit/boot_fixture.h"

#define ENV_SIZE  0x4000
#define OTHERS    "bootcmd=run pawl\nfiller="
#define BASE_VARS "pawl_fallback=B\npawl_id=" FIXTURE_ID "\npawl_slot=A\nserial#=0815\nzzz=last\n"

/* What the wrapped functions do next, and what they saw. */
static struct {
	unsigned stores;
	bool store_fails; /* after writing: -EIO */
	bool store_writes_none; /* ... without writing */
	const char *spoil_after; /* this copy is spoiled after the store, by the medium */
	bool open_says_invalid;
	const struct fixture *meanwhile; /* another program stores into its copy 1 ... */
	unsigned meanwhile_at; /* ... just before the open of this number */
	unsigned fsyncs_to_fail;
	const char *wrong_name; /* this variable reads back as wrong_value after a store */
	const char *wrong_value;
	bool lock_unusable;
	char lock[96]; /* stands for ENV_LOCK_FILE, which another user may have made here */
} hook;

int __real_libuboot_env_store(struct uboot_ctx *ctx);
int __wrap_libuboot_env_store(struct uboot_ctx *ctx);
int __real_libuboot_open(struct uboot_ctx *ctx);
int __wrap_libuboot_open(struct uboot_ctx *ctx);
char *__real_libuboot_get_env(struct uboot_ctx *ctx, const char *name);
char *__wrap_libuboot_get_env(struct uboot_ctx *ctx, const char *name);
int __wrap_fsync(int fd);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);

static void spoil(const char *path)
{
	uint8_t byte = 0;
	int fd = open(path, O_RDWR);

	assert_int_equal(pread(fd, &byte, 1, 20), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
	close(fd);
}

int __wrap_libuboot_env_store(struct uboot_ctx *ctx)
{
	hook.stores++;
	int rc = hook.store_writes_none ? 0 : __real_libuboot_env_store(ctx);
	if (hook.spoil_after)
		spoil(hook.spoil_after);
	return hook.store_fails ? -EIO : rc;
}

int __wrap_libuboot_open(struct uboot_ctx *ctx)
{
	if (hook.meanwhile && --hook.meanwhile_at == 0)
		fixture_write_copy(hook.meanwhile, 1, 3, "other=new\npawl_slot=A\n");
	int rc = __real_libuboot_open(ctx);

	return hook.open_says_invalid ? -ENODATA : rc;
}

char *__wrap_libuboot_get_env(struct uboot_ctx *ctx, const char *name)
{
	if (hook.stores > 0 && hook.wrong_name && strcmp(name, hook.wrong_name) == 0)
		return strdup(hook.wrong_value);
	return __real_libuboot_get_env(ctx, name);
}

int __wrap_fsync(int fd)
{
	(void)fd;
	if (hook.fsyncs_to_fail == 0)
		return 0;
	hook.fsyncs_to_fail--;
	errno = EIO;
	return -1;
}

/* The lock is waited for in many short naps. */
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	(void)wanted;
	(void)left;
	return 0;
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	if (strcmp(path, ENV_LOCK_FILE) == 0) {
		if (!hook.lock_unusable)
			return openat(AT_FDCWD, hook.lock, flags, mode);
		errno = EACCES;
		return -1;
	}
	return openat(AT_FDCWD, path, flags, mode);
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	return __wrap_open64(path, flags, mode);
}

/* Both copies whole, copy 0 in use. Other variables fill several sectors before Pawl's. */
static void begin(struct fixture *f)
{
	char vars[9000];
	char filler[6000];

	memset(&hook, 0, sizeof(hook));
	fixture_make(f, ENV_SIZE);
	snprintf(hook.lock, sizeof(hook.lock), "%s/lock", f->dir);
	memset(filler, 'f', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = 0;
	snprintf(vars, sizeof(vars), OTHERS "%s\n" BASE_VARS, filler);
	fixture_write_copy(f, 0, 2, vars);
	snprintf(vars, sizeof(vars), OTHERS "%s\npawl_slot=A\n", filler);
	fixture_write_copy(f, 1, 1, vars);
}

static struct boot *open_boot(const struct fixture *f, const char *loader)
{
	struct boot_options o = f->options;
	struct boot *b = NULL;
	struct err e = {0};

	o.loader = loader;
	if (boot_open(&o, &b, &e) < 0)
		fail_msg("%s", e.text);
	return b;
}

static void expect_others(const struct fixture *f)
{
	char filler[256];

	fixture_expect(f, "bootcmd", "run pawl");
	fixture_expect(f, "serial#", "0815");
	fixture_expect(f, "zzz", "last");
	fixture_get(f, "filler", filler);
	assert_int_equal(strspn(filler, "f"), 255);
}

static void expect_state(const struct fixture *f, const char *slot, const char *trial,
	const char *tries, const char *fallback)
{
	fixture_expect(f, "pawl_slot", slot);
	fixture_expect(f, "pawl_trial", trial);
	fixture_expect(f, "pawl_tries", tries);
	fixture_expect(f, "pawl_fallback", fallback);
	fixture_expect(f, "pawl_id", FIXTURE_ID);
	expect_others(f);
}

static void each_transition_is_one_store(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "uboot");
	assert_int_equal(boot_self_test(b, &e), 0);
	assert_int_equal(hook.stores, 0);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	assert_int_equal(hook.stores, 1);
	expect_state(&f, "A", "B", "3", "");
	assert_int_equal(boot_commit(b, 'B', 'A', &e), 0);
	assert_int_equal(hook.stores, 2);
	expect_state(&f, "B", "", "", "A");
	assert_int_equal(boot_set_trial(b, 'A', 9, &e), 0);
	assert_int_equal(hook.stores, 3);
	expect_state(&f, "B", "A", "9", "");
	assert_int_equal(boot_cancel(b, 'A', &e), 0);
	assert_int_equal(hook.stores, 4);
	expect_state(&f, "B", "", "", "A");
	assert_int_equal(boot_cancel(b, 0, &e), 0);
	expect_state(&f, "B", "", "", "");
	assert_int_equal(boot_set_identity(b, "ffeeddccbbaa99887766554433221100", &e), 0);
	assert_int_equal(hook.stores, 6);
	fixture_expect(&f, "pawl_id", "ffeeddccbbaa99887766554433221100");
	fixture_expect(&f, "pawl_slot", "B");
	expect_others(&f);
	boot_close(b);
	fixture_remove(&f);
}

static void facts_are_what_environment_and_command_line_say(void **state)
{
	struct boot_facts facts;
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "sim");
	fixture_write_cmdline(&f, "quiet pawl.slot=B pawl.id=" FIXTURE_ID "\n");
	assert_int_equal(boot_read(b, &facts, &e), 0);
	assert_int_equal(facts.booted, 'B');
	assert_int_equal(facts.committed, 'A');
	assert_int_equal(facts.trial, 0);
	assert_int_equal(facts.tries, 0);
	assert_int_equal(facts.fallback, 'B');
	assert_string_equal(facts.id_env, FIXTURE_ID);
	assert_string_equal(facts.id_booted, FIXTURE_ID);
	assert_false(facts.blank);
	assert_int_equal(facts.copies, 2);
	assert_int_equal(facts.copies_bad, 0);
	fixture_write_copy(&f, 0, 3, "bootcmd=x\n");
	assert_int_equal(boot_read(b, &facts, &e), 0);
	assert_true(facts.blank);
	assert_int_equal(facts.committed, 'A');
	boot_close(b);
	fixture_remove(&f);
}

static void values_of_another_form_are_an_error_with_a_repair(void **state)
{
	static const char *const bad[] = {"pawl_slot=C", "pawl_slot=AB", "pawl_trial=a",
		"pawl_tries=10", "pawl_tries=x", "pawl_fallback=0", "pawl_id=short",
		"pawl_id=0011223344556677889900112233445566778899001122334455667788990011223344"};
	struct boot_facts facts;
	struct fixture f;

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "sim");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};
		char repair[64];
		snprintf(repair, sizeof(repair), "fw_setenv %.*s", (int)strcspn(bad[i], "="),
			bad[i]);
		fixture_write_copy(&f, 0, 3, bad[i]);
		assert_int_equal(boot_read(b, &facts, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(e.text, repair));
	}
	boot_close(b);
	fixture_remove(&f);
}

/* Tries to put B on trial, which must fail and leave everything as it was. */
static void expect_refused(
	const struct fixture *f, const char *loader, enum err_code code, const char *why)
{
	uint8_t before[2][ENV_SIZE];
	uint8_t after[2][ENV_SIZE];
	struct boot *b = open_boot(f, loader);
	struct err e = {0};

	for (int i = 0; i < 2; i++)
		fixture_read(f->copy[i], before[i], ENV_SIZE);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
	for (int i = 0; i < 2; i++) {
		fixture_read(f->copy[i], after[i], ENV_SIZE);
		assert_memory_equal(before[i], after[i], ENV_SIZE);
	}
	boot_close(b);
}

static void a_store_that_reports_an_error_leaves_the_old_values(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	hook.store_fails = true;
	expect_refused(&f, "uboot", E_BOOTENV, "nothing was changed");
	assert_int_equal(hook.stores, 1);
	expect_state(&f, "A", "", "", "B");
	fixture_remove(&f);
}

static void a_store_that_writes_nothing_is_found_out(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	hook.store_writes_none = true;
	expect_refused(&f, "uboot", E_BOOTENV, "reads back as");
	expect_state(&f, "A", "", "", "B");
	fixture_remove(&f);
}

static void what_another_program_stored_meanwhile_is_not_undone(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "uboot");
	hook.store_writes_none = hook.store_fails = true;
	hook.meanwhile = &f;
	hook.meanwhile_at = 3; /* set_trial reads twice, then stores */
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(hook.stores, 1);
	fixture_expect(&f, "other", "new");
	boot_close(b);
	fixture_remove(&f);
}

static void bytes_that_the_medium_spoils_are_found_out(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	hook.spoil_after = f.copy[1];
	expect_refused(&f, "uboot", E_BOOTENV, "reads back as");
	expect_state(&f, "A", "", "", "B");
	fixture_remove(&f);
}

static void each_variable_is_read_back(void **state)
{
	static const char *const names[] = {
		"pawl_slot", "pawl_trial", "pawl_tries", "pawl_fallback"};
	static const char *const values[] = {"B", "A", "4", "B"};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin(&f);
		hook.wrong_name = names[i];
		hook.wrong_value = values[i];
		expect_refused(&f, "uboot", E_BOOTENV, names[i]);
		hook.wrong_name = NULL;
		expect_state(&f, "A", "", "", "B");
		fixture_remove(&f);
	}
}

static void a_failed_flush_leaves_the_old_values(void **state)
{
	struct fixture f;

	(void)state;
	for (unsigned fails = 1; fails <= 2; fails++) {
		begin(&f);
		hook.fsyncs_to_fail = fails;
		expect_refused(&f, "uboot", E_BOOTENV,
			fails == 1 ? "nothing was changed" : "check it with fw_printenv");
		expect_state(&f, "A", "", "", "B");
		fixture_remove(&f);
	}
}

static void a_single_copy_is_refused_unless_allowed(void **state)
{
	struct fixture f;
	struct err e = {0};
	char text[256];
	uint8_t before[ENV_SIZE];
	uint8_t after[ENV_SIZE];

	(void)state;
	begin(&f);
	uint8_t image[ENV_SIZE] = "....pawl_slot=A";
	uint32_t crc = fixture_crc(image + 4, ENV_SIZE - 4);
	memcpy(image, &crc, 4);
	fixture_write(f.copy[0], image, ENV_SIZE);
	snprintf(text, sizeof(text), "%s 0 4000\n", f.copy[0]);
	fixture_write_text(f.config, text);
	struct boot *b = open_boot(&f, "uboot");
	fixture_read(f.copy[0], before, ENV_SIZE);
	assert_int_equal(boot_self_test(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "allow-single-env"));
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(hook.stores, 0);
	fixture_read(f.copy[0], after, ENV_SIZE);
	assert_memory_equal(before, after, ENV_SIZE);
	boot_close(b);
	f.options.allow_single_env = true;
	b = open_boot(&f, "uboot");
	assert_int_equal(boot_self_test(b, &e), 0);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
	struct boot_facts facts;
	assert_int_equal(boot_read(b, &facts, &e), 0);
	assert_int_equal(facts.trial, 'B');
	assert_int_equal(facts.copies, 1);
	boot_close(b);
	fixture_remove(&f);
}

static void no_valid_copy_is_refused_with_a_repair(void **state)
{
	struct fixture f;
	struct boot_facts facts;
	struct err e = {0};

	(void)state;
	begin(&f);
	fixture_spoil_copy(&f, 0);
	fixture_spoil_copy(&f, 1);
	expect_refused(&f, "uboot", E_BOOTENV, "fw_setenv -f");
	assert_int_equal(hook.stores, 0);
	struct boot *b = open_boot(&f, "uboot");
	assert_int_equal(boot_self_test(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_read(b, &facts, &e), 0);
	assert_true(facts.blank);
	assert_int_equal(facts.copies_bad, 2);
	boot_close(b);
	fixture_remove(&f);
}

static void what_libubootenv_calls_invalid_is_not_written(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	hook.open_says_invalid = true;
	expect_refused(&f, "uboot", E_BOOTENV, "no copy of the boot environment is valid");
	assert_int_equal(hook.stores, 0);
	fixture_remove(&f);
}

static void one_bad_copy_is_repaired_by_the_next_store(void **state)
{
	struct boot_facts facts;
	struct fixture f;
	struct err e = {0};
	uint8_t before[ENV_SIZE];
	uint8_t after[ENV_SIZE];

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		begin(&f);
		fixture_write_copy(&f, 1, 1, OTHERS "ffff\n" BASE_VARS);
		fixture_spoil_copy(&f, bad);
		struct boot *b = open_boot(&f, "uboot");
		assert_int_equal(boot_self_test(b, &e), 0);
		assert_int_equal(boot_read(b, &facts, &e), 0);
		assert_int_equal(facts.copies_bad, 1);
		fixture_read(f.copy[!bad], before, ENV_SIZE);
		assert_int_equal(boot_set_trial(b, 'B', 3, &e), 0);
		/* The only good copy is never the one that is written. */
		fixture_read(f.copy[!bad], after, ENV_SIZE);
		assert_memory_equal(before, after, ENV_SIZE);
		assert_int_equal(boot_read(b, &facts, &e), 0);
		assert_int_equal(facts.copies_bad, 0);
		assert_int_equal(facts.trial, 'B');
		boot_close(b);
		fixture_remove(&f);
	}
}

static void copies_that_overlap_are_refused(void **state)
{
	static const char *const offsets[] = {"0", "0x3fff", "0x200"};
	char text[256];
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < 3; i++) {
		struct boot *b = NULL;
		struct err e = {0};
		uint8_t two[2 * ENV_SIZE] = {0};
		fixture_write(f.copy[0], two, sizeof(two));
		snprintf(text, sizeof(text), "%s 0 4000\n%s %s 4000\n", f.copy[0], f.copy[0],
			offsets[i]);
		fixture_write_text(f.config, text);
		assert_int_equal(boot_open(&f.options, &b, &e), -1);
		assert_int_equal(e.code, E_BOOTENV);
		assert_non_null(strstr(e.text, "overlap"));
	}
	fixture_remove(&f);
}

static void the_counter_of_copies_wraps(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f);
	fixture_write_copy(&f, 0, 254, OTHERS "ffff\n" BASE_VARS);
	fixture_write_copy(&f, 1, 253, "pawl_slot=B\n");
	struct boot *b = open_boot(&f, "uboot");
	for (unsigned i = 1; i <= 4; i++) {
		const char digit[2] = {(char)('0' + i), 0};
		assert_int_equal(boot_set_trial(b, 'B', i, &e), 0);
		fixture_expect(&f, "pawl_tries", digit);
	}
	boot_close(b);
	fixture_remove(&f);
}

/* Puts together what is on the medium when the power goes `at` bytes into writing a copy. */
static void tear(
	const struct fixture *f, int copy, const uint8_t *old, const uint8_t *new, size_t at)
{
	uint8_t torn[ENV_SIZE];

	memcpy(torn, new, at);
	memcpy(torn + at, old + at, ENV_SIZE - at);
	fixture_write(f->copy[copy], torn, ENV_SIZE);
}

static bool loads_both(void *ctx, char slot)
{
	(void)ctx;
	(void)slot;
	return true;
}

static const char *root_of_any(void *ctx, char slot)
{
	(void)ctx;
	return slot == 'A' ? "/dev/a" : "/dev/b";
}

enum step { STEP_TRIAL, STEP_COMMIT, STEP_CANCEL, STEP_COUNT };

static void take_step(struct boot *b, enum step step)
{
	struct err e = {0};

	if (step == STEP_TRIAL)
		assert_int_equal(boot_set_trial(b, 'B', 2, &e), 0);
	else if (step == STEP_COMMIT)
		assert_int_equal(boot_commit(b, 'B', 'A', &e), 0);
	else
		assert_int_equal(boot_cancel(b, 0, &e), 0);
}

/* Torn: what boots is what booted before the step, or what boots after it. Nothing else. */
static void check_torn(struct fixture *f, enum step step, int active)
{
	const struct sim_slots slots = {.loads = loads_both, .root_of = root_of_any};
	struct boot *b = open_boot(f, "sim");
	uint8_t old[2][ENV_SIZE];
	uint8_t new[2][ENV_SIZE];
	const char *trial_before = step == STEP_TRIAL ? "" : "B";

	for (int i = 0; i < 2; i++)
		fixture_read(f->copy[i], old[i], ENV_SIZE);
	take_step(b, step);
	int written = !active;
	for (int i = 0; i < 2; i++)
		fixture_read(f->copy[i], new[i], ENV_SIZE);
	assert_memory_equal(old[active], new[active], ENV_SIZE);
	for (size_t at = 0; at <= ENV_SIZE; at += 512) {
		struct sim_outcome got;
		struct err e = {0};
		fixture_write(f->copy[active], old[active], ENV_SIZE);
		tear(f, written, old[written], new[written], at);
		bool whole = memcmp(new[written], old[written], at) != 0;
		uint8_t now[ENV_SIZE];
		fixture_read(f->copy[written], now, ENV_SIZE);
		whole = whole && memcmp(now, new[written], ENV_SIZE) == 0;
		bool is_after = whole;
		if (is_after)
			expect_state(f, step == STEP_COMMIT ? "B" : "A",
				step == STEP_TRIAL ? "B" : "", step == STEP_TRIAL ? "2" : "",
				step == STEP_COMMIT ? "A" : "");
		else
			expect_state(f, "A", trial_before, trial_before[0] ? "1" : "",
				trial_before[0] ? "" : "B");
		assert_int_equal(sim_boot(&f->options, &slots, &got, &e), 0);
		bool runs_b = is_after ? step != STEP_CANCEL : step != STEP_TRIAL;
		assert_int_equal(got.slot, runs_b ? 'B' : 'A');
		assert_int_equal(got.trial, runs_b && !(is_after && step == STEP_COMMIT));
	}
	boot_close(b);
}

static void a_torn_store_boots_as_before_or_as_after(void **state)
{
	static const char filler[] = OTHERS;
	struct fixture f;

	(void)state;
	for (int step = 0; step < STEP_COUNT; step++) {
		for (int active = 0; active < 2; active++) {
			char vars[9000];
			char long_text[6000];
			begin(&f);
			memset(long_text, 'f', sizeof(long_text) - 1);
			long_text[sizeof(long_text) - 1] = 0;
			snprintf(vars, sizeof(vars), "%s%s\n%s%s", filler, long_text,
				step == STEP_TRIAL ? "pawl_fallback=B\n"
						   : "pawl_trial=B\npawl_tries=1\n",
				"pawl_id=" FIXTURE_ID "\npawl_slot=A\nserial#=0815\nzzz=last\n");
			fixture_write_copy(&f, active, 9, vars);
			fixture_write_copy(&f, !active, 8, "pawl_slot=A\nold=1\n");
			check_torn(&f, (enum step)step, active);
			fixture_remove(&f);
		}
	}
}

static void a_lock_that_is_held_is_busy_and_not_for_ever(void **state)
{
	struct fixture f;
	struct boot_facts facts;
	struct err e = {0};

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "uboot");
	int fd = open(ENV_LOCK_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(boot_read(b, &facts, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_int_equal(boot_cancel(b, 0, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_int_equal(hook.stores, 0);
	close(fd);
	assert_int_equal(boot_read(b, &facts, &e), 0);
	boot_close(b);
	fixture_remove(&f);
}

static void without_a_usable_lock_nothing_is_stored(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f);
	hook.lock_unusable = true;
	expect_refused(&f, "uboot", E_BOOTENV, ENV_LOCK_FILE);
	assert_int_equal(hook.stores, 0);
	struct boot *b = open_boot(&f, "uboot");
	assert_int_equal(boot_self_test(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	boot_close(b);
	/* The demo's files belong to the user who runs it, the lock may not. */
	b = open_boot(&f, "sim");
	assert_int_equal(boot_set_trial(b, 'B', 1, &e), 0);
	boot_close(b);
	fixture_remove(&f);
}

static void senseless_transitions_are_refused(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	struct boot *b = open_boot(&f, "uboot");
	struct err e = {0};
	assert_int_equal(boot_set_trial(b, 'A', 3, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_set_trial(b, 'C', 3, &e), -1);
	assert_int_equal(boot_set_trial(b, 0, 3, &e), -1);
	assert_int_equal(boot_set_trial(b, 'B', 0, &e), -1);
	assert_int_equal(boot_set_trial(b, 'B', 10, &e), -1);
	assert_int_equal(boot_commit(b, 0, 'A', &e), -1);
	assert_int_equal(boot_commit(b, 'B', 'B', &e), -1);
	assert_int_equal(boot_commit(b, 'B', 'x', &e), -1);
	assert_int_equal(boot_cancel(b, 'A', &e), -1);
	assert_int_equal(boot_set_identity(b, "", &e), -1);
	assert_int_equal(boot_set_identity(b, "00112233445566778899AABBCCDDEEFF", &e), -1);
	assert_int_equal(boot_set_identity(b, "0011", &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(hook.stores, 0);
	expect_state(&f, "A", "", "", "B");
	boot_close(b);
	fixture_remove(&f);
}

static void loaders_are_found_by_name(void **state)
{
	struct fixture f;
	struct boot *b = NULL;
	struct err e = {0};

	(void)state;
	begin(&f);
	static const char *const names[] = {
		"uboot", "uboot-rauc", "uboot-mender", "tryboot", "script", "sim"};
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(boot_loader_name(i), names[i]);
	assert_null(boot_loader_name(6));
	f.options.loader = "grub";
	assert_int_equal(boot_open(&f.options, &b, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	assert_null(b);
	boot_close(NULL);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_transition_is_one_store),
		cmocka_unit_test(facts_are_what_environment_and_command_line_say),
		cmocka_unit_test(values_of_another_form_are_an_error_with_a_repair),
		cmocka_unit_test(a_store_that_reports_an_error_leaves_the_old_values),
		cmocka_unit_test(a_store_that_writes_nothing_is_found_out),
		cmocka_unit_test(what_another_program_stored_meanwhile_is_not_undone),
		cmocka_unit_test(bytes_that_the_medium_spoils_are_found_out),
		cmocka_unit_test(each_variable_is_read_back),
		cmocka_unit_test(a_failed_flush_leaves_the_old_values),
		cmocka_unit_test(a_single_copy_is_refused_unless_allowed),
		cmocka_unit_test(no_valid_copy_is_refused_with_a_repair),
		cmocka_unit_test(what_libubootenv_calls_invalid_is_not_written),
		cmocka_unit_test(one_bad_copy_is_repaired_by_the_next_store),
		cmocka_unit_test(copies_that_overlap_are_refused),
		cmocka_unit_test(the_counter_of_copies_wraps),
		cmocka_unit_test(a_torn_store_boots_as_before_or_as_after),
		cmocka_unit_test(a_lock_that_is_held_is_busy_and_not_for_ever),
		cmocka_unit_test(without_a_usable_lock_nothing_is_stored),
		cmocka_unit_test(senseless_transitions_are_refused),
		cmocka_unit_test(loaders_are_found_by_name),
	};

	return cmocka_run_group_tests_name("boot_env", tests, NULL, NULL);
}
