/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a bundle (.pawl, docs/formats.md): what one release needs of public/, in one ustar. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/bundle_plan.h"

/* What a bundle holds, for people. */
struct bundle_facts {
	uint64_t members;
	uint64_t bytes; /* of content, without headers */
};

/*
 * Writes the bundle of a published release to `path`, which is replaced only
 * when everything is in it and has the hash that its metadata says. The same
 * repository gives the same bytes. `plan` gets what is in it. E_NOTFOUND when the
 * release is not published, E_HASH or E_SIZE when a file of public/ is damaged,
 * E_USAGE, E_META, E_IO.
 */
int bundle_write(const struct bundle_request *r, const char *path, struct bundle_plan *plan,
	struct bundle_facts *facts, struct err *e);
