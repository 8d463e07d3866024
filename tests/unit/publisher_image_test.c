/* SPDX-License-Identifier: Apache-2.0 */
/* publisher/image: what is cut can be put together again, whatever the threads did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "partitions/slot/format.h"
#include "publisher/compress.h"
#include "publisher/image.h"
#include "publisher/object.h"
#include "tests/unit/publisher_tree.h"

#define SOURCE_SIZE (2 * SLOT_PIECE_SIZE + SLOT_LEAF_SIZE + 100) /* three pieces, padded */
#define PADDED_SIZE (2 * SLOT_PIECE_SIZE + SLOT_LEAF_SIZE + SLOT_BLOCK_SIZE)

static char work[64];
static char image_path[128];
static uint8_t source[PADDED_SIZE]; /* zeros behind SOURCE_SIZE */
static uint8_t again[SLOT_PIECE_SIZE];

static int set_up(void **state)
{
	uint32_t x = 1;

	(void)state;
	tree_make(work);
	snprintf(image_path, sizeof(image_path), "%s/image", work);
	for (size_t i = 0; i < SOURCE_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		/* Some of it compresses, some does not. */
		source[i] = i % 8192 < 4096 ? (uint8_t)(i / 8192) : (uint8_t)(x >> 24);
	}
	tree_write(image_path, source, SOURCE_SIZE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_remove(work);
	return 0;
}

static struct image_request request(enum plan_encoding encoding, unsigned threads)
{
	return (struct image_request){.name = "rootfs",
		.path = image_path,
		.detect = true,
		.encoding = encoding,
		.level = encoding == PLAN_ZSTD   ? 3
			 : encoding == PLAN_ZLIB ? 1
						 : 0,
		.threads = threads};
}

/* Cuts into a fresh folder work/NAME. */
static void cut(const struct image_request *r, const char *name, struct plan_image *out)
{
	char path[128];
	struct image_facts facts;
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/%s", work, name);
	assert_int_equal(mkdir(path, 0755), 0);
	AUTO_CLOSE int dir = tree_open(path);
	if (image_cut(r, dir, out, &facts, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(facts.padding, SLOT_BLOCK_SIZE - 100);
}

/* An object as it was written; checks that name, hash and length belong together. */
static uint8_t *object(const char *folder, const struct plan_object *o)
{
	char name[OBJECT_NAME_SIZE];
	char path[256];
	uint8_t digest[HASH_SIZE];
	size_t len = 0;
	struct err e = {0};

	object_name(o->sha256, name);
	snprintf(path, sizeof(path), "%s/%s/%s", work, folder, name);
	uint8_t *data = tree_read(path, &len);
	assert_int_equal(len, o->length);
	assert_int_equal(hash_bytes(HASH_SHA256, data, len, digest, &e), 0);
	assert_memory_equal(digest, o->sha256, HASH_SIZE);
	return data;
}

static void unpack(enum plan_encoding encoding, const uint8_t *data, size_t len, size_t want)
{
	uLongf n = sizeof(again);

	if (encoding == PLAN_NONE) {
		assert_int_equal(len, want);
		memcpy(again, data, len);
		return;
	}
#ifdef CONFIG_ZSTD
	if (encoding == PLAN_ZSTD) {
		/* The device refuses frames without a size in the header. */
		assert_int_equal(ZSTD_getFrameContentSize(data, len), want);
		assert_int_equal(ZSTD_findFrameCompressedSize(data, len), len);
		assert_int_equal(ZSTD_decompress(again, sizeof(again), data, len), want);
		return;
	}
#endif
	assert_int_equal(uncompress(again, &n, data, (uLong)len), Z_OK);
	assert_int_equal(n, want);
}

static void check_pieces(const char *folder, const struct plan_image *image)
{
	struct slot_pieces table;
	uint8_t digest[HASH_SIZE];
	struct err e = {0};
	AUTO_FREE uint8_t *bytes = object(folder, &image->pieces);
	AUTO_FREE uint8_t *full = object(folder, &image->full);

	assert_int_equal(slot_pieces_parse(bytes, image->pieces.length, image->size,
				 image->full.length, &table, &e),
		0);
	assert_int_equal(table.count, 3);
	for (uint32_t i = 0; i < table.count; i++) {
		const uint8_t *stored = full + table.offset[i];
		assert_int_equal(hash_bytes(HASH_SHA256, stored, table.stored[i], digest, &e), 0);
		assert_memory_equal(digest, table.sha256[i], HASH_SIZE);
		size_t len = slot_piece_length(image->size, i);
		unpack(image->encoding, stored, table.stored[i], len);
		assert_memory_equal(again, source + (size_t)i * SLOT_PIECE_SIZE, len);
	}
	slot_pieces_free(&table);
}

static void check_leaves(const char *folder, const struct plan_image *image)
{
	uint8_t digest[HASH_SIZE];
	struct err e = {0};
	AUTO_FREE uint8_t *leaves = object(folder, &image->leaves);

	assert_int_equal(image->leaves.length, 34 * HASH_SIZE);
	for (uint64_t i = 0; i < 34; i++) {
		assert_int_equal(hash_bytes(image->leaf_alg, source + i * SLOT_LEAF_SIZE,
					 slot_leaf_length(image->size, i), digest, &e),
			0);
		assert_memory_equal(digest, leaves + i * HASH_SIZE, HASH_SIZE);
	}
}

static void objects_give_the_padded_image_again(void **state)
{
	static const enum plan_encoding encodings[] = {
		PLAN_NONE,
		PLAN_ZLIB,
#ifdef CONFIG_ZSTD
		PLAN_ZSTD,
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		struct image_request r = request(encodings[i], 2);
		struct plan_image image;
		char folder[16];
		snprintf(folder, sizeof(folder), "again%zu", i);
		r.leaf_alg = i == 0 ? HASH_SHA512_256 : HASH_SHA256;
		cut(&r, folder, &image);
		assert_string_equal(image.name, "rootfs");
		assert_int_equal(image.format, PLAN_RAW);
		assert_int_equal(image.size, PADDED_SIZE);
		assert_int_equal(image.encoding, encodings[i]);
		check_leaves(folder, &image);
		check_pieces(folder, &image);
	}
}

static void threads_do_not_change_the_result(void **state)
{
	static const unsigned threads[] = {1, 2, 7};
	struct plan_image first;
	struct plan_image other;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct image_request r = request(compress_default_encoding(), threads[i]);
		char folder[16];
		snprintf(folder, sizeof(folder), "threads%zu", i);
		cut(&r, folder, i == 0 ? &first : &other);
		if (i == 0)
			continue;
		assert_memory_equal(first.leaves.sha256, other.leaves.sha256, HASH_SIZE);
		assert_memory_equal(first.full.sha256, other.full.sha256, HASH_SIZE);
		assert_memory_equal(first.pieces.sha256, other.pieces.sha256, HASH_SIZE);
	}
}

static void what_does_not_compress_still_fits_a_piece(void **state)
{
	static const enum plan_encoding encodings[] = {
		PLAN_ZLIB,
#ifdef CONFIG_ZSTD
		PLAN_ZSTD,
#endif
	};
	static uint8_t noise[SLOT_PIECE_SIZE];
	static uint8_t stored[SLOT_PIECE_SIZE + SLOT_STORED_SLACK];
	uint32_t x = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		noise[i] = (uint8_t)x;
	}
	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		struct compressor *c = NULL;
		struct err e = {0};
		size_t n = 0;
		assert_int_equal(compressor_make(encodings[i], 1, &c, &e), 0);
		assert_true(compressor_room(c, sizeof(noise)) <= sizeof(stored));
		assert_int_equal(
			compressor_piece(c, noise, sizeof(noise), stored, sizeof(stored), &n, &e),
			0);
		assert_true(n >= sizeof(noise));
		unpack(encodings[i], stored, n, sizeof(noise));
		assert_memory_equal(again, noise, sizeof(noise));
		compressor_free(c);
	}
}

static void levels_and_encodings_are_checked(void **state)
{
	struct compressor *c = NULL;
	enum plan_encoding encoding;
	struct err e = {0};

	(void)state;
	assert_int_equal(compressor_make(PLAN_ZLIB, 10, &c, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_null(c);
	assert_int_equal(compressor_make(PLAN_NONE, 1, &c, &e), -1);
	assert_int_equal(compress_find_encoding("zstd ", &encoding, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_int_equal(compress_find_encoding("zlib", &encoding, &e), 0);
	assert_int_equal(encoding, PLAN_ZLIB);
}

/* Probes a file of `size` bytes that has `bytes` at `offset`. */
static int probe(size_t size, size_t offset, const char *bytes, size_t len, bool detect,
	struct plan_image *out, struct image_facts *facts, struct err *e)
{
	static uint8_t data[8192];
	char path[128];

	memset(data, 0, sizeof(data));
	memcpy(data + offset, bytes, len);
	snprintf(path, sizeof(path), "%s/probe", work);
	tree_write(path, data, size);
	struct image_request r = {.name = "x", .path = path, .detect = detect};
	return image_probe(&r, out, facts, e);
}

static void formats_are_known_by_their_magic(void **state)
{
	struct plan_image image;
	struct image_facts facts;
	struct err e = {0};

	(void)state;
	assert_int_equal(probe(8192, 0, "hsqs", 4, true, &image, &facts, &e), 0);
	assert_int_equal(image.format, PLAN_SQUASHFS);
	assert_int_equal(probe(8192, 1024, "\xe2\xe1\xf5\xe0", 4, true, &image, &facts, &e), 0);
	assert_int_equal(image.format, PLAN_EROFS);
	assert_int_equal(probe(8192, 1080, "\x53\xef", 2, true, &image, &facts, &e), 0);
	assert_int_equal(image.format, PLAN_EXT4);
	assert_false(facts.has_journal);
	/* s_magic and, 36 bytes on, s_feature_compat with has_journal */
	char super[40] = "\x53\xef";
	super[36] = 4;
	assert_int_equal(probe(8192, 1080, super, sizeof(super), true, &image, &facts, &e), 0);
	assert_true(facts.has_journal);
	assert_int_equal(probe(100, 0, "abc", 3, true, &image, &facts, &e), 0);
	assert_int_equal(image.format, PLAN_RAW);
	assert_int_equal(image.size, 4096);
	assert_int_equal(facts.padding, 3996);
}

static void compressed_images_are_refused_unless_meant(void **state)
{
	struct plan_image image;
	struct image_facts facts;
	struct err e = {0};

	(void)state;
	assert_int_equal(probe(4096, 0, "\x28\xb5\x2f\xfd", 4, true, &image, &facts, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	assert_non_null(strstr(e.text, "zstd"));
	assert_int_equal(probe(4096, 257, "ustar", 5, true, &image, &facts, &e), -1);
	assert_int_equal(probe(4096, 0, "\x28\xb5\x2f\xfd", 4, false, &image, &facts, &e), 0);
	assert_int_equal(image.format, PLAN_RAW);
}

static void what_is_no_file_is_refused(void **state)
{
	struct image_request r = request(PLAN_NONE, 1);
	struct plan_image image;
	struct image_facts facts;
	struct err e = {0};

	(void)state;
	assert_int_equal(probe(0, 0, "", 0, true, &image, &facts, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	r.path = work;
	assert_int_equal(image_probe(&r, &image, &facts, &e), -1);
	assert_int_equal(e.code, E_USAGE);
	r.path = "/nonexistent/image";
	assert_int_equal(image_probe(&r, &image, &facts, &e), -1);
	assert_int_equal(e.code, E_IO);
}

static void shrink(void *ctx, const char *name, uint64_t done, uint64_t total)
{
	(void)name;
	(void)total;
	if (done == SLOT_PIECE_SIZE && truncate(ctx, SOURCE_SIZE - 1) != 0)
		abort();
}

static void an_image_that_changes_meanwhile_is_refused(void **state)
{
	char path[128];
	char folder[128];
	struct plan_image image = {.size = 77};
	struct image_facts facts;
	struct err e = {0};

	(void)state;
	snprintf(path, sizeof(path), "%s/changing", work);
	snprintf(folder, sizeof(folder), "%s/changed", work);
	tree_write(path, source, SOURCE_SIZE);
	assert_int_equal(mkdir(folder, 0755), 0);
	AUTO_CLOSE int dir = tree_open(folder);
	struct image_request r = request(PLAN_NONE, 1);
	r.path = path;
	r.watcher = (struct image_watcher){.ctx = path, .progress = shrink};
	assert_int_equal(image_cut(&r, dir, &image, &facts, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_int_equal(image.size, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_give_the_padded_image_again),
		cmocka_unit_test(threads_do_not_change_the_result),
		cmocka_unit_test(what_does_not_compress_still_fits_a_piece),
		cmocka_unit_test(levels_and_encodings_are_checked),
		cmocka_unit_test(formats_are_known_by_their_magic),
		cmocka_unit_test(compressed_images_are_refused_unless_meant),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(an_image_that_changes_meanwhile_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
