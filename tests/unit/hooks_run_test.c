/* SPDX-License-Identifier: Apache-2.0 */
/* hooks/: which hooks run, with what, and that a bad one harms nobody. */
#include "tests/unit/hooks_world.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/base/json.h"
#include "hooks/list.h"

static uid_t pretended_uid = (uid_t)-1;

uid_t __wrap_geteuid(void);
uid_t __real_geteuid(void);

uid_t __wrap_geteuid(void)
{
	return pretended_uid == (uid_t)-1 ? __real_geteuid() : pretended_uid;
}

/* The folder fails to be read after so many entries; -1: never. */
static int entries_left = -1;

struct dirent *__wrap_readdir64(DIR *d);
struct dirent *__real_readdir64(DIR *d);

struct dirent *__wrap_readdir64(DIR *d)
{
	if (entries_left == 0) {
		errno = EIO;
		return NULL;
	}
	if (entries_left > 0)
		entries_left--;
	return __real_readdir64(d);
}

static void absent_folders_are_good(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	for (int s = 0; s < HOOK_STAGE_COUNT; s++)
		assert_int_equal(run_stage(w, (enum hook_stage)s, &e), 0);
	assert_string_equal(w->ran, "");
}

static void both_folders_run_in_name_order_and_local_overrides(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "30-c", SH "exit 0");
	put(w, "usr", HOOK_CHECK, "10-a", SH "exit 1");
	put(w, "etc", HOOK_CHECK, "20-b", SH "exit 0");
	put(w, "etc", HOOK_CHECK, "10-a", SH "exit 0");
	put(w, "usr", HOOK_CHECK, ".hidden", SH "exit 1");
	put(w, "usr", HOOK_CHECK, "10-a~", SH "exit 1");
	put(w, "usr", HOOK_COMMITTED, "other-stage", SH "exit 1");
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
	assert_string_equal(w->ran, "10-a=good 20-b=good 30-c=good ");
}

static void empty_file_or_link_to_null_masks(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", SH "exit 1");
	put(w, "usr", HOOK_CHECK, "b", SH "exit 1");
	put(w, "usr", HOOK_CHECK, "c", SH "exit 0");
	put_link(w, "etc", HOOK_CHECK, "a", "/dev/null");
	put_mode(w, "etc", HOOK_CHECK, "b", "", 0644);
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
	assert_string_equal(w->ran, "c=good ");
	/* Only the integrator may: an empty file of the image is a broken image. */
	put_mode(w, "usr", HOOK_CHECK, "d", "", 0644);
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
}

static void first_that_is_not_good_stops_the_stage(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_PRE_WRITE, "1", SH "exit 0");
	put(w, "usr", HOOK_PRE_WRITE, "2", SH "echo not now; exit 75");
	put(w, "usr", HOOK_PRE_WRITE, "3", SH "exit 0");
	assert_int_equal(run_stage(w, HOOK_PRE_WRITE, &e), -1);
	assert_int_equal(e.code, E_LATER);
	assert_string_equal(w->ran, "1=good 2=later ");
	assert_non_null(strstr(e.text, "pre-write/2"));
	assert_non_null(strstr(e.text, "not now"));
	put(w, "usr", HOOK_PRE_WRITE, "2", SH "echo broken >&2; exit 3");
	assert_int_equal(run_stage(w, HOOK_PRE_WRITE, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_string_equal(w->ran, "1=good 2=bad ");
	assert_int_equal(w->last.exit_status, 3);
	assert_string_equal(w->last.output, "broken\n");
	assert_non_null(strstr(e.text, "exit 3"));
}

static void health_runs_all_and_tells_the_worst(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_WANTED, "1", SH "exit 1");
	put(w, "usr", HOOK_HEALTH_WANTED, "2", SH "exit 75");
	put(w, "usr", HOOK_HEALTH_WANTED, "3.relative", SH "exit 0");
	assert_int_equal(run_stage(w, HOOK_HEALTH_WANTED, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_string_equal(w->ran, "1=bad 2=later 3.relative=good ");
	assert_true(w->last.relative);
}

static void facts_come_by_environment_and_by_json_and_nothing_else(void **state)
{
	static const struct hook_fact facts[] = {
		{"RELEASE", "7"}, {"VERSION", "2.0 \"x\"\n$(id)"}, {"SLOT", "B"}};
	AUTO_WORLD struct world *w = world_make();
	struct err e = {0};
	json_t *j = NULL;

	(void)state;
	setenv("LD_PRELOAD_CANARY", "1", 1);
	put(w, "usr", HOOK_CHECK, "env", SH "env");
	assert_int_equal(hooks_run(&w->config, HOOK_CHECK, facts, 3, &w->sink, &e), 0);
	assert_null(strstr(w->last.output, "CANARY"));
	assert_non_null(strstr(w->last.output, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"));
	assert_non_null(strstr(w->last.output, "PAWL_STAGE=check\n"));
	assert_non_null(strstr(w->last.output, "PAWL_RELEASE=7\n"));
	assert_non_null(strstr(w->last.output, "PAWL_VERSION=2.0 \"x\"\n$(id)\n"));
	put(w, "usr", HOOK_CHECK, "env", SH "cat");
	assert_int_equal(hooks_run(&w->config, HOOK_CHECK, facts, 3, &w->sink, &e), 0);
	assert_int_equal(
		json_read((const uint8_t *)w->last.output, strlen(w->last.output), &j, &e), 0);
	assert_string_equal(json_string_value(json_object_get(j, "stage")), "check");
	assert_string_equal(json_string_value(json_object_get(j, "release")), "7");
	assert_string_equal(json_string_value(json_object_get(j, "version")), facts[1].value);
	assert_int_equal(json_object_size(j), 4);
	json_decref(j);
}

static void assert_fault(struct world *w, const char *why)
{
	struct err e;

	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_int_equal(w->last.verdict, HOOK_BAD);
	assert_int_equal(w->last.exit_status, -1);
	if (!strstr(w->last.output, why))
		fail_msg("\"%s\" does not say \"%s\"", w->last.output, why);
	char told[96];
	snprintf(told, sizeof(told), "%s/was-run", w->path);
	assert_int_equal(access(told, F_OK), -1);
}

/* Leaves a file at the top of the world when it runs. */
#define TELLTALE SH "touch ${0%/*}/../../was-run"

static void hook_that_is_not_executable_is_bad(void **state)
{
	(void)state;
	if (getenv("PAWL_VALGRIND")) /* it ends a process whose execve fails */
		skip();
	AUTO_WORLD struct world *w = world_make();

	put_mode(w, "etc", HOOK_CHECK, "a", TELLTALE, 0644);
	assert_fault(w, "not executable");
	put(w, "etc", HOOK_CHECK, "a", "#!/no/such/thing\n");
	assert_fault(w, "cannot be executed");
	put(w, "etc", HOOK_CHECK, "a", "plain text");
	assert_fault(w, "cannot be executed");
	put(w, "etc", HOOK_CHECK, "a",
		"\x7f"
		"ELFgarbage");
	assert_fault(w, "cannot be executed");
}

static void what_is_no_regular_file_is_bad(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	char path[512];

	(void)state;
	world_path(w, "usr", HOOK_CHECK, "dir", path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	assert_fault(w, "not a regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0755), 0);
	assert_fault(w, "not a regular file");
}

static void links_stay_within_the_folders(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	char path[512];
	struct err e;

	(void)state;
	/* Shipped checks are switched on by links within the folders. */
	put(w, "usr", HOOK_COMMITTED, "tool", SH "exit 0");
	put_link(w, "etc", HOOK_CHECK, "a", "../../usr/committed.d/tool");
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
	assert_string_equal(w->ran, "a=good ");
	world_path(w, "etc", HOOK_CHECK, "a", path, sizeof(path));
	unlink(path);
	put_link(w, "etc", HOOK_CHECK, "a", "/bin/true");
	assert_fault(w, "leaves the folders");
	unlink(path);
	put_link(w, "etc", HOOK_CHECK, "a", "/no/where");
	assert_fault(w, "cannot be found");
}

static void what_others_can_change_is_not_run(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	char path[512];
	struct err e;

	(void)state;
	put_mode(w, "usr", HOOK_CHECK, "a", TELLTALE, 0757);
	assert_fault(w, "others than root");
	put_mode(w, "usr", HOOK_CHECK, "a", SH "exit 0", 0775);
	int rc = run_stage(w, HOOK_CHECK, &e);
	assert_int_equal(rc, geteuid() == 0 ? -1 : 0);
	put(w, "usr", HOOK_CHECK, "a", SH "exit 0");
	world_path(w, "usr", HOOK_CHECK, "", path, sizeof(path));
	assert_int_equal(chmod(path, 0757), 0);
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_non_null(strstr(e.text, "can change this folder"));
	assert_string_equal(w->ran, "");
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
}

static void what_belongs_to_others_is_not_run(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	char path[512];

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", TELLTALE);
	world_path(w, "usr", HOOK_CHECK, "a", path, sizeof(path));
	if (__real_geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_fault(w, "others than root");
		return;
	}
	/* Without root nothing can be given away, so somebody else looks at it. */
	struct err e;
	pretended_uid = 12345;
	int rc = run_stage(w, HOOK_CHECK, &e);
	pretended_uid = (uid_t)-1;
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, E_HOOK);
}

static void odd_names_are_refused_and_escaped(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	char name[160];

	(void)state;
	put(w, "usr", HOOK_CHECK, "a\x1b[31m b", TELLTALE);
	assert_fault(w, "its name has other characters");
	assert_string_equal(w->last.name, "a\\x1b[31m b");
	AUTO_WORLD struct world *other = world_make();
	memset(name, 'n', 96);
	name[96] = 0;
	put(other, "usr", HOOK_CHECK, name, TELLTALE);
	assert_fault(other, "too long");
}

static void output_is_bounded_and_escaped(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", SH "printf 'a\\033[2Jb\\302\\233c\\r\\n\\000d'; exit 1");
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_string_equal(w->last.output, "a\\x1b[2Jb\\xc2\\x9bc\\x0d\n\\x00d");
	put(w, "usr", HOOK_CHECK, "a", SH "head -c 100000 /dev/zero | tr '\\0' y");
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
	assert_int_equal(strlen(w->last.output), HOOK_OUTPUT_MAX - 4);
}

/* 1 GiB of output: memory stays bounded, and the hook's verdict counts. */
static void talkative_hook_costs_no_memory(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct rusage before;
	struct rusage after;
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", SH "head -c 1073741824 /dev/zero; exit 3");
	getrusage(RUSAGE_SELF, &before);
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	getrusage(RUSAGE_SELF, &after);
	assert_int_equal(w->last.exit_status, 3);
	assert_true(after.ru_maxrss - before.ru_maxrss < 4096);
}

static void hanging_hook_is_ended_with_its_group(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;
	char script[256];

	(void)state;
	snprintf(script, sizeof(script),
		SH
		"trap '' TERM INT HUP\n(sleep 3; touch %s/survived) &\nwhile :; do sleep 9; done",
		w->path);
	put(w, "usr", HOOK_CHECK, "a", script);
	w->config.seconds = 1;
	uint64_t start = clock_mono_ms();
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_in_range(clock_mono_ms() - start, 900, 6000);
	assert_true(w->last.timed_out);
	assert_int_equal(w->last.exit_status, -1);
	assert_in_range(w->last.ms, 900, 6000);
	assert_non_null(strstr(e.text, "did not end within its limit"));
	sleep(4);
	snprintf(script, sizeof(script), "%s/survived", w->path);
	assert_int_equal(access(script, F_OK), -1);
}

static void hook_that_leaves_a_daemon_is_not_waited_for(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", SH "sleep 60 &\nexit 0");
	uint64_t start = clock_mono_ms();
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), 0);
	assert_true(clock_mono_ms() - start < 10000);
}

static void end_by_signal_is_bad(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_CHECK, "a", SH "kill -KILL $$");
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_int_equal(w->last.signal, SIGKILL);
	assert_int_equal(w->last.exit_status, -1);
	assert_false(w->last.timed_out);
	assert_non_null(strstr(e.text, "killed by signal 9"));
}

static void too_many_hooks_are_refused(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	for (int i = 0; i <= HOOK_LIST_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%03d", i);
		put(w, "usr", HOOK_CHECK, name, TELLTALE);
	}
	assert_int_equal(run_stage(w, HOOK_CHECK, &e), -1);
	assert_int_equal(e.code, E_HOOK);
	assert_string_equal(w->ran, "");
}

/* Else a medium that fails once lets a sick system pass as one without checks. */
static void folder_that_cannot_be_read_is_not_empty(void **state)
{
	AUTO_WORLD struct world *w = world_make();
	struct err e;

	(void)state;
	put(w, "usr", HOOK_HEALTH_REQUIRED, "1", SH "exit 1");
	for (int left = 0; left <= 3; left++) {
		entries_left = left;
		assert_int_equal(run_stage(w, HOOK_HEALTH_REQUIRED, &e), -1);
		entries_left = -1;
		assert_int_equal(e.code, E_HOOK);
		assert_string_equal(w->ran, "");
	}
}

static void every_stage_is_in_the_documentation(void **state)
{
	const char *below = strstr(__FILE__, "tests/unit/");
	AUTO_BUF struct buf doc = buf_make(1 << 20);
	char text[512];
	struct err e;

	(void)state;
	snprintf(text, sizeof(text), "%.*shooks/README.md", (int)(below - __FILE__), __FILE__);
	if (file_read(AT_FDCWD, text, &doc, &e) < 0)
		fail_msg("%s", e.text);
	for (int i = 0; i < HOOK_STAGE_COUNT; i++) {
		enum hook_stage s = (enum hook_stage)i;
		snprintf(text, sizeof(text), "\n| `%s` | %s |\n", hook_stage_folder(s),
			hook_stage_meaning(s));
		if (!strstr(buf_text(&doc), text))
			fail_msg("hooks/README.md lacks the row: %s", text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_folders_are_good),
		cmocka_unit_test(both_folders_run_in_name_order_and_local_overrides),
		cmocka_unit_test(empty_file_or_link_to_null_masks),
		cmocka_unit_test(first_that_is_not_good_stops_the_stage),
		cmocka_unit_test(health_runs_all_and_tells_the_worst),
		cmocka_unit_test(facts_come_by_environment_and_by_json_and_nothing_else),
		cmocka_unit_test(hook_that_is_not_executable_is_bad),
		cmocka_unit_test(what_is_no_regular_file_is_bad),
		cmocka_unit_test(links_stay_within_the_folders),
		cmocka_unit_test(what_others_can_change_is_not_run),
		cmocka_unit_test(what_belongs_to_others_is_not_run),
		cmocka_unit_test(odd_names_are_refused_and_escaped),
		cmocka_unit_test(output_is_bounded_and_escaped),
		cmocka_unit_test(talkative_hook_costs_no_memory),
		cmocka_unit_test(hanging_hook_is_ended_with_its_group),
		cmocka_unit_test(hook_that_leaves_a_daemon_is_not_waited_for),
		cmocka_unit_test(end_by_signal_is_bad),
		cmocka_unit_test(too_many_hooks_are_refused),
		cmocka_unit_test(folder_that_cannot_be_read_is_not_empty),
		cmocka_unit_test(every_stage_is_in_the_documentation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
