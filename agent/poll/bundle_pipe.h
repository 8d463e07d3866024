/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle that comes out of a pipe: it is read once, from front to back. What
 * may be asked for again (metadata, tables, small objects, heads of data) is kept
 * in a nameless sparse file, at its place in the bundle; of large objects nothing
 * is kept, they are served as they come. Private to bundle*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/reader.h"
#include "agent/poll/bundle_directory.h"

#define BUNDLE_KEEP_MAX  (16 * 1024 * 1024) /* bytes of an object that is kept, where it fits */
#define BUNDLE_PIPE_WAIT 120 /* seconds without a byte: E_TIMEOUT */

struct bundle_pipe; /* opaque */

/*
 * `fd` is read from where it stands, and stays the caller's. The nameless file is
 * made in the folder `spool_dir`. bundle_pipe_close ends it.
 */
int bundle_pipe_open(int fd, int spool_dir, struct bundle_pipe **out, struct err *e);
void bundle_pipe_close(struct bundle_pipe *p);

/* What was kept, as a reader at places of the bundle; valid as long as the pipe is open. */
struct reader bundle_pipe_kept(struct bundle_pipe *p);

/* Reads on: `len` bytes, or fewer (down to 0) at the end. E_TIMEOUT, E_IO. */
int bundle_pipe_read(struct bundle_pipe *p, void *data, size_t len, size_t *got, struct err *e);

/* Goes on to place `to` of the bundle; the last member is kept on the way, or is gone. */
int bundle_pipe_pass(struct bundle *b, uint64_t to, struct err *e);

/*
 * The member was asked for: keeps it now if it is one that is kept. A head that does
 * not fit into the folder is E_SPACE.
 */
int bundle_pipe_keep(struct bundle *b, struct bundle_member *m, struct err *e);

/* Should it be kept, and is there room for it? */
bool bundle_pipe_keeps(const struct bundle *b, const struct bundle_member *m);

/* Bytes of a member that is coming, at `offset` of it: forward only. E_IO behind it, E_BUNDLE. */
int bundle_pipe_serve(struct bundle *b, struct bundle_member *m, uint64_t offset, void *data,
	size_t len, struct err *e);
