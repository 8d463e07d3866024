/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/boot/uboot_rauc and uboot_mender: boot scripts of others, written
 * here as models of their published text, boot what Pawl says that they boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libuboot.h>
#include <sys/file.h>

#include "partitions/boot/boot.h"
#include "partitions/boot/env.h"
#include "tests/unit/boot_fixture.h"

#define RESET (-1) /* the script ends in U-Boot's reset */

static unsigned stores;
static char lock[96]; /* stands for ENV_LOCK_FILE, which another user may have made here */

int __real_libuboot_env_store(struct uboot_ctx *ctx);
int __wrap_libuboot_env_store(struct uboot_ctx *ctx);
int __wrap_fsync(int fd);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);

int __wrap_libuboot_env_store(struct uboot_ctx *ctx)
{
	stores++;
	return __real_libuboot_env_store(ctx);
}

/* Thousands of states: the medium need not be waited for. */
int __wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

int __wrap_open64(const char *path, int flags, mode_t mode)
{
	return openat(AT_FDCWD, strcmp(path, ENV_LOCK_FILE) == 0 ? lock : path, flags, mode);
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	return __wrap_open64(path, flags, mode);
}

/* Every variable that a script here knows, in the order of libubootenv. */
static const char *const names[] = {"BOOT_A_LEFT", "BOOT_B_LEFT", "BOOT_ORDER", "bootcmd",
	"bootcount", "bootlimit", "mender_boot_part", "mender_boot_part_hex",
	"mender_check_saveenv_canary", "mender_saveenv_canary", "pawl_slot", "pawl_trial",
	"upgrade_available"};
#define NAMES (sizeof(names) / sizeof(names[0]))

#define VAR_SIZE 256

struct vars {
	char text[NAMES][VAR_SIZE];
};

static char *var(struct vars *v, const char *name)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (strcmp(names[i], name) == 0)
			return v->text[i];
	}
	fail_msg("no variable %s", name);
	return NULL;
}

static void load(const struct fixture *f, struct vars *v)
{
	for (size_t i = 0; i < NAMES; i++)
		fixture_get(f, names[i], v->text[i]);
}

/* saveenv */
static void save(const struct fixture *f, struct vars *v)
{
	char lines[2048] = "";
	size_t len = 0;

	for (size_t i = 0; i < NAMES; i++)
		len += (size_t)snprintf(
			lines + len, sizeof(lines) - len, "%s=%s\n", names[i], v->text[i]);
	fixture_write_copy(f, 0, 2, lines);
	fixture_write_copy(f, 1, 1, lines);
}

static void set(struct vars *v, const char *name, const char *text)
{
	snprintf(var(v, name), VAR_SIZE, "%s", text);
}

/* "test 0x${X} -gt 0", "setexpr X ${X} - 1": numbers are hexadecimal. */
static bool take_left(struct vars *v, const char *name)
{
	unsigned long n = strtoul(var(v, name), NULL, 16);

	if (n == 0)
		return false;
	snprintf(var(v, name), VAR_SIZE, "%lx", n - 1);
	return true;
}

/* RAUC's contrib/uboot.sh: the slot that it boots, or RESET. */
static int rauc_script(const struct fixture *f)
{
	struct vars v;
	char order[256];
	char *rest = NULL;
	int found = RESET;

	load(f, &v);
	if (!var(&v, "BOOT_ORDER")[0])
		set(&v, "BOOT_ORDER", "A B");
	if (!var(&v, "BOOT_A_LEFT")[0])
		set(&v, "BOOT_A_LEFT", "3");
	if (!var(&v, "BOOT_B_LEFT")[0])
		set(&v, "BOOT_B_LEFT", "3");
	snprintf(order, sizeof(order), "%s", var(&v, "BOOT_ORDER"));
	for (char *s = strtok_r(order, " ", &rest); s && found == RESET;
		s = strtok_r(NULL, " ", &rest)) {
		if (strcmp(s, "A") == 0 && take_left(&v, "BOOT_A_LEFT"))
			found = 'A';
		else if (strcmp(s, "B") == 0 && take_left(&v, "BOOT_B_LEFT"))
			found = 'B';
	}
	if (found == RESET) {
		set(&v, "BOOT_A_LEFT", "3");
		set(&v, "BOOT_B_LEFT", "3");
	}
	save(f, &v);
	if (found != RESET)
		fixture_write_cmdline(f, found == 'A' ? "root=/dev/mmcblk0p1 rauc.slot=A\n"
						      : "root=/dev/mmcblk0p2 rauc.slot=B\n");
	return found;
}

/* A boot, through the resets of the script. */
static char rauc_boot(const struct fixture *f)
{
	for (int i = 0; i < 3; i++) {
		int got = rauc_script(f);
		if (got != RESET)
			return (char)got;
	}
	return 0;
}

/*
 * U-Boot's bootcount in the environment and Mender's boot code, with A as
 * partition 2 and B as partition 11 (b in hexadecimal).
 */
static char mender_boot(const struct fixture *f)
{
	struct vars v;
	char line[64];

	load(f, &v);
	if (strtoul(var(&v, "upgrade_available"), NULL, 10) != 0) {
		unsigned long count = strtoul(var(&v, "bootcount"), NULL, 10) + 1;
		unsigned long limit = strtoul(var(&v, "bootlimit"), NULL, 10);
		snprintf(var(&v, "bootcount"), VAR_SIZE, "%lu", count);
		save(f, &v);
		/* altbootcmd */
		if (limit && count > limit) {
			bool a = strcmp(var(&v, "mender_boot_part"), "2") == 0;
			set(&v, "mender_boot_part", a ? "11" : "2");
			set(&v, "mender_boot_part_hex", a ? "b" : "2");
			set(&v, "upgrade_available", "0");
			save(f, &v);
		}
	}
	/* Kernel by the one, root by the other. */
	unsigned long kernel = strtoul(var(&v, "mender_boot_part_hex"), NULL, 16);
	unsigned long root = strtoul(var(&v, "mender_boot_part"), NULL, 10);
	if (kernel != root || (root != 2 && root != 11))
		return 0;
	snprintf(line, sizeof(line), "root=/dev/mmcblk0p%lu quiet\n", root);
	fixture_write_cmdline(f, line);
	return root == 2 ? 'A' : 'B';
}

static void begin(struct fixture *f, const char *loader)
{
	fixture_make(f, 0x800);
	stores = 0;
	snprintf(lock, sizeof(lock), "%s/lock", f->dir);
	f->options.loader = loader;
	f->options.partition[0] = 2;
	f->options.partition[1] = 11;
}

static struct boot *open_with(const struct fixture *f, const char *vars)
{
	struct boot *b = NULL;
	struct err e = {0};

	fixture_write_copy(f, 0, 2, vars);
	fixture_write_copy(f, 1, 1, vars);
	if (boot_open(&f->options, &b, &e) < 0)
		fail_msg("%s", e.text);
	return b;
}

static struct boot_facts facts_of(struct boot *b)
{
	struct boot_facts f;
	struct err e = {0};

	if (boot_read(b, &f, &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

static void expect_facts(
	struct boot *b, char booted, char committed, char trial, unsigned tries, char fallback)
{
	struct boot_facts f = facts_of(b);

	assert_int_equal(f.booted, booted);
	assert_int_equal(f.committed, committed);
	assert_int_equal(f.trial, trial);
	assert_int_equal(f.tries, tries);
	assert_int_equal(f.fallback, fallback);
}

#define DO(call)                                                                                   \
	do {                                                                                       \
		struct err e_ = {0};                                                               \
		unsigned before_ = stores;                                                         \
		if ((call) < 0)                                                                    \
			fail_msg("%s", e_.text);                                                   \
		assert_int_equal(stores, before_ + 1);                                             \
	} while (0)

/* What the facts promise: a trial with tries boots next, else the committed slot. */
static char promised(const struct boot_facts *f)
{
	return f->trial && f->tries > 0 ? f->trial : f->committed;
}

/* --- RAUC ------------------------------------------------------------------ */

static void rauc_a_fleet_moves_without_a_word(void **state)
{
	static const struct {
		const char *vars;
		char committed;
		char fallback;
	} rows[] = {
		{"BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=A B\n", 'A', 'B'},
		{"BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=B A\n", 'B', 'A'},
		{"BOOT_A_LEFT=2\nBOOT_B_LEFT=0\nBOOT_ORDER=A B\n", 'A', 0},
		{"BOOT_A_LEFT=2\nBOOT_B_LEFT=0\nBOOT_ORDER=B A\n", 'A', 0},
		{"BOOT_A_LEFT=0\nBOOT_B_LEFT=1\nBOOT_ORDER=B\n", 'B', 0},
		{"BOOT_A_LEFT=a\nBOOT_B_LEFT=f\nBOOT_ORDER= B  A \n", 'B', 'A'},
		{"bootcmd=x\n", 'A', 'B'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		begin(&f, "uboot-rauc");
		struct boot *b = open_with(&f, rows[i].vars);
		fixture_write_cmdline(&f, "root=/dev/x rauc.slot=A\n");
		expect_facts(b, 'A', rows[i].committed, 0, 0, rows[i].fallback);
		assert_int_equal(rauc_boot(&f), rows[i].committed);
		boot_close(b);
		fixture_remove(&f);
	}
}

static void rauc_trial_commit_and_cancel(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f, "uboot-rauc");
	struct boot *b = open_with(
		&f, "BOOT_A_LEFT=2\nBOOT_B_LEFT=3\nBOOT_ORDER=A B\nbootcmd=run x\nbootcount=5\n");
	assert_int_equal(boot_self_test(b, &e), 0);
	DO(boot_set_trial(b, 'B', 2, &e_));
	assert_int_equal(facts_of(b).trial, 'B');
	fixture_expect(&f, "BOOT_ORDER", "B A");
	fixture_expect(&f, "BOOT_B_LEFT", "2");
	fixture_expect(&f, "BOOT_A_LEFT", "3");
	fixture_expect(&f, "bootcmd", "run x");
	fixture_expect(&f, "bootcount", "5");
	/* Not committed: it comes back by itself after two boots. */
	assert_int_equal(rauc_boot(&f), 'B');
	expect_facts(b, 'B', 'A', 'B', 1, 0);
	assert_int_equal(rauc_boot(&f), 'B');
	expect_facts(b, 'B', 'A', 'B', 0, 0);
	assert_int_equal(rauc_boot(&f), 'A');
	expect_facts(b, 'A', 'A', 'B', 0, 0);
	DO(boot_cancel(b, 0, &e_));
	fixture_expect(&f, "BOOT_ORDER", "A");
	for (int i = 0; i < 9; i++)
		assert_int_equal(rauc_boot(&f), 'A');
	/* Committed, with the old slot as a way out. */
	DO(boot_set_trial(b, 'B', 9, &e_));
	fixture_expect(&f, "BOOT_B_LEFT", "9");
	assert_int_equal(rauc_boot(&f), 'B');
	DO(boot_commit(b, 'B', 'A', &e_));
	expect_facts(b, 'B', 'B', 0, 0, 'A');
	fixture_expect(&f, "BOOT_ORDER", "B A");
	/* The script counts the committed slot down, too; each boot fills it up. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rauc_boot(&f), 'B');
		DO(boot_settle(b, &e_));
		fixture_expect(&f, "BOOT_B_LEFT", "3");
		fixture_expect(&f, "BOOT_A_LEFT", "3");
		expect_facts(b, 'B', 'B', 0, 0, 'A');
	}
	unsigned before = stores;
	assert_int_equal(boot_settle(b, &e), 0);
	assert_int_equal(stores, before);
	/* Three boots that never come as far: the way out is taken, and seen as one. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(rauc_boot(&f), 'B');
	assert_int_equal(rauc_boot(&f), 'A');
	expect_facts(b, 'A', 'B', 0, 0, 'A');
	DO(boot_commit(b, 'A', 0, &e_));
	fixture_expect(&f, "BOOT_B_LEFT", "0");
	assert_int_equal(rauc_boot(&f), 'A');
	boot_close(b);
	fixture_remove(&f);
}

/* With boot-attempts=1 the counter of what runs is 0 until somebody fills it up. */
static void rauc_the_last_boot_of_what_runs_is_filled_up(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, "uboot-rauc");
	struct boot *b = open_with(&f, "BOOT_A_LEFT=1\nBOOT_B_LEFT=1\nBOOT_ORDER=A B\n");
	assert_int_equal(rauc_boot(&f), 'A');
	expect_facts(b, 'A', 'A', 0, 0, 'B');
	DO(boot_settle(b, &e_));
	assert_int_equal(rauc_boot(&f), 'A');
	boot_close(b);
	fixture_remove(&f);
}

static void rauc_a_trial_is_not_filled_up(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f, "uboot-rauc");
	struct boot *b = open_with(&f, "BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=A B\n");
	DO(boot_set_trial(b, 'B', 3, &e_));
	assert_int_equal(rauc_boot(&f), 'B');
	assert_int_equal(boot_settle(b, &e), 0);
	fixture_expect(&f, "BOOT_B_LEFT", "2");
	boot_close(b);
	fixture_remove(&f);
}

/* What somebody changed past Pawl counts; what Pawl wrote beside it does not contradict it. */
static void rauc_the_order_counts_more_than_our_words(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, "uboot-rauc");
	struct boot *b =
		open_with(&f, "BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=B A\npawl_slot=A\n");
	fixture_write_cmdline(&f, "rauc.slot=A\n");
	expect_facts(b, 'A', 'B', 0, 0, 'A');
	boot_close(b);
	b = open_with(
		&f, "BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=A B\npawl_slot=A\npawl_trial=B\n");
	expect_facts(b, 'A', 'A', 0, 0, 'B');
	boot_close(b);
	b = open_with(
		&f, "BOOT_A_LEFT=3\nBOOT_B_LEFT=3\nBOOT_ORDER=B A\npawl_slot=x\npawl_trial=y\n");
	expect_facts(b, 'A', 'B', 0, 0, 'A');
	boot_close(b);
	fixture_remove(&f);
}

static void rauc_every_state_agrees_on_what_boots(void **state)
{
	static const char *const orders[] = {"", "A", "B", "A B", "B A"};
	static const char *const lefts[] = {"", "0", "1", "a"};
	static const char *const slots[] = {"", "A", "B"};
	struct fixture f;
	size_t checked = 0;

	(void)state;
	begin(&f, "uboot-rauc");
	for (size_t i = 0; i < 4 * 4 * 5 * 3 * 3; i++) {
		char vars[256];
		snprintf(vars, sizeof(vars),
			"BOOT_A_LEFT=%s\nBOOT_B_LEFT=%s\nBOOT_ORDER=%s\npawl_slot=%s\n"
			"pawl_trial=%s\n",
			lefts[i % 4], lefts[i / 4 % 4], orders[i / 16 % 5], slots[i / 80 % 3],
			slots[i / 240]);
		struct boot *b = open_with(&f, vars);
		struct err e = {0};
		/* As at each boot of the committed slot. */
		assert_int_equal(boot_settle(b, &e), 0);
		struct boot_facts was = facts_of(b);
		char next = rauc_boot(&f);
		/* Where nothing has boots left, the script fills up and takes the first again. */
		bool spent = was.trial && was.tries == 0 && next == was.trial;
		if (next != promised(&was) && !spent)
			fail_msg("%s: boots %c, promised %c", vars, next, promised(&was));
		/* Each change makes what is asked for, whatever stood there. */
		char now = facts_of(b).committed;
		char other = now == 'A' ? 'B' : 'A';
		assert_int_equal(boot_set_trial(b, other, 1, &e), 0);
		assert_int_equal(rauc_boot(&f), other);
		assert_int_equal(rauc_boot(&f), now);
		assert_int_equal(boot_cancel(b, 0, &e), 0);
		assert_int_equal(rauc_boot(&f), now);
		boot_close(b);
		checked++;
	}
	assert_int_equal(checked, 720);
	fixture_remove(&f);
}

/* Opens with these variables and expects that reading them is refused, with the reason. */
static void expect_unreadable(struct fixture *f, const char *vars, const char *why)
{
	struct boot_facts facts;
	struct err e = {0};
	struct boot *b = open_with(f, vars);

	if (boot_read(b, &facts, &e) == 0)
		fail_msg("%s was taken", vars);
	assert_int_equal(e.code, E_BOOTENV);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
	unsigned before = stores;
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(stores, before);
	boot_close(b);
}

static void rauc_other_forms_are_refused(void **state)
{
	static const char *const orders[] = {
		"C", "A C", "AB", "A A", "a b", "A,B", "system0 system1", "A B R", "A  BB"};
	static const char *const lefts[] = {"-1", "x", "100", " 3", "3 ", "0x3"};
	struct boot_facts facts;
	struct fixture f;
	struct err e = {0};
	char vars[128];

	(void)state;
	begin(&f, "uboot-rauc");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		snprintf(vars, sizeof(vars), "BOOT_ORDER=%s\n", orders[i]);
		expect_unreadable(&f, vars, "fw_setenv BOOT_ORDER");
	}
	for (size_t i = 0; i < sizeof(lefts) / sizeof(lefts[0]); i++) {
		snprintf(vars, sizeof(vars), "BOOT_B_LEFT=%s\n", lefts[i]);
		expect_unreadable(&f, vars, "fw_setenv BOOT_B_LEFT");
	}
	struct boot *b = open_with(&f, "BOOT_ORDER=A B\n");
	fixture_write_cmdline(&f, "rauc.slot=system0\n");
	assert_int_equal(boot_read(b, &facts, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "rauc.slot"));
	/* Ours is heard first, and no word is no slot. */
	fixture_write_cmdline(&f, "rauc.slot=system0 pawl.slot=B\n");
	assert_int_equal(facts_of(b).booted, 'B');
	fixture_write_cmdline(&f, "quiet\n");
	assert_int_equal(facts_of(b).booted, 0);
	assert_int_equal(boot_set_identity(b, FIXTURE_ID, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	boot_close(b);
	fixture_remove(&f);
}

/* --- Mender ---------------------------------------------------------------- */

#define MENDER_A                                                                                   \
	"bootcmd=run x\nbootcount=0\nbootlimit=1\nmender_boot_part=2\nmender_boot_part_hex=2\n"    \
	"mender_check_saveenv_canary=1\nmender_saveenv_canary=1\nupgrade_available=0\n"

static void mender_trial_commit_and_cancel(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f, "uboot-mender");
	struct boot *b = open_with(&f, MENDER_A);
	assert_int_equal(boot_self_test(b, &e), 0);
	assert_int_equal(mender_boot(&f), 'A');
	expect_facts(b, 'A', 'A', 0, 0, 0);
	/* bootlimit is the budget, however many tries are asked for. */
	DO(boot_set_trial(b, 'B', 3, &e_));
	expect_facts(b, 'A', 'A', 'B', 1, 0);
	fixture_expect(&f, "mender_boot_part", "11");
	fixture_expect(&f, "mender_boot_part_hex", "b");
	fixture_expect(&f, "upgrade_available", "1");
	fixture_expect(&f, "bootcount", "0");
	fixture_expect(&f, "bootlimit", "1");
	fixture_expect(&f, "bootcmd", "run x");
	assert_int_equal(mender_boot(&f), 'B');
	expect_facts(b, 'B', 'A', 'B', 0, 0);
	/* Not committed: U-Boot turns back for good. */
	assert_int_equal(mender_boot(&f), 'A');
	expect_facts(b, 'A', 'A', 0, 0, 0);
	assert_int_equal(mender_boot(&f), 'A');
	/* Cancelled before its boot, and on trial. */
	DO(boot_set_trial(b, 'B', 1, &e_));
	DO(boot_cancel(b, 'B', &e_));
	assert_int_equal(mender_boot(&f), 'A');
	DO(boot_set_trial(b, 'B', 1, &e_));
	assert_int_equal(mender_boot(&f), 'B');
	DO(boot_cancel(b, 0, &e_));
	assert_int_equal(mender_boot(&f), 'A');
	/* Committed. */
	DO(boot_set_trial(b, 'B', 1, &e_));
	assert_int_equal(mender_boot(&f), 'B');
	DO(boot_commit(b, 'B', 'A', &e_));
	expect_facts(b, 'B', 'B', 0, 0, 0);
	unsigned before = stores;
	for (int i = 0; i < 5; i++)
		assert_int_equal(mender_boot(&f), 'B');
	assert_int_equal(boot_settle(b, &e), 0);
	assert_int_equal(stores, before);
	fixture_expect(&f, "bootcount", "0");
	boot_close(b);
	fixture_remove(&f);
}

static void mender_tries_are_bounded_by_bootlimit(void **state)
{
	struct fixture f;
	char vars[512];

	(void)state;
	begin(&f, "uboot-mender");
	for (unsigned limit = 1; limit <= 12; limit = limit * 2 + 1) {
		for (unsigned tries = 1; tries <= 9; tries += 2) {
			unsigned want = tries < limit ? tries : limit;
			struct err e = {0};
			snprintf(vars, sizeof(vars),
				"bootlimit=%u\nmender_boot_part=2\nmender_boot_part_hex=2\n",
				limit);
			struct boot *b = open_with(&f, vars);
			assert_int_equal(boot_set_trial(b, 'B', tries, &e), 0);
			for (unsigned left = want; left > 0; left--) {
				assert_int_equal(facts_of(b).tries, left);
				assert_int_equal(mender_boot(&f), 'B');
			}
			assert_int_equal(facts_of(b).tries, 0);
			assert_int_equal(mender_boot(&f), 'A');
			assert_int_equal(facts_of(b).trial, 0);
			boot_close(b);
		}
	}
	fixture_remove(&f);
}

static void mender_every_state_agrees_on_what_boots(void **state)
{
	static const char *const parts[][2] = {{"2", "2"}, {"11", "b"}, {"11", "B"}};
	static const char *const available[] = {"", "0", "1"};
	static const char *const counts[] = {"", "0", "1", "2", "7"};
	static const char *const limits[] = {"1", "2", "5"};
	struct fixture f;
	size_t checked = 0;

	(void)state;
	begin(&f, "uboot-mender");
	for (size_t i = 0; i < 3 * 3 * 5 * 3; i++) {
		char vars[256];
		snprintf(vars, sizeof(vars),
			"bootcount=%s\nbootlimit=%s\nmender_boot_part=%s\n"
			"mender_boot_part_hex=%s\nupgrade_available=%s\n",
			counts[i / 9 % 5], limits[i / 45], parts[i % 3][0], parts[i % 3][1],
			available[i / 3 % 3]);
		struct boot *b = open_with(&f, vars);
		struct boot_facts was = facts_of(b);
		char next = mender_boot(&f);
		if (next != promised(&was))
			fail_msg("%s: boots %c, promised %c", vars, next, promised(&was));
		struct err e = {0};
		char now = facts_of(b).committed;
		char other = now == 'A' ? 'B' : 'A';
		assert_int_equal(boot_set_trial(b, other, 1, &e), 0);
		assert_int_equal(mender_boot(&f), other);
		assert_int_equal(mender_boot(&f), now);
		boot_close(b);
		checked++;
	}
	assert_int_equal(checked, 135);
	fixture_remove(&f);
}

static void mender_other_forms_are_refused(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, "uboot-mender");
	expect_unreadable(
		&f, "mender_boot_part=3\nmender_boot_part_hex=3\n", "neither partition-a");
	expect_unreadable(&f, "mender_boot_part=2\nmender_boot_part_hex=b\n", "kernel and root");
	expect_unreadable(&f, "mender_boot_part=11\nmender_boot_part_hex=11\n", "kernel and root");
	expect_unreadable(&f, "mender_boot_part=x\n", "fw_setenv mender_boot_part");
	expect_unreadable(&f, "mender_boot_part=2\nmender_boot_part_hex=0x2\n",
		"fw_setenv mender_boot_part_hex");
	expect_unreadable(&f, "mender_boot_part=2\nupgrade_available=2\n", "upgrade_available 0");
	expect_unreadable(&f, "mender_boot_part=2\nupgrade_available=yes\n", "upgrade_available");
	expect_unreadable(&f, "mender_boot_part=2\nbootcount=-1\n", "bootcount");
	expect_unreadable(&f, "mender_boot_part=2\nbootcount=256\n", "bootcount");
	expect_unreadable(&f, "mender_boot_part=2\nbootlimit=99999999999\n", "bootlimit");
	fixture_remove(&f);
}

/* Self-test and set-trial refuse, and nothing is stored. */
static void expect_refused(struct fixture *f, const char *vars, const char *why)
{
	struct err e = {0};
	struct boot *b = open_with(f, vars);
	unsigned before = stores;

	assert_int_equal(boot_self_test(b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
	assert_int_equal(boot_set_trial(b, 'B', 3, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(stores, before);
	boot_close(b);
}

static void mender_what_would_strand_the_device_is_refused(void **state)
{
	struct fixture f;
	struct err e = {0};

	(void)state;
	begin(&f, "uboot-mender");
	expect_refused(&f, "mender_boot_part=2\nmender_boot_part_hex=2\n", "bootlimit is not set");
	expect_refused(&f, "bootlimit=0\nmender_boot_part=2\nmender_boot_part_hex=2\n",
		"bootlimit is not set");
	expect_refused(&f, "bootlimit=1\nbootcmd=x\n", "no mender_boot_part");
	expect_refused(&f,
		"bootlimit=1\nmender_boot_part=2\nmender_boot_part_hex=2\n"
		"mender_check_saveenv_canary=1\n",
		"mender_saveenv_canary is not set");
	f.options.partition[1] = 2;
	struct boot *none = NULL;
	assert_int_equal(boot_open(&f.options, &none, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	f.options.partition[1] = 0;
	assert_int_equal(boot_open(&f.options, &none, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	f.options.partition[1] = 256;
	assert_int_equal(boot_open(&f.options, &none, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	fixture_remove(&f);
}

static void mender_the_root_says_what_runs(void **state)
{
	static const struct {
		const char *line;
		char booted;
	} rows[] = {
		{"root=/dev/mmcblk0p2\n", 'A'},
		{"root=/dev/sda11\n", 'B'},
		{"root=/dev/mmcblk0p3\n", 0},
		{"root=/dev/nvme\n", 0},
		{"root=PARTUUID=0123abcd-0b\n", 'B'},
		{"root=PARTUUID=0123abcd-02\n", 'A'},
		{"root=PARTUUID=0123abcd-0x\n", 0},
		{"root=PARTUUID=01234567-89ab-4def-8123-456789abcd02\n", 0},
		{"root=LABEL=x2\n", 0},
		{"root=/dev/mmcblk0p2 pawl.slot=B\n", 'B'},
		{"quiet\n", 0},
	};
	struct fixture f;

	(void)state;
	begin(&f, "uboot-mender");
	struct boot *b = open_with(&f, MENDER_A);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_write_cmdline(&f, rows[i].line);
		if (facts_of(b).booted != rows[i].booted)
			fail_msg("%s", rows[i].line);
	}
	boot_close(b);
	fixture_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rauc_a_fleet_moves_without_a_word),
		cmocka_unit_test(rauc_trial_commit_and_cancel),
		cmocka_unit_test(rauc_the_last_boot_of_what_runs_is_filled_up),
		cmocka_unit_test(rauc_a_trial_is_not_filled_up),
		cmocka_unit_test(rauc_the_order_counts_more_than_our_words),
		cmocka_unit_test(rauc_every_state_agrees_on_what_boots),
		cmocka_unit_test(rauc_other_forms_are_refused),
		cmocka_unit_test(mender_trial_commit_and_cancel),
		cmocka_unit_test(mender_tries_are_bounded_by_bootlimit),
		cmocka_unit_test(mender_every_state_agrees_on_what_boots),
		cmocka_unit_test(mender_other_forms_are_refused),
		cmocka_unit_test(mender_what_would_strand_the_device_is_refused),
		cmocka_unit_test(mender_the_root_says_what_runs),
	};

	return cmocka_run_group_tests_name("boot_migration", tests, NULL, NULL);
}
