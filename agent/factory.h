/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factory.json on the data partition, written by `pawl-repo factory` beside
 * leaves/ and cache/: what the slot that was flashed holds, so that the first
 * update is a delta already. A hint: every use of it is proved by leaves, and
 * nothing in it raises trust, a floor or an epoch.
 */
#pragma once

#include "agent/base/err.h"
#include "agent/state.h"

#define FACTORY_FILE_MAX (64 * 1024)

/*
 * Completes the record of a slot whose content the state does not know: version,
 * manifest, images; the release only where the image does not say it. A missing
 * file is E_NOTFOUND; E_JSON, E_META for one that is malformed, E_POLICY for
 * another product or another release than the image's own (`slot` is unchanged).
 */
int factory_load(int data, const char *product, const struct backstop *b, struct state_slot *slot,
	struct err *e);
