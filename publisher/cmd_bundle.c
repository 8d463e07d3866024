/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo bundle: a published release as one file, for a USB stick or hawkBit. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/plan/manifest.h"
#include "publisher/bundle.h"
#include "publisher/release.h"

enum { BUNDLE_PRODUCT, BUNDLE_OUT, BUNDLE_COUNT }; /* rows of bundle_options */

static int make_bundle(
	struct publisher *p, const char *const *values, uint64_t release, struct err *e)
{
	const char *product = values[BUNDLE_PRODUCT] ? values[BUNDLE_PRODUCT] : p->product;
	const char *path = values[BUNDLE_OUT];
	struct bundle_facts facts;
	char name[80];

	if (!manifest_name_is_valid(product))
		return err_set(
			e, E_USAGE, "product \"%s\" must match [a-z0-9][a-z0-9._-]{0,31}", product);
	snprintf(name, sizeof(name), "%s-%" PRIu64 ".pawl", product, release);
	if (!path)
		path = name;
	if (bundle_write(p, product, release, path, &facts, e) < 0)
		return -1;
	publisher_say(p, "%s: release %" PRIu64 " of %s, %" PRIu64 " files, %.1f MiB", path,
		release, product, facts.members, (double)facts.bytes / (1024.0 * 1024.0));
	return 0;
}

int cmd_bundle(void *ctx, int argc, char **argv, struct err *e)
{
	struct publisher *p = ctx;
	const char *values[BUNDLE_COUNT];
	uint64_t release = 0;
	int rest = 0;

	if (verb_read_options(bundle_options, argc, argv, values, &rest, e) < 0)
		return -1;
	if (rest != 1)
		return err_set(e, E_USAGE, "bundle needs one release number");
	if (release_parse_number(argv[0], "release", 1, UINT64_C(1) << 53, &release, e) < 0 ||
		publisher_open(p, false, e) < 0)
		return -1;
	int rc = make_bundle(p, values, release, e);
	publisher_close(p);
	return rc;
}
