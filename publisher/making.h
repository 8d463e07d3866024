/* SPDX-License-Identifier: Apache-2.0 */
/* What `release` and `adopt` do at the terminal: words, warnings, progress, summary. */
#pragma once

#include <stdbool.h>

#include "publisher/publisher.h"
#include "publisher/release_options.h"

/* Opens the workspace, makes the release that the words describe, and tells about it. */
int making_run(struct publisher *p, const struct verb_option *options, bool adopt, int argc,
	char **argv, struct err *e);
