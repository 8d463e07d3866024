/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of install_bench.sh: packs an image as the publisher would, and
 * installs it with partitions/slot alone, from files.
 *   slot_install pack IMAGE FOLDER none|zlib|zstd
 *   slot_install install FOLDER TARGET
 * The second prints milliseconds until the last leaf but 0 is on the medium
 * (write), until all was read back (readback), and the memory's high water.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "partitions/slot/slot.h"

#define PACK_LEVEL_ZLIB 6
#define PACK_LEVEL_ZSTD 12
#define LEAVES_LIMIT    (8u << 20)
#define PIECES_LIMIT    (1u << 20)

static const char *const encodings[] = {"none", "zlib", "zstd"};

static int find_encoding(const char *name, enum slot_encoding *out, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		if (strcmp(encodings[i], name) == 0) {
			*out = (enum slot_encoding)i;
			return 0;
		}
	}
	return err_set(e, E_USAGE, "no encoding is called %s", name);
}

static int encode(enum slot_encoding encoding, const uint8_t *in, size_t len, uint8_t *out,
	size_t *out_len, struct err *e)
{
	if (encoding == SLOT_ZLIB) {
		uLongf n = SLOT_STORED_MAX;
		if (compress2(out, &n, in, len, PACK_LEVEL_ZLIB) != Z_OK)
			return err_set(e, E_INTERNAL, "zlib cannot compress");
		*out_len = n;
		return 0;
	}
#ifdef CONFIG_ZSTD
	if (encoding == SLOT_ZSTD) {
		*out_len = ZSTD_compress(out, SLOT_STORED_MAX, in, len, PACK_LEVEL_ZSTD);
		return ZSTD_isError(*out_len) ? err_set(e, E_INTERNAL, "zstd cannot compress") : 0;
	}
#endif
	if (encoding != SLOT_NONE)
		return err_set(e, E_COMPAT, "built without zstd");
	memcpy(out, in, len);
	*out_len = len;
	return 0;
}

/* One piece of the image: its leaves and its stored bytes. */
static int pack_piece(const uint8_t *in, size_t len, enum slot_encoding encoding, uint8_t *out,
	int full, struct buf *leaves, struct slot_pieces *p, uint32_t piece, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	size_t n = 0;

	for (size_t at = 0; at < len; at += SLOT_LEAF_SIZE) {
		size_t leaf = len - at < SLOT_LEAF_SIZE ? len - at : SLOT_LEAF_SIZE;
		if (hash_bytes(HASH_SHA256, in + at, leaf, digest, e) < 0 ||
			buf_add(leaves, digest, HASH_SIZE, e) < 0)
			return -1;
	}
	if (encode(encoding, in, len, out, &n, e) < 0)
		return -1;
	p->stored[piece] = (uint32_t)n;
	if (hash_bytes(HASH_SHA256, out, n, p->sha256[piece], e) < 0)
		return -1;
	return file_write_full(full, out, n, e);
}

static int pack(const char *image, const char *folder, const char *encoding_name, struct err *e)
{
	AUTO_BUF struct buf leaves = buf_make(LEAVES_LIMIT);
	AUTO_BUF struct buf table = buf_make(PIECES_LIMIT);
	AUTO_BUF struct buf about = buf_make(100);
	AUTO_FREE uint8_t *in = malloc(SLOT_PIECE_SIZE);
	AUTO_FREE uint8_t *out = malloc(SLOT_STORED_MAX);
	AUTO_CLOSE int dir = -1;
	enum slot_encoding encoding = SLOT_NONE;
	uint64_t size;

	if (find_encoding(encoding_name, &encoding, e) < 0 || slot_part_size(image, &size, e) < 0 ||
		file_open_dir(folder, &dir, e) < 0)
		return -1;
	AUTO_CLOSE int from = open(image, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int full = openat(dir, "full", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct slot_pieces p = {.image_size = size, .count = (uint32_t)slot_piece_count(size)};
	p.stored = calloc(p.count, sizeof(*p.stored));
	p.sha256 = calloc(p.count, sizeof(*p.sha256));
	if (!in || !out || !p.stored || !p.sha256 || from < 0 || full < 0)
		return err_sys(e, E_IO, errno, "cannot pack %s", image);
	for (uint32_t i = 0; i < p.count; i++) {
		size_t len = slot_piece_length(size, i);
		if (file_pread_full(from, in, len, (uint64_t)i * SLOT_PIECE_SIZE, e) < 0 ||
			pack_piece(in, len, encoding, out, full, &leaves, &p, i, e) < 0)
			return -1;
	}
	int rc = slot_pieces_write(&p, &table, e);
	slot_pieces_free(&p);
	if (rc < 0 ||
		buf_printf(&about, e, "%d %llu\n", (int)encoding, (unsigned long long)size) < 0)
		return -1;
	return file_replace(dir, "leaves", leaves.data, leaves.len, 0600, e) < 0 ||
			       file_replace(dir, "pieces", table.data, table.len, 0600, e) < 0 ||
			       file_replace(dir, "about", about.data, about.len, 0600, e) < 0
		       ? -1
		       : 0;
}

static int read_object(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	return file_pread_full(*(int *)ctx, data, len, offset, e);
}

/* "VmHWM:     8000 kB" of /proc/self/status: the most that was ever resident. */
static void print_memory(void)
{
	AUTO_BUF struct buf status = buf_make(1u << 16);
	struct err ignored;

	if (file_read(AT_FDCWD, "/proc/self/status", &status, &ignored) < 0)
		return;
	const char *at = strstr(buf_text(&status), "VmHWM:");
	printf("resident:%lu\n", at ? strtoul(at + 6, NULL, 10) : 0ul);
}

/* Anonymous memory is highest while a piece is written; asked then, because there is no high water of it. */
static void note_anonymous(
	void *ctx, const char *image, uint64_t done, uint64_t total, uint64_t fetched)
{
	unsigned long *most = ctx;
	AUTO_BUF struct buf status = buf_make(1u << 16);
	struct err ignored;

	(void)image, (void)done, (void)total, (void)fetched;
	if (file_read(AT_FDCWD, "/proc/self/status", &status, &ignored) < 0)
		return;
	const char *at = strstr(buf_text(&status), "RssAnon:");
	unsigned long now = at ? strtoul(at + 8, NULL, 10) : 0;
	if (now > *most)
		*most = now;
}

static int run(const struct slot_image *image, const char *target, struct err *e)
{
	struct slot_part part = {.image = "rootfs"};
	struct slot_target *t = NULL;
	struct slot_stats stats;
	unsigned long anonymous = 0;
	struct slot_progress progress = {.ctx = &anonymous, .report = note_anonymous};

	if (snprintf(part.path, sizeof(part.path), "%s", target) >= (int)sizeof(part.path))
		return err_set(e, E_USAGE, "path too long");
	uint64_t began = clock_mono_ms();
	if (slot_open_target(&part, &image->size, 1, NULL, 0, &t, e) < 0)
		return -1;
	int rc = slot_spoil(t, e);
	if (rc == 0)
		rc = slot_write(t, 0, image, &progress, &stats, e);
	uint64_t written = clock_mono_ms();
	if (rc == 0)
		rc = slot_finish(t, NULL, e);
	uint64_t done = clock_mono_ms();
	slot_close_target(t);
	if (rc < 0)
		return -1;
	printf("write:%llu\nreadback:%llu\nkept:%llu\nfetched:%llu\nanonymous:%lu\n",
		(unsigned long long)(written - began), (unsigned long long)(done - written),
		(unsigned long long)stats.leaves_kept, (unsigned long long)stats.bytes_fetched,
		anonymous);
	print_memory();
	return 0;
}

static int install(const char *folder, const char *target, struct err *e)
{
	AUTO_BUF struct buf leaves = buf_make(LEAVES_LIMIT);
	AUTO_BUF struct buf table = buf_make(PIECES_LIMIT);
	AUTO_BUF struct buf about = buf_make(100);
	AUTO_CLOSE int dir = -1;
	struct slot_pieces pieces;
	uint64_t full_length;
	int encoding;
	unsigned long long size;
	char name[600];

	if (file_open_dir(folder, &dir, e) < 0 || file_read(dir, "leaves", &leaves, e) < 0 ||
		file_read(dir, "pieces", &table, e) < 0 || file_read(dir, "about", &about, e) < 0)
		return -1;
	if (sscanf(buf_text(&about), "%d %llu", &encoding, &size) != 2)
		return err_set(e, E_META, "%s/about is not mine", folder);
	if (file_join(name, sizeof(name), folder, "full", e) < 0 ||
		slot_part_size(name, &full_length, e) < 0 ||
		slot_pieces_parse(table.data, table.len, size, full_length, &pieces, e) < 0)
		return -1;
	buf_free(&table);
	AUTO_CLOSE int full = openat(dir, "full", O_RDONLY | O_CLOEXEC);
	struct slot_image image = {.name = "rootfs",
		.size = size,
		.leaf_alg = HASH_SHA256,
		.leaves = leaves.data,
		.encoding = (enum slot_encoding)encoding,
		.pieces = &pieces,
		.full = {.ctx = &full, .read = read_object}};
	int rc = run(&image, target, e);
	slot_pieces_free(&pieces);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	int rc = -1;

	if (argc == 5 && strcmp(argv[1], "pack") == 0)
		rc = pack(argv[2], argv[3], argv[4], &e);
	else if (argc == 4 && strcmp(argv[1], "install") == 0)
		rc = install(argv[2], argv[3], &e);
	else
		err_set(&e, E_USAGE,
			"slot_install pack IMAGE FOLDER ENCODING | install FOLDER TARGET");
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err_name(e.code), e.text);
	return rc < 0 ? err_exit(e.code) : 0;
}
