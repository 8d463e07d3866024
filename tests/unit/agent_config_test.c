/* SPDX-License-Identifier: Apache-2.0 */
/* agent/config: every key is read where it belongs, and each mistake is named with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/config.h"

#define DEVICE "[device]\nproduct = demo\ncompatible = demo board 1\n"
#define SLOTS  "[slot A]\nrootfs = /dev/a\n[slot B]\nrootfs = /dev/b\n"

static char root[64];
static struct config c;
static struct err e;

static int make_root(void **state)
{
	char dir[128];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/pawl-config-test-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/etc/pawl", root);
	return file_make_path(dir, 0755, &e);
}

static int remove_root(void **state)
{
	static const char *const names[] = {"/etc/pawl/pawl.conf", "/etc/pawl", "/etc", ""};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, names[i]);
		remove(path);
	}
	return 0;
}

static int load_bytes(const char *text, size_t len)
{
	char dir[128];
	int fd = -1;

	snprintf(dir, sizeof(dir), "%s/etc/pawl", root);
	assert_int_equal(file_open_dir(dir, &fd, &e), 0);
	assert_int_equal(file_replace(fd, "pawl.conf", text, len, 0644, &e), 0);
	close(fd);
	e = (struct err){0};
	return config_load(root, NULL, &c, &e);
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

/* The whole file of an error is refused, and the message holds all these words. */
static void expect_error(const char *text, const char *word1, const char *word2)
{
	memset(&c, 0x5a, sizeof(c));
	if (load(text) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(e.code, E_CONFIG);
	if (!strstr(e.text, word1) || !strstr(e.text, word2))
		fail_msg("\"%s\" names not \"%s\" and \"%s\"", e.text, word1, word2);
	assert_int_equal(c.product[0], 0x5a);
}

static void expect_path(const char *got, const char *want)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, want);
	assert_string_equal(got, full);
}

static void defaults_are_those_of_the_table(void **state)
{
	(void)state;
	assert_int_equal(load(DEVICE SLOTS), 0);
	assert_string_equal(c.product, "demo");
	assert_string_equal(c.compatible, "demo board 1");
	assert_string_equal(c.channel, "stable");
	assert_int_equal(c.url_count, 0);
	assert_string_equal(c.ca_file, "");
	assert_false(c.allow_http);
	assert_int_equal(c.rate_limit, 0);
	assert_int_equal(c.connect_timeout, 30);
	assert_int_equal(c.low_speed_bytes, 100);
	assert_int_equal(c.low_speed_seconds, 60);
	assert_int_equal(c.metadata_deadline, 120);
	assert_int_equal(c.object_deadline, 86400);
	assert_int_equal(c.backoff_base, 60);
	assert_int_equal(c.backoff_cap, 86400);
	assert_false(c.offline_expiry_refuse);
	assert_int_equal(c.automatic, POLICY_SECURITY);
	assert_int_equal(c.reboot, CONFIG_REBOOT_NOW);
	assert_int_equal(c.install_attempts, 3);
	assert_string_equal(c.loader, "uboot");
	expect_path(c.fw_env_config, "/etc/fw_env.config");
	assert_string_equal(c.boot_script, "");
	assert_string_equal(c.reboot_command, "");
	expect_path(c.root_mount, "/");
	assert_false(c.allow_single_env);
	assert_int_equal(c.tries, 3);
	assert_int_equal(c.health_deadline, 600);
	assert_int_equal(c.hook_timeout, 60);
	assert_false(c.keep_failed);
	expect_path(c.data_dir, "/var/lib/pawl");
	expect_path(c.root_json, "/usr/share/pawl/root.json");
	expect_path(c.backstop_json, "/usr/share/pawl/backstop.json");
	expect_path(c.hooks_image, "/usr/lib/pawl/hooks");
	expect_path(c.hooks_local, "/etc/pawl/hooks");
	assert_string_equal(c.root, root);
	expect_path(c.file, "/etc/pawl/pawl.conf");
}

static const char every_key[] =
	"# all of them\n"
	"[device]\nproduct = p1\ncompatible = Board; rev 2 ; a comment\nchannel = beta\n"
	"[repository]\n"
	"url = https://a.example/x/ http://b.example:8080\n  https://c.example/deep/path//\n"
	"proxy = http://proxy.example:3128\nallow-http = yes\nca-file = /etc/ca.pem\n"
	"rate-limit = 1000000\nconnect-timeout = 7\nlow-speed-bytes = 8\nlow-speed-seconds = 9\n"
	"metadata-deadline = 10\nobject-deadline = 11\nbackoff-base = 12\nbackoff-cap = 13\n"
	"offline-expiry = refuse\n"
	"[policy]\nauto = off\nreboot = window 22:30-04:05\ninstall-attempts = 14\n"
	"[boot]\nloader = script\nfw-env-config = /e/fw\nautoboot = /e/auto\npartition-a = 4\n"
	"partition-b = 255\nscript = /e/boot\nreboot-command = /e/rb\n"
	"root-mount = /mnt/slot\nallow-single-env = yes\ntries = 9\n"
	"[health]\ndeadline = 15\nhook-timeout = 16\n"
	"[install]\nkeep-failed = yes\n"
	"[paths]\ndata = /d\nroot-json = /r.json\nbackstop-json = /b.json\nhooks-image = /hi\n"
	"hooks-local = /hl\n"
	"[slot A]\nrootfs = /dev/mmcblk0p2\nboot = /dev/mmcblk0p1\n"
	"[slot B]\nboot = /dev/mmcblk0p3\nrootfs = /dev/mmcblk0p4\n";

static void every_key_is_read_where_it_belongs(void **state)
{
	(void)state;
	if (load(every_key) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(c.product, "p1");
	assert_string_equal(c.compatible, "Board; rev 2");
	assert_string_equal(c.channel, "beta");
	assert_int_equal(c.url_count, 3);
	assert_string_equal(c.urls[0], "https://a.example/x");
	assert_string_equal(c.urls[1], "http://b.example:8080");
	assert_string_equal(c.urls[2], "https://c.example/deep/path");
	assert_string_equal(c.proxy, "http://proxy.example:3128");
	assert_true(c.allow_http);
	expect_path(c.ca_file, "/etc/ca.pem");
	assert_int_equal(c.rate_limit, 1000000);
	assert_int_equal(c.connect_timeout, 7);
	assert_int_equal(c.low_speed_bytes, 8);
	assert_int_equal(c.low_speed_seconds, 9);
	assert_int_equal(c.metadata_deadline, 10);
	assert_int_equal(c.object_deadline, 11);
	assert_int_equal(c.backoff_base, 12);
	assert_int_equal(c.backoff_cap, 13);
	assert_true(c.offline_expiry_refuse);
	assert_int_equal(c.automatic, POLICY_OFF);
	assert_int_equal(c.reboot, CONFIG_REBOOT_WINDOW);
	assert_int_equal(c.window_from, 22 * 60 + 30);
	assert_int_equal(c.window_to, 4 * 60 + 5);
	assert_int_equal(c.install_attempts, 14);
}

static void every_key_of_boot_health_and_paths_too(void **state)
{
	(void)state;
	assert_int_equal(load(every_key), 0);
	assert_string_equal(c.loader, "script");
	expect_path(c.fw_env_config, "/e/fw");
	expect_path(c.autoboot, "/e/auto");
	assert_int_equal(c.partition_a, 4);
	assert_int_equal(c.partition_b, 255);
	expect_path(c.boot_script, "/e/boot");
	expect_path(c.reboot_command, "/e/rb");
	expect_path(c.root_mount, "/mnt/slot");
	assert_true(c.allow_single_env);
	assert_int_equal(c.tries, 9);
	assert_int_equal(c.health_deadline, 15);
	assert_int_equal(c.hook_timeout, 16);
	assert_true(c.keep_failed);
	expect_path(c.data_dir, "/d");
	expect_path(c.root_json, "/r.json");
	expect_path(c.backstop_json, "/b.json");
	expect_path(c.hooks_image, "/hi");
	expect_path(c.hooks_local, "/hl");
	const struct config_slot *a = config_slot_of(&c, 'A');
	const struct config_slot *b = config_slot_of(&c, 'B');
	assert_int_equal(a->count, 2);
	assert_string_equal(a->parts[0].image, "rootfs");
	expect_path(a->parts[0].path, "/dev/mmcblk0p2");
	assert_string_equal(b->parts[0].image, "boot");
	expect_path(b->parts[0].path, "/dev/mmcblk0p3");
	assert_null(config_slot_of(&c, 'C'));
	assert_int_equal(config_other_slot('A'), 'B');
	assert_int_equal(config_other_slot('B'), 'A');
	assert_int_equal(config_other_slot(0), 0);
}

static void token_and_certificate_go_over_https(void **state)
{
	(void)state;
	assert_int_equal(load(DEVICE SLOTS "[repository]\nurl = https://h\ntoken-file = /t\n"
					   "client-cert = /c\nclient-key = /k\n"),
		0);
	expect_path(c.token_file, "/t");
	expect_path(c.client_cert, "/c");
	expect_path(c.client_key, "/k");
	expect_error(DEVICE SLOTS
		"[repository]\nurl = http://h\nallow-http = yes\ntoken-file = /t\n",
		"token", "http://h");
	expect_error(DEVICE SLOTS "[repository]\nclient-cert = /c\n", "client-key", "together");
	expect_error(DEVICE SLOTS "[repository]\nurl = http://h\n", "allow-http", "http://h");
}

static void names_file_and_line_of_a_mistake(void **state)
{
	(void)state;
	expect_error(
		DEVICE "chanel = beta\n" SLOTS, "pawl.conf:4:", "[device] chanel: unknown key");
	expect_error(DEVICE "[devise]\nx = 1\n" SLOTS, "pawl.conf:4:", "section");
	expect_error(DEVICE "[nothing below]\n" SLOTS, "pawl.conf:4:", "section");
	expect_error(DEVICE "[paths] data = /x\n" SLOTS, "pawl.conf:4:", "section");
	expect_error(DEVICE "[paths\n" SLOTS, "pawl.conf:4:", "section");
	expect_error("product = demo\n" DEVICE SLOTS, "pawl.conf:1:", "unknown section");
	expect_error(DEVICE "channel\n" SLOTS, "pawl.conf:4:", "KEY = VALUE");
	expect_error(DEVICE "channel\nchanel = b\n" SLOTS, "pawl.conf:4:", "KEY = VALUE");
	expect_error(
		DEVICE "product = other\n" SLOTS, "pawl.conf:4:", "[device] product: is there");
	expect_error(DEVICE "  channel = beta\n" SLOTS, "pawl.conf:4:", "indent");
	expect_error(DEVICE SLOTS "[boot]\ntries = 10\n", "pawl.conf:9:", "from 1 to 9");
}

static void names_what_is_missing(void **state)
{
	(void)state;
	expect_error(
		"[device]\ncompatible = x\n" SLOTS, "pawl.conf", "[device] product is missing");
	expect_error(
		"[device]\nproduct = x\n" SLOTS, "pawl.conf", "[device] compatible is missing");
	expect_error(DEVICE, "pawl.conf", "[slot A] names no image");
	expect_error(DEVICE "[slot A]\nrootfs = /dev/a\n", "rootfs", "other slot");
	expect_error(DEVICE SLOTS "[boot]\nloader = script\n", "[boot]", "script = PATH");
	expect_error(DEVICE SLOTS "[boot]\nloader = tryboot\npartition-a = 2\npartition-b = 3\n",
		"[boot]", "autoboot = PARTITION");
	expect_error(DEVICE SLOTS "[boot]\nloader = tryboot\nautoboot = /dev/x\npartition-a = 2\n",
		"[boot]", "partition-a and partition-b");
	expect_error(DEVICE SLOTS "[boot]\nloader = uboot-mender\npartition-b = 2\n", "[boot]",
		"partition-a and partition-b");
	expect_error(DEVICE SLOTS
		"[boot]\nloader = uboot-mender\npartition-a = 2\npartition-b = 2\n",
		"[boot]", "that differ");
	assert_int_equal(load(DEVICE SLOTS "[boot]\nloader = uboot-mender\npartition-a = 2\n"
					   "partition-b = 3\n"),
		0);
	assert_int_equal(load(DEVICE SLOTS "[boot]\nloader = uboot-rauc\n"), 0);
	assert_int_equal(config_load("/nowhere", NULL, &c, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	assert_non_null(strstr(e.text, "/nowhere/etc/pawl/pawl.conf"));
}

static void refuses_values_that_are_nearly_right(void **state)
{
	static const char *const bad[][2] = {{"[repository]", "allow-http = Yes"},
		{"[repository]", "allow-http = 1"}, {"[repository]", "allow-http ="},
		{"[repository]", "rate-limit = -1"}, {"[repository]", "rate-limit = 1k"},
		{"[repository]", "rate-limit = 0x10"}, {"[repository]", "rate-limit = 1 0"},
		{"[repository]", "rate-limit = 99999999999999999999"},
		{"[repository]", "connect-timeout = 0"}, {"[repository]", "url = ftp://h/"},
		{"[repository]", "url = h"}, {"[repository]", "url = https://"},
		{"[repository]", "url = https:///x"}, {"[repository]", "url = https://h/?a=b"},
		{"[repository]", "url = https://h/#x"}, {"[repository]", "url = https://u:p@h/"},
		{"[repository]", "url = https://h\xc3\xa4/"}, {"[repository]", "ca-file = ca.pem"},
		{"[repository]", "ca-file = /etc/../ca"}, {"[repository]", "ca-file = /./ca"},
		{"[repository]", "ca-file = //ca"}, {"[repository]", "ca-file = /etc/"},
		{"[repository]", "offline-expiry = no"}, {"[repository]", "backoff-base = 86401"},
		{"[policy]", "auto = yes"}, {"[policy]", "reboot = later"},
		{"[policy]", "reboot = window"}, {"[policy]", "reboot = window 2:00-4:00"},
		{"[policy]", "reboot = window 02:00-24:00"},
		{"[policy]", "reboot = window 02:60-04:00"},
		{"[policy]", "reboot = window 02:00-02:00"},
		{"[policy]", "reboot = window 02:00 04:00"},
		{"[policy]", "reboot = windox 02:00-04:00"}, {"[boot]", "loader = grub"},
		{"[boot]", "partition-a = 0"}, {"[boot]", "partition-b = 256"},
		{"[boot]", "autoboot = mmcblk0p1"}, {"[boot]", "tries = 0"},
		{"[boot]", "tries = a"}, {"[paths]", "data ="}, {"[paths]", "data = /"},
		{"[device]", "channel = a/b"}, {"[device]", "channel ="}, {"[slot A]", "x = dev"},
		{"[slot A]", "x ="}, {"[slot A]", "../x = /dev/x"}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];
		snprintf(text, sizeof(text), DEVICE SLOTS "%s\n%s\n", bad[i][0], bad[i][1]);
		expect_error(text, "pawl.conf:9:", bad[i][0]);
	}
}

static void one_device_in_two_places_is_refused(void **state)
{
	(void)state;
	expect_error(
		DEVICE "[slot A]\nrootfs = /dev/a\n[slot B]\nrootfs = /dev/a\n", "/dev/a", "twice");
	expect_error(DEVICE "[slot A]\nrootfs = /dev/a\nboot = /dev/a\n"
			    "[slot B]\nrootfs = /dev/b\nboot = /dev/c\n",
		"/dev/a", "twice");
	expect_error(DEVICE
		"[slot A]\nrootfs = /dev/a\nrootfs = /dev/c\n[slot B]\nrootfs = /dev/b\n",
		"pawl.conf:6:", "twice");
}

/* libinih would take what is beyond its buffer for a line of its own. */
static void overlong_lines_and_odd_bytes_are_refused(void **state)
{
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text), DEVICE SLOTS "[repository]\nca-file = /");

	(void)state;
	memset(text + n, 'x', 300);
	memcpy(text + n + 300, "\n", 2);
	expect_error(text, "pawl.conf:9:", "too long");
	expect_error(DEVICE SLOTS "# bell \a\n", "pawl.conf:8:", "control");
	assert_int_equal(load_bytes(DEVICE SLOTS "\0", sizeof(DEVICE SLOTS)), -1);
	assert_int_equal(e.code, E_CONFIG);
}

static void too_many_urls_and_images_are_refused(void **state)
{
	char text[1024];
	size_t n = (size_t)snprintf(text, sizeof(text), DEVICE SLOTS "[repository]\nurl =");

	(void)state;
	for (int i = 0; i < CONFIG_URLS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " https://h%d", i);
	assert_int_equal(load(text), 0);
	snprintf(text + n, sizeof(text) - n, " https://h\n");
	expect_error(text, "pawl.conf:9:", "more than 8 URLs");
	n = (size_t)snprintf(text, sizeof(text), DEVICE SLOTS "[slot A]\n");
	for (int i = 0; i < SLOT_PARTS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "i%d = /dev/i%d\n", i, i);
	expect_error(text, "pawl.conf:16:", "more than 8 images");
}

static void a_big_file_is_refused(void **state)
{
	char *text = malloc(CONFIG_FILE_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', CONFIG_FILE_MAX + 1);
	text[CONFIG_FILE_MAX + 1] = 0;
	expect_error(text, "pawl.conf", "more than");
	free(text);
}

static void a_named_file_is_read_instead(void **state)
{
	char path[128];

	(void)state;
	assert_int_equal(load(DEVICE SLOTS), 0);
	snprintf(path, sizeof(path), "%s/etc/pawl/pawl.conf", root);
	assert_int_equal(config_load("/", path, &c, &e), 0);
	assert_string_equal(c.file, path);
	assert_string_equal(c.data_dir, "/var/lib/pawl");
	assert_string_equal(c.root_mount, "/");
	assert_string_equal(c.slots[1].parts[0].path, "/dev/b");
}

/* A check that takes all of its time must not be taken for a machine that hangs. */
static void a_watchdog_that_is_shorter_than_a_check_is_refused(void **state)
{
	(void)state;
	assert_int_equal(load(DEVICE SLOTS), 0);
	assert_string_equal(c.watchdog_device, "");
	assert_false(c.watchdog_leave);
	expect_error(DEVICE SLOTS "[watchdog]\ndevice = /dev/watchdog0\ntimeout = 69\n", "timeout",
		"70");
	expect_error(DEVICE SLOTS "[watchdog]\nafter-commit = maybe\n", "after-commit", "leave");
	assert_int_equal(load(DEVICE SLOTS "[watchdog]\ndevice = /dev/watchdog0\ntimeout = 70\n"
					   "after-commit = leave\n"),
		0);
	expect_path(c.watchdog_device, "/dev/watchdog0");
	assert_int_equal(c.watchdog_timeout, 70);
	assert_true(c.watchdog_leave);
}

/* Help, man page and doctor are made from it. */
static void the_table_is_complete(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct config_key *k = config_key_at(0); k; k = config_key_at(++n)) {
		assert_true(k->section[0] && k->key[0] && k->value[0] && k->doc[0]);
		assert_int_not_equal(k->doc[strlen(k->doc) - 1], '.');
	}
	assert_int_equal(n, 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			defaults_are_those_of_the_table, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			every_key_is_read_where_it_belongs, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			every_key_of_boot_health_and_paths_too, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			token_and_certificate_go_over_https, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			names_file_and_line_of_a_mistake, make_root, remove_root),
		cmocka_unit_test_setup_teardown(names_what_is_missing, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			refuses_values_that_are_nearly_right, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			one_device_in_two_places_is_refused, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			overlong_lines_and_odd_bytes_are_refused, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			too_many_urls_and_images_are_refused, make_root, remove_root),
		cmocka_unit_test_setup_teardown(a_big_file_is_refused, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			a_named_file_is_read_instead, make_root, remove_root),
		cmocka_unit_test_setup_teardown(
			a_watchdog_that_is_shorter_than_a_check_is_refused, make_root, remove_root),
		cmocka_unit_test(the_table_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
