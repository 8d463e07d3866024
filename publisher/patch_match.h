/* SPDX-License-Identifier: Apache-2.0 */
/* Finds content of the new image in the old one, aligned with differences. Used by patch.c. */
#pragma once

#include "agent/base/err.h"
#include "publisher/patch_ops.h"
#include "publisher/patch_search.h"

/*
 * Operations that make one part of the new image, added to `ops`. The result
 * depends on the contents only. E_NOMEM.
 */
int patch_match_part(const struct patch_search *old, const struct patch_text *part,
	struct patch_ops *ops, struct err *e);
