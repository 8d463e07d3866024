/* SPDX-License-Identifier: Apache-2.0 */
/* Counts what objects really gave. */
#include "agent/meter.h"

#include <stdlib.h>

struct metered {
	struct meter *meter;
	struct reader from;
};

static int metered_expect(void *ctx, const struct byte_range *ranges, size_t count, struct err *e)
{
	struct metered *r = ctx;

	return r->from.expect ? r->from.expect(r->from.ctx, ranges, count, e) : 0;
}

static int metered_read(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct metered *r = ctx;

	if (r->from.read(r->from.ctx, offset, data, len, e) < 0)
		return -1;
	r->meter->bytes += len;
	return 0;
}

static void metered_close(void *ctx)
{
	struct metered *r = ctx;

	reader_close(&r->from);
	free(r);
}

static int metered_open(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	struct reader *out, struct err *e)
{
	struct meter *m = ctx;
	struct metered *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(e, E_NOMEM, "no memory for a reader");
	r->meter = m;
	if (m->from->open(m->from->ctx, sha256, length, &r->from, e) < 0) {
		free(r);
		return -1;
	}
	*out = (struct reader){
		.ctx = r, .expect = metered_expect, .read = metered_read, .close = metered_close};
	return 0;
}

static int metered_holds(void *ctx, const uint8_t sha256[HASH_SIZE], uint64_t length,
	const struct byte_range *ranges, size_t count, struct err *e)
{
	const struct object_source *from = ((struct meter *)ctx)->from;

	return from->holds ? from->holds(from->ctx, sha256, length, ranges, count, e) : 0;
}

struct object_source meter_objects(struct meter *m)
{
	return (struct object_source){.ctx = m, .open = metered_open, .holds = metered_holds};
}
