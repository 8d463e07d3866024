/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of an earlier release: finding, checking, unpacking. */
#include "publisher/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/base/must.h"
#include "partitions/slot/format.h"
#include "publisher/object.h"
#include "publisher/unpack.h"

const struct plan_image *shelf_image(const struct shelf *s, const char *name)
{
	for (size_t i = 0; i < s->plan->image_count; i++) {
		if (strcmp(s->plan->images[i].name, name) == 0)
			return &s->plan->images[i];
	}
	return NULL;
}

/* -1 without an error where it is not there. */
static int open_below(const struct shelf *s, const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/objects/%s", folder, name);
	return openat(s->publisher->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* A regular file; how long it is comes out. */
static int open_object(const struct shelf *s, const uint8_t sha256[HASH_SIZE], int *fd,
	uint64_t *length, struct err *e)
{
	char name[OBJECT_NAME_SIZE];
	char staged[96];
	struct stat st;

	object_name(sha256, name);
	snprintf(staged, sizeof(staged), "staging/%s-%" PRIu64, s->plan->product, s->plan->release);
	AUTO_CLOSE int n = open_below(s, "public", name);
	if (n < 0 && errno == ENOENT)
		n = open_below(s, staged, name);
	if (n < 0)
		return err_sys(e, errno == ENOENT ? E_NOTFOUND : E_IO, errno,
			"release %" PRIu64 ": cannot open objects/%s", s->plan->release, name);
	if (fstat(n, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, E_SIZE, "release %" PRIu64 ": objects/%s is no regular file",
			s->plan->release, name);
	*length = (uint64_t)st.st_size;
	*fd = steal_fd(&n);
	return 0;
}

int shelf_open(const struct shelf *s, const struct plan_object *o, int *fd, struct err *e)
{
	char name[OBJECT_NAME_SIZE];
	uint64_t length = 0;

	AUTO_CLOSE int n = -1;
	if (open_object(s, o->sha256, &n, &length, e) < 0)
		return -1;
	object_name(o->sha256, name);
	if (length != o->length)
		return err_set(e, E_SIZE, "release %" PRIu64 ": objects/%s has not its length",
			s->plan->release, name);
	*fd = steal_fd(&n);
	return 0;
}

int shelf_read_named(const struct shelf *s, const uint8_t sha256[HASH_SIZE], size_t cap,
	struct buf *out, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct plan_object o;

	if (open_object(s, sha256, &fd, &o.length, e) < 0)
		return -1;
	memcpy(o.sha256, sha256, HASH_SIZE);
	if (o.length > cap)
		return err_set(e, E_SIZE, "an object of %" PRIu64 " bytes is no table", o.length);
	return shelf_read(s, &o, out, e);
}

int shelf_read(const struct shelf *s, const struct plan_object *o, struct buf *out, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE uint8_t *data = NULL;
	uint8_t digest[HASH_SIZE];
	char name[OBJECT_NAME_SIZE];

	if (shelf_open(s, o, &fd, e) < 0)
		return -1;
	object_name(o->sha256, name);
	data = malloc((size_t)o->length);
	if (!data)
		return err_set(e, E_NOMEM, "no memory for objects/%s", name);
	if (file_pread_full(fd, data, (size_t)o->length, 0, e) < 0 ||
		hash_bytes(HASH_SHA256, data, (size_t)o->length, digest, e) < 0)
		return err_wrap(e, "objects/%s", name);
	if (!MUST("publisher.shelf-hash", hash_equal(digest, o->sha256)))
		return err_set(
			e, E_HASH, "objects/%s is damaged: `pawl-repo verify` tells more", name);
	buf_free(out);
	*out = buf_make((size_t)o->length);
	return buf_add(out, data, (size_t)o->length, e);
}

/* One image that is being unpacked. */
struct unpacking {
	const struct plan_image *image;
	int fd;
	struct slot_pieces pieces;
	struct buf table;
	uint8_t *stored;
	uint8_t *raw;
};

static void unpacking_free(struct unpacking *u)
{
	cleanup_close(&u->fd);
	slot_pieces_free(&u->pieces);
	buf_free(&u->table);
	free(u->stored);
	free(u->raw);
}

static int unpacking_begin(const struct shelf *s, struct unpacking *u, struct err *e)
{
	const struct plan_image *i = u->image;

	u->stored = malloc(SLOT_STORED_MAX);
	u->raw = malloc(SLOT_PIECE_SIZE);
	if (!u->stored || !u->raw)
		return err_set(e, E_NOMEM, "no memory to unpack image %s", i->name);
	if (shelf_open(s, &i->full, &u->fd, e) < 0 || shelf_read(s, &i->pieces, &u->table, e) < 0)
		return -1;
	return slot_pieces_parse(
		u->table.data, u->table.len, i->size, i->full.length, &u->pieces, e);
}

static int unpack_one(struct unpacking *u, uint32_t piece, size_t len, struct err *e)
{
	size_t stored = u->pieces.stored[piece];
	uint8_t digest[HASH_SIZE];

	if (file_pread_full(u->fd, u->stored, stored, u->pieces.offset[piece], e) < 0 ||
		hash_bytes(HASH_SHA256, u->stored, stored, digest, e) < 0)
		return -1;
	if (!MUST("publisher.shelf-piece", hash_equal(digest, u->pieces.sha256[piece])))
		return err_set(e, E_HASH, "piece %u of its full is damaged", piece);
	return unpack_piece(u->image->encoding, u->stored, stored, u->raw, len, e);
}

int shelf_unpack(const struct shelf *s, const struct plan_image *image,
	const struct shelf_sink *sink, struct err *e)
{
	__attribute__((cleanup(unpacking_free))) struct unpacking u = {.image = image, .fd = -1};

	if (unpacking_begin(s, &u, e) < 0)
		return err_wrap(e, "release %" PRIu64 ": image %s", s->plan->release, image->name);
	for (uint32_t i = 0; i < u.pieces.count; i++) {
		size_t len = slot_piece_length(image->size, i);
		if (unpack_one(&u, i, len, e) < 0)
			return err_wrap(
				e, "release %" PRIu64 ": image %s", s->plan->release, image->name);
		if (sink->take(sink->ctx, u.raw, len, e) < 0)
			return -1;
	}
	return 0;
}
