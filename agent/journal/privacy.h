/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a record: integers, yes and no, enum words, digests. Internal. */
#pragma once

#include <jansson.h>

#include "agent/base/log.h"

/*
 * A copy of `data` with what is allowed; what is not is left out, counted in a
 * member "dropped" and named in the log. NULL for no data, or without memory.
 * The caller owns it. Source: docs/journal.md, "Privacy".
 */
json_t *privacy_filter(const json_t *data, const struct log *log);
