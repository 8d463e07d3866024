/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to plan a delta, with partitions/slot alone, from files:
 *   slot_plan pack IMAGE FOLDER           makes index, frames (of generation 0) and leaves
 *   slot_plan plan FOLDER OLD TARGET      surveys TARGET, reads OLD through, matches
 * The second prints milliseconds of each step, where the bytes come from, and the memory's high
 * water over all three. Blocks of 4096 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "partitions/slot/slot.h"

#define TABLE_LIMIT (64u << 20)

/* Tables as they grow, leaf by leaf. */
struct packing {
	uint64_t size;
	struct slot_index_item *items;
	uint32_t count;
	struct slot_frames frames;
	struct buf leaves;
};

static int pack_leaf(struct packing *p, const uint8_t *data, size_t len, struct err *e)
{
	struct slot_frames *f = &p->frames;
	uint8_t digest[HASH_SIZE];
	uint32_t raw = 0;

	for (size_t at = 0; at < len; at += SLOT_BLOCK_SIZE) {
		bool zero = slot_is_zero(data + at, SLOT_BLOCK_SIZE);
		p->items[p->count++] = (struct slot_index_item){.length = SLOT_BLOCK_SIZE,
			.zero = zero,
			.hash = zero ? 0 : slot_match_hash(data + at, SLOT_BLOCK_SIZE)};
		raw += zero ? 0 : SLOT_BLOCK_SIZE;
	}
	/* One frame a leaf, as if stored as it is. */
	if (raw > 0) {
		f->raw[f->count] = raw;
		f->stored[f->count++] = raw;
	}
	if (hash_bytes(HASH_SHA256, data, len, digest, e) < 0)
		return -1;
	return buf_add(&p->leaves, digest, HASH_SIZE, e);
}

static int pack_tables(struct packing *p, int dir, struct err *e)
{
	AUTO_BUF struct buf index = buf_make(TABLE_LIMIT);
	AUTO_BUF struct buf frames = buf_make(TABLE_LIMIT);

	for (unsigned g = 1; g <= SLOT_GENERATIONS; g++)
		p->frames.first[g] = p->frames.count;
	if (slot_index_write(p->size, false, p->items, p->count, &index, e) < 0 ||
		slot_frames_write(&p->frames, &frames, e) < 0)
		return -1;
	return file_replace(dir, "index", index.data, index.len, 0600, e) < 0 ||
			       file_replace(dir, "frames", frames.data, frames.len, 0600, e) < 0 ||
			       file_replace(dir, "leaves", p->leaves.data, p->leaves.len, 0600, e) <
				       0
		       ? -1
		       : 0;
}

static int pack_image(struct packing *p, const char *path, int dir, struct err *e)
{
	uint64_t leaves = slot_leaf_count(p->size);
	AUTO_FREE uint8_t *data = malloc(SLOT_LEAF_SIZE);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	p->items = calloc(p->size / SLOT_BLOCK_SIZE, sizeof(*p->items));
	p->frames = (struct slot_frames){.image_size = p->size,
		.stored = calloc(leaves, sizeof(*p->frames.stored)),
		.raw = calloc(leaves, sizeof(*p->frames.raw)),
		.sha256 = calloc(leaves, HASH_SIZE)};
	p->leaves = buf_make(TABLE_LIMIT);
	if (fd < 0 || !data || !p->items || !p->frames.stored || !p->frames.raw ||
		!p->frames.sha256)
		return err_sys(e, E_IO, errno, "cannot pack %s", path);
	for (uint64_t i = 0; i < leaves; i++) {
		size_t len = slot_leaf_length(p->size, i);
		if (file_pread_full(fd, data, len, i * SLOT_LEAF_SIZE, e) < 0 ||
			pack_leaf(p, data, len, e) < 0)
			return -1;
	}
	return pack_tables(p, dir, e);
}

static int pack(const char *path, const char *folder, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct packing p = {0};

	if (slot_part_size(path, &p.size, e) < 0 || file_open_dir(folder, &dir, e) < 0)
		return -1;
	if (!slot_image_size_ok(p.size))
		return err_set(e, E_USAGE, "%s is no image of blocks", path);
	int rc = pack_image(&p, path, dir, e);
	slot_frames_free(&p.frames);
	buf_free(&p.leaves);
	free(p.items);
	return rc;
}

/* A table as the agent has it: a mapped file. Stays until the end. */
static int map(int dir, const char *name, const uint8_t **data, size_t *len, struct err *e)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, E_IO, errno, "cannot open %s", name);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, E_IO, errno, "cannot map %s", name);
	*data = p;
	*len = (size_t)st.st_size;
	return 0;
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

static void print_match(const struct slot_match *m)
{
	printf("target:%llu\nseed:%llu\ndata:%llu\nzeros:%llu\nframes:%llu\n",
		(unsigned long long)m->from_target, (unsigned long long)m->from_seed[0],
		(unsigned long long)m->from_data, (unsigned long long)m->zeros,
		(unsigned long long)m->frames_needed);
}

static int plan_with(const struct slot_index *index, const struct slot_frames *frames,
	const struct slot_survey_request *where, const char *old, struct err *e)
{
	__attribute__((cleanup(slot_survey_free))) struct slot_survey survey = {0};
	__attribute__((cleanup(slot_match_free))) struct slot_match match = {0};
	struct slot_seed *seed = NULL;
	struct slot_seed_request from = {.path = old, .scratch_dir = where->scratch_dir};
	struct slot_match_request r = {.index = index,
		.frames = frames,
		.survey = &survey,
		.seeds = &seed,
		.seed_count = 1,
		.scratch_dir = where->scratch_dir};

	uint64_t began = clock_mono_ms();
	if (slot_survey(where, &survey, e) < 0)
		return -1;
	uint64_t surveyed = clock_mono_ms();
	if (slot_seed_open(&from, &seed, e) < 0)
		return -1;
	uint64_t opened = clock_mono_ms();
	int rc = slot_match_make(&r, &match, e);
	uint64_t matched = clock_mono_ms();
	slot_seed_close(seed);
	if (rc < 0)
		return -1;
	printf("survey:%llu\nseed-open:%llu\nmatch:%llu\n", (unsigned long long)(surveyed - began),
		(unsigned long long)(opened - surveyed), (unsigned long long)(matched - opened));
	print_match(&match);
	print_memory();
	return 0;
}

static int plan(const char *folder, const char *old, const char *target, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct slot_index index;
	struct slot_frames frames;
	const uint8_t *index_bytes;
	const uint8_t *frames_bytes;
	const uint8_t *leaves;
	size_t index_len;
	size_t frames_len;
	size_t leaves_len;
	uint64_t sum = 0;

	if (file_open_dir(folder, &dir, e) < 0 ||
		map(dir, "index", &index_bytes, &index_len, e) < 0 ||
		map(dir, "frames", &frames_bytes, &frames_len, e) < 0 ||
		map(dir, "leaves", &leaves, &leaves_len, e) < 0)
		return -1;
	uint64_t size = index_len >= SLOT_INDEX_HEADER ? le64_get(index_bytes + 8) : 0;
	if (slot_index_parse(index_bytes, index_len, size, &index, e) < 0)
		return -1;
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		sum += index.stream[g];
	if (slot_frames_parse(frames_bytes, frames_len, size, sum, &frames, e) < 0)
		return -1;
	struct slot_survey_request where = {.path = target,
		.image_size = size,
		.leaf_alg = HASH_SHA256,
		.leaves = leaves,
		.with_blocks = true,
		.scratch_dir = dir};
	int rc = plan_with(&index, &frames, &where, old, e);
	slot_frames_free(&frames);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	int rc = -1;

	if (argc == 4 && strcmp(argv[1], "pack") == 0)
		rc = pack(argv[2], argv[3], &e);
	else if (argc == 5 && strcmp(argv[1], "plan") == 0)
		rc = plan(argv[2], argv[3], argv[4], &e);
	else
		err_set(&e, E_USAGE, "slot_plan pack IMAGE FOLDER | plan FOLDER OLD TARGET");
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", err_name(e.code), e.text);
	return rc < 0 ? err_exit(e.code) : 0;
}
