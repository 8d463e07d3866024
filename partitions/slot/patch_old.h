/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The old image under a patch: any bytes of it, through one window that is read
 * around the page cache, in large reads where one step follows the other. Used by
 * patch_apply.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "partitions/slot/device.h"
#include "partitions/slot/pages.h"

#define PATCH_OLD_WINDOW (256u * 1024)
#define PATCH_OLD_JUMP   (16u * 1024) /* read at least, where a step leads to another place */

struct patch_old {
	struct device device;
	uint64_t size; /* bytes of the old image, a multiple of 4096 */
	struct pages window;
	uint64_t from; /* place of the window's first byte */
	size_t len; /* bytes in the window; 0 = nothing was read yet */
};

/* E_SLOT when it is missing or smaller than `size`, E_NOMEM. Closed with patch_old_close. */
int patch_old_open(const char *path, uint64_t size, struct patch_old *out, struct err *e);
void patch_old_close(struct patch_old *o);

/* What is in the window is not used any more. */
void patch_old_forget(struct patch_old *o);

/*
 * Points *data to the byte at `at`, which is inside of the image, and says how many
 * from there are in the window, at least 1; valid until the next call. `want` (1 or
 * more, inside of the image) bytes will be asked for from there on. E_IO.
 */
int patch_old_get(struct patch_old *o, uint64_t at, uint64_t want, const uint8_t **data,
	size_t *len, struct err *e);
