/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A difference makes a table (leaves, index) out of the same table of an older
 * release: one zstd frame with the old table as its prefix (docs/formats.md). Its
 * bytes must have been compared with a signed hash before they come here; so must
 * what comes out, for the old table is only as good as the one who kept it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define SLOT_DIFFERENCE_MAX (1024u * 1024) /* bytes of one */

struct slot_difference {
	const uint8_t *old; /* the old table */
	size_t old_len;
	const uint8_t *data; /* the difference */
	size_t len;
};

/*
 * Writes exactly `out_len` bytes, or fails: E_META for what is no zstd frame, has a
 * window of its own or a dictionary ID, or is broken; E_SIZE where it does not say that
 * it holds `out_len` bytes, is cut, or followed by something; E_COMPAT in a build
 * without zstd. `out` then holds rubbish. An old table that is not the right one may
 * give rubbish, too, without an error. Memory: some 160 KiB. Source: RFC 8878,
 * ZSTD_DCtx_refPrefix.
 */
int slot_difference_apply(
	const struct slot_difference *d, uint8_t *out, size_t out_len, struct err *e);
