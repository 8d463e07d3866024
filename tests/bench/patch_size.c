/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a patch from one file to another, applies it, and says what it costs: for tuning. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "partitions/slot/patch_apply.h"
#include "publisher/object.h"
#include "publisher/patch.h"

#define OBJECT_MAX ((size_t)1 << 30)

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_object(int dir, const struct plan_object *o, struct buf *out, struct err *e)
{
	char name[OBJECT_NAME_SIZE];

	object_name(o->sha256, name);
	return file_read(dir, name, out, e);
}

static int read_buf(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *b = ctx;

	if (offset > b->len || len > b->len - offset)
		return err_set(e, E_SIZE, "behind the end of the patch");
	memcpy(data, b->data + offset, len);
	return 0;
}

/* Gives every leaf and compares it with the new file. */
static int compare(struct leaf_source *source, uint64_t size, const char *path, struct err *e)
{
	static uint8_t given[SLOT_LEAF_SIZE];
	static uint8_t wanted[SLOT_LEAF_SIZE];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (uint64_t leaf = 0; leaf < slot_leaf_count(size); leaf++) {
		size_t len = slot_leaf_length(size, leaf);
		ssize_t n = pread(fd, wanted, len, (off_t)(leaf * SLOT_LEAF_SIZE));
		if (n < 0)
			return err_set(e, E_IO, "cannot read %s", path);
		memset(wanted + n, 0, len - (size_t)n);
		if (source->fill(source->ctx, leaf, false, given, len, e) < 0)
			return -1;
		if (memcmp(given, wanted, len) != 0)
			return err_set(e, E_HASH, "leaf %llu differs", (unsigned long long)leaf);
	}
	return 0;
}

static int apply(const struct buf *patch, const struct buf *table, const char *old,
	const char *path, uint64_t size, struct err *e)
{
	struct slot_patch_table t = {0};
	struct slot_stats stats = {0};
	struct leaf_source source = {0};

	if (slot_patch_table_parse(table->data, table->len, size, patch->len, &t, e) < 0)
		return -1;
	struct slot_image image = {.name = "image",
		.size = size,
		.way = SLOT_WAY_PATCH,
		.patching = {.table = &t,
			.old_path = old,
			.patch = {.ctx = (void *)(uintptr_t)patch, .read = read_buf}}};
	double start = seconds();
	int rc = patch_source_open(&image, NULL, &stats, &source, e);
	if (rc == 0) {
		rc = compare(&source, size, path, e);
		source.close(source.ctx);
	}
	printf("frames %u, from the old image %.1f MiB, applied in %.1f s\n", t.count,
		(double)stats.from_seed / 1048576, seconds() - start);
	slot_patch_table_free(&t);
	return rc;
}

static int run(char **argv, struct err *e)
{
	AUTO_BUF struct buf patch_bytes = buf_make(OBJECT_MAX);
	AUTO_BUF struct buf table_bytes = buf_make(SLOT_PATCH_TABLE_MAX);
	AUTO_CLOSE int dir = -1;
	struct plan_object patch;
	struct plan_object table;
	struct rusage usage;

	if (file_open_dir(argv[3], &dir, e) < 0)
		return -1;
	const struct patch_request r = {.name = "image",
		.old_path = argv[1],
		.new_path = argv[2],
		.threads = (unsigned)atoi(argv[4]),
		.level = atoi(argv[5]),
		.objects_dir = dir};
	double start = seconds();
	if (patch_make(&r, &patch, &table, e) < 0)
		return -1;
	double took = seconds() - start;
	if (read_object(dir, &patch, &patch_bytes, e) < 0 ||
		read_object(dir, &table, &table_bytes, e) < 0)
		return -1;
	uint64_t size = le64_get(table_bytes.data + 8);
	uint64_t leaves = slot_leaf_count(size) * HASH_SIZE;
	getrusage(RUSAGE_SELF, &usage);
	printf("patch %llu + table %llu + leaves %llu = %llu bytes, made in %.1f s, %ld MiB\n",
		(unsigned long long)patch.length, (unsigned long long)table.length,
		(unsigned long long)leaves,
		(unsigned long long)(patch.length + table.length + leaves), took,
		usage.ru_maxrss / 1024);
	return apply(&patch_bytes, &table_bytes, argv[1], argv[2], size, e);
}

int main(int argc, char **argv)
{
	struct err e = {0};

	if (argc != 6) {
		fprintf(stderr, "usage: patch_size OLD NEW FOLDER THREADS LEVEL\n");
		return 2;
	}
	if (run(argv, &e) < 0) {
		fprintf(stderr, "%s: %s\n", err_name(e.code), e.text);
		return 1;
	}
	return 0;
}
