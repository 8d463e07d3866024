/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo allot: the next release number, and backstop.json for the image build. */
#include <inttypes.h>
#include <stdio.h>

#include "publisher/backstop.h"
#include "publisher/history.h"
#include "publisher/output.h"
#include "publisher/release.h"

enum { ALLOT_EPOCH, ALLOT_OUT, ALLOT_PRODUCT, ALLOT_COUNT }; /* rows of allot_options */

static int decide(struct publisher *p, const char *epoch, struct backstop *b, struct err *e)
{
	AUTO_MANIFEST struct manifest *newest = NULL;

	if (history_newest(p, b->product, &newest, e) < 0)
		return -1;
	uint64_t last = newest ? newest->plan.epoch : 0;
	b->epoch = last;
	if (epoch &&
		release_parse_number(epoch, "--epoch", last, UINT64_C(1) << 53, &b->epoch, e) < 0)
		return -1;
	if (publisher_root_version(p, &b->root_version, e) < 0 ||
		publisher_next_release(p, b->product, &b->release, e) < 0)
		return -1;
	return publisher_allot_release(p, b->product, b->release, e);
}

static int allot(struct publisher *p, const char *const *values, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(1024);
	struct backstop b = {.product = values[ALLOT_PRODUCT] ? values[ALLOT_PRODUCT] : p->product,
		.build_time = p->now};

	if (!manifest_name_is_valid(b.product))
		return err_set(e, E_USAGE, "product \"%s\" must match [a-z0-9][a-z0-9._-]{0,31}",
			b.product);
	if (decide(p, values[ALLOT_EPOCH], &b, e) < 0 || backstop_write(&b, &text, e) < 0)
		return -1;
	if (!values[ALLOT_OUT]) {
		fputs(buf_text(&text), stdout);
		return 0;
	}
	if (output_replace(values[ALLOT_OUT], text.data, text.len, e) < 0)
		return -1;
	printf("%" PRIu64 "\n", b.release);
	return 0;
}

int cmd_allot(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	const char *values[ALLOT_COUNT];
	int rest = 0;

	if (verb_read_options(allot_options, argc, argv, values, &rest, e) < 0)
		return -1;
	if (rest > 0)
		return err_set(e, E_USAGE, "unexpected word \"%s\"", argv[0]);
	if (publisher_open(p, true, e) < 0)
		return -1;
	int rc = allot(p, values, e);
	publisher_close(p);
	return rc;
}
