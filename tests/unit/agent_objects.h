/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in memory, for tests of what fetches them: what was opened, announced and read is kept. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "agent/base/fetcher.h"
#include "agent/plan/plan.h"

#define OBJECTS_MAX 32
#define CALLS_MAX   256

struct object {
	uint8_t sha256[HASH_SIZE];
	uint8_t *data; /* what a reader gives; may differ from what the hash says */
	size_t len;
	unsigned opened;
	bool missing; /* E_NOTFOUND */
	bool down; /* E_NET */
	size_t lie_at; /* these bytes come wrong … */
	unsigned lies; /* … so many times */
	struct byte_range announced[CALLS_MAX];
	size_t announced_count;
	struct byte_range reads[CALLS_MAX];
	size_t read_count;
};

struct objects {
	struct object object[OBJECTS_MAX];
	size_t count;
};

static int object_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct object *o = ctx;

	(void)e;
	o->announced_count = count < CALLS_MAX ? count : CALLS_MAX;
	for (size_t i = 0; i < o->announced_count; i++)
		o->announced[i] = ranges[i];
	return 0;
}

static int object_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct object *o = ctx;

	if (o->missing)
		return err_set(e, E_NOTFOUND, "no such object");
	if (o->down)
		return err_set(e, E_NET, "the server is down");
	if (offset > o->len || len > o->len - offset)
		return err_set(e, E_SIZE, "behind the end of an object");
	memcpy(data, o->data + offset, len);
	if (o->lies > 0 && o->lie_at >= offset && o->lie_at < offset + len) {
		((uint8_t *)data)[o->lie_at - offset] ^= 1;
		o->lies--;
	}
	if (o->read_count < CALLS_MAX)
		o->reads[o->read_count++] = (struct byte_range){offset, len};
	return 0;
}

static int objects_open(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct reader *out, struct err *e)
{
	struct objects *all = ctx;

	(void)length;
	for (size_t i = 0; i < all->count; i++) {
		struct object *o = &all->object[i];
		if (!hash_equal(o->sha256, sha256))
			continue;
		o->opened++;
		*out = (struct reader){.ctx = o, .expect = object_expect, .read = object_read};
		return 0;
	}
	return err_set(e, E_NOTFOUND, "no such object");
}

static inline struct object_source objects_source(struct objects *all)
{
	return (struct object_source){.ctx = all, .open = objects_open};
}

/* Adds a copy of the bytes; `out` names it as a manifest does. */
static inline struct object *objects_add(
	struct objects *all, const void *data, size_t len, struct plan_object *out)
{
	struct object *o = &all->object[all->count++];
	struct err e = {0};

	*o = (struct object){.len = len, .data = malloc(len)};
	memcpy(o->data, data, len);
	if (hash_bytes(HASH_SHA256, data, len, o->sha256, &e) < 0)
		abort();
	memcpy(out->sha256, o->sha256, HASH_SIZE);
	out->length = len;
	return o;
}

static inline void objects_free(struct objects *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->object[i].data);
	*all = (struct objects){0};
}

/* Bytes that nothing compresses and no two keys share. */
static inline void noise(uint8_t *data, size_t len, uint64_t key)
{
	uint64_t x = key * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)(x >> 32);
	}
}
