/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo bundle: a published release as one file, for a USB stick or hawkBit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/buf.h"
#include "agent/plan/manifest.h"
#include "publisher/bundle.h"
#include "publisher/release.h"

enum { BUNDLE_PRODUCT, BUNDLE_OUT, BUNDLE_FROM, BUNDLE_COUNT }; /* rows of bundle_options */

static double mib(uint64_t bytes)
{
	return (double)bytes / (1024.0 * 1024.0);
}

/* What devices get of an image, and what a full bundle would have. */
static void say_image(struct publisher *p, const struct bundle_image *i)
{
	static const char *const ways[] = {
		[BUNDLE_FULL] = "all of it (it has no index)",
		[BUNDLE_SAME] = "nothing: it did not change",
		[BUNDLE_DATA] = "the head of data",
		[BUNDLE_PATCHES] = "patches",
	};

	publisher_say(p, "  image %s: %s, %.1f MiB with tables; full: %.1f MiB", i->name,
		ways[i->way], mib(i->bytes), mib(i->full));
}

static void say_for_whom(
	struct publisher *p, const struct bundle_request *r, const struct bundle_plan *plan)
{
	uint64_t bytes = 0;
	uint64_t full = 0;

	if (!r->from) {
		publisher_say(p, "  for any device");
		return;
	}
	publisher_say(p,
		"  for devices that run release %" PRIu64 " or a later one (%zu published), their "
		"slot unchanged",
		r->from, plan->releases);
	for (size_t i = 0; i < plan->image_count; i++) {
		say_image(p, &plan->image[i]);
		bytes += plan->image[i].bytes;
		full += plan->image[i].full;
	}
	if (bytes >= full)
		publisher_say(p,
			"  a full bundle would not be larger, and would do for any device: leave "
			"--from away");
}

static int write_bundle(const struct bundle_request *r, const char *path, struct err *e)
{
	struct publisher *p = r->publisher;
	AUTO_FREE struct bundle_plan *plan = malloc(sizeof(*plan));
	struct bundle_facts facts;

	if (!plan)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	if (bundle_write(r, path, plan, &facts, e) < 0)
		return -1;
	publisher_say(p, "%s: release %" PRIu64 " of %s, %" PRIu64 " files, %.1f MiB", path,
		r->release, r->product, facts.members, mib(facts.bytes));
	say_for_whom(p, r, plan);
	return 0;
}

static int make_bundle(struct bundle_request *r, const char *path, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[96];

	if (!manifest_name_is_valid(r->product))
		return err_set(e, E_USAGE, "product \"%s\" must match [a-z0-9][a-z0-9._-]{0,31}",
			r->product);
	if (publisher_open_dir(r->publisher, "public", false, &dir, e) < 0)
		return -1;
	r->public_dir = dir;
	if (r->from)
		snprintf(name, sizeof(name), "%s-%" PRIu64 "-from-%" PRIu64 ".pawl", r->product,
			r->release, r->from);
	else
		snprintf(name, sizeof(name), "%s-%" PRIu64 ".pawl", r->product, r->release);
	return write_bundle(r, path ? path : name, e);
}

int cmd_bundle(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	struct bundle_request r = {.publisher = p};
	const char *values[BUNDLE_COUNT];
	const uint64_t max = UINT64_C(1) << 53;
	int rest = 0;

	if (verb_read_options(bundle_options, argc, argv, values, &rest, e) < 0)
		return -1;
	if (rest != 1)
		return err_set(e, E_USAGE, "bundle needs one release number");
	if (release_parse_number(argv[0], "release", 1, max, &r.release, e) < 0 ||
		(values[BUNDLE_FROM] && release_parse_number(values[BUNDLE_FROM], "--from", 1, max,
						&r.from, e) < 0) ||
		publisher_open(p, false, e) < 0)
		return -1;
	r.product = values[BUNDLE_PRODUCT] ? values[BUNDLE_PRODUCT] : p->product;
	int rc = make_bundle(&r, values[BUNDLE_OUT], e);
	publisher_close(p);
	return rc;
}
