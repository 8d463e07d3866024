/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing the leaves of an image where it lies. */
#include "partitions/slot/scan.h"

#include <string.h>

#include "partitions/slot/format.h"
#include "partitions/slot/pages.h"

#define CHUNK_LEAVES 4u /* 1 MiB a read */

/* The unreadable leaf has no digest; zeros are no SHA-256 of anything that anybody knows. */
static const uint8_t no_digest[HASH_SIZE];

struct walk {
	const struct scan *s;
	struct pages buffer;
	unsigned read_errors;
};

static void cleanup_walk(struct walk *w)
{
	pages_free(&w->buffer);
}

static int tell(const struct scan *s, uint64_t leaf, const uint8_t digest[HASH_SIZE], struct err *e)
{
	bool right = hash_equal(digest, s->leaves + leaf * HASH_SIZE);

	return s->leaf(s->ctx, leaf, right, digest, e);
}

static int hash_leaf(const struct scan *s, uint64_t leaf, const uint8_t *data, struct err *e)
{
	uint8_t digest[HASH_SIZE];

	if (hash_bytes(s->alg, data, slot_leaf_length(s->image_size, leaf), digest, e) < 0)
		return -1;
	return tell(s, leaf, digest, e);
}

/* After a read error: leaf by leaf, so that one bad sector costs one leaf. */
static int one_by_one(struct walk *w, uint64_t first, uint64_t count, struct err *e)
{
	const struct scan *s = w->s;

	for (uint64_t leaf = first; leaf < first + count; leaf++) {
		size_t len = slot_leaf_length(s->image_size, leaf);
		if (device_read(s->device, w->buffer.data, len, leaf * SLOT_LEAF_SIZE, e) == 0) {
			if (hash_leaf(s, leaf, w->buffer.data, e) < 0)
				return -1;
			continue;
		}
		if (w->read_errors == 0)
			return -1;
		w->read_errors--;
		if (s->leaf(s->ctx, leaf, false, no_digest, e) < 0)
			return -1;
	}
	return 0;
}

static int walk_chunk(struct walk *w, uint64_t first, uint64_t count, struct err *e)
{
	const struct scan *s = w->s;
	uint64_t offset = first * SLOT_LEAF_SIZE;
	size_t len = (size_t)(count - 1) * SLOT_LEAF_SIZE +
		     slot_leaf_length(s->image_size, first + count - 1);

	if (device_read(s->device, w->buffer.data, len, offset, e) < 0)
		return s->read_errors ? one_by_one(w, first, count, e) : -1;
	for (uint64_t i = 0; i < count; i++) {
		if (hash_leaf(s, first + i, w->buffer.data + i * SLOT_LEAF_SIZE, e) < 0)
			return -1;
	}
	return 0;
}

int scan_leaves(const struct scan *s, struct err *e)
{
	__attribute__((cleanup(cleanup_walk))) struct walk w = {
		.s = s, .read_errors = s->read_errors};
	uint64_t total = slot_leaf_count(s->image_size);

	if (pages_get(CHUNK_LEAVES * SLOT_LEAF_SIZE, &w.buffer, e) < 0)
		return -1;
	for (uint64_t leaf = s->first; leaf < total;) {
		/* Up to the next 1 MiB boundary, so that reads stay aligned when the first leaf is left out. */
		uint64_t count = CHUNK_LEAVES - leaf % CHUNK_LEAVES;
		if (count > total - leaf)
			count = total - leaf;
		if (walk_chunk(&w, leaf, count, e) < 0)
			return -1;
		leaf += count;
	}
	return 0;
}

int scan_again(const struct scan *s, uint64_t leaf, uint8_t digest[HASH_SIZE], struct err *e)
{
	AUTO_PAGES struct pages buffer = {0};
	size_t len = slot_leaf_length(s->image_size, leaf);

	if (pages_get(SLOT_LEAF_SIZE, &buffer, e) < 0 ||
		device_read(s->device, buffer.data, len, leaf * SLOT_LEAF_SIZE, e) < 0)
		return -1;
	return hash_bytes(s->alg, buffer.data, len, digest, e);
}

int scan_blame(const struct scan *s, enum err_code code, uint64_t leaf,
	const uint8_t digest[HASH_SIZE], struct err *e)
{
	uint64_t from = leaf * SLOT_LEAF_SIZE;
	uint64_t to = from + slot_leaf_length(s->image_size, leaf);
	uint8_t second[HASH_SIZE];
	const char *blame = "writing is to blame (two readings agree)";

	if (scan_again(s, leaf, second, e) < 0)
		return -1;
	if (hash_equal(second, s->leaves + leaf * HASH_SIZE)) {
		code = E_READBACK;
		blame = "reading is to blame (a second reading was right)";
	} else if (!hash_equal(second, digest)) {
		code = E_READBACK;
		blame = "reading is to blame (two readings differ)";
	}
	return err_set(e, code, "%s: bytes %llu to %llu (leaf %llu) are not what they must be; %s",
		s->device->path, (unsigned long long)from, (unsigned long long)to,
		(unsigned long long)leaf, blame);
}
