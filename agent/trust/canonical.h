/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON, the form that is signed and hashed (OLPC; securesystemslib's encoding). */
#pragma once

#include <jansson.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/*
 * Appends the canonical form of `value`: keys sorted by code point, no white
 * space, strings raw UTF-8 with only '"' and '\' escaped, integers only.
 * E_JSON for reals, E_SIZE beyond the buffer's limit.
 */
int canonical_write(const json_t *value, struct buf *out, struct err *e);
