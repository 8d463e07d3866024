/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One opened partition (or regular file): the only code that reads and writes
 * it. All of it goes around the page cache: an install must not push the
 * product's pages out of memory, and a read-back must not be answered by the
 * cache. Every error names the device, the byte, and reading or writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/err.h"

#define DEVICE_PATH_MAX 512

/* What a device or file is, however it is called. */
struct device_id {
	bool block;
	dev_t dev; /* block: the device itself; file: where it lies */
	ino_t ino; /* file only */
};

struct device {
	int fd;
	char path[DEVICE_PATH_MAX];
	struct device_id id;
	uint64_t size;
	bool direct; /* O_DIRECT is on */
	/* Without O_DIRECT: written bytes that may still be dirty in the page cache. */
	uint64_t dirty_from;
	uint64_t dirty_to;
};

/* Says what `path` is; E_SLOT when it is missing or neither block device nor regular file. */
int device_identify(const char *path, struct device_id *id, struct err *e);

/*
 * Opens for reading only, or for writing and then exclusively (block device:
 * O_EXCL, file: flock). E_SLOT when missing, read-only or of another kind;
 * E_BUSY when somebody else has it. Closed with device_close.
 */
int device_open_read(const char *path, struct device *out, struct err *e);
int device_open_write(const char *path, struct device *out, struct err *e);
void device_close(struct device *d);

/*
 * Exactly `len` bytes. Offset, length and buffer should be multiples of 4096;
 * what O_DIRECT refuses goes through the page cache and is dropped from it.
 */
int device_read(struct device *d, void *data, size_t len, uint64_t offset, struct err *e);
int device_write(struct device *d, const void *data, size_t len, uint64_t offset, struct err *e);

/* Everything written is on the medium (fsync) and nothing of it is in the page cache. */
int device_sync(struct device *d, struct err *e);

#define AUTO_DEVICE __attribute__((cleanup(device_close)))
