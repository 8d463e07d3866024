/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing the leaves of an image where it lies. */
#include "partitions/slot/scan.h"

#include <string.h>

#include "agent/base/buf.h"
#include "partitions/slot/ahead.h"
#include "partitions/slot/format.h"
#include "partitions/slot/leaf.h"
#include "partitions/slot/pages.h"

/* Of a sample. An image with fewer leaves than SAMPLE_MIN is hashed nearly as fast as sampled. */
#define SAMPLE_FRONT  8
#define SAMPLE_SPREAD 24
#define SAMPLE_MIN    128

/* The unreadable leaf has no digest; zeros are no SHA-256 of anything that anybody knows. */
static const uint8_t no_digest[HASH_SIZE];

/* One walk. After a read error the thread is gone, and is started again behind the place. */
struct walk {
	const struct scan *s;
	struct read_ahead *ahead;
	uint64_t leaf; /* the next one */
	unsigned read_errors;
};

static void cleanup_walk(struct walk *w)
{
	read_ahead_stop(w->ahead);
}

static int hash_leaf(const struct scan *s, uint64_t leaf, const uint8_t *data, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	size_t len = slot_leaf_length(s->image_size, leaf);

	if (slot_leaf_digest(s->alg, data, len, digest, e) < 0)
		return -1;
	bool right = hash_equal(digest, s->leaves + leaf * HASH_SIZE);
	if (s->bytes && s->bytes(s->ctx, leaf, right, data, len, e) < 0)
		return -1;
	return s->leaf(s->ctx, leaf, right, digest, e);
}

/* After a read error: leaf by leaf to the end of the chunk, so that one bad sector costs one leaf. */
static int one_by_one(struct walk *w, struct err *e)
{
	const struct scan *s = w->s;
	AUTO_PAGES struct pages buffer = {0};
	uint64_t chunk = READ_AHEAD_CHUNK / SLOT_LEAF_SIZE;
	uint64_t end = w->leaf - w->leaf % chunk + chunk;

	if (pages_get(SLOT_LEAF_SIZE, &buffer, e) < 0)
		return -1;
	for (; w->leaf < end && w->leaf < slot_leaf_count(s->image_size); w->leaf++) {
		size_t len = slot_leaf_length(s->image_size, w->leaf);
		int rc;
		if (device_read(s->device, buffer.data, len, w->leaf * SLOT_LEAF_SIZE, e) == 0) {
			rc = hash_leaf(s, w->leaf, buffer.data, e);
		} else {
			if (w->read_errors == 0)
				return -1;
			w->read_errors--;
			rc = s->leaf(s->ctx, w->leaf, false, no_digest, e);
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int walk_chunk(struct walk *w, const uint8_t *data, size_t len, struct err *e)
{
	for (size_t at = 0; at < len; at += SLOT_LEAF_SIZE, w->leaf++) {
		if (hash_leaf(w->s, w->leaf, data + at, e) < 0)
			return -1;
	}
	return 0;
}

/* Chunk after chunk until the end (*more becomes false) or a place that cannot be read. */
static int walk_on(struct walk *w, bool *more, struct err *e)
{
	const struct scan *s = w->s;
	const uint8_t *data;
	size_t len;

	if (read_ahead_start(s->device, w->leaf * SLOT_LEAF_SIZE, s->image_size, &w->ahead, e) < 0)
		return -1;
	for (;;) {
		int rc = read_ahead_next(w->ahead, &data, &len, e);
		if (rc == 0 && len > 0) {
			if (walk_chunk(w, data, len, e) < 0)
				return -1;
			continue;
		}
		read_ahead_stop(steal_ptr(w->ahead));
		*more = rc < 0;
		return rc < 0 && s->read_errors == 0 ? -1 : 0;
	}
}

int scan_leaves(const struct scan *s, struct err *e)
{
	__attribute__((cleanup(cleanup_walk))) struct walk w = {
		.s = s, .leaf = s->first, .read_errors = s->read_errors};
	bool more = true;

	while (w.leaf < slot_leaf_count(s->image_size)) {
		if (walk_on(&w, &more, e) < 0)
			return -1;
		if (more && one_by_one(&w, e) < 0)
			return -1;
	}
	return 0;
}

/* The leaf of a sample: the first ones, then some that are spread over all others. */
static uint64_t sampled(const struct scan *s, unsigned i)
{
	uint64_t spread = slot_leaf_count(s->image_size) - s->first - SAMPLE_FRONT;

	if (i < SAMPLE_FRONT)
		return s->first + i;
	/* The last one of the spread is the last of the image. */
	return s->first + SAMPLE_FRONT - 1 + spread * (i - SAMPLE_FRONT + 1) / SAMPLE_SPREAD;
}

int scan_sample(const struct scan *s, bool *any, struct err *e)
{
	AUTO_PAGES struct pages buffer = {0};
	uint8_t digest[HASH_SIZE];
	struct err unreadable;

	*any = true;
	if (slot_leaf_count(s->image_size) < s->first + SAMPLE_MIN)
		return 0;
	if (pages_get(SLOT_LEAF_SIZE, &buffer, e) < 0)
		return -1;
	for (unsigned i = 0; i < SAMPLE_FRONT + SAMPLE_SPREAD; i++) {
		uint64_t leaf = sampled(s, i);
		size_t len = slot_leaf_length(s->image_size, leaf);
		if (device_read(s->device, buffer.data, len, leaf * SLOT_LEAF_SIZE, &unreadable) <
			0)
			return 0;
		if (slot_leaf_digest(s->alg, buffer.data, len, digest, e) < 0)
			return -1;
		if (hash_equal(digest, s->leaves + leaf * HASH_SIZE))
			return 0;
	}
	*any = false;
	return 0;
}

int scan_again(const struct scan *s, uint64_t leaf, uint8_t digest[HASH_SIZE], struct err *e)
{
	AUTO_PAGES struct pages buffer = {0};
	size_t len = slot_leaf_length(s->image_size, leaf);

	if (pages_get(SLOT_LEAF_SIZE, &buffer, e) < 0 ||
		device_read(s->device, buffer.data, len, leaf * SLOT_LEAF_SIZE, e) < 0)
		return -1;
	return slot_leaf_digest(s->alg, buffer.data, len, digest, e);
}

int scan_end_at(struct scan_wrong *w, uint64_t leaf, const uint8_t digest[HASH_SIZE], struct err *e)
{
	w->found = true;
	w->leaf = leaf;
	memcpy(w->digest, digest, HASH_SIZE);
	return err_set(e, E_READBACK, "leaf %llu has a wrong hash", (unsigned long long)leaf);
}

int scan_blame(
	const struct scan *s, enum err_code code, const struct scan_wrong *wrong, struct err *e)
{
	uint64_t from = wrong->leaf * SLOT_LEAF_SIZE;
	uint64_t to = from + slot_leaf_length(s->image_size, wrong->leaf);
	uint8_t second[HASH_SIZE];
	const char *blame = "writing is to blame (two readings agree)";

	if (scan_again(s, wrong->leaf, second, e) < 0)
		return -1;
	if (hash_equal(second, s->leaves + wrong->leaf * HASH_SIZE)) {
		code = E_READBACK;
		blame = "reading is to blame (a second reading was right)";
	} else if (!hash_equal(second, wrong->digest)) {
		code = E_READBACK;
		blame = "reading is to blame (two readings differ)";
	}
	return err_set(e, code, "%s: bytes %llu to %llu (leaf %llu) are not what they must be; %s",
		s->device->path, (unsigned long long)from, (unsigned long long)to,
		(unsigned long long)wrong->leaf, blame);
}
