/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot with images around 2, 4 and 8 GiB: sparse, almost all zero,
 * with marked leaves near the borders where 31 and 32 bits end. The whole
 * installs take long; PAWL_LONG=1 makes them as large as their names say, else
 * they are scaled down, and single pieces are looked at where the borders are.
 */
#include "tests/unit/slot_rig.h"

#include "partitions/slot/device.h"
#include "partitions/slot/source.h"

#define GIB (UINT64_C(1) << 30)

/* An image that exists only as a rule: leaf n is zero but where marked, there it begins with n + 1. */
struct ghost {
	uint64_t size;
	uint64_t marked[8];
	size_t marked_count;
	enum slot_encoding encoding;
	uint8_t *leaves;
	struct slot_pieces pieces;
	uint64_t bytes_read;
};

static bool is_marked(const struct ghost *g, uint64_t leaf)
{
	for (size_t i = 0; i < g->marked_count; i++) {
		if (g->marked[i] == leaf)
			return true;
	}
	return false;
}

static void make_leaf(const struct ghost *g, uint64_t leaf, uint8_t *data)
{
	memset(data, 0, LEAF);
	if (is_marked(g, leaf))
		le64_put(data, leaf + 1);
}

static void make_piece(const struct ghost *g, uint64_t piece, uint8_t *data)
{
	for (uint64_t i = 0; i < SLOT_LEAVES_A_PIECE; i++)
		make_leaf(g, piece * SLOT_LEAVES_A_PIECE + i, data + i * LEAF);
}

/* Plain bytes are made as they are read. */
static int ghost_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct ghost *g = ctx;
	uint8_t *to = data;
	uint8_t leaf[LEAF];

	assert_int_equal(g->encoding, SLOT_NONE);
	if (offset + len > g->size)
		return err_set(e, E_SIZE, "behind the end");
	g->bytes_read += len;
	while (len > 0) {
		size_t at = (size_t)(offset % LEAF);
		size_t n = len < LEAF - at ? len : LEAF - at;
		make_leaf(g, offset / LEAF, leaf);
		memcpy(to, leaf + at, n);
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

/* Packed pieces: one text for all zero ones; each marked piece has its own. */
static int packed_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct ghost *g = ctx;
	uint32_t piece = 0;

	while (piece < g->pieces.count && g->pieces.offset[piece] != offset)
		piece++;
	if (piece == g->pieces.count || g->pieces.stored[piece] != len)
		return err_set(e, E_SIZE, "no piece begins at %llu", (unsigned long long)offset);
	uint8_t *raw = malloc(PIECE);
	uint8_t *out = malloc(SLOT_STORED_MAX);
	assert_true(raw && out);
	make_piece(g, piece, raw);
	assert_int_equal(rig_encode(g->encoding, raw, slot_piece_length(g->size, piece), out,
				 SLOT_STORED_MAX),
		len);
	memcpy(data, out, len);
	g->bytes_read += len;
	free(raw);
	free(out);
	return 0;
}

static void mark(struct ghost *g, uint64_t at)
{
	if (at < g->size)
		g->marked[g->marked_count++] = at / LEAF;
}

static void describe_leaves(struct ghost *g)
{
	uint64_t count = slot_leaf_count(g->size);
	uint8_t *data = malloc(LEAF);
	uint8_t zero[HASH_SIZE];

	g->leaves = malloc(count * HASH_SIZE);
	assert_true(g->leaves && data);
	memset(data, 0, LEAF);
	rig_digest(HASH_SHA256, data, LEAF, zero);
	for (uint64_t i = 0; i < count; i++) {
		size_t len = slot_leaf_length(g->size, i);
		memcpy(g->leaves + i * HASH_SIZE, zero, HASH_SIZE);
		if (!is_marked(g, i) && len == LEAF)
			continue;
		make_leaf(g, i, data);
		rig_digest(HASH_SHA256, data, len, g->leaves + i * HASH_SIZE);
	}
	free(data);
}

/* Not 4 MiB of zeros. */
static bool piece_is_special(const struct ghost *g, uint64_t piece)
{
	bool special = slot_piece_length(g->size, piece) != PIECE;

	for (size_t i = 0; i < g->marked_count; i++)
		special = special || g->marked[i] / SLOT_LEAVES_A_PIECE == piece;
	return special;
}

static void describe_pieces(struct ghost *g)
{
	uint32_t count = (uint32_t)slot_piece_count(g->size);
	uint8_t *raw = calloc(1, PIECE);
	uint8_t *out = malloc(SLOT_STORED_MAX);
	uint8_t zero_hash[HASH_SIZE];

	g->pieces = (struct slot_pieces){.image_size = g->size,
		.count = count,
		.stored = calloc(count, 4),
		.offset = calloc(count, 8),
		.sha256 = calloc(count, HASH_SIZE)};
	assert_true(raw && out && g->pieces.stored && g->pieces.offset && g->pieces.sha256);
	size_t zero_len = rig_encode(g->encoding, raw, PIECE, out, SLOT_STORED_MAX);
	rig_digest(HASH_SHA256, out, zero_len, zero_hash);
	for (uint32_t i = 0; i < count; i++) {
		size_t n = zero_len;
		memcpy(g->pieces.sha256[i], zero_hash, HASH_SIZE);
		if (piece_is_special(g, i)) {
			make_piece(g, i, raw);
			n = rig_encode(g->encoding, raw, slot_piece_length(g->size, i), out,
				SLOT_STORED_MAX);
			rig_digest(HASH_SHA256, out, n, g->pieces.sha256[i]);
		}
		g->pieces.stored[i] = (uint32_t)n;
		g->pieces.offset[i] = g->pieces.stored_total;
		g->pieces.stored_total += n;
	}
	free(raw);
	free(out);
}

static struct ghost *ghost_new(uint64_t size, enum slot_encoding encoding)
{
	struct ghost *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->size = size;
	g->encoding = encoding;
	mark(g, 0);
	mark(g, size / 2);
	mark(g, 2 * GIB - 1);
	mark(g, 2 * GIB);
	mark(g, 4 * GIB - 1);
	mark(g, 4 * GIB);
	mark(g, 8 * GIB - 1);
	mark(g, size - 1);
	describe_leaves(g);
	describe_pieces(g);
	return g;
}

static void ghost_free(struct ghost *g)
{
	free(g->leaves);
	slot_pieces_free(&g->pieces);
	free(g);
}

static struct slot_image ghost_image(struct ghost *g)
{
	return (struct slot_image){.name = "rootfs",
		.size = g->size,
		.leaf_alg = HASH_SHA256,
		.leaves = g->leaves,
		.encoding = g->encoding,
		.pieces = &g->pieces,
		.full = {.ctx = g, .read = g->encoding == SLOT_NONE ? ghost_read : packed_read}};
}

/* On a sparse file only the marked leaves are fetched and written; all the others are zero already. */
static void install(uint64_t size, enum slot_encoding encoding)
{
	struct ghost *g = ghost_new(size, encoding);
	struct slot_image image = ghost_image(g);
	struct slot_part part = {.image = "rootfs"};
	struct slot_target *t = NULL;
	struct slot_stats stats;
	struct err e = {0};

	snprintf(part.path, sizeof(part.path), "/tmp/pawl-big-XXXXXX");
	int fd = mkstemp(part.path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(size + SLOT_BLOCK_SIZE)), 0);
	close(fd);
	assert_int_equal(slot_open_target(&part, &size, 1, NULL, 0, &t, &e), 0);
	if (slot_spoil(t, &e) < 0 || slot_write(t, 0, &image, NULL, &stats, &e) < 0 ||
		slot_finish(t, NULL, &e) < 0)
		fail_msg("%s", e.text);
	uint64_t fresh = stats.leaves_written;
	assert_in_range(fresh, 2, g->marked_count);
	assert_int_equal(stats.leaves_kept, slot_leaf_count(size) - fresh);
	if (encoding == SLOT_NONE)
		assert_int_equal(g->bytes_read, stats.bytes_written);
	slot_close_target(t);
	assert_int_equal(slot_check(part.path, size, HASH_SHA256, g->leaves, &e), 0);
	unlink(part.path);
	ghost_free(g);
}

static bool is_long(void)
{
	const char *text = getenv("PAWL_LONG");

	return text && strcmp(text, "1") == 0;
}

/* Block images are multiples of 4096, so "minus one" is one block less. */
static void installs_around_2_gib(void **state)
{
	uint64_t base = is_long() ? 2 * GIB : GIB / 16;

	(void)state;
	install(base - SLOT_BLOCK_SIZE, SLOT_ZLIB);
	install(base, SLOT_NONE);
	install(base + SLOT_BLOCK_SIZE, SLOT_NONE);
}

static void installs_above_4_gib(void **state)
{
	(void)state;
	install((is_long() ? 4 * GIB : GIB / 8) + SLOT_BLOCK_SIZE, SLOT_NONE);
}

static void installs_8_gib(void **state)
{
	(void)state;
#ifdef CONFIG_ZSTD
	install(is_long() ? 8 * GIB : GIB / 8, SLOT_ZSTD);
#else
	install(is_long() ? 8 * GIB : GIB / 8, SLOT_ZLIB);
#endif
}

static void single_pieces_are_right_behind_4_gib(void **state)
{
	struct ghost *g = ghost_new(8 * GIB + SLOT_BLOCK_SIZE, SLOT_NONE);
	struct slot_image image = ghost_image(g);
	struct leaf_set want = {.count = slot_leaf_count(g->size)};
	struct slot_stats stats = {0};
	struct source source = {0};
	struct err e = {0};
	uint8_t expected[8];

	(void)state;
	want.bits = calloc(want.count / 8 + 1, 1);
	assert_non_null(want.bits);
	for (size_t i = 0; i < g->marked_count; i++)
		want.bits[g->marked[i] / 8] |= (uint8_t)(1u << g->marked[i] % 8);
	assert_int_equal(source_open(&image, &want, &stats, &source, &e), 0);
	for (size_t i = 0; i < g->marked_count; i++) {
		uint64_t leaf = g->marked[i];
		assert_int_equal(source_get(&source, leaf / SLOT_LEAVES_A_PIECE, &e), 0);
		le64_put(expected, leaf + 1);
		assert_memory_equal(
			source.out.data + leaf % SLOT_LEAVES_A_PIECE * LEAF, expected, 8);
	}
	source_close(&source);
	free(want.bits);
	ghost_free(g);
}

static void a_device_is_written_and_read_behind_4_gib(void **state)
{
	char path[] = "/tmp/pawl-big-XXXXXX";
	const uint64_t at[] = {
		2 * GIB - SLOT_BLOCK_SIZE, 2 * GIB, 4 * GIB, 8 * GIB - SLOT_BLOCK_SIZE};
	struct device d;
	struct pages page = {0};
	struct err e = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(8 * GIB)), 0);
	close(fd);
	assert_int_equal(device_open_write(path, &d, &e), 0);
	assert_int_equal(d.size, 8 * GIB);
	assert_int_equal(pages_get(SLOT_BLOCK_SIZE, &page, &e), 0);
	for (size_t i = 0; i < 4; i++) {
		memset(page.data, (int)i + 1, SLOT_BLOCK_SIZE);
		assert_int_equal(device_write(&d, page.data, SLOT_BLOCK_SIZE, at[i], &e), 0);
	}
	assert_int_equal(device_sync(&d, &e), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(device_read(&d, page.data, SLOT_BLOCK_SIZE, at[i], &e), 0);
		assert_int_equal(page.data[0], i + 1);
		assert_int_equal(page.data[SLOT_BLOCK_SIZE - 1], i + 1);
	}
	/* A medium that ends before it said it would. */
	assert_int_equal(device_read(&d, page.data, SLOT_BLOCK_SIZE, 8 * GIB, &e), -1);
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, "reading at byte 8589934592"));
	pages_free(&page);
	device_close(&d);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(installs_around_2_gib),
		cmocka_unit_test(installs_above_4_gib),
		cmocka_unit_test(installs_8_gib),
		cmocka_unit_test(single_pieces_are_right_behind_4_gib),
		cmocka_unit_test(a_device_is_written_and_read_behind_4_gib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
