/* SPDX-License-Identifier: Apache-2.0 */
/* partitions/boot/script: the contract of docs/boot.md, against good and bad scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "partitions/boot/boot.h"
#include "tests/unit/boot_fixture.h"

struct rig {
	struct fixture f;
	char script[96];
	char log[96];
	struct boot *b;
};

/* A script that logs its arguments and keeps its answers in the variables below. */
#define HEAD "#!/bin/sh\necho \"$*\" >>\"$PAWL_ROOT/log\"\n"
#define GOOD                                                                                       \
	HEAD "s=\"$PAWL_ROOT/run\"\n"                                                              \
	     "put() { printf 'committed=%s\\ntrial=%s\\ntries=%s\\nfallback=%s\\n' "               \
	     "\"$1\" \"${2#-}\" \"${3#-}\" \"${4#-}\" >\"$s\"; }\n"                                \
	     "case $1 in\n"                                                                        \
	     "probe) [ -f \"$s\" ] || put A - - -;;\n"                                             \
	     "self-test) :;;\n"                                                                    \
	     "read) cat \"$s\"; [ ! -f \"$s.id\" ] || cat \"$s.id\";;\n"                           \
	     "set-trial) put A \"$2\" \"$3\" -;;\n"                                                \
	     "commit) put \"$2\" - - \"$3\";;\n"                                                   \
	     "cancel) put A - - \"$2\";;\n"                                                        \
	     "set-identity) echo \"id_env=$2\" >\"$s.id\";;\n"                                     \
	     "reboot) :;;\n"                                                                       \
	     "*) exit 2;;\n"                                                                       \
	     "esac\n"

static void make_script(struct rig *r, const char *text)
{
	unlink(r->script);
	fixture_write_text(r->script, text);
	assert_int_equal(chmod(r->script, 0755), 0);
}

static void begin(struct rig *r, const char *text)
{
	memset(r, 0, sizeof(*r));
	fixture_make(&r->f, 0x400);
	snprintf(r->script, sizeof(r->script), "%s/script", r->f.dir);
	snprintf(r->log, sizeof(r->log), "%s/log", r->f.dir);
	make_script(r, text);
	r->f.options.loader = "script";
	r->f.options.script = r->script;
	r->f.options.script_seconds = 10;
}

static void begin_open(struct rig *r, const char *text)
{
	struct err e = {0};

	begin(r, text);
	if (boot_open(&r->f.options, &r->b, &e) < 0)
		fail_msg("%s", e.text);
}

static void end(struct rig *r)
{
	char path[128];

	boot_close(r->b);
	snprintf(path, sizeof(path), "%s/run", r->f.dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/run.id", r->f.dir);
	unlink(path);
	fixture_remove(&r->f);
}

static void verbs_are_called_as_the_contract_says(void **state)
{
	struct rig r;
	struct err e = {0};
	struct boot_facts facts;
	char log[1024] = "";

	(void)state;
	begin_open(&r, GOOD);
	assert_int_equal(boot_self_test(r.b, &e), 0);
	assert_int_equal(boot_set_trial(r.b, 'B', 3, &e), 0);
	assert_int_equal(boot_read(r.b, &facts, &e), 0);
	assert_int_equal(facts.committed, 'A');
	assert_int_equal(facts.trial, 'B');
	assert_int_equal(facts.tries, 3);
	assert_int_equal(facts.fallback, 0);
	/* What the script does not say about the boot comes from the kernel. */
	assert_int_equal(facts.booted, 'A');
	assert_string_equal(facts.id_booted, FIXTURE_ID);
	assert_string_equal(facts.id_env, "");
	assert_int_equal(boot_commit(r.b, 'B', 'A', &e), 0);
	assert_int_equal(boot_read(r.b, &facts, &e), 0);
	assert_int_equal(facts.committed, 'B');
	assert_int_equal(facts.fallback, 'A');
	assert_int_equal(boot_commit(r.b, 'A', 0, &e), 0);
	assert_int_equal(boot_cancel(r.b, 0, &e), 0);
	assert_int_equal(boot_set_identity(r.b, FIXTURE_ID, &e), 0);
	assert_int_equal(boot_reboot(r.b, &e), 0);
	fixture_read(r.log, log, sizeof(log) - 1);
	assert_string_equal(log, "probe\nself-test\nread\nread\nset-trial B 3\nread\nread\n"
				 "commit B A\nread\nread\ncommit A -\nread\nread\nread\ncancel -\n"
				 "read\nset-identity " FIXTURE_ID "\nread\nreboot\n");
	end(&r);
}

/* The example that is shipped, copied from the source tree beside this file. */
static void the_shipped_example_keeps_the_contract(void **state)
{
	char path[512];
	char text[8192] = "";
	struct boot_facts facts;
	struct err e = {0};
	struct rig r;

	(void)state;
	snprintf(path, sizeof(path), "%.*s../../partitions/layouts/script-example/pawl-boot",
		(int)(strrchr(__FILE__, '/') + 1 - __FILE__), __FILE__);
	if (access(path, R_OK) < 0)
		skip();
	fixture_read(path, text, sizeof(text) - 1);
	begin(&r, text);
	assert_int_equal(boot_open(&r.f.options, &r.b, &e), -1);
	assert_non_null(strstr(e.text, "boot is missing"));
	snprintf(path, sizeof(path), "%s/boot", r.f.dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(boot_open(&r.f.options, &r.b, &e), 0);
	assert_int_equal(boot_self_test(r.b, &e), 0);
	assert_int_equal(boot_set_identity(r.b, FIXTURE_ID, &e), 0);
	assert_int_equal(boot_set_trial(r.b, 'B', 3, &e), 0);
	assert_int_equal(boot_commit(r.b, 'B', 'A', &e), 0);
	assert_int_equal(boot_set_trial(r.b, 'A', 1, &e), 0);
	assert_int_equal(boot_cancel(r.b, 'A', &e), 0);
	assert_int_equal(boot_read(r.b, &facts, &e), 0);
	assert_int_equal(facts.committed, 'B');
	assert_int_equal(facts.trial, 0);
	assert_int_equal(facts.fallback, 'A');
	assert_string_equal(facts.id_env, FIXTURE_ID);
	snprintf(path, sizeof(path), "%s/boot/pawl-state", r.f.dir);
	fixture_write_text(path, "committed=A;reboot\n");
	assert_int_equal(boot_read(r.b, &facts, &e), -1);
	unlink(path);
	snprintf(path, sizeof(path), "%s/boot", r.f.dir);
	rmdir(path);
	end(&r);
}

static void answers_of_another_form_are_refused(void **state)
{
	static const char *const bad[] = {
		"", /* nothing */
		"trial=B\\n", /* committed is missing */
		"committed=A", /* no end of line */
		"committed=C\\n",
		"committed=A\\ncommitted=B\\n",
		"committed=A\\nother=1\\n",
		"committed=A\\ntries=10\\n",
		"committed=A\\ntries=x\\n",
		"committed=A\\n\\n",
		"committed=A\\ntrial\\n",
		"committed=A\\nid_env=zz\\n",
		"committed = A\\n",
		"committed=A\\n\\000trial=B\\n",
		"committed=A\\nbooted=AB\\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct boot_facts facts = {.committed = '?'};
		struct err e = {0};
		struct rig r;
		char text[512];
		snprintf(text, sizeof(text), HEAD "[ $1 != read ] || printf '%s'\n", bad[i]);
		begin_open(&r, text);
		if (boot_read(r.b, &facts, &e) == 0)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(e.code, E_BOOTENV);
		assert_int_equal(facts.committed, '?');
		end(&r);
	}
}

static void an_endless_answer_is_refused(void **state)
{
	struct boot_facts facts;
	struct err e = {0};
	struct rig r;

	(void)state;
	begin_open(&r, HEAD "[ $1 != read ] || { echo committed=A; head -c 100000 /dev/zero | "
			    "tr '\\0' '\\n'; }\n");
	assert_int_equal(boot_read(r.b, &facts, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	end(&r);
}

static void a_script_that_fails_says_why(void **state)
{
	struct boot *b = NULL;
	struct err e = {0};
	struct rig r;

	(void)state;
	begin(&r, HEAD "echo first >&2; echo 'no flash here' >&2; exit 3\n");
	assert_int_equal(boot_open(&r.f.options, &b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "status 3"));
	assert_non_null(strstr(e.text, "no flash here"));
	assert_null(b);
	end(&r);
	/* A right answer does not make up for a bad end. */
	begin_open(&r, HEAD "[ $1 != read ] || { echo committed=A; exit 1; }\n");
	struct boot_facts facts;
	assert_int_equal(boot_read(r.b, &facts, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	end(&r);
}

static void a_script_that_hangs_is_ended(void **state)
{
	struct boot *b = NULL;
	struct err e = {0};
	struct rig r;

	(void)state;
	begin(&r, HEAD "sleep 600\n");
	r.f.options.script_seconds = 1;
	assert_int_equal(boot_open(&r.f.options, &b, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "did not end"));
	end(&r);
}

static void a_script_that_pretends_is_found_out(void **state)
{
	struct err e = {0};
	struct rig r;

	(void)state;
	begin_open(&r, HEAD "[ $1 != read ] || printf 'committed=A\\nfallback=B\\n'\n");
	assert_int_equal(boot_set_trial(r.b, 'B', 3, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_non_null(strstr(e.text, "reads committed=A trial=- tries=0 fallback=B"));
	assert_int_equal(boot_commit(r.b, 'B', 'A', &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_cancel(r.b, 0, &e), -1);
	assert_int_equal(boot_set_identity(r.b, FIXTURE_ID, &e), -1);
	assert_int_equal(e.code, E_BOOTENV);
	assert_int_equal(boot_cancel(r.b, 'B', &e), 0);
	end(&r);
	/* Other tries than asked for are no success either. */
	begin_open(&r, HEAD "[ $1 != read ] || printf 'committed=A\\ntrial=B\\ntries=2\\n'\n");
	assert_int_equal(boot_set_trial(r.b, 'B', 3, &e), -1);
	assert_int_equal(boot_set_trial(r.b, 'B', 2, &e), 0);
	end(&r);
}

static void a_script_that_others_may_write_is_not_run(void **state)
{
	static const mode_t bad[] = {0775, 0757, 0777};
	struct rig r;

	(void)state;
	begin(&r, GOOD);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct boot *b = NULL;
		struct err e = {0};
		assert_int_equal(chmod(r.script, bad[i]), 0);
		assert_int_equal(boot_open(&r.f.options, &b, &e), -1);
		assert_int_equal(e.code, E_CONFIG);
		assert_int_equal(access(r.log, F_OK), -1);
	}
	struct boot *b = NULL;
	struct err e = {0};
	unlink(r.script);
	assert_int_equal(boot_open(&r.f.options, &b, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	r.f.options.script = "relative";
	assert_int_equal(boot_open(&r.f.options, &b, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_called_as_the_contract_says),
		cmocka_unit_test(the_shipped_example_keeps_the_contract),
		cmocka_unit_test(answers_of_another_form_are_refused),
		cmocka_unit_test(an_endless_answer_is_refused),
		cmocka_unit_test(a_script_that_fails_says_why),
		cmocka_unit_test(a_script_that_hangs_is_ended),
		cmocka_unit_test(a_script_that_pretends_is_found_out),
		cmocka_unit_test(a_script_that_others_may_write_is_not_run),
	};

	return cmocka_run_group_tests_name("boot_script", tests, NULL, NULL);
}
