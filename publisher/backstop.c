/* SPDX-License-Identifier: Apache-2.0 */
/* backstop.json: lower bounds that are built into an image. */
#include "publisher/backstop.h"

#include <inttypes.h>

#include "agent/base/clock.h"

/* The product is a checked name and the rest are numbers, so nothing needs escaping. */
int backstop_write(const struct backstop *b, struct buf *out, struct err *e)
{
	char built[CLOCK_TEXT_SIZE];

	clock_format(b->build_time, built);
	return buf_printf(out, e,
		"{\"schema\": 1, \"product\": \"%s\", \"release\": %" PRIu64 ", \"epoch\": %" PRIu64
		", \"root_version\": %" PRIu64 ",\n \"build_time\": \"%s\"}\n",
		b->product, b->release, b->epoch, b->root_version, built);
}
