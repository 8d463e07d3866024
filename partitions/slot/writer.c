/* SPDX-License-Identifier: Apache-2.0 */
/* Filling one part of a target slot: what is right stays, what is wrong is fetched and written. */
#include "partitions/slot/writer.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "partitions/slot/delta_source.h"
#include "partitions/slot/leaf.h"
#include "partitions/slot/patch_apply.h"

static void cleanup_job(struct write_job *j)
{
	free(j->want.bits);
}

static void cleanup_source(struct leaf_source *s)
{
	if (s->close)
		s->close(s->ctx);
}

void write_report(const struct write_job *j)
{
	if (j->progress && j->progress->report)
		j->progress->report(j->progress->ctx, j->image->name, j->done, j->image->size,
			j->stats->bytes_fetched);
}

int write_check_digest(const struct slot_image *image, uint64_t leaf,
	const uint8_t digest[HASH_SIZE], struct err *e)
{
	static const char *const sources[] = {
		[SLOT_WAY_FULL] = "the source",
		[SLOT_WAY_DELTA] = "the source (index and data)",
		[SLOT_WAY_PATCH] = "the source (patch and old image)",
	};

	if (!MUST("slot.leaf-hash", hash_equal(digest, image->leaves + leaf * HASH_SIZE)))
		return err_set(e, E_HASH,
			"leaf %llu (bytes %llu and on): %s gives other content than was signed",
			(unsigned long long)leaf, (unsigned long long)(leaf * SLOT_LEAF_SIZE),
			sources[image->way]);
	return 0;
}

int write_verify_leaf(
	const struct slot_image *image, uint64_t leaf, const uint8_t *data, struct err *e)
{
	uint8_t digest[HASH_SIZE];

	if (slot_leaf_digest(
		    image->leaf_alg, data, slot_leaf_length(image->size, leaf), digest, e) < 0)
		return -1;
	return write_check_digest(image, leaf, digest, e);
}

int write_keep_leaf0(struct write_job *j, const uint8_t *data, struct err *e)
{
	size_t len = slot_leaf_length(j->image->size, 0);

	pages_free(&j->part->leaf0);
	if (pages_get(len, &j->part->leaf0, e) < 0)
		return -1;
	memcpy(j->part->leaf0.data, data, len);
	return 0;
}

static int check_plain(const struct slot_image *image, struct err *e)
{
	const struct slot_pieces *p = image->pieces;

	for (uint32_t i = 0; i < p->count; i++) {
		if (!MUST("slot.plain-length", p->stored[i] == slot_piece_length(image->size, i)))
			return err_set(e, E_META,
				"image %s: plain piece %u is stored in %u bytes instead of %zu",
				image->name, i, p->stored[i], slot_piece_length(image->size, i));
	}
	return 0;
}

static int check_pieces(const struct slot_image *image, struct err *e)
{
	if (!MUST("slot.table-of-image",
		    image->pieces->image_size == image->size &&
			    image->pieces->count == slot_piece_count(image->size)))
		return err_set(e, E_META, "image %s: the piece table belongs to another image",
			image->name);
	return image->encoding == SLOT_NONE ? check_plain(image, e) : 0;
}

/* Values that others have checked already; a mistake there must not become a write past the end. */
static int check_image(
	const struct slot_target *t, size_t index, const struct slot_image *image, struct err *e)
{
	if (index >= t->count)
		return err_set(e, E_INTERNAL, "the slot has no part %zu", index);
	if (!MUST("slot.spoiled-first", t->spoiled))
		return err_set(
			e, E_INTERNAL, "the slot's heads must be zeroed before it is written");
	const struct device *d = &t->part[index].device;
	if (!MUST("slot.image-fits", slot_image_size_ok(image->size) && image->size <= d->size))
		return err_set(e, E_SLOT, "image %s of %llu bytes does not fit %s of %llu bytes",
			image->name, (unsigned long long)image->size, d->path,
			(unsigned long long)d->size);
	return image->way == SLOT_WAY_FULL ? check_pieces(image, e) : 0;
}

/* What metadata and manifest took and gave back: glibc keeps it, and the peak is still to come. */
static void trim_heap(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static int write_wanted(struct write_job *j, struct err *e)
{
	__attribute__((cleanup(cleanup_source))) struct leaf_source source = {0};
	int rc = -1;

	if (!SLOT_HAVE_DELTA && j->image->way != SLOT_WAY_FULL)
		return err_set(e, E_COMPAT, "image %s: this agent is built without deltas",
			j->image->name);
	switch (j->image->way) {
	case SLOT_WAY_FULL:
		return write_from_pieces(j, e);
	case SLOT_WAY_DELTA:
		rc = delta_source_open(j->image, &j->part->device, j->stats, &source, e);
		break;
	case SLOT_WAY_PATCH:
		rc = patch_source_open(j->image, &j->want, j->stats, &source, e);
		break;
	}
	if (rc == 0)
		rc = write_from_leaves(j, &source, e);
	return rc < 0 ? err_wrap(e, "image %s", j->image->name) : 0;
}

int slot_write(struct slot_target *t, size_t index, const struct slot_image *image,
	const struct slot_progress *progress, struct slot_stats *stats, struct err *e)
{
	if (check_image(t, index, image, e) < 0)
		return -1;
	struct target_part *part = &t->part[index];
	*stats = (struct slot_stats){0};
	__attribute__((cleanup(cleanup_job))) struct write_job j = {
		.part = part, .image = image, .progress = progress, .stats = stats};
	part->filled = false;
	trim_heap();
	if (write_find_wanted(&j, e) < 0 || write_wanted(&j, e) < 0)
		return -1;
	/* Leaf 0 counts here, where it was fetched; slot_finish writes it. */
	size_t head = slot_leaf_length(image->size, 0);
	stats->bytes_written += head;
	stats->leaves_written = j.want.count - stats->leaves_kept;
	j.done += head;
	write_report(&j);
	part->image_size = image->size;
	part->leaf_alg = image->leaf_alg;
	part->leaves = image->leaves;
	part->filled = true;
	return 0;
}
