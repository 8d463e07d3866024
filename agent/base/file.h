/* SPDX-License-Identifier: Apache-2.0 */
/* Files: full reads and writes, the one way to replace a state file, locks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

/* The code of an errno value of a write: E_SPACE where room or quota is used up, else E_IO. */
enum err_code file_code_of(int sys);

/*
 * Opens a folder (O_DIRECTORY|O_CLOEXEC); E_IO. The last component may be a
 * link, because integrators link /var/lib/pawl to the data partition.
 */
int file_open_dir(const char *path, int *fd, struct err *e);

/*
 * As file_open_dir, below `dirfd` (not AT_FDCWD); makes the folder (mode 0700)
 * when it is missing, and then flushes the one that it is in.
 */
int file_make_dir(int dirfd, const char *name, int *fd, struct err *e);

/* Makes a folder and its missing parents with `mode`, each flushed into its parent; E_IO. */
int file_make_path(const char *path, mode_t mode, struct err *e);

/*
 * Reads a whole regular file below `dirfd` (AT_FDCWD for a path) into `out`,
 * whose limit is the cap. Does not follow a link in the last component.
 * E_NOTFOUND when missing, E_SIZE beyond the limit, E_IO for anything else;
 * `out` is unchanged on failure.
 */
int file_read(int dirfd, const char *name, struct buf *out, struct err *e);

/*
 * Replaces a file so that after a power cut either the old or the new content
 * is there, whole: temporary file, fsync, rename (the commit point), fsync of
 * the folder. `name` is relative to `dirfd` and has no slash. E_IO, E_SPACE.
 */
int file_replace(
	int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e);

/* Removes a file and fsyncs the folder; a missing file is success. */
int file_remove(int dirfd, const char *name, struct err *e);

/* Reads or writes exactly `len` bytes, through EINTR and short counts. E_IO, E_SPACE. */
int file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e);
int file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e);
int file_write_full(int fd, const void *data, size_t len, struct err *e);

/* fsync that reports its error; E_IO. */
int file_sync(int fd, struct err *e);

/*
 * Takes an exclusive lock on `name` below `dirfd` (made when missing), without
 * waiting longer than `wait_seconds`. The lock lasts until *fd is closed.
 * E_BUSY when somebody else holds it.
 */
int file_lock(int dirfd, const char *name, unsigned wait_seconds, int *fd, struct err *e);

/* Joins two paths with one slash into a fixed buffer; E_CONFIG when it does not fit. */
int file_join(char *out, size_t size, const char *dir, const char *name, struct err *e);
