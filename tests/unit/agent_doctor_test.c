/* SPDX-License-Identifier: Apache-2.0 */
/* agent: which calls each repair of doctor makes, in which order, and when none is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/doctor.h"
#include "agent/running.h"

#define ID_ENV    "00112233445566778899aabbccddeeff"
#define ID_LOADER "ffeeddccbbaa99887766554433221100"

/* A boot loader out of facts; what is asked of it is noted as words. */
static struct boot_facts facts;
static struct boot_ops ops;
static char calls[400];
static const char *fails; /* this call fails */
static char root_is; /* the slot that the root device belongs to, 0 = neither */
static struct session s;
static struct doctor d;

static int call(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int call(struct err *e, const char *fmt, ...)
{
	char word[80];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(word, sizeof(word), fmt, ap);
	va_end(ap);
	size_t n = strlen(calls);
	snprintf(calls + n, sizeof(calls) - n, "%s%s", n ? " " : "", word);
	if (fails && strncmp(word, fails, strlen(fails)) == 0)
		return err_set(e, E_BOOTENV, "the medium is dying");
	return 0;
}

const struct boot_ops *__wrap_boot_ops_of(const struct boot *b);
int __wrap_session_open_boot(struct session *x, struct err *e);
int __wrap_session_store(struct session *x, struct err *e);
void __wrap_session_record(struct session *x, enum journal_event event,
	enum journal_outcome outcome, enum err_code rc, json_t *data);
int __wrap_running_check_root(const struct config *c, char slot, struct err *e);
int __wrap_boot_read(struct boot *b, struct boot_facts *out, struct err *e);
int __wrap_boot_commit(struct boot *b, char slot, char fallback, struct err *e);
int __wrap_boot_cancel(struct boot *b, char fallback, struct err *e);
int __wrap_boot_set_trial(struct boot *b, char slot, unsigned tries, struct err *e);
int __wrap_boot_set_identity(struct boot *b, const char *id, struct err *e);
int __wrap_boot_restore(struct boot *b, char slot, const char *id, struct err *e);

const struct boot_ops *__wrap_boot_ops_of(const struct boot *b)
{
	(void)b;
	return &ops;
}

int __wrap_session_open_boot(struct session *x, struct err *e)
{
	(void)x;
	(void)e;
	return 0;
}

int __wrap_session_store(struct session *x, struct err *e)
{
	(void)x;
	return call(e, "store");
}

void __wrap_session_record(struct session *x, enum journal_event event,
	enum journal_outcome outcome, enum err_code rc, json_t *data)
{
	struct err e;

	(void)x;
	assert_int_equal(event, JOURNAL_BOOT_REPAIRED);
	assert_int_equal(outcome == JOURNAL_FAIL, rc != E_OK);
	call(&e, "%s:%s", json_string_value(json_object_get(data, "what")),
		outcome == JOURNAL_INTENT ? "intent"
		: outcome == JOURNAL_OK   ? "ok"
					  : "fail");
	json_decref(data);
}

int __wrap_running_check_root(const struct config *c, char slot, struct err *e)
{
	(void)c;
	return slot == root_is ? 0 : err_set(e, E_BOOT, "the root is another device");
}

int __wrap_boot_read(struct boot *b, struct boot_facts *out, struct err *e)
{
	(void)b;
	(void)e;
	*out = facts;
	return 0;
}

int __wrap_boot_commit(struct boot *b, char slot, char fallback, struct err *e)
{
	(void)b;
	assert_int_equal(fallback, 0);
	facts.blank = false;
	facts.two_minds = false;
	facts.committed = slot;
	return call(e, "commit(%c)", slot);
}

int __wrap_boot_cancel(struct boot *b, char fallback, struct err *e)
{
	(void)b;
	facts.trial = 0;
	facts.trial_unreadable = false;
	facts.copies_bad = 0;
	return call(e, "cancel(%c)", fallback ? fallback : '-');
}

int __wrap_boot_set_trial(struct boot *b, char slot, unsigned tries, struct err *e)
{
	(void)b;
	return call(e, "trial(%c%u)", slot, tries);
}

int __wrap_boot_set_identity(struct boot *b, const char *id, struct err *e)
{
	(void)b;
	facts.copies_bad = 0;
	bool same = strcmp(id, facts.id_env) == 0;
	snprintf(facts.id_env, sizeof(facts.id_env), "%s", id);
	return call(e, "id(%s)", same ? "same" : "new");
}

int __wrap_boot_restore(struct boot *b, char slot, const char *id, struct err *e)
{
	(void)b;
	assert_int_equal(strlen(id), BOOT_ID_SIZE - 1);
	if (call(e, "restore(%c)", slot) < 0)
		return -1;
	snprintf(facts.id_env, sizeof(facts.id_env), "%s", id);
	facts.copies_bad = 0;
	facts.blank = false;
	return 0;
}

/* A healthy device with a redundant environment. */
static int reset(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	facts = (struct boot_facts){.booted = 'A',
		.committed = 'A',
		.fallback = 'B',
		.id_env = ID_ENV,
		.id_booted = ID_ENV,
		.copies = 2};
	ops = (struct boot_ops){.name = "fake", .caps = BOOT_CAP_IDENTITY};
	calls[0] = 0;
	fails = NULL;
	root_is = 'A';
	d = (struct doctor){.s = &s};
	return 0;
}

/* Runs the repairs; these calls must have been made. A second run makes none, if it went well. */
static void expect(const char *want, unsigned bad)
{
	doctor_repair(&d);
	assert_string_equal(calls, want);
	assert_int_equal(d.bad, bad);
	if (bad > 0)
		return;
	calls[0] = 0;
	doctor_repair(&d);
	assert_string_equal(calls, "");
}

static void lose_environment(void)
{
	facts = (struct boot_facts){
		.booted = 'A', .committed = 'A', .blank = true, .copies = 2, .copies_bad = 2};
}

static void a_good_device_is_left_alone(void **state)
{
	(void)state;
	expect("", 0);
}

static void a_bad_copy_is_written_by_a_store_that_changes_nothing(void **state)
{
	(void)state;
	facts.copies_bad = 1;
	facts.trial = 'B'; /* on its way; it must stay */
	facts.tries = 3;
	s.state.txn.phase = STATE_TXN_ACTIVATED;
	s.state.txn.target = 'B';
	expect("copy:intent id(same) copy:ok store", 0);
	assert_int_equal(facts.trial, 'B');
}

static void without_an_identity_the_copy_waits_for_the_end_of_a_trial(void **state)
{
	(void)state;
	ops.caps = 0;
	facts.id_env[0] = 0;
	facts.copies_bad = 1;
	facts.trial = 'B';
	s.state.txn.phase = STATE_TXN_ACTIVATED;
	s.state.txn.target = 'B';
	expect("copy:intent copy:fail store", 1);
	assert_int_equal(d.first, E_BUSY);
	reset(NULL);
	ops.caps = 0;
	facts.id_env[0] = 0;
	facts.copies_bad = 1;
	expect("copy:intent cancel(B) copy:ok store", 0);
}

static void a_lost_environment_gets_the_slot_that_runs(void **state)
{
	(void)state;
	lose_environment();
	expect("environment:intent restore(A) environment:ok store", 0);
	assert_true(s.state.provisioned);
	reset(NULL);
	lose_environment();
	facts.booted = 0; /* U-Boot's own defaults know nothing of pawl.slot */
	root_is = 'B';
	expect("environment:intent restore(B) environment:ok store", 0);
}

static void where_it_is_not_clear_what_runs_nothing_is_written(void **state)
{
	(void)state;
	lose_environment();
	root_is = 'B';
	expect("environment:intent environment:fail store", 1);
	reset(NULL);
	lose_environment();
	facts.booted = 0;
	root_is = 0;
	expect("environment:intent environment:fail store", 1);
	assert_int_equal(d.first, E_BOOT);
}

/* With wrong offsets every copy looks bad or blank, and what lies there is not ours. */
static void an_environment_that_the_loader_knows_is_not_replaced(void **state)
{
	(void)state;
	lose_environment();
	memcpy(facts.id_booted, ID_LOADER, sizeof(ID_LOADER));
	expect("environment:intent environment:fail store", 1);
	assert_int_equal(d.first, E_BOOTENV);
	reset(NULL);
	memcpy(facts.id_booted, ID_LOADER, sizeof(ID_LOADER));
	expect("identity:intent identity:fail store", 1);
	reset(NULL);
	facts = (struct boot_facts){.booted = 'A', .committed = 'A', .blank = true, .copies = 2};
	memcpy(facts.id_booted, ID_LOADER, sizeof(ID_LOADER));
	expect("identity:intent identity:fail store", 1);
}

static void a_blank_environment_is_provisioned(void **state)
{
	(void)state;
	facts = (struct boot_facts){.booted = 'A', .committed = 'A', .blank = true, .copies = 2};
	expect("identity:intent commit(A) id(new) id(same) identity:ok store", 0);
	reset(NULL);
	facts.id_env[0] = 0; /* cut behind the commit, say */
	facts.id_booted[0] = 0;
	expect("identity:intent id(new) id(same) identity:ok store", 0);
}

static void an_identity_that_waits_for_its_reboot_is_no_fault(void **state)
{
	(void)state;
	facts.id_booted[0] = 0;
	expect("", 0);
}

static void only_a_trial_that_nobody_knows_is_cancelled(void **state)
{
	(void)state;
	facts.trial = 'B';
	facts.tries = 2;
	expect("trial:intent cancel(B) trial:ok store", 0);
	reset(NULL);
	facts.trial = 'B';
	s.state.txn.phase = STATE_TXN_WRITTEN; /* set, and the cut came before the state */
	s.state.txn.target = 'B';
	expect("", 0);
	reset(NULL);
	facts.trial = 'B';
	facts.booted = 'B'; /* it runs: health decides */
	expect("", 0);
}

static void autoboot_keeps_what_boots_and_the_trial_that_waits(void **state)
{
	(void)state;
	ops.caps = 0;
	facts = (struct boot_facts){.booted = 'A', .committed = 'A', .two_minds = true};
	expect("autoboot:intent commit(A) autoboot:ok store", 0);
	reset(NULL);
	ops.caps = 0;
	facts = (struct boot_facts){
		.booted = 'A', .committed = 'A', .two_minds = true, .trial = 'B', .tries = 2};
	s.state.txn.phase = STATE_TXN_ACTIVATED;
	s.state.txn.target = 'B';
	expect("autoboot:intent commit(A) trial(B2) autoboot:ok store", 0);
}

static void an_unreadable_trial_is_removed_in_the_committed_slot_only(void **state)
{
	(void)state;
	ops.caps = 0;
	facts = (struct boot_facts){.booted = 'A', .committed = 'A', .trial_unreadable = true};
	expect("trial-file:intent cancel(-) trial-file:ok store", 0);
	reset(NULL);
	ops.caps = 0;
	facts = (struct boot_facts){
		.booted = 'B', .committed = 'A', .trial = 'B', .trial_unreadable = true};
	expect("trial-file:intent trial-file:fail store", 1);
	assert_int_equal(d.first, E_BUSY);
}

static void a_store_that_fails_is_told_and_recorded(void **state)
{
	(void)state;
	lose_environment();
	fails = "restore";
	expect("environment:intent restore(A) environment:fail store", 1);
	assert_int_equal(d.first, E_BOOTENV);
	assert_false(s.state.provisioned);
	reset(NULL);
	facts.id_env[0] = 0;
	facts.id_booted[0] = 0;
	facts.blank = true;
	fails = "commit";
	expect("identity:intent commit(A) identity:fail store", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_good_device_is_left_alone, reset),
		cmocka_unit_test_setup(
			a_bad_copy_is_written_by_a_store_that_changes_nothing, reset),
		cmocka_unit_test_setup(
			without_an_identity_the_copy_waits_for_the_end_of_a_trial, reset),
		cmocka_unit_test_setup(a_lost_environment_gets_the_slot_that_runs, reset),
		cmocka_unit_test_setup(where_it_is_not_clear_what_runs_nothing_is_written, reset),
		cmocka_unit_test_setup(an_environment_that_the_loader_knows_is_not_replaced, reset),
		cmocka_unit_test_setup(a_blank_environment_is_provisioned, reset),
		cmocka_unit_test_setup(an_identity_that_waits_for_its_reboot_is_no_fault, reset),
		cmocka_unit_test_setup(only_a_trial_that_nobody_knows_is_cancelled, reset),
		cmocka_unit_test_setup(autoboot_keeps_what_boots_and_the_trial_that_waits, reset),
		cmocka_unit_test_setup(
			an_unreadable_trial_is_removed_in_the_committed_slot_only, reset),
		cmocka_unit_test_setup(a_store_that_fails_is_told_and_recorded, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
