/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot: the order is the promise. No decoder runs on bytes whose
 * signed hash was not found right first, and no leaf is written whose hash was
 * not found right first. Linked with --wrap for the functions below.
 */
#include "tests/unit/slot_delta_rig.h"
#include "tests/unit/slot_patch_rig.h"

#include "agent/base/file.h"

#define SIZE       (2u * PIECE + 5u * LEAF + SLOT_BLOCK_SIZE)
#define LEAVES_MAX 64
#define PIECES_MAX 4

int __real_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);
int __wrap_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);
int __real_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int __real_inflate(z_streamp z, int flush);
int __wrap_inflate(z_streamp z, int flush);
#ifdef CONFIG_ZSTD
size_t __real_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
#endif

/* What was seen, in order. `rig` is NULL while a rig is made. */
static struct {
	struct rig *rig;
	/* Hashes of what is stored: pieces, frames or patch frames. */
	uint32_t count;
	const uint32_t *stored;
	uint8_t (*sha256)[HASH_SIZE];
	bool leaf_right[LEAVES_MAX];
	/* What of the bytes that were hashed last, and found right as a stored piece, no decoder saw. */
	const uint8_t *hashed;
	size_t hashed_len;
	bool at_begin; /* that is all of them */
	unsigned decodes;
	unsigned leaf_writes;
	unsigned early_decodes;
	unsigned early_writes;
	const uint8_t *leaf0; /* it comes in two writes, its head last: where it lies */
} seen;

int __wrap_hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e)
{
	int rc = __real_hash_bytes(alg, data, len, digest, e);

	if (rc < 0 || !seen.rig)
		return rc;
	for (uint32_t i = 0; i < seen.count; i++) {
		if (len == seen.stored[i] && memcmp(digest, seen.sha256[i], HASH_SIZE) == 0) {
			seen.hashed = data;
			seen.hashed_len = len;
			seen.at_begin = true;
		}
	}
	for (uint64_t i = 0; i < slot_leaf_count(SIZE); i++) {
		if (len == slot_leaf_length(SIZE, i) &&
			memcmp(digest, seen.rig->leaves + i * HASH_SIZE, HASH_SIZE) == 0)
			__atomic_store_n(&seen.leaf_right[i], true, __ATOMIC_SEQ_CST);
	}
	return rc;
}

/* A decoder was given bytes at `in`, and took `taken` of at most `len`. */
static void note_decode(const void *in, size_t len, size_t taken)
{
	if (!seen.rig)
		return;
	if (seen.at_begin)
		seen.decodes++;
	seen.at_begin = false;
	if (in != seen.hashed || len > seen.hashed_len) {
		seen.early_decodes++;
		return;
	}
	seen.hashed += taken;
	seen.hashed_len -= taken;
}

int __wrap_inflate(z_streamp z, int flush)
{
	const void *in = z->next_in;
	size_t len = z->avail_in;
	int rc = __real_inflate(z, flush);

	note_decode(in, len, len - z->avail_in);
	return rc;
}

#ifdef CONFIG_ZSTD
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in)
{
	size_t from = in->pos;
	size_t rc = __real_ZSTD_decompressStream(d, out, in);

	note_decode((const uint8_t *)in->src + from, in->size - from, in->pos - from);
	return rc;
}
#endif

/* Hashed before, and what goes out is still what was hashed. */
static void note_leaf(uint64_t leaf, const uint8_t *data)
{
	uint8_t digest[HASH_SIZE];
	struct err e;

	seen.leaf_writes++;
	if (!__atomic_load_n(&seen.leaf_right[leaf], __ATOMIC_SEQ_CST) ||
		__real_hash_bytes(seen.rig->image.leaf_alg, data, slot_leaf_length(SIZE, leaf),
			digest, &e) < 0 ||
		memcmp(digest, seen.rig->leaves + leaf * HASH_SIZE, HASH_SIZE) != 0)
		seen.early_writes++;
}

/* Zeros, or the head of the leaf that was just written. */
static void note_head(const uint8_t *data)
{
	static const uint8_t zeros[SLOT_BLOCK_SIZE];

	if (data != seen.leaf0 && memcmp(data, zeros, sizeof(zeros)) != 0)
		seen.early_writes++;
}

static void note_write(const uint8_t *data, size_t len, uint64_t offset)
{
	if (offset == 0 && len == SLOT_BLOCK_SIZE) {
		note_head(data);
		return;
	}
	if (offset == SLOT_BLOCK_SIZE && len == LEAF - SLOT_BLOCK_SIZE) {
		seen.leaf0 = data - SLOT_BLOCK_SIZE;
		note_leaf(0, seen.leaf0);
		return;
	}
	for (size_t at = 0; at < len; at += LEAF) {
		uint64_t leaf = (offset + at) / LEAF;
		if (offset % LEAF != 0 || slot_leaf_length(SIZE, leaf) > len - at)
			seen.early_writes++;
		else
			note_leaf(leaf, data + at);
	}
}

/* Runs in the writer's thread. */
int __wrap_file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	if (seen.rig)
		note_write(data, len, offset);
	return __real_file_pwrite_full(fd, data, len, offset, e);
}

static int watch(struct rig *r, uint32_t count, const uint32_t *stored,
	uint8_t (*sha256)[HASH_SIZE], struct err *e)
{
	struct slot_stats stats;

	memset(&seen, 0, sizeof(seen));
	seen.count = count;
	seen.stored = stored;
	seen.sha256 = sha256;
	seen.rig = r;
	int rc = rig_install(r, &stats, e);
	seen.rig = NULL;
	assert_int_equal(seen.early_decodes, 0);
	assert_int_equal(seen.early_writes, 0);
	return rc;
}

static int watched_install(struct rig *r, struct err *e)
{
	return watch(r, r->pieces.count, r->pieces.stored, r->pieces.sha256, e);
}

static int watched_delta(struct delta_rig *d, struct err *e)
{
	return watch(d->rig, d->frames.count, d->frames.stored, d->frames.sha256, e);
}

static const enum slot_encoding encodings[] = RIG_ENCODINGS;
#define ENCODINGS (sizeof(encodings) / sizeof(encodings[0]))

static void hashes_come_before_decoding_and_before_writing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA512_256);
		struct err e = {0};
		assert_int_equal(watched_install(r, &e), 0);
		assert_int_equal(seen.decodes, encodings[i] == SLOT_NONE ? 0 : 3);
		assert_int_equal(seen.leaf_writes, slot_leaf_count(SIZE));
		assert_true(rig_target_is_whole(r));
		rig_free(r);
	}
}

static void no_decoder_sees_a_piece_whose_hash_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 1; i < ENCODINGS; i++) {
		for (uint32_t piece = 0; piece < 3; piece++) {
			struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
			struct err e = {0};
			r->flip_at = r->pieces.offset[piece] + r->pieces.stored[piece] / 2;
			r->flip_times = 2;
			assert_int_equal(watched_install(r, &e), -1);
			assert_int_equal(e.code, E_HASH);
			assert_int_equal(seen.decodes, piece); /* those before it */
			rig_free(r);
		}
	}
}

static void no_wrong_leaf_is_written_but_the_writes_before_it_are(void **state)
{
	/* First, middle and last of a piece; and what was written before it, four leaves at once. */
	static const struct {
		uint64_t leaf;
		unsigned writes;
	} wrong[] = {{0, 0}, {7, 3}, {15, 11}, {16, 15}, {24, 23}, {31, 27}};

	(void)state;
	for (size_t i = 0; i < ENCODINGS * 6; i++) {
		struct rig *r = rig_new(SIZE, encodings[i / 6], HASH_SHA256);
		struct err e = {0};
		char name[32];
		r->content[(wrong[i % 6].leaf + 1) * LEAF - 1] ^= 1;
		rig_pack(r);
		assert_int_equal(watched_install(r, &e), -1);
		assert_int_equal(e.code, E_HASH);
		snprintf(name, sizeof(name), "leaf %u ", (unsigned)wrong[i % 6].leaf);
		assert_non_null(strstr(e.text, name));
		assert_int_equal(seen.leaf_writes, wrong[i % 6].writes);
		rig_free(r);
	}
}

/* Signed by mistake or by malice: hashes are right, the content is a bomb. */
static void a_bomb_with_right_hashes_is_refused_and_writes_nothing(void **state)
{
	(void)state;
	for (size_t i = 1; i < ENCODINGS; i++) {
		struct rig *r = rig_new(SIZE, encodings[i], HASH_SHA256);
		uint8_t *zeros = calloc(1, 64u << 20);
		uint8_t *bomb = malloc(1u << 20);
		struct err e = {0};
		assert_true(zeros && bomb);
		size_t n = rig_encode(encodings[i], zeros, 64u << 20, bomb, 1u << 20);
		memcpy(r->full, bomb, n);
		r->pieces.stored[0] = (uint32_t)n;
		rig_digest(HASH_SHA256, bomb, n, r->pieces.sha256[0]);
		free(zeros);
		free(bomb);
		r->pieces.offset[1] = n; /* what follows does not matter */
		assert_int_equal(watched_install(r, &e), -1);
		assert_int_equal(e.code, E_SIZE);
		assert_non_null(strstr(e.text, "image rootfs"));
		assert_non_null(strstr(e.text, "piece 0"));
		assert_int_equal(seen.leaf_writes, 0);
		assert_int_equal(r->reads, 1); /* no second try: the hash was right */
		rig_free(r);
	}
}

/* Out of data, a seed and the target at once; the seed lies, so that a leaf is made twice. */
static void a_delta_keeps_the_order_whatever_the_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], false, 3);
		struct err e = {0};
		delta_add_seed(d, 0, d->rig->content, SIZE);
		delta_match(d, 4 * LEAF, 12 * LEAF, delta_seed_place(0, 4 * LEAF));
		rig_write_at(d->rig, 14 * LEAF, d->rig->content + 14 * LEAF, LEAF / 2);
		delta_match(d, 14 * LEAF, 14 * LEAF + LEAF / 2, SLOT_PLACE_TARGET);
		uint64_t lie = 6 * LEAF + 64;
		delta_damage_seed(d, 0, lie);
		d->items[lie / SLOT_BLOCK_SIZE].hash =
			slot_match_hash(d->seed_content[0] + 6 * LEAF, SLOT_BLOCK_SIZE);
		delta_read_tables(d);
		assert_int_equal(watched_delta(d, &e), 0);
		assert_int_equal(seen.decodes, encodings[i] == SLOT_NONE ? 0 : d->reads);
		assert_int_equal(seen.leaf_writes, slot_leaf_count(SIZE) - 1); /* zeros are there */
		assert_true(rig_target_is_whole(d->rig));
		delta_rig_free(d);
	}
}

static void no_decoder_sees_a_frame_whose_hash_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 1; i < ENCODINGS; i++) {
		struct delta_rig *d = delta_rig_new(SIZE, encodings[i], false, 1);
		struct err e = {0};
		d->flip_at = d->frames.offset[7] + 20;
		d->flip_times = 2;
		assert_int_equal(watched_delta(d, &e), -1);
		assert_int_equal(e.code, E_HASH);
		assert_int_equal(seen.decodes, 7); /* those before it */
		delta_rig_free(d);
	}
}

#ifdef CONFIG_ZSTD

static int watched_patch(struct patch_rig *p, struct err *e)
{
	return watch(p->rig, p->table.count, p->table.stored, p->table.sha256, e);
}

static void a_patch_keeps_the_order(void **state)
{
	struct patch_rig *p = patch_rig_new(SIZE);
	struct err e = {0};

	(void)state;
	assert_int_equal(watched_patch(p, &e), 0);
	assert_int_equal(seen.decodes, p->table.count);
	assert_int_equal(seen.leaf_writes, slot_leaf_count(SIZE));
	assert_true(rig_target_is_whole(p->rig));
	patch_rig_free(p);
}

static void no_decoder_sees_a_patch_frame_whose_hash_is_wrong(void **state)
{
	struct patch_rig *p = patch_rig_new(SIZE);
	struct err e = {0};

	(void)state;
	p->flip_frame = 2;
	p->flip_times = 2;
	assert_int_equal(watched_patch(p, &e), -1);
	assert_int_equal(e.code, E_HASH);
	assert_int_equal(seen.decodes, 2);
	assert_non_null(strstr(e.text, "image rootfs"));
	patch_rig_free(p);
}

/* The old image is another one: every leaf that a patch makes of it is wrong. */
static void a_patch_of_another_old_image_writes_nothing(void **state)
{
	struct patch_rig *p = patch_rig_new(SIZE);
	struct err e = {0};

	(void)state;
	patch_rig_damage_old(p, 3 * LEAF + 5);
	assert_int_equal(watched_patch(p, &e), -1);
	assert_int_equal(e.code, E_HASH);
	assert_non_null(strstr(e.text, "leaf 3"));
	assert_non_null(strstr(e.text, "patch and old image"));
	assert_int_equal(seen.leaf_writes, 2); /* 1 and 2 */
	assert_true(rig_head_is_spoiled(p->rig));
	patch_rig_free(p);
}

static void a_patch_resumes_where_it_was_cut(void **state)
{
	struct patch_rig *p = patch_rig_new(SIZE);
	struct slot_stats stats;
	struct err e = {0};

	(void)state;
	p->fail_read = 3;
	assert_int_equal(watched_patch(p, &e), -1);
	assert_int_equal(e.code, E_NET);
	assert_int_equal(seen.leaf_writes, 7); /* two frames of four leaves, but leaf 0 */
	p->fail_read = 0;
	p->reads = 0;
	assert_int_equal(rig_install(p->rig, &stats, &e), 0);
	assert_true(rig_target_is_whole(p->rig));
	assert_int_equal(stats.leaves_kept, 7);
	assert_int_equal(p->reads, p->table.count - 1); /* the second one is not wanted */
	assert_true(stats.from_seed > 0);
	patch_rig_free(p);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_come_before_decoding_and_before_writing),
		cmocka_unit_test(no_decoder_sees_a_piece_whose_hash_is_wrong),
		cmocka_unit_test(no_wrong_leaf_is_written_but_the_writes_before_it_are),
		cmocka_unit_test(a_bomb_with_right_hashes_is_refused_and_writes_nothing),
		cmocka_unit_test(a_delta_keeps_the_order_whatever_the_source),
		cmocka_unit_test(no_decoder_sees_a_frame_whose_hash_is_wrong),
#ifdef CONFIG_ZSTD
		cmocka_unit_test(a_patch_keeps_the_order),
		cmocka_unit_test(no_decoder_sees_a_patch_frame_whose_hash_is_wrong),
		cmocka_unit_test(a_patch_of_another_old_image_writes_nothing),
		cmocka_unit_test(a_patch_resumes_where_it_was_cut),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
