/* SPDX-License-Identifier: Apache-2.0 */
/* The way back of compress.h: one piece of `full` or one frame of `data` that was made here. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/*
 * Fills exactly `len` bytes of `out` from one independent stream, whose hash the
 * caller has checked. E_META for another length or what is no such stream;
 * E_USAGE for an encoding that is not in this build.
 */
int unpack_piece(enum plan_encoding encoding, const uint8_t *stored, size_t stored_len,
	uint8_t *out, size_t len, struct err *e);
