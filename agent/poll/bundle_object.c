/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a bundle: whole ones, the first bytes of one, and what comes out of a pipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/must.h"
#include "agent/poll/bundle_pipe.h"
#include "agent/poll/bundle_tar.h"

struct bundle_object {
	struct bundle *b;
	struct bundle_member *member;
	uint64_t length; /* of the object; of a head the member holds less */
	struct byte_range *ranges; /* what will be read, in places of the bundle */
	size_t count;
};

/* A head ends before the object does: what lies behind it is for older devices. */
static int check_place(const struct bundle_object *o, uint64_t offset, uint64_t len, struct err *e)
{
	const struct bundle_member *m = o->member;

	if (!MUST("bundle.object-place", offset <= o->length && len <= o->length - offset))
		return err_set(e, E_SIZE, "bundle %s: no bytes %llu+%llu in %s", o->b->name,
			(unsigned long long)offset, (unsigned long long)len, m->name);
	if (!MUST("bundle.head-end", offset <= m->size && len <= m->size - offset))
		return err_set(e, E_NOTFOUND,
			"bundle %s is for devices that run a later release: it holds %llu of %llu "
			"bytes of data, and this device needs others; take a full bundle or the "
			"repository",
			o->b->name, (unsigned long long)m->size, (unsigned long long)o->length);
	return 0;
}

static int object_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct bundle_object *o = ctx;
	AUTO_FREE struct byte_range *moved = calloc(count ? count : 1, sizeof(*moved));

	if (!moved)
		return err_set(e, E_NOMEM, "no memory for %zu ranges", count);
	for (size_t i = 0; i < count; i++) {
		/* Known before anything is written: the bundle does not have what is needed. */
		if (check_place(o, ranges[i].offset, ranges[i].length, e) < 0)
			return -1;
		moved[i] =
			(struct byte_range){o->member->offset + ranges[i].offset, ranges[i].length};
	}
	free(o->ranges);
	o->ranges = steal_ptr(moved);
	o->count = count;
	o->b->announced = NULL;
	return 0;
}

/* Several objects share one reader below: it is told whose turn it is. */
static int announce(const struct bundle_object *o, struct err *e)
{
	const struct byte_range whole = {o->member->offset, o->member->size};
	struct reader *from = &o->b->from;

	if (!from->expect || o->b->announced == o)
		return 0;
	if (from->expect(from->ctx, o->ranges ? o->ranges : &whole, o->ranges ? o->count : 1, e) <
		0)
		return -1;
	o->b->announced = o;
	return 0;
}

static int object_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct bundle_object *o = ctx;
	struct bundle *b = o->b;
	struct bundle_member *m = o->member;

	if (check_place(o, offset, len, e) < 0)
		return -1;
	int rc = 0;
	if (bundle_pipe_of(b) && m->state != BUNDLE_STORED)
		rc = bundle_pipe_serve(b, m, offset, data, len, e);
	else if ((rc = announce(o, e)) == 0)
		rc = b->from.read(b->from.ctx, m->offset + offset, data, len, e);
	return rc < 0 ? err_wrap(e, "bundle %s: %s", b->name, m->name) : 0;
}

static void object_close(void *ctx)
{
	struct bundle_object *o = ctx;

	if (o->b->announced == o)
		o->b->announced = NULL;
	free(o->ranges);
	free(o);
}

static struct bundle_member *find_object(const struct bundle *b, const char *name)
{
	char head[HASH_HEX_SIZE + 24];
	struct bundle_member *m = bundle_find(b, name);

	snprintf(head, sizeof(head), "%s" BUNDLE_HEAD, name);
	return m ? m : bundle_find(b, head);
}

/*
 * May the pipe be read on past its last member, for an object of `length` bytes?
 * Not where a large member would be lost for a small one: that may just not be
 * there (tables stand before all content), and the other is still wanted.
 */
static bool may_pass(const struct bundle *b, uint64_t length)
{
	const struct bundle_member *m = &b->members[b->count - 1];

	return !bundle_pipe_of(b) || m->state != BUNDLE_COMING || m->was_opened ||
	       length > BUNDLE_KEEP_MAX || bundle_pipe_keeps(b, m);
}

/* The member with the object or its head; a pipe is read on until it comes. NULL: E_NOTFOUND. */
static int look_for(struct bundle *b, const char *name, uint64_t length,
	struct bundle_member **found, struct err *e)
{
	struct bundle_member *m = find_object(b, name);
	bool more = true;

	while (!m && b->walk && more && may_pass(b, length)) {
		if (bundle_walk_next(b, &more, e) < 0)
			return err_wrap(e, "bundle %s", b->name);
		m = more ? find_object(b, name) : NULL;
	}
	if (!m)
		return err_set(e, E_NOTFOUND,
			"bundle %s has no %s (if it is made for devices from a release on: take a full "
			"bundle or the repository)",
			b->name, name);
	*found = m;
	return 0;
}

static int check_size(
	const struct bundle *b, const struct bundle_member *m, uint64_t length, struct err *e)
{
	bool head = bundle_is_head(m->name);

	if (!MUST("bundle.object-size", head || m->size == length))
		return err_set(e, E_SIZE, "bundle %s: %s has %llu bytes, signed are %llu", b->name,
			m->name, (unsigned long long)m->size, (unsigned long long)length);
	if (!MUST("bundle.head-size", m->size <= length))
		return err_set(e, E_SIZE, "bundle %s: %s has %llu bytes, the whole object has %llu",
			b->name, m->name, (unsigned long long)m->size, (unsigned long long)length);
	return 0;
}

static int find(struct bundle *b, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct bundle_member **out, struct err *e)
{
	struct bundle_member *m = NULL;
	char hex[HASH_HEX_SIZE];
	char name[HASH_HEX_SIZE + 16];

	hash_to_hex(sha256, hex);
	snprintf(name, sizeof(name), "objects/%.2s/%s", hex, hex);
	if (look_for(b, name, length, &m, e) < 0 || check_size(b, m, length, e) < 0)
		return -1;
	*out = m;
	return 0;
}

static int object_open(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct reader *out, struct err *e)
{
	struct bundle *b = ctx;
	struct bundle_member *m = NULL;

	if (find(b, sha256, length, &m, e) < 0)
		return -1;
	if (bundle_pipe_of(b) && bundle_pipe_keep(b, m, e) < 0)
		return err_wrap(e, "bundle %s", b->name);
	m->was_opened = true;
	struct bundle_object *o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(e, E_NOMEM, "no memory for an object");
	o->b = b;
	o->member = m;
	o->length = length;
	*out = (struct reader){
		.ctx = o, .expect = object_expect, .read = object_read, .close = object_close};
	return 0;
}

static int object_holds(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	const struct byte_range *ranges, size_t count, struct err *e)
{
	struct bundle_object o = {.b = ctx, .length = length};

	/* What a pipe has shows as it comes. */
	if (bundle_pipe_of(o.b))
		return 0;
	if (find(o.b, sha256, length, &o.member, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (check_place(&o, ranges[i].offset, ranges[i].length, e) < 0)
			return -1;
	}
	return 0;
}

struct object_source bundle_objects(struct bundle *b)
{
	return (struct object_source){.ctx = b, .open = object_open, .holds = object_holds};
}
