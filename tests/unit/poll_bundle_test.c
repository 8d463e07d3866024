/* SPDX-License-Identifier: Apache-2.0 */
/* agent/poll/bundle: an archive from outside can name, hide or overwrite nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/poll/bundle.h"
#include "tests/unit/poll_tar.h"
#ifdef CONFIG_HTTP
#include "tests/lib/odd_server.h"
#endif

static char folder[64];
static char path[128];

static void write_tar(struct tar *t)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	if (t->len)
		assert_int_equal(write(fd, t->data, t->len), t->len);
	close(fd);
	free(t->data);
	*t = (struct tar){0};
}

static int open_path(struct bundle **b, struct err *e)
{
	*b = NULL;
	*e = (struct err){0};
	return bundle_open(path, b, e);
}

/* Ends the tar, opens it and wants it refused with this word in the reason. */
static void assert_refused(struct tar *t, const char *word)
{
	struct bundle *b;
	struct err e;

	grow(t, (size_t)2 * BLOCK);
	write_tar(t);
	if (open_path(&b, &e) == 0)
		fail_msg("accepted, wanted \"%s\"", word);
	assert_null(b);
	if (e.code != E_BUNDLE || !strstr(e.text, word))
		fail_msg("wanted E_BUNDLE with \"%s\", got %s: %s", word, err_name(e.code), e.text);
}

static void write_good(void)
{
	struct tar t = good_start();

	add(&t, OBJECT, '0', "the object");
	grow(&t, (size_t)2 * BLOCK);
	write_tar(&t);
}

/* --- What is accepted --------------------------------------------------------------------- */

static void get_small(const struct fetcher *f, const char *name, const char *want)
{
	AUTO_BUF struct buf out = buf_make(100);
	struct fetch_tag tag = {"old"};
	bool unchanged = true;
	struct err e = {0};

	assert_int_equal(f->get(f->ctx, name, &tag, &unchanged, &out, &e), 0);
	assert_string_equal(buf_text(&out), want);
	assert_false(unchanged);
	assert_string_equal(tag.text, "");
}

static void serves_what_is_in_it(void **state)
{
	struct bundle *b;
	struct err e;
	char target[64];

	(void)state;
	write_good();
	if (open_path(&b, &e) < 0)
		fail_msg("%s", e.text);
	struct fetcher metadata = bundle_metadata(b);
	struct fetcher targets = bundle_targets(b);
	get_small(&metadata, "1.root.json", "content");
	get_small(&metadata, "timestamp.json", "content");
	get_small(&targets, "demo/releases/" HEX1 ".7.json", "content");
	assert_int_equal(bundle_release_path(b, target, sizeof(target), &e), 0);
	assert_string_equal(target, "demo/releases/7.json");
	assert_int_equal(bundle_release_path(b, target, 20, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	bundle_close(b);
}

static void says_what_it_has_not(void **state)
{
	static const char *const names[] = {"2.root.json", "../metadata/1.root.json", "", "/",
		"1.root.json/", ("../objects/aa/" HEX1)};
	AUTO_BUF struct buf out = buf_make(100);
	AUTO_BUF struct buf tight = buf_make(6);
	struct bundle *b;
	struct err e;

	(void)state;
	write_good();
	assert_int_equal(open_path(&b, &e), 0);
	struct fetcher f = bundle_metadata(b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(f.get(f.ctx, names[i], NULL, NULL, &out, &e), -1);
		assert_int_equal(e.code, E_NOTFOUND);
	}
	assert_int_equal(f.get(f.ctx, "1.root.json", NULL, NULL, &tight, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_non_null(strstr(e.text, "allowed"));
	bundle_close(b);
}

static void objects_have_the_length_that_is_signed(void **state)
{
	uint8_t sha[HASH_SIZE];
	uint8_t other[HASH_SIZE];
	char got[16] = "";
	struct reader r = {0};
	struct bundle *b;
	struct err e;

	(void)state;
	write_good();
	assert_int_equal(open_path(&b, &e), 0);
	assert_int_equal(hash_from_hex(HEX1, sha, &e), 0);
	assert_int_equal(hash_from_hex(HEX2, other, &e), 0);
	struct object_source s = bundle_objects(b);
	assert_int_equal(s.open(s.ctx, other, 10, &r, &e), -1);
	assert_int_equal(e.code, E_NOTFOUND);
	assert_int_equal(s.open(s.ctx, sha, 9, &r, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(s.open(s.ctx, sha, 11, &r, &e), -1);
	assert_int_equal(s.open(s.ctx, sha, 10, &r, &e), 0);
	assert_int_equal(r.read(r.ctx, 4, got, 6, &e), 0);
	assert_string_equal(got, "object");
	assert_int_equal(r.read(r.ctx, 5, got, 6, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	assert_int_equal(r.read(r.ctx, UINT64_MAX, got, 2, &e), -1);
	assert_int_equal(e.code, E_SIZE);
	reader_close(&r);
	bundle_close(b);
}

static void a_record_of_zeros_at_the_end_is_fine(void **state)
{
	struct tar t = good_start();
	struct bundle *b;
	struct err e;

	(void)state;
	grow(&t, 10240);
	write_tar(&t);
	if (open_path(&b, &e) < 0)
		fail_msg("%s", e.text);
	bundle_close(b);
}

/* --- tar-tricks ------------------------------------------------------------------------------ */

static void refuses_names_that_do_not_belong(void **state)
{
	static const char *const names[] = {"../etc/passwd", "/etc/passwd", "metadata/../x",
		"metadata/", "metadata/1.root.json/", "./metadata/2.root.json",
		"metadata/0.root.json", "metadata/01.root.json", "metadata/root.json",
		"metadata/1.mirrors.json", "metadata/12345678901234567.root.json",
		"targets/demo/stable.json", "targets/Demo/releases/" HEX1 ".7.json",
		"targets/.demo/releases/" HEX1 ".7.json",
		"targets/demo/releases/" HEX1 ".7.json.sig", "targets/demo/releases/7.json",
		"targets/a/b/releases/" HEX1 ".7.json", "objects/aa/" HEX2, "objects/" HEX1,
		"objects/aa/" HEX1 "0", "objects/AA/" HEX1, "pawl.zip", "README", "", " ",
		"metadata/\033[2J.json",
		"targets/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/releases/" HEX1 ".7.json"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct tar t = {0};
		add_file(&t, ROOT);
		add_file(&t, names[i]);
		/* A name with "/" at its end is a folder to libarchive: another refusal. */
		assert_refused(&t, "");
	}
	struct tar t = good_start();
	add_file(&t, "README");
	assert_refused(&t, "belongs into a bundle");
}

static void refuses_everything_but_regular_files(void **state)
{
	/* hard link, symlink, devices, folder, FIFO, contiguous, pax, GNU long name, sparse, multi, volume */
	static const char types[] = "1234567xgLKSMVDN";

	(void)state;
	for (const char *type = types; *type; type++) {
		struct tar t = good_start();
		add(&t, OBJECT, *type, "");
		assert_refused(&t, "");
	}
	struct tar t = good_start();
	add(&t, OBJECT, '1', "");
	assert_refused(&t, "no regular file");
	/* The old form of a regular file: readers differ on what a name with "/" at its end is. */
	t = good_start();
	add(&t, OBJECT, 0, "x");
	assert_refused(&t, "no regular file");
	/* A hard link with content (CVE-2016-5418). */
	t = good_start();
	add(&t, OBJECT, '1', "content that goes through the link");
	assert_refused(&t, "");
}

static void refuses_the_target_of_a_link_on_a_file(void **state)
{
	struct tar t = good_start();
	size_t at = add(&t, OBJECT, '0', "x");

	(void)state;
	memcpy(t.data + at + 157, "/etc/shadow", 11);
	seal(t.data + at);
	assert_refused(&t, "target of a link");
}

static void refuses_pax_and_gnu_overrides(void **state)
{
	/* Another name, another size, and one that changes nothing but where the content is. */
	static const char *const records[] = {
		"25 path=../../etc/passwd\n", "13 size=9999\n", "19 mtime=123456789\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct tar t = good_start();
		add(&t, "PaxHeaders/x", 'x', records[i]);
		add_file(&t, OBJECT);
		assert_refused(&t, "more than one header");
		t = good_start();
		add(&t, "PaxHeaders/g", 'g', records[i]);
		add_file(&t, OBJECT);
		assert_refused(&t, "more than one header");
	}
	struct tar t = good_start();
	add(&t, "././@LongLink", 'L', "objects/aa/" HEX1);
	add_file(&t, "short");
	assert_refused(&t, "more than one header");
	/* As the very first member, too. */
	t = (struct tar){0};
	add(&t, "PaxHeaders/x", 'x', "29 path=metadata/1.root.json\n");
	add_file(&t, ROOT);
	assert_refused(&t, "more than one header");
}

static void refuses_gnu_headers(void **state)
{
	struct tar t = good_start();
	size_t at = add(&t, OBJECT, '0', "x");

	(void)state;
	memcpy(t.data + at + 257, "ustar  \0", 8);
	seal(t.data + at);
	assert_refused(&t, "not ustar");
	t = good_start();
	at = add(&t, OBJECT, '0', "x");
	memset(t.data + at + 257, 0, 8);
	seal(t.data + at);
	assert_refused(&t, "not ustar");
}

static void refuses_odd_sizes(void **state)
{
	static const char *const sizes[] = {"-0000000001", "0x000000001", "           ",
		"0000000001 1", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "1"};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct tar t = good_start();
		size_t at = add(&t, OBJECT, '0', "x");
		char field[12] = "";
		/* "\x80" and "\xff" begin a binary number, in which zeros count. */
		memcpy(field, sizes[i], i == 5 ? 12 : strnlen(sizes[i], 12));
		memcpy(t.data + at + 124, field, 12);
		seal(t.data + at);
		assert_refused(&t, "");
	}
	struct tar t = good_start();
	size_t at = add(&t, OBJECT, '0', "x");
	memcpy(t.data + at + 124, "\x80\0\0\0\0\0\0\0\0\0\0\1", 12);
	seal(t.data + at);
	assert_refused(&t, "plain octal");
	t = good_start();
	add_header(&t, OBJECT, '0', 077777777777);
	assert_refused(&t, "reaches behind the end");
}

static void refuses_bytes_behind_the_end_of_a_name(void **state)
{
	struct tar t = good_start();
	size_t at = add(&t, OBJECT, '0', "x");

	(void)state;
	memcpy(t.data + at + 90, "hidden", 6);
	seal(t.data + at);
	assert_refused(&t, "behind its end");
}

static void refuses_large_metadata(void **state)
{
	struct tar t = {0};

	(void)state;
	add_header(&t, ROOT, '0', BUNDLE_METADATA_MAX + 1);
	grow(&t, BUNDLE_METADATA_MAX + BLOCK);
	add_file(&t, TARGET);
	assert_refused(&t, "larger than");
}

static void refuses_disorder_and_doubles(void **state)
{
	struct tar t = good_start();

	(void)state;
	add_file(&t, "metadata/2.root.json");
	assert_refused(&t, "comes too late");
	t = (struct tar){0};
	add_file(&t, OBJECT);
	add_file(&t, ROOT);
	assert_refused(&t, "comes too late");
	t = (struct tar){0};
	add_file(&t, ROOT);
	add_file(&t, STAMP);
	add_file(&t, ROOT);
	add_file(&t, TARGET);
	assert_refused(&t, "is there twice");
	t = good_start();
	add_file(&t, OBJECT);
	add_file(&t, OBJECT);
	assert_refused(&t, "is there twice");
	t = good_start();
	add_file(&t, "targets/demo/releases/" HEX2 ".8.json");
	assert_refused(&t, "second release");
}

static void refuses_a_bundle_without_a_release(void **state)
{
	struct tar t = {0};

	(void)state;
	add_file(&t, ROOT);
	add_file(&t, OBJECT);
	assert_refused(&t, "no release");
	assert_refused(&t, ""); /* nothing but an end */
}

static void refuses_too_many_members(void **state)
{
	struct tar t = good_start();
	char name[128];

	(void)state;
	for (int i = 3; i < BUNDLE_MEMBERS_MAX; i++) {
		snprintf(name, sizeof(name), "objects/aa/aa%062x", (unsigned)i);
		add(&t, name, '0', "");
	}
	grow(&t, (size_t)2 * BLOCK);
	write_tar(&t);
	struct bundle *b;
	struct err e;
	if (open_path(&b, &e) < 0)
		fail_msg("%s", e.text);
	bundle_close(b);
	t = good_start();
	for (int i = 3; i <= BUNDLE_MEMBERS_MAX; i++) {
		snprintf(name, sizeof(name), "objects/aa/aa%062x", (unsigned)i);
		add(&t, name, '0', "");
	}
	assert_refused(&t, "more than");
}

/* Cuts or extends a good bundle and wants it refused. */
static void assert_bent(long change, const char *more, const char *word)
{
	struct bundle *b;
	struct err e;
	struct stat st;

	write_good();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + change), 0);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, more, strlen(more), st.st_size + change - (long)strlen(more)),
		strlen(more));
	close(fd);
	if (open_path(&b, &e) == 0)
		fail_msg("accepted, wanted \"%s\"", word);
	if (e.code != E_BUNDLE || !strstr(e.text, word))
		fail_msg("wanted E_BUNDLE with \"%s\", got %s: %s", word, err_name(e.code), e.text);
}

static void the_end_is_the_end(void **state)
{
	(void)state;
	assert_bent(-2 * BLOCK, "", "no end");
	assert_bent(-BLOCK, "", "no end");
	assert_bent(-1, "", "no end");
	assert_bent(-3 * BLOCK, "", "reaches behind");
	assert_bent(-3 * BLOCK - 100, "", "");
	assert_bent(0, "x", "behind its end");
	assert_bent(4 * BLOCK, "PK\003\004", "behind its end");
	assert_bent(11 * 1024, "", "bytes behind");
	assert_bent(1 << 20, "", "bytes behind");
}

static void refuses_a_bad_checksum(void **state)
{
	struct tar t = good_start();
	size_t at = add(&t, OBJECT, '0', "x");

	(void)state;
	t.data[at + 110] = '7';
	assert_refused(&t, "");
}

/* --- not-a-bundle ------------------------------------------------------------------------------ */

static void other_formats_are_not_tried(void **state)
{
	/* zip, 7z, rar, gzip, zstd, xz, cpio, ar, mtree, and text */
	static const char *const magics[] = {"PK\003\004\024", "7z\xbc\xaf\x27\x1c",
		"Rar!\x1a\x07\x01", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd",
		("\xfd"
		 "7zXZ"),
		"070701", "!<arch>\n", "#mtree\n", "{\"signed\": {}}"};

	(void)state;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		struct tar t = {0};
		uint8_t *p = grow(&t, 4096);
		memcpy(p, magics[i], strlen(magics[i]));
		assert_refused(&t, "not a tar");
	}
}

static void assert_not_opened(const char *where, enum err_code code)
{
	struct bundle *b = NULL;
	struct err e = {0};
	uint64_t before = clock_mono_ms();

	assert_int_equal(bundle_open(where, &b, &e), -1);
	assert_null(b);
	if (e.code != code)
		fail_msg("%s: wanted %s, got %s: %s", where, err_name(code), err_name(e.code),
			e.text);
	assert_non_null(strstr(e.text, where));
	assert_true(clock_mono_ms() - before < 1000);
}

static void what_is_no_file_is_named_and_does_not_block(void **state)
{
	char other[160];

	(void)state;
	assert_not_opened(folder, E_BUNDLE);
	assert_not_opened("/dev/null", E_BUNDLE);
	assert_not_opened("/dev/zero", E_BUNDLE);
	snprintf(other, sizeof(other), "%s/fifo", folder);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_not_opened(other, E_BUNDLE);
	unlink(other);
	write_good();
	snprintf(other, sizeof(other), "%s/link", folder);
	assert_int_equal(symlink(path, other), 0);
	assert_not_opened(other, E_BUNDLE);
	unlink(other);
	assert_not_opened(other, E_NOTFOUND);
	struct tar empty = {0};
	write_tar(&empty);
	assert_not_opened(path, E_BUNDLE);
	if (geteuid() != 0) {
		assert_int_equal(chmod(path, 0), 0);
		assert_not_opened(path, E_IO);
	}
}

/* --- swapped, pulled out -------------------------------------------------------------------------- */

static void a_file_swapped_behind_its_name_is_not_seen(void **state)
{
	struct bundle *b;
	struct err e;
	struct tar t = {0};
	char new[160];

	(void)state;
	write_good();
	assert_int_equal(open_path(&b, &e), 0);
	add(&t, ROOT, '0', "evil!!!");
	snprintf(new, sizeof(new), "%s/new", folder);
	int fd = open(new, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, t.data, t.len), t.len);
	close(fd);
	free(t.data);
	assert_int_equal(rename(new, path), 0);
	struct fetcher f = bundle_metadata(b);
	get_small(&f, "1.root.json", "content");
	bundle_close(b);
}

static void a_file_that_shrinks_is_an_error_and_not_zeros(void **state)
{
	AUTO_BUF struct buf out = buf_make(100);
	struct bundle *b;
	struct err e;

	(void)state;
	write_good();
	assert_int_equal(open_path(&b, &e), 0);
	assert_int_equal(truncate(path, BLOCK), 0);
	struct fetcher f = bundle_metadata(b);
	assert_int_equal(f.get(f.ctx, "1.root.json", NULL, NULL, &out, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "1.root.json"));
	bundle_close(b);
}

/* --- From a reader ---------------------------------------------------------------------------------- */

struct memory {
	const uint8_t *data;
	size_t len;
	uint64_t fail_at; /* reads that touch this byte fail */
	int closed;
};

static int memory_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct memory *m = ctx;

	if (offset + len > m->len || (offset <= m->fail_at && m->fail_at < offset + len))
		return err_set(e, E_NET, "the network went away");
	memcpy(data, m->data + offset, len);
	return 0;
}

static void memory_close(void *ctx)
{
	((struct memory *)ctx)->closed++;
}

static void a_reader_serves_as_well_and_is_closed(void **state)
{
	struct tar t = good_start();
	struct bundle *b = NULL;
	struct err e = {0};

	(void)state;
	grow(&t, (size_t)2 * BLOCK);
	struct memory m = {.data = t.data, .len = t.len, .fail_at = UINT64_MAX};
	struct reader r = {.ctx = &m, .read = memory_read, .close = memory_close};
	assert_int_equal(bundle_open_reader(&r, t.len, "https://x/b.pawl", &b, &e), 0);
	struct fetcher f = bundle_metadata(b);
	get_small(&f, "timestamp.json", "content");
	assert_int_equal(m.closed, 0);
	bundle_close(b);
	assert_int_equal(m.closed, 1);
	/* What fails below is reported as what it is, and the reader is not leaked. */
	m.fail_at = BLOCK;
	m.closed = 0;
	b = NULL;
	r = (struct reader){.ctx = &m, .read = memory_read, .close = memory_close};
	m.fail_at = 2 * BLOCK + 10;
	assert_int_equal(bundle_open_reader(&r, t.len, "https://x/b.pawl", &b, &e), -1);
	assert_int_equal(e.code, E_NET);
	assert_null(b);
	assert_int_equal(m.closed, 1);
	free(t.data);
}

static struct byte_range told[4];
static size_t told_count;
static int told_times;

static int memory_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	(void)ctx;
	(void)e;
	assert_true(count <= 4);
	if (count)
		memcpy(told, ranges, count * sizeof(*ranges));
	told_count = count;
	told_times++;
	return 0;
}

static void what_will_be_read_is_handed_on_in_places_of_the_bundle(void **state)
{
	static const struct byte_range ranges[] = {{1, 2}, {5, 3}};
	struct tar t = good_start();
	size_t first = add(&t, OBJECT, '0', "the object") + BLOCK;
	size_t second = add(&t, "objects/bb/" HEX2, '0', "another one") + BLOCK;
	struct reader one = {0};
	struct reader two = {0};
	uint8_t sha[HASH_SIZE];
	struct bundle *b = NULL;
	struct err e = {0};
	char got[16] = "";

	(void)state;
	grow(&t, (size_t)2 * BLOCK);
	struct memory m = {.data = t.data, .len = t.len, .fail_at = UINT64_MAX};
	struct reader r = {
		.ctx = &m, .expect = memory_expect, .read = memory_read, .close = memory_close};
	assert_int_equal(bundle_open_reader(&r, t.len, "b", &b, &e), 0);
	assert_int_equal(told_times, 1);
	assert_int_equal(told_count, 0);
	struct object_source s = bundle_objects(b);
	assert_int_equal(hash_from_hex(HEX1, sha, &e), 0);
	assert_int_equal(s.open(s.ctx, sha, 10, &one, &e), 0);
	assert_int_equal(hash_from_hex(HEX2, sha, &e), 0);
	assert_int_equal(s.open(s.ctx, sha, 11, &two, &e), 0);
	assert_int_equal(one.expect(one.ctx, ranges, 2, &e), 0);
	assert_int_equal(one.read(one.ctx, 1, got, 2, &e), 0);
	assert_memory_equal(got, "he", 2);
	assert_int_equal(told_count, 2);
	assert_int_equal(told[1].offset, first + 5);
	assert_int_equal(told[1].length, 3);
	assert_int_equal(two.read(two.ctx, 0, got, 7, &e), 0);
	assert_memory_equal(got, "another", 7);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].offset, second);
	assert_int_equal(told[0].length, 11);
	assert_int_equal(two.read(two.ctx, 7, got, 4, &e), 0);
	assert_int_equal(told_times, 3);
	reader_close(&one);
	reader_close(&two);
	bundle_close(b);
	free(t.data);
}

#ifdef CONFIG_HTTP
static void a_bundle_is_read_over_one_connection(void **state)
{
	const struct http_options o = {.allow_http = true};
	struct odd_server server = odd_start(folder, NULL, NULL);
	const char *url = odd_url(&server, "b.pawl");
	struct tar t = good_start();
	struct reader reader = {0};
	struct reader object = {0};
	struct http *http = NULL;
	struct bundle *b = NULL;
	struct err e = {0};
	uint8_t sha[HASH_SIZE];
	char got[16] = "";
	uint64_t size = 0;

	(void)state;
	add(&t, OBJECT, '0', "the object");
	add_header(&t, "objects/bb/" HEX2, '0', 400 * BLOCK);
	grow(&t, (size_t)402 * BLOCK);
	write_tar(&t);
	assert_int_equal(http_open(&o, &http, &e), 0);
	assert_int_equal(http_size(http, url, &size, &e), 0);
	assert_int_equal(http_reader(http, url, size, &reader, &e), 0);
	if (bundle_open_reader(&reader, size, url, &b, &e) < 0)
		fail_msg("%s", e.text);
	struct fetcher f = bundle_metadata(b);
	get_small(&f, "1.root.json", "content");
	struct object_source s = bundle_objects(b);
	assert_int_equal(hash_from_hex(HEX1, sha, &e), 0);
	assert_int_equal(s.open(s.ctx, sha, 10, &object, &e), 0);
	assert_int_equal(object.read(object.ctx, 0, got, 10, &e), 0);
	assert_string_equal(got, "the object");
	reader_close(&object);
	bundle_close(b);
	http_close(http);
	json_t *log = odd_log(&server, NULL);
	json_int_t port = json_integer_value(json_object_get(json_array_get(log, 0), "connection"));
	for (size_t i = 0; i < json_array_size(log); i++)
		assert_int_equal(
			json_integer_value(json_object_get(json_array_get(log, i), "connection")),
			port);
	/* Its headers, its end, and what was asked for: not the content between. */
	assert_true(odd_sent(log, "b.pawl") < (uint64_t)20 * BLOCK);
	json_decref(log);
	odd_stop(&server);
}
#endif

static int start(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/pawl-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/b.pawl", folder);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	unlink(path);
	rmdir(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_what_is_in_it),
		cmocka_unit_test(says_what_it_has_not),
		cmocka_unit_test(objects_have_the_length_that_is_signed),
		cmocka_unit_test(a_record_of_zeros_at_the_end_is_fine),
		cmocka_unit_test(refuses_names_that_do_not_belong),
		cmocka_unit_test(refuses_everything_but_regular_files),
		cmocka_unit_test(refuses_the_target_of_a_link_on_a_file),
		cmocka_unit_test(refuses_pax_and_gnu_overrides),
		cmocka_unit_test(refuses_gnu_headers),
		cmocka_unit_test(refuses_odd_sizes),
		cmocka_unit_test(refuses_bytes_behind_the_end_of_a_name),
		cmocka_unit_test(refuses_large_metadata),
		cmocka_unit_test(refuses_disorder_and_doubles),
		cmocka_unit_test(refuses_a_bundle_without_a_release),
		cmocka_unit_test(refuses_too_many_members),
		cmocka_unit_test(the_end_is_the_end),
		cmocka_unit_test(refuses_a_bad_checksum),
		cmocka_unit_test(other_formats_are_not_tried),
		cmocka_unit_test(what_is_no_file_is_named_and_does_not_block),
		cmocka_unit_test(a_file_swapped_behind_its_name_is_not_seen),
		cmocka_unit_test(a_file_that_shrinks_is_an_error_and_not_zeros),
		cmocka_unit_test(a_reader_serves_as_well_and_is_closed),
		cmocka_unit_test(what_will_be_read_is_handed_on_in_places_of_the_bundle),
#ifdef CONFIG_HTTP
		cmocka_unit_test(a_bundle_is_read_over_one_connection),
#endif
	};

	return cmocka_run_group_tests(tests, start, stop);
}
