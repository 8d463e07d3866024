/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big arrays of a plan. Small ones are plain memory; large ones are files without
 * a name on the data partition, mapped, so that their pages can be written out
 * and dropped: the agent's memory stays bounded whatever the image's size.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define SCRATCH_MEMORY_MAX (1024u * 1024) /* up to here: memory */

/* Zero-initialised = nothing. */
struct scratch {
	void *data;
	size_t size;
};

/*
 * `size` zero bytes. `dir` is a folder for a file (O_TMPFILE, or a name that is
 * removed at once), fully allocated before it is mapped, so that a full disk is
 * an error here and not a SIGBUS later. E_SPACE, E_NOMEM, E_IO. scratch_free.
 */
int scratch_get(int dir, size_t size, struct scratch *out, struct err *e);
void scratch_free(struct scratch *s);

/*
 * Gives every byte of a file its place on the medium, so that a write through a mapping
 * finds it; they are zero if the file was empty. E_SPACE, E_IO.
 */
int scratch_allocate(int fd, size_t size, struct err *e);

/* Bytes [from, from + len) are not needed in memory for now; their content stays. */
void scratch_settle(const struct scratch *s, size_t from, size_t len);

/*
 * For one who goes through an array from front to back and has come to byte `to`:
 * settles what lies behind, now and then. *settled begins at 0.
 */
void scratch_settle_behind(const struct scratch *s, size_t *settled, size_t to);

#define AUTO_SCRATCH __attribute__((cleanup(scratch_free)))
