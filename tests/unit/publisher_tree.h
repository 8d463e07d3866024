/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for tests of the publisher: making, comparing and removing them. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"

static inline int tree_remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st;
	(void)kind;
	(void)f;
	return remove(path);
}

/* Removes a folder that tree_make made. */
static inline void tree_remove(const char *path)
{
	nftw(path, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes an empty folder under /tmp; its path goes to `path`. */
static inline void tree_make(char path[64])
{
	snprintf(path, 64, "/tmp/pawl-publisher-XXXXXX");
	if (!mkdtemp(path))
		abort();
}

static inline void tree_write(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
		abort();
}

/* The whole file; the caller frees it. */
static inline uint8_t *tree_read(const char *path, size_t *len)
{
	struct buf b = buf_make(64u << 20);
	struct err e = {0};

	if (file_read(AT_FDCWD, path, &b, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	*len = b.len;
	return b.data;
}

static inline int tree_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}
