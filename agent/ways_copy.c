/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WAY_COPY: the image is on this device already, in the running slot (it did not
 * change between the releases) or in the target itself, whose head is zeroed
 * because another image of the release is written. For the writer this is a
 * `full` without compression, made on the spot; it checks every leaf as always.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/ways_parts.h"

static int read_head(struct ways_image *im, struct err *e)
{
	AUTO_CLOSE int fd = open(im->target, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, E_IO, errno, "%s", im->target);
	return file_pread_full(fd, im->copy.head, sizeof(im->copy.head), 0, e);
}

static bool is_same_image(const struct ways_image *im)
{
	const struct plan_image *old = im->old;

	return old && old->size == im->image->size && old->leaf_alg == im->image->leaf_alg &&
	       hash_equal(old->leaves.sha256, im->image->leaves.sha256);
}

int ways_plan_copy(struct ways *w, struct ways_image *im, struct err *e)
{
	struct way_cost *c = &im->cost[WAY_COPY];
	struct err why = {0};

	(void)e;
	/* A second plan, after the head was zeroed, keeps the head of the first one. */
	if (c->failed || c->possible)
		return 0;
	if (im->survey.whole && read_head(im, &why) == 0) {
		im->copy.path = im->target;
		im->copy.from_target = true;
		c->possible = true;
	} else if (is_same_image(im) && ways_is_intact(w, im)) {
		im->copy.path = im->running;
		c->possible = true;
	}
	return 0;
}

/* --- Reading it --------------------------------------------------------------------- */

struct copy_reader {
	int fd;
	const struct way_copy *copy;
};

static int copy_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct copy_reader *r = ctx;
	size_t head = sizeof(r->copy->head);

	if (file_pread_full(r->fd, data, len, offset, e) < 0)
		return err_wrap(e, "%s", r->copy->path);
	if (r->copy->from_target && offset < head) {
		size_t n = head - (size_t)offset < len ? head - (size_t)offset : len;
		memcpy(data, r->copy->head + offset, n);
	}
	/* Read once: the page cache is better used for what runs. */
	(void)posix_fadvise(r->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
	return 0;
}

static void copy_close(void *ctx)
{
	struct copy_reader *r = ctx;

	close(r->fd);
	free(r);
}

static int open_reader(const struct way_copy *copy, struct reader *out, struct err *e)
{
	struct copy_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, E_NOMEM, "no memory for a reader");
	r->copy = copy;
	r->fd = open(copy->path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		err_sys(e, E_IO, errno, "%s", copy->path);
		free(r);
		return -1;
	}
	*out = (struct reader){.ctx = r, .read = copy_read, .close = copy_close};
	return 0;
}

/* Without compression only the wanted leaves are read, and their hashes are what counts. */
static int make_pieces(uint64_t size, struct slot_pieces *out, struct err *e)
{
	size_t count = (size_t)slot_piece_count(size);
	struct slot_pieces p = {
		.image_size = size,
		.count = (uint32_t)count,
		.stored = calloc(count, sizeof(*p.stored)),
		.offset = calloc(count, sizeof(*p.offset)),
		.sha256 = calloc(count, sizeof(*p.sha256)),
		.stored_total = size,
	};

	if (!p.stored || !p.offset || !p.sha256) {
		slot_pieces_free(&p);
		return err_set(e, E_NOMEM, "no memory for a table of pieces");
	}
	for (size_t i = 0; i < count; i++) {
		p.stored[i] = (uint32_t)slot_piece_length(size, i);
		p.offset[i] = (uint64_t)i * SLOT_PIECE_SIZE;
	}
	*out = p;
	return 0;
}

int ways_open_copy(struct ways_image *im, struct reader *out, struct err *e)
{
	slot_pieces_free(&im->pieces);
	if (make_pieces(im->image->size, &im->pieces, e) < 0)
		return -1;
	return open_reader(&im->copy, out, e);
}
