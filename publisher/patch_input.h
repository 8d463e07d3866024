/* SPDX-License-Identifier: Apache-2.0 */
/* The two images as they are read: files, padded with zeros to whole blocks. Used by patch*.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/base/err.h"

struct patch_input {
	const char *path; /* borrowed */
	int fd;
	struct stat st; /* as it was opened */
	uint64_t size; /* with padding: what the manifest calls the image's size */
};

/* E_USAGE: no regular file, empty, or above 1 GiB. E_IO. Closed with patch_input_close. */
int patch_input_open(const char *path, struct patch_input *out, struct err *e);
void patch_input_close(struct patch_input *in);

/* Exactly `len` bytes inside of the image; threads may read at once. E_IO. */
int patch_input_read(
	const struct patch_input *in, uint64_t offset, void *data, size_t len, struct err *e);

/* E_IO when the file has another size or time of change than when it was opened. */
int patch_input_check(const struct patch_input *in, struct err *e);
