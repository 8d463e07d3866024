/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/bundle_object: a bundle with the first bytes of an object serves these and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "agent/poll/bundle.h"
#include "tests/unit/poll_tar.h"

#define HEAD   OBJECT ".head"
#define HELD   3000 /* bytes that the bundle holds … */
#define LENGTH 10000 /* … of these */

static char path[64];

/* Ends the tar, and opens it as a file. */
static int open_tar(struct tar *t, struct bundle **b, struct err *e)
{
	*b = NULL;
	*e = (struct err){0};
	grow(t, (size_t)2 * BLOCK);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, t->data, t->len), t->len);
	close(fd);
	free(t->data);
	*t = (struct tar){0};
	return bundle_open(path, b, e);
}

static int open_object(
	struct bundle *b, const char *hex, uint64_t length, struct reader *r, struct err *e)
{
	struct object_source s = bundle_objects(b);
	uint8_t sha[HASH_SIZE];

	*r = (struct reader){0};
	*e = (struct err){0};
	assert_int_equal(hash_from_hex(hex, sha, e), 0);
	return s.open(s.ctx, sha, length, r, e);
}

static struct bundle *good_head(void)
{
	struct tar t = good_start();
	struct bundle *b;
	struct err e;

	add_bytes(&t, HEAD, HELD);
	if (open_tar(&t, &b, &e) < 0)
		fail_msg("%s", e.text);
	return b;
}

static void the_bytes_of_a_head_are_served(void **state)
{
	struct bundle *b = good_head();
	uint8_t got[HELD];
	struct reader r;
	struct err e;

	(void)state;
	assert_int_equal(open_object(b, HEX1, LENGTH, &r, &e), 0);
	assert_int_equal(r.read(r.ctx, 0, got, HELD, &e), 0);
	assert_bytes(HEAD, 0, got, HELD);
	assert_int_equal(r.read(r.ctx, HELD - 10, got, 10, &e), 0);
	assert_bytes(HEAD, HELD - 10, got, 10);
	assert_int_equal(r.read(r.ctx, 100, got, 500, &e), 0);
	assert_bytes(HEAD, 100, got, 500);
	reader_close(&r);
	bundle_close(b);
}

static void bytes_behind_a_head_are_for_other_devices(void **state)
{
	static const struct byte_range rows[] = {
		{HELD, 1}, {HELD - 1, 2}, {LENGTH - 1, 1}, {0, LENGTH}};
	struct bundle *b = good_head();
	uint8_t got[LENGTH] = {0};
	struct reader r;
	struct err e;

	(void)state;
	assert_int_equal(open_object(b, HEX1, LENGTH, &r, &e), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			r.read(r.ctx, rows[i].offset, got, (size_t)rows[i].length, &e), -1);
		assert_int_equal(e.code, E_NOTFOUND);
		assert_non_null(strstr(e.text, "take a full bundle or the repository"));
		/* What is announced fails as well: before anything is written. */
		const struct byte_range both[] = {{0, rows[i].offset > 100 ? 100 : 0}, rows[i]};
		assert_int_equal(r.expect(r.ctx, both, 2, &e), -1);
		assert_int_equal(e.code, E_NOTFOUND);
	}
	/* Nothing of it reached the caller. */
	for (size_t i = 0; i < LENGTH; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(r.read(r.ctx, LENGTH, got, 1, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	const struct byte_range good = {5, 100};
	assert_int_equal(r.expect(r.ctx, &good, 1, &e), 0);
	reader_close(&r);
	bundle_close(b);
}

static void what_a_bundle_holds_is_known_before(void **state)
{
	struct bundle *b = good_head();
	struct object_source s = bundle_objects(b);
	static const struct byte_range good[] = {{0, 10}, {HELD - 5, 5}};
	static const struct byte_range late[] = {{0, 10}, {HELD - 5, 6}};
	static const struct byte_range wild = {LENGTH, 1};
	uint8_t sha[HASH_SIZE];
	uint8_t other[HASH_SIZE];
	struct err e = {0};

	(void)state;
	assert_int_equal(hash_from_hex(HEX1, sha, &e), 0);
	assert_int_equal(hash_from_hex(HEX2, other, &e), 0);
	assert_int_equal(s.holds(s.ctx, sha, LENGTH, good, 2, &e), 0);
	assert_int_equal(s.holds(s.ctx, sha, LENGTH, late, 2, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_non_null(strstr(e.text, "take a full bundle or the repository"));
	assert_int_equal(s.holds(s.ctx, sha, LENGTH, &wild, 1, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(s.holds(s.ctx, other, LENGTH, NULL, 0, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_int_equal(s.holds(s.ctx, sha, HELD - 1, NULL, 0, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	bundle_close(b);
}

static void a_head_is_no_longer_than_its_object(void **state)
{
	struct bundle *b = good_head();
	uint8_t got[10];
	struct reader r;
	struct err e;

	(void)state;
	assert_int_equal(open_object(b, HEX1, HELD - 1, &r, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	/* All of it is a head, too. */
	assert_int_equal(open_object(b, HEX1, HELD, &r, &e), 0);
	assert_int_equal(r.read(r.ctx, HELD - 10, got, 10, &e), 0);
	assert_bytes(HEAD, HELD - 10, got, 10);
	reader_close(&r);
	bundle_close(b);
}

static void a_head_stands_for_no_other_object(void **state)
{
	struct bundle *b = good_head();
	struct reader r;
	struct err e;

	(void)state;
	assert_int_equal(open_object(b, HEX2, LENGTH, &r, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_null(r.ctx);
	bundle_close(b);
}

static void an_object_is_there_once_whole_or_as_a_head(void **state)
{
	static const char *const pairs[][2] = {
		{HEAD, HEAD}, {OBJECT, HEAD}, {HEAD, OBJECT}, {OBJECT, OBJECT}};
	struct bundle *b;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct tar t = good_start();
		add_bytes(&t, pairs[i][0], HELD);
		add_bytes(&t, "objects/bb/" HEX2 ".head", 10);
		add_bytes(&t, pairs[i][1], HELD);
		assert_int_equal(open_tar(&t, &b, &e), -1);
		assert_null(b);
		assert_int_equal(e.code, E_BUNDLE);
		assert_non_null(strstr(e.text, "is there twice"));
	}
	/* Two objects with a head each are fine. */
	struct tar t = good_start();
	add_bytes(&t, HEAD, HELD);
	add_bytes(&t, "objects/bb/" HEX2 ".head", 10);
	assert_int_equal(open_tar(&t, &b, &e), 0);
	bundle_close(b);
}

static void refuses_names_that_only_look_like_a_head(void **state)
{
	static const char *const names[] = {OBJECT ".heads", OBJECT ".HEAD", OBJECT ".",
		OBJECT "head", OBJECT ".head.head", OBJECT "/.head", ROOT ".head", TARGET ".head",
		"objects/aa/" HEX2 ".head"};
	struct bundle *b;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tar t = good_start();
		add_bytes(&t, names[i], HELD);
		assert_int_equal(open_tar(&t, &b, &e), -1);
		assert_int_equal(e.code, E_BUNDLE);
		assert_non_null(strstr(e.text, "belongs into a bundle"));
	}
}

static void a_bundle_that_ends_in_its_head_is_refused(void **state)
{
	struct tar t = good_start();
	struct bundle *b = NULL;
	struct err e = {0};

	(void)state;
	add_bytes(&t, HEAD, HELD);
	t.len -= 2000;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, t.data, t.len), t.len);
	close(fd);
	free(t.data);
	assert_int_equal(bundle_open(path, &b, &e), -1);
	assert_int_equal(e.code, E_BUNDLE);
	assert_non_null(strstr(e.text, "behind the end"));
}

static int start(void **state)
{
	(void)state;
	strcpy(path, "/tmp/pawl-head-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int stop(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_of_a_head_are_served),
		cmocka_unit_test(bytes_behind_a_head_are_for_other_devices),
		cmocka_unit_test(what_a_bundle_holds_is_known_before),
		cmocka_unit_test(a_head_is_no_longer_than_its_object),
		cmocka_unit_test(a_head_stands_for_no_other_object),
		cmocka_unit_test(an_object_is_there_once_whole_or_as_a_head),
		cmocka_unit_test(refuses_names_that_only_look_like_a_head),
		cmocka_unit_test(a_bundle_that_ends_in_its_head_is_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
