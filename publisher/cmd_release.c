/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo release: makes a release in staging/. */
#include "publisher/making.h"

int cmd_release(void *ctx, int argc, char **argv, struct err *e)
{
	return making_run(ctx, release_options, false, argc, argv, e);
}
