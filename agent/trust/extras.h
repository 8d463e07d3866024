/* SPDX-License-Identifier: Apache-2.0 */
/* Pawl's signed extras: x-hold and x-cap in timestamp, custom.revoked in targets. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"

/*
 * Their form, checked when a file is read: a hold that cannot be read must not
 * become no hold. E_META. `custom` may be NULL.
 */
int extras_check_timestamp(const json_t *body, const char *where, struct err *e);
int extras_check_target(const json_t *custom, const char *path, struct err *e);

/* Calls `each` for every manifest hash that the targets of `body` revoke; stops at its first -1. */
int extras_each_revoked(const json_t *body,
	int (*each)(void *ctx, const uint8_t manifest[HASH_SIZE], struct err *e), void *ctx,
	struct err *e);
