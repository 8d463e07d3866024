/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a person named: replaced as a whole or not at all. */
#pragma once

#include <limits.h>
#include <stddef.h>

#include "agent/base/err.h"

/* A file being written beside its name. `dir` -1 = nothing was begun. */
struct output {
	int dir;
	int fd;
	char name[NAME_MAX + 1];
	char temporary[NAME_MAX + 1];
};

/* Starts writing to out->fd; the old file stays until output_commit. E_IO, E_USAGE, E_SPACE. */
int output_begin(const char *path, struct output *out, struct err *e);

/* fsync, rename, fsync of the folder. */
int output_commit(struct output *o, struct err *e);

/* Removes what was not committed. */
void output_abort(struct output *o);
#define AUTO_OUTPUT __attribute__((cleanup(output_abort)))

/* All of it for bytes that are there. */
int output_replace(const char *path, const void *data, size_t len, struct err *e);
