/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves put together by tables that lie: nothing outside is read or written, memory is
 * bounded, and what comes out is what the walk through index and data says. The
 * hashes of frames are made right, so that decoders see what no signature would let
 * them see. Input: one byte of encoding, index, frame table, places of the match, data.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "partitions/slot/delta_source.h"
#include "tests/fuzz/fuzz.h"

#define IMAGE_MAX (2u * 1024 * 1024)
#define OLD_SIZE  (128u * 1024) /* of the seed and of the target */

/* What outlives an input: old content on a medium. */
static struct {
	struct device target;
	struct slot_seed *seed;
} old = {.target = {.fd = -1}};

static void make_old(void)
{
	char path[] = "/tmp/pawl-fuzz-XXXXXX";
	uint8_t data[OLD_SIZE];
	struct err e = {0};
	int fd = mkstemp(path);

	fuzz_must(fd >= 0);
	for (size_t i = 0; i < OLD_SIZE; i++)
		data[i] = (uint8_t)(i * 31 + i / 4096);
	fuzz_must(write(fd, data, OLD_SIZE) == OLD_SIZE);
	close(fd);
	struct slot_seed_request request = {.path = path, .scratch_dir = -1};
	fuzz_must(slot_seed_open(&request, &old.seed, &e) == 0);
	fuzz_must(device_open_read(path, &old.target, &e) == 0);
	/* A source opens the target by its path: one that lasts as long as the process. */
	unlink(path);
	snprintf(old.target.path, sizeof(old.target.path), "/proc/self/fd/%d", old.target.fd);
}

static int read_part(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct fuzz_part *p = ctx;

	if (offset > p->len || len > p->len - offset)
		return err_set(e, E_SIZE, "the object is shorter than that");
	memcpy(data, p->data + offset, len);
	return 0;
}

/* As a publisher would have made them. */
static void make_hashes_right(struct slot_frames *f, const struct fuzz_part *data)
{
	struct err e = {0};

	for (uint32_t i = 0; i < f->count; i++) {
		if (f->offset[i] <= data->len && f->stored[i] <= data->len - f->offset[i])
			fuzz_must(hash_bytes(HASH_SHA256, data->data + f->offset[i], f->stored[i],
					  f->sha256[i], &e) == 0);
	}
}

/* Any place for any entry, right or wrong. */
static void make_places(uint64_t *place, uint32_t count, struct fuzz_part p)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = 0;
		for (unsigned k = 0; k < 4 && p.len > 0; k++)
			v = v << 8 | p.data[(i * 4 + k) % p.len];
		/* The first byte says which kind. */
		uint64_t kind = v >> 24;
		place[i] = p.len == 0 || kind < 100 ? SLOT_PLACE_DATA
			   : kind < 140             ? SLOT_PLACE_TARGET
						    : (kind & 3) << 60 | (v & 0xffffff);
	}
}

static void fill_all(const struct leaf_source *s, uint64_t size)
{
	AUTO_FREE uint8_t *out = malloc(SLOT_LEAF_SIZE);
	struct err e = {0};

	fuzz_must(out != NULL);
	for (uint64_t leaf = 0; leaf < slot_leaf_count(size); leaf++) {
		size_t len = slot_leaf_length(size, leaf);
		bool ok = s->fill(s->ctx, leaf, false, out, len, &e) == 0;
		/* A leaf in three is asked for again; some are left out. */
		if (leaf % 3 == 0)
			ok = s->fill(s->ctx, leaf, true, out, len, &e) == 0;
		fuzz_must(ok || e.code != E_OK);
		if (leaf % 5 == 2)
			leaf++;
	}
}

static void assemble(enum slot_encoding encoding, const struct slot_index *x, struct slot_frames *f,
	struct fuzz_part places, struct fuzz_part data)
{
	struct slot_match match = {.need = malloc(f->count / 8 + 1)};
	struct slot_image image = {.name = "fuzz", .size = x->image_size, .way = SLOT_WAY_DELTA};
	struct slot_delta *d = &image.delta;
	struct slot_stats stats = {0};
	struct leaf_source source = {0};
	struct err e = {0};

	fuzz_must(match.need != NULL);
	memset(match.need, 0xff, f->count / 8 + 1);
	fuzz_must(scratch_get(-1, (size_t)x->stored * 8, &match.place, &e) == 0);
	make_places(match.place.data, x->stored, places);
	make_hashes_right(f, &data);
	*d = (struct slot_delta){.index = x,
		.frames = f,
		.encoding = encoding,
		.match = &match,
		.seeds = &old.seed,
		.seed_count = 1};
	for (unsigned g = 0; g < SLOT_GENERATIONS; g++)
		d->data[g] = (struct reader){.ctx = &data, .read = read_part};
	if (delta_source_open(&image, &old.target, &stats, &source, &e) == 0) {
		fill_all(&source, image.size);
		source.close(source.ctx);
	}
	fuzz_must(stats.from_seed + stats.from_target <= 2 * image.size);
	scratch_free(&match.place);
	free(match.need);
}

static uint64_t sum_of(struct fuzz_part p)
{
	uint64_t sum = 0;

	for (size_t at = SLOT_FRAMES_HEADER; at + SLOT_FRAMES_ENTRY <= p.len;
		at += SLOT_FRAMES_ENTRY)
		sum += le32_get(p.data + at + 1);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_part rest = {.data = data + 1, .len = size - 1};
	struct slot_index x;
	struct slot_frames f;
	struct err e = {0};

	if (size < 1)
		return 0;
	if (!old.seed)
		make_old();
	struct fuzz_part index = fuzz_take(&rest);
	struct fuzz_part frames = fuzz_take(&rest);
	struct fuzz_part places = fuzz_take(&rest);
	uint64_t image_size = fuzz_image_size(index);
	if (image_size > IMAGE_MAX)
		return 0;
	AUTO_FREE uint8_t *index_bytes = fuzz_copy(index);
	if (slot_index_parse(index_bytes, index.len, image_size, &x, &e) < 0 ||
		slot_frames_parse(frames.data, frames.len, image_size, sum_of(frames), &f, &e) < 0)
		return 0;
	assemble((enum slot_encoding)(data[0] % 3), &x, &f, places, rest);
	slot_frames_free(&f);
	return 0;
}
