/* SPDX-License-Identifier: Apache-2.0 */
/* pawl-repo adopt: an image that is in the field already becomes release 1. */
#include "publisher/making.h"

int cmd_adopt(void *ctx, int argc, char **argv, struct err *e)
{
	return making_run(ctx, adopt_options, true, argc, argv, e);
}
