/* SPDX-License-Identifier: Apache-2.0 */
/* backstop.json: lower bounds that are built into an image (docs/formats.md). */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

struct backstop {
	const char *product;
	uint64_t release;
	uint64_t epoch;
	uint64_t root_version;
	int64_t build_time;
};

/* Appends the file's text to `out`. The same values always give the same bytes. */
int backstop_write(const struct backstop *b, struct buf *out, struct err *e);
