/* SPDX-License-Identifier: Apache-2.0 */
/* agent/factory: a hint from the factory is taken if it fits the image, and raises nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "agent/base/file.h"
#include "agent/factory.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char good[] =
	"{\"schema\": 1, \"product\": \"demo\", \"release\": 7, \"version\": \"1.7\", \"epoch\": 9,"
	" \"manifest\": \"" HEX "\", \"new\": [],"
	" \"images\": [{\"name\": \"rootfs\", \"size\": 266240, \"leaf_hash\": \"sha512-256\","
	" \"leaves\": {\"sha256\": \"" HEX "\", \"length\": 64},"
	" \"index\": {\"sha256\": \"" HEX "\", \"length\": 500}},"
	" {\"name\": \"boot\", \"size\": 4096, \"leaf_hash\": \"sha256\","
	" \"leaves\": {\"sha256\": \"" HEX "\", \"length\": 32}}]}";

static const struct backstop seven = {.present = true, .release = 7, .epoch = 2};
static const struct backstop none;

static char dir_path[64];
static int dir = -1;
static struct state_slot slot;
static struct err e;

static int make(void **state)
{
	(void)state;
	snprintf(dir_path, sizeof(dir_path), "/tmp/pawl-factory-test-XXXXXX");
	assert_non_null(mkdtemp(dir_path));
	e = (struct err){0};
	slot = (struct state_slot){
		.status = STATE_SLOT_COMMITTED, .release = 7, .epoch = 2, .version = "factory"};
	return file_open_dir(dir_path, &dir, &e);
}

static int clear(void **state)
{
	(void)state;
	unlinkat(dir, "factory.json", 0);
	close(dir);
	return rmdir(dir_path);
}

static int load(const char *text, const struct backstop *b)
{
	struct err put = {0};

	assert_int_equal(file_replace(dir, "factory.json", text, strlen(text), 0600, &put), 0);
	return factory_load(dir, "demo", b, &slot, &e);
}

/* The good text with one part replaced. */
static const char *with(const char *part, const char *other)
{
	static char text[2000];
	const char *at = strstr(good, part);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, other, at + strlen(part));
	return text;
}

static void refuses(const char *text, const struct backstop *b, enum err_code code)
{
	struct state_slot before = slot;

	e = (struct err){0};
	if (load(text, b) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(e.code, code);
	assert_memory_equal(&slot, &before, sizeof(slot));
}

static void what_fits_completes_the_record(void **state)
{
	uint8_t hash[HASH_SIZE];

	(void)state;
	assert_int_equal(load(good, &seven), 0);
	assert_int_equal(hash_from_hex(HEX, hash, &e), 0);
	assert_int_equal(slot.image_count, 2);
	assert_string_equal(slot.images[0].name, "rootfs");
	assert_int_equal(slot.images[0].size, 266240);
	assert_int_equal(slot.images[0].leaf_alg, HASH_SHA512_256);
	assert_int_equal(slot.images[0].leaves.length, 64);
	assert_memory_equal(slot.images[0].index.sha256, hash, HASH_SIZE);
	assert_int_equal(slot.images[1].index.length, 0);
	assert_string_equal(slot.version, "1.7");
	assert_memory_equal(slot.manifest, hash, HASH_SIZE);
}

/* An epoch decides whether a slot may be gone back to: only the image's own word counts. */
static void it_raises_no_epoch_and_no_status(void **state)
{
	(void)state;
	slot.status = STATE_SLOT_UNKNOWN;
	assert_int_equal(load(good, &seven), 0);
	assert_int_equal(slot.epoch, 2);
	assert_int_equal(slot.release, 7);
	assert_int_equal(slot.status, STATE_SLOT_UNKNOWN);
}

static void it_names_the_release_of_an_image_that_does_not(void **state)
{
	(void)state;
	slot.release = 0;
	slot.epoch = 0;
	assert_int_equal(load(good, &none), 0);
	assert_int_equal(slot.release, 7);
	assert_int_equal(slot.epoch, 0);
}

static void another_product_or_release_is_not_taken(void **state)
{
	const struct backstop eight = {.present = true, .release = 8};

	(void)state;
	refuses(with("\"demo\"", "\"other\""), &seven, E_POLICY);
	refuses(good, &eight, E_POLICY);
}

static void a_missing_file_is_not_found(void **state)
{
	(void)state;
	assert_int_equal(factory_load(dir, "demo", &seven, &slot, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
}

static void what_is_malformed_is_not_taken(void **state)
{
	static const struct {
		const char *part;
		const char *other;
	} bad[] = {
		{"\"schema\": 1", "\"schema\": 2"},
		{"\"size\": 266240", "\"size\": 266241"},
		{"\"size\": 266240", "\"size\": 0"},
		{"\"size\": 266240", "\"size\": 532480"},
		{"\"size\": 266240", "\"size\": 9223372036854775807"},
		{"sha512-256", "md5"},
		{"\"length\": 64", "\"length\": 63"},
		{"\"length\": 500", "\"length\": -1"},
		{"\"sha256\": \"00", "\"sha256\": \" 0"},
		{"\"release\": 7", "\"release\": \"7\""},
		{"\"name\": \"rootfs\"",
			"\"name\": \"a-name-that-is-longer-than-it-may-be-at-all\""},
		{"\"manifest\"", "\"manifesto\""},
		{"\"images\": [", "\"images\": 1, \"images_\": ["},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuses(with(bad[i].part, bad[i].other), &seven, E_META);
	refuses("{\"schema\":", &seven, E_JSON);
}

static void more_images_than_a_slot_has_are_not_taken(void **state)
{
	AUTO_BUF struct buf text = buf_make(FACTORY_FILE_MAX);

	(void)state;
	assert_int_equal(buf_add(&text, good, (size_t)(strstr(good, "\"images\"") - good), &e), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(buf_printf(&text, &e,
					 "%s{\"name\": \"i%d\", \"size\": 4096,"
					 " \"leaf_hash\": \"sha256\","
					 " \"leaves\": {\"sha256\": \"" HEX "\", \"length\": 32}}",
					 i > 0 ? "," : "\"images\": [", i),
			0);
	assert_int_equal(buf_add_text(&text, "]}", &e), 0);
	refuses(buf_text(&text), &seven, E_META);
}

int main(void)
{
#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make, clear)
	const struct CMUnitTest tests[] = {
		WITH_DIR(what_fits_completes_the_record),
		WITH_DIR(it_raises_no_epoch_and_no_status),
		WITH_DIR(it_names_the_release_of_an_image_that_does_not),
		WITH_DIR(another_product_or_release_is_not_taken),
		WITH_DIR(a_missing_file_is_not_found),
		WITH_DIR(what_is_malformed_is_not_taken),
		WITH_DIR(more_images_than_a_slot_has_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
