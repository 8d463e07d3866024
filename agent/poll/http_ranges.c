/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes one request asks for. */
#include "agent/poll/http_ranges.h"

#include "agent/base/buf.h"

static int check_range(const struct byte_range *b, uint64_t after, uint64_t length, struct err *e)
{
	uint64_t end;

	if (size_add_over(b->offset, b->length, &end) || end > length || b->offset < after)
		return err_set(e, E_INTERNAL, "range of %llu bytes at %llu is out of order",
			(unsigned long long)b->length, (unsigned long long)b->offset);
	return 0;
}

int http_ranges_set(struct http_ranges *r, const struct byte_range *ranges, size_t count,
	uint64_t length, struct err *e)
{
	AUTO_FREE struct byte_range *runs = NULL;
	uint64_t after = 0;
	size_t n = 0;

	if (count > HTTP_RANGES_MAX)
		return err_set(e, E_INTERNAL, "%zu ranges are too many", count);
	runs = calloc(count ? count : 1, sizeof(*runs));
	if (!runs)
		return err_set(e, E_NOMEM, "no memory for %zu ranges", count);
	for (size_t i = 0; i < count; i++) {
		if (check_range(&ranges[i], after, length, e) < 0)
			return -1;
		bool join = n > 0 && ranges[i].offset - after < HTTP_JOIN_GAP;
		after = ranges[i].offset + ranges[i].length;
		if (join)
			runs[n - 1].length = after - runs[n - 1].offset;
		else
			runs[n++] = ranges[i];
	}
	/* Thousands of frames are often a few runs. */
	struct byte_range *fitting = realloc(runs, (n ? n : 1) * sizeof(*runs));
	if (fitting)
		runs = fitting;
	http_ranges_free(r);
	r->runs = steal_ptr(runs);
	r->count = n;
	return 0;
}

void http_ranges_free(struct http_ranges *r)
{
	free(r->runs);
	*r = (struct http_ranges){0};
}

/* The first run that ends behind `offset`; r->count where there is none. */
static size_t find_run(const struct http_ranges *r, uint64_t offset)
{
	size_t low = 0;
	size_t high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (r->runs[mid].offset + r->runs[mid].length > offset)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

uint64_t http_ranges_end(
	const struct http_ranges *r, uint64_t offset, uint64_t len, uint64_t length)
{
	if (!r->runs)
		return length;
	size_t i = find_run(r, offset);
	if (i == r->count || r->runs[i].offset > offset)
		return offset + len;
	uint64_t end = r->runs[i].offset + r->runs[i].length;
	return end > offset + len ? end : offset + len;
}
