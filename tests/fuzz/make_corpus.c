/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Good inputs for the fuzz targets, made with the publisher's half of the formats, the same
 * in every run.
 *   make_corpus FOLDER     fills FOLDER/index, delta, pieces, patch, manifest, metadata
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "agent/base/file.h"
#include "partitions/slot/index.h"
#include "partitions/slot/patch.h"
#include "tests/fuzz/fuzz.h"

#define IMAGE_SIZE (3u * SLOT_LEAF_SIZE + 5u * SLOT_BLOCK_SIZE)
#define ENTRIES    4096u
#define FRAMES     64u
#define H1         "1111111111111111111111111111111111111111111111111111111111111111"
#define META(type, more)                                                                           \
	"{\"signatures\": [], \"signed\": {\"_type\": \"" type "\", \"spec_version\": \"1.0.31\"," \
	" \"version\": 3, \"expires\": \"2036-01-31T12:00:00Z\"," more "}}"

static uint8_t content[IMAGE_SIZE];

static void must(int rc, const struct err *e)
{
	if (rc == 0)
		return;
	fprintf(stderr, "make_corpus: %s\n", e->text);
	exit(1);
}

static void put(
	const char *folder, const char *target, const char *name, const void *data, size_t len)
{
	char path[600];
	AUTO_CLOSE int dir = -1;
	struct err e = {0};

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	mkdir(path, 0755);
	must(file_open_dir(path, &dir, &e), &e);
	must(file_replace(dir, name, data, len, 0644, &e), &e);
}

static void add_part(struct buf *b, const void *data, size_t len)
{
	uint8_t head[4];
	struct err e = {0};

	le32_put(head, (uint32_t)len);
	must(buf_add(b, head, 4, &e) < 0 || (len && buf_add(b, data, len, &e) < 0) ? -1 : 0, &e);
}

/* Compresses very well, so that inputs are small; some of it is zero, most blocks differ. */
static void make_content(void)
{
	for (size_t at = 0; at < IMAGE_SIZE; at += SLOT_BLOCK_SIZE) {
		if (at / SLOT_BLOCK_SIZE % 4 == 1)
			continue;
		memset(content + at, (int)(at / SLOT_BLOCK_SIZE % 7) + 1, SLOT_BLOCK_SIZE);
		le32_put(content + at + 16, (uint32_t)at);
	}
}

static size_t pack(enum slot_encoding encoding, const uint8_t *in, size_t len, uint8_t *out)
{
	uLongf n = SLOT_FRAME_STORED_MAX;

	if (encoding == SLOT_ZLIB) {
		fuzz_must(compress2(out, &n, in, len, 9) == Z_OK);
		return n;
	}
#ifdef CONFIG_ZSTD
	if (encoding == SLOT_ZSTD)
		return ZSTD_compress(out, SLOT_FRAME_STORED_MAX, in, len, 12);
#endif
	memcpy(out, in, len);
	return len;
}

/* An image's tables and data. */
struct tables {
	struct slot_index_item items[ENTRIES];
	uint32_t count;
	struct slot_frames frames;
	uint32_t stored[FRAMES];
	uint32_t raw[FRAMES];
	uint8_t sha256[FRAMES][HASH_SIZE];
	struct buf data;
	enum slot_encoding encoding;
};

static void end_frame(struct tables *t, const uint8_t *raw, size_t len)
{
	static uint8_t out[SLOT_FRAME_STORED_MAX];
	uint32_t i = t->frames.count++;
	struct err e = {0};

	fuzz_must(i < FRAMES);
	t->raw[i] = (uint32_t)len;
	t->stored[i] = (uint32_t)pack(t->encoding, raw, len, out);
	must(hash_bytes(HASH_SHA256, out, t->stored[i], t->sha256[i], &e), &e);
	must(buf_add(&t->data, out, t->stored[i], &e), &e);
}

static void make_frames(struct tables *t, unsigned g, size_t frame_size)
{
	static uint8_t raw[SLOT_FRAME_SIZE];
	size_t len = 0;
	size_t at = 0;

	t->frames.first[g] = t->frames.count;
	for (uint32_t i = 0; i < t->count; at += t->items[i++].length) {
		if (t->items[i].zero || t->items[i].generation != g)
			continue;
		if (len + t->items[i].length > frame_size) {
			end_frame(t, raw, len);
			len = 0;
		}
		memcpy(raw + len, content + at, t->items[i].length);
		len += t->items[i].length;
	}
	if (len > 0)
		end_frame(t, raw, len);
	t->frames.first[g + 1] = t->frames.count;
}

/* `size` bytes of the content in entries of these lengths (0: blocks). */
static void make_tables(struct tables *t, size_t size, uint32_t length, unsigned generations)
{
	*t = (struct tables){.data = buf_make(IMAGE_SIZE * 2), .encoding = t->encoding};
	t->frames = (struct slot_frames){
		.image_size = size, .stored = t->stored, .raw = t->raw, .sha256 = t->sha256};
	for (size_t at = 0; at < size; t->count++) {
		uint32_t n = length ? 1 + (t->count * 7919u) % length : SLOT_BLOCK_SIZE;
		if (n > size - at)
			n = (uint32_t)(size - at);
		fuzz_must(t->count < ENTRIES);
		t->items[t->count] = (struct slot_index_item){.length = n,
			.zero = slot_is_zero(content + at, n),
			.generation = (uint8_t)(t->count / 5 % generations),
			.hash = slot_match_hash(content + at, n)};
		at += n;
	}
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		make_frames(t, g, length ? SLOT_FRAME_SIZE : 16 * SLOT_BLOCK_SIZE);
}

static void put_tables(const char *folder, const char *name, size_t size, uint32_t length,
	unsigned generations, enum slot_encoding encoding)
{
	static struct tables t;
	AUTO_BUF struct buf index = buf_make(1u << 20);
	AUTO_BUF struct buf frames = buf_make(1u << 20);
	AUTO_BUF struct buf out = buf_make(4u << 20);
	uint8_t places[64];
	uint8_t first = (uint8_t)encoding;
	struct err e = {0};

	t.encoding = encoding;
	make_tables(&t, size, length, generations);
	must(slot_index_write(size, length != 0, t.items, t.count, &index, &e), &e);
	must(slot_frames_write(&t.frames, &frames, &e), &e);
	add_part(&out, index.data, index.len);
	must(buf_add(&out, frames.data, frames.len, &e), &e);
	put(folder, "index", name, out.data, out.len);

	buf_clear(&out);
	for (unsigned i = 0; i < sizeof(places); i++)
		places[i] = (uint8_t)(i * 41);
	must(buf_add(&out, &first, 1, &e), &e);
	add_part(&out, index.data, index.len);
	add_part(&out, frames.data, frames.len);
	add_part(&out, places, generations > 1 ? sizeof(places) : 0);
	must(buf_add(&out, t.data.data, t.data.len, &e), &e);
	put(folder, "delta", name, out.data, out.len);
	buf_free(&t.data);
}

static void put_pieces(const char *folder)
{
	AUTO_BUF struct buf out = buf_make(1u << 20);
	uint32_t stored[3] = {1000, SLOT_STORED_MAX, 1};
	uint8_t sha256[3][HASH_SIZE] = {{1}, {2}, {3}};
	struct slot_pieces p = {.image_size = 2 * SLOT_PIECE_SIZE + SLOT_BLOCK_SIZE,
		.count = 3,
		.stored = stored,
		.sha256 = sha256};
	struct err e = {0};

	must(slot_pieces_write(&p, &out, &e), &e);
	put(folder, "pieces", "three", out.data, out.len);
	p.image_size = SLOT_BLOCK_SIZE;
	p.count = 1;
	buf_clear(&out);
	must(slot_pieces_write(&p, &out, &e), &e);
	put(folder, "pieces", "one", out.data, out.len);
}

static size_t add_length(uint8_t *out, uint32_t length)
{
	size_t n = 0;

	for (; length > 127; length >>= 7)
		out[n++] = (uint8_t)((length & 127) | 128);
	out[n++] = (uint8_t)length;
	return n;
}

/* One step of each kind, then old bytes up to the end: the raw bytes of a frame. */
static size_t make_patch_frame(uint8_t *raw, uint32_t output)
{
	static const uint8_t ops[] = {SLOT_PATCH_FORWARD, SLOT_PATCH_COPY, SLOT_PATCH_ADD,
		SLOT_PATCH_INSERT, SLOT_PATCH_ZERO, SLOT_PATCH_BACK, SLOT_PATCH_COPY};
	const uint32_t lengths[SLOT_PATCH_KINDS] = {300, 10, 7, 4096, 5000, 5200};
	size_t n = SLOT_PATCH_FRAME_HEAD + sizeof(ops);

	le32_put(raw, sizeof(ops));
	memcpy(raw + SLOT_PATCH_FRAME_HEAD, ops, sizeof(ops));
	for (unsigned kind = 0; kind < SLOT_PATCH_KINDS; kind++) {
		size_t from = n;
		n += add_length(raw + n, lengths[kind]);
		if (kind == SLOT_PATCH_COPY)
			n += add_length(raw + n, output - 300 - 10 - 7 - 4096);
		le32_put(raw + 4 + 4 * kind, (uint32_t)(n - from));
	}
	le32_put(raw + 28, 10);
	for (unsigned i = 0; i < 17; i++)
		raw[n++] = (uint8_t)(i * 3 + 1);
	return n;
}

static void put_patch(const char *folder)
{
#ifdef CONFIG_ZSTD
	AUTO_BUF struct buf table = buf_make(1u << 16);
	AUTO_BUF struct buf out = buf_make(1u << 16);
	uint32_t output[2] = {SLOT_LEAF_SIZE, SLOT_LEAF_SIZE + SLOT_BLOCK_SIZE};
	uint32_t stored[2];
	uint32_t raw_len[2];
	uint8_t sha256[2][HASH_SIZE];
	uint8_t patch[512];
	size_t len = 0;
	struct slot_patch_table t = {.image_size = output[0] + output[1],
		.old_size = 512u * 1024,
		.count = 2,
		.output = output,
		.stored = stored,
		.raw = raw_len,
		.sha256 = sha256};
	struct err e = {0};

	for (unsigned i = 0; i < 2; i++) {
		uint8_t raw[128];
		raw_len[i] = (uint32_t)make_patch_frame(raw, output[i]);
		size_t n = ZSTD_compress(patch + len, sizeof(patch) - len, raw, raw_len[i], 3);
		fuzz_must(!ZSTD_isError(n));
		stored[i] = (uint32_t)n;
		must(hash_bytes(HASH_SHA256, patch + len, n, sha256[i], &e), &e);
		len += n;
		if (i == 0)
			continue;
		/* The raw frame alone, in place of the patch. */
		add_part(&out, "", 0);
		must(buf_add(&out, raw, raw_len[i], &e), &e);
		put(folder, "patch", "raw", out.data, out.len);
		buf_clear(&out);
	}
	must(slot_patch_table_write(&t, &table, &e), &e);
	add_part(&out, table.data, table.len);
	must(buf_add(&out, patch, len, &e), &e);
	put(folder, "patch", "two", out.data, out.len);
#else
	put(folder, "patch", "none", "", 0);
#endif
}

static void put_text(const char *folder, const char *target, const char *name, const char *text)
{
	put(folder, target, name, text, strlen(text));
}

/* The new table is the old one, moved, with other bytes in the middle. */
static void put_difference(const char *folder)
{
#ifdef CONFIG_ZSTD
	enum { LEN = 400 };
	AUTO_BUF struct buf all = buf_make(1u << 20);
	static uint8_t table[LEN];
	static uint8_t packed[2 * LEN];
	uint8_t length[4];
	struct err e = {0};
	ZSTD_CCtx *c = ZSTD_createCCtx();

	memcpy(table, content + 100, LEN);
	for (unsigned i = 0; i < LEN / 4; i++)
		table[LEN / 2 + i] = (uint8_t)(i * i * 7 + i);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 17);
	ZSTD_CCtx_refPrefix(c, content, LEN);
	size_t n = ZSTD_compress2(c, packed, sizeof(packed), table, LEN);
	must(ZSTD_isError(n) ? -1 : 0, &e);
	ZSTD_freeCCtx(c);
	add_part(&all, content, LEN);
	le32_put(length, LEN);
	must(buf_add(&all, length, sizeof(length), &e), &e);
	must(buf_add(&all, packed, n, &e), &e);
	put(folder, "difference", "moved", all.data, all.len);
#else
	put_text(folder, "difference", "none", "a build without zstd takes none");
#endif
}

static void put_manifests(const char *folder)
{
	static const char begin[] =
		"{\"schema\": 1, \"product\": \"demo\", \"channels\": [\"stable\", \"beta\"],"
		" \"version\": \"2.1.0\", \"release\": 7, \"epoch\": 1, \"min_from\": 3,"
		" \"issued\": \"2026-01-31T12:00:00Z\", \"requires\": [],"
		" \"compatible\": [\"demo-board\"], \"class\": \"security\","
		" \"cves\": [\"CVE-2026-1234\"],"
		" \"sbom\": {\"uri\": \"https://example.org/s\", \"sha256\": \"" H1 "\"},"
		" \"notes\": \"caf\\u00e9\", \"rollout\": {\"start\": \"2026-02-01T00:00:00Z\","
		"  \"salt\": \"demo-7\", \"waves\": [[5, 0], [100, 86400]]},"
		" \"images\": [{\"name\": \"rootfs\", \"format\": \"ext4\", \"size\": 4198400,"
		"  \"leaf_hash\": \"sha256\", \"leaves\": {\"sha256\": \"" H1
		"\", \"length\": 544},"
		"  \"full\": {\"sha256\": \"" H1 "\", \"length\": 1000, \"encoding\": \"zlib\","
		"   \"pieces\": {\"sha256\": \"" H1 "\", \"length\": 92}}";
	static const char delta[] =
		", \"index\": {\"sha256\": \"" H1 "\", \"length\": 1000},"
		" \"data\": {\"sha256\": \"" H1 "\", \"length\": 2000, \"encoding\": \"zlib\","
		"  \"frames\": {\"sha256\": \"" H1 "\", \"length\": 61}},"
		" \"patches\": [{\"from\": \"" H1 "\", \"sha256\": \"" H1
		"\", \"length\": 3000, \"table\": {\"sha256\": \"" H1 "\", \"length\": 72}}]";
	AUTO_BUF struct buf out = buf_make(1u << 16);
	struct err e = {0};

	must(buf_printf(&out, &e, "%s}]}", begin), &e);
	put(folder, "manifest", "full", out.data, out.len);
	buf_clear(&out);
	must(buf_printf(&out, &e, "%s%s}]}", begin, delta), &e);
	put(folder, "manifest", "delta", out.data, out.len);
}

/* The first byte is the role's number: root, timestamp, snapshot, targets. */
static void put_metadata(const char *folder)
{
	static const char role[] = "{\"keyids\": [\"" H1 "\"], \"threshold\": 1}";
	char text[4096];

	snprintf(text, sizeof(text),
		"%c" META("root",
			"\"consistent_snapshot\": true, \"keys\": {}, \"roles\": {\"root\": %s,"
			" \"timestamp\": %s, \"snapshot\": %s, \"targets\": %s}"),
		4, role, role, role, role);
	put_text(folder, "metadata", "root", text);
	put_text(folder, "metadata", "timestamp",
		"\x05" META("timestamp",
			"\"x-issued\": \"2026-01-31T12:00:00Z\","
			" \"x-hold\": {\"demo\": [7]}, \"x-cap\": {\"demo/stable\": 50},"
			" \"meta\": {\"snapshot.json\": {\"version\": 3,"
			" \"length\": 100, \"hashes\": {\"sha256\": \"" H1 "\"}}}"));
	put_text(folder, "metadata", "snapshot",
		"\x06" META("snapshot", "\"meta\": {\"targets.json\": {\"version\": 3},"
					" \"releases.json\": {\"version\": 9}}"));
	put_text(folder, "metadata", "targets",
		"\x07" META("targets",
			"\"x-issued\": \"2026-01-31T12:00:00Z\","
			" \"targets\": {\"demo/stable.json\": {\"length\": 900, \"hashes\":"
			" {\"sha256\": \"" H1 "\"}, \"custom\": {\"release\": 7,"
			" \"revoked\": [\"" H1 "\"]}}},"
			" \"delegations\": {\"keys\": {}, \"roles\": [{\"name\": \"releases\","
			" \"keyids\": [\"" H1 "\"], \"threshold\": 1, \"terminating\": true,"
			" \"paths\": [\"*/releases/*.json\"]}]}"));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_corpus FOLDER\n");
		return 1;
	}
	mkdir(argv[1], 0755);
	make_content();
	put_tables(argv[1], "blocks", IMAGE_SIZE, 0, 1, SLOT_ZLIB);
	put_tables(argv[1], "blocks16", IMAGE_SIZE, 0, 16, SLOT_ZSTD);
	put_tables(argv[1], "content", IMAGE_SIZE, 40000, 3, SLOT_ZSTD);
	put_tables(argv[1], "small", SLOT_BLOCK_SIZE, 0, 1, SLOT_NONE);
	put_tables(argv[1], "bytes", SLOT_BLOCK_SIZE, 9, 4, SLOT_NONE);
	put_pieces(argv[1]);
	put_patch(argv[1]);
	put_difference(argv[1]);
	put_manifests(argv[1]);
	put_metadata(argv[1]);
	return 0;
}
