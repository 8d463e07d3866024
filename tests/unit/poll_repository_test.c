/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/repository: names become URLs below the base, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/poll/repository.h"
#include "tests/lib/odd_server.h"

#define HEX "aa11111111111111111111111111111111111111111111111111111111111111"

static char folder[64];
static struct odd_server server;
static struct http *http;

static struct repository *open_at(const char *path)
{
	struct repository *r = NULL;
	struct err e = {0};

	if (repository_open(http, odd_url(&server, path), &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void get_and_compare(const struct fetcher *f, const char *name, const char *want)
{
	AUTO_BUF struct buf out = buf_make(100);
	struct err e = {0};

	if (f->get(f->ctx, name, NULL, NULL, &out, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf_text(&out), want);
}

static void serves_metadata_targets_and_objects(void **state)
{
	struct repository *r = open_at("repo///");
	struct fetcher metadata = repository_metadata(r);
	struct fetcher targets = repository_targets(r);
	struct object_source objects = repository_objects(r);
	struct reader reader = {0};
	uint8_t sha[HASH_SIZE];
	char got[8] = "";
	struct err e = {0};

	(void)state;
	get_and_compare(&metadata, "1.root.json", "root");
	get_and_compare(&targets, "demo/x.stable.json", "target");
	assert_int_equal(hash_from_hex(HEX, sha, &e), 0);
	assert_int_equal(objects.open(objects.ctx, sha, 6, &reader, &e), 0);
	assert_int_equal(reader.read(reader.ctx, 0, got, 6, &e), 0);
	assert_string_equal(got, "object");
	reader_close(&reader);
	repository_close(r);
}

static void a_poll_with_nothing_new_costs_under_1_kib(void **state)
{
	struct repository *r = open_at("repo");
	struct fetcher f = repository_metadata(r);
	AUTO_BUF struct buf out = buf_make(1000);
	struct fetch_tag tag = {0};
	bool unchanged = false;
	struct err e = {0};

	(void)state;
	assert_int_equal(f.get(f.ctx, "timestamp.json", &tag, &unchanged, &out, &e), 0);
	json_t *before = odd_log(&server, NULL);
	assert_int_equal(f.get(f.ctx, "2.root.json", NULL, NULL, &out, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_int_equal(f.get(f.ctx, "timestamp.json", &tag, &unchanged, &out, &e), 0);
	assert_true(unchanged);
	json_t *after = odd_log(&server, NULL);
	assert_int_equal(json_array_size(after), json_array_size(before) + 2);
	assert_true(odd_sent(after, "") - odd_sent(before, "") < 100);
	json_decref(before);
	json_decref(after);
	repository_close(r);
}

static void names_lead_nowhere_else(void **state)
{
	static const char *const bad[] = {"", ".", "..", "../x", "a/../x", "a//b", "/a", "a/",
		"a/./b", "a b", "a?b", "a#b", "a\r\nX: y", "a\\b", "http://evil/x", "a\xc3\xa9",
		"...", "a/.../b", "a@b", "a:b"};
	struct repository *r = open_at("repo");
	struct fetcher f = repository_metadata(r);
	AUTO_BUF struct buf out = buf_make(100);
	struct err e = {0};
	char far[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(f.get(f.ctx, bad[i], NULL, NULL, &out, &e), -1);
		if (e.code != E_META)
			fail_msg("%s: %s", bad[i], e.text);
	}
	memset(far, 'a', sizeof(far));
	far[sizeof(far) - 1] = 0;
	assert_int_equal(f.get(f.ctx, far, NULL, NULL, &out, &e), -1);
	assert_int_equal(e.code, E_META);
	/* Percent-encoded names of delegated roles are names. */
	assert_int_equal(f.get(f.ctx, "1.a%2Fb~c_d.json", NULL, NULL, &out, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	repository_close(r);
}

static void refuses_base_urls_that_cannot_work(void **state)
{
	static const char *const bad[] = {
		"https://h/x?y", "https://h/x#y", "ftp://h/", "h", "", "https://u:p@h/"};
	static char far[2000];
	struct repository *r = NULL;
	struct http *strict = NULL;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(repository_open(http, bad[i], &r, &e), -1);
		assert_int_equal(e.code, E_CONFIG);
	}
	memset(far, 'a', sizeof(far) - 1);
	memcpy(far, "https://h/", 10);
	assert_int_equal(repository_open(http, far, &r, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	assert_non_null(strstr(e.text, "longer"));
	assert_int_equal(http_open(&(struct http_options){0}, &strict, &e), 0);
	assert_int_equal(repository_open(strict, "http://h/", &r, &e), -1);
	assert_int_equal(e.code, E_CONFIG);
	http_close(strict);
	assert_null(r);
}

static void make_folder(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int start(void **state)
{
	const struct http_options o = {.allow_http = true};
	struct err e = {0};

	(void)state;
	odd_make_folder(folder);
	make_folder("repo");
	make_folder("repo/metadata");
	make_folder("repo/targets");
	make_folder("repo/targets/demo");
	make_folder("repo/objects");
	make_folder("repo/objects/aa");
	odd_write(folder, "repo/metadata/1.root.json", "root", 4);
	odd_write(folder, "repo/metadata/timestamp.json", "stamp", 5);
	odd_write(folder, "repo/targets/demo/x.stable.json", "target", 6);
	odd_write(folder, "repo/objects/aa/" HEX, "object", 6);
	server = odd_start(folder, NULL, NULL);
	return http_open(&o, &http, &e);
}

static int stop(void **state)
{
	(void)state;
	http_close(http);
	odd_stop(&server);
	odd_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_metadata_targets_and_objects),
		cmocka_unit_test(a_poll_with_nothing_new_costs_under_1_kib),
		cmocka_unit_test(names_lead_nowhere_else),
		cmocka_unit_test(refuses_base_urls_that_cannot_work),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
