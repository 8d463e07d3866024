/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes one request asks for. Pure; private to http*.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/reader.h"

#define HTTP_JOIN_GAP   (16 * 1024) /* ranges closer than this share a request (design 5) */
#define HTTP_RANGES_MAX (1024 * 1024)

/* Announced ranges, joined; zero-initialised = nothing announced. */
struct http_ranges {
	struct byte_range *runs;
	size_t count;
};

/*
 * Replaces what was announced: ascending, not overlapping, within `length`
 * bytes; E_INTERNAL else, because they come from our own plan. An empty list
 * means that each read is asked for by itself.
 */
int http_ranges_set(struct http_ranges *r, const struct byte_range *ranges, size_t count,
	uint64_t length, struct err *e);
void http_ranges_free(struct http_ranges *r);

/*
 * The end of a request that begins at `offset` and must give `len` bytes: that
 * of the run it lies in, that of the object where nothing was announced.
 */
uint64_t http_ranges_end(
	const struct http_ranges *r, uint64_t offset, uint64_t len, uint64_t length);
