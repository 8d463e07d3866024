/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A patch that lies, applied: nothing outside of the old image and the leaf is read or
 * written. The hashes of frames are made right. Input: table, patch.
 */
#include <stdio.h>
#include <unistd.h>

#include "partitions/slot/patch_apply.h"
#include "partitions/slot/patch_steps.h"
#include "tests/fuzz/fuzz.h"

#define IMAGE_MAX (2u * 1024 * 1024)
#define OLD_SIZE  (1024u * 1024)

/* The old image, as long as the process lasts. */
static char old_path[64];

static void make_old(void)
{
	char path[] = "/tmp/pawl-fuzz-XXXXXX";
	uint8_t block[4096];
	int fd = mkstemp(path);

	fuzz_must(fd >= 0);
	for (size_t at = 0; at < OLD_SIZE; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)(i * 7 + at / 4096);
		fuzz_must(write(fd, block, sizeof(block)) == sizeof(block));
	}
	unlink(path);
	snprintf(old_path, sizeof(old_path), "/proc/self/fd/%d", fd);
}

static int read_part(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct fuzz_part *p = ctx;

	if (offset > p->len || len > p->len - offset)
		return err_set(e, E_SIZE, "the object is shorter than that");
	memcpy(data, p->data + offset, len);
	return 0;
}

static void apply(struct slot_patch_table *t, struct fuzz_part *patch)
{
	AUTO_FREE uint8_t *out = malloc(SLOT_LEAF_SIZE);
	uint8_t bits[IMAGE_MAX / SLOT_LEAF_SIZE / 8 + 1];
	struct leaf_set want = {.bits = bits, .count = slot_leaf_count(t->image_size)};
	struct slot_image image = {.name = "fuzz", .size = t->image_size, .way = SLOT_WAY_PATCH};
	struct slot_stats stats = {0};
	struct leaf_source source = {0};
	struct err e = {0};

	fuzz_must(out != NULL);
	memset(bits, 0xff, sizeof(bits));
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->offset[i] <= patch->len && t->stored[i] <= patch->len - t->offset[i])
			fuzz_must(hash_bytes(HASH_SHA256, patch->data + t->offset[i], t->stored[i],
					  t->sha256[i], &e) == 0);
	}
	image.patching = (struct slot_patching){
		.table = t, .old_path = old_path, .patch = {.ctx = patch, .read = read_part}};
	if (patch_source_open(&image, &want, &stats, &source, &e) < 0)
		return;
	for (uint64_t leaf = 0; leaf < want.count; leaf++) {
		size_t len = slot_leaf_length(image.size, leaf);
		(void)source.fill(source.ctx, leaf, false, out, len, &e);
		if (leaf % 3 == 0)
			(void)source.fill(source.ctx, leaf, true, out, len, &e);
	}
	source.close(source.ctx);
}

static uint64_t sum_of(struct fuzz_part p)
{
	uint64_t sum = 0;

	for (size_t at = SLOT_PATCH_HEADER; at + SLOT_PATCH_ENTRY <= p.len; at += SLOT_PATCH_ENTRY)
		sum += le32_get(p.data + at + 4);
	return sum;
}

/* The patch's bytes as the raw bytes of a frame: what a decoder would give. */
static void follow(struct fuzz_part raw)
{
	struct patch_steps s;
	struct patch_step step;
	struct err e = {0};
	uint32_t output = raw.len >= 4 ? le32_get(raw.data) * 3 + 1 : 1;
	uint64_t given = 0;
	bool more = true;

	if (patch_steps_begin(raw.data, raw.len, output, OLD_SIZE, &s, &e) < 0)
		return;
	while (patch_steps_next(&s, &step, &more, &e) == 0 && more) {
		fuzz_must(step.length > 0);
		given += step.length;
		fuzz_must(given <= output);
		bool old = step.kind == SLOT_PATCH_COPY || step.kind == SLOT_PATCH_ADD;
		fuzz_must(
			!old || (step.old_at <= OLD_SIZE && step.length <= OLD_SIZE - step.old_at));
		bool has_data = step.kind == SLOT_PATCH_ADD || step.kind == SLOT_PATCH_INSERT;
		fuzz_must(!has_data ||
			  (step.data >= raw.data && step.data + step.length <= raw.data + raw.len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part rest = {.data = data, .len = size};
	struct fuzz_part table = fuzz_take(&rest);
	AUTO_FREE uint8_t *bytes = fuzz_copy(table);
	AUTO_FREE uint8_t *patch_bytes = fuzz_copy(rest);
	struct fuzz_part patch = {.data = patch_bytes, .len = rest.len};
	struct slot_patch_table t;
	struct err e = {0};

	if (old_path[0] == 0)
		make_old();
	follow(patch);
	uint64_t image_size = fuzz_image_size(table);
	if (image_size > IMAGE_MAX ||
		slot_patch_table_parse(bytes, table.len, image_size, sum_of(table), &t, &e) < 0)
		return 0;
	if (t.old_size <= OLD_SIZE)
		apply(&t, &patch);
	slot_patch_table_free(&t);
	return 0;
}
