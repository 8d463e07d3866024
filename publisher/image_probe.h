/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is before it is cut, and reading it. Used by image.c and what it calls. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/base/err.h"
#include "publisher/image.h"

struct image_probe {
	struct stat st; /* of the file as it was opened */
	uint64_t size; /* with padding */
	enum plan_format format;
	struct image_facts facts;
	bool packed; /* raw content that moves behind a change: kernels, FIT images, cpio */
};

/* An image that is being cut. */
struct image_source {
	const struct image_request *request;
	int fd;
	uint64_t file_size;
	uint64_t size; /* with padding */
};

/* Opens and looks; *fd is the caller's. E_USAGE for what cannot be an image, E_IO. */
int image_open(const struct image_request *r, int *fd, struct image_probe *out, struct err *e);

/* Has the file the size and time of change that it had when it was opened? */
bool image_is_unchanged(int fd, const struct image_probe *before);

/* Reads output bytes of the image; what lies behind the end of the file is padding. E_IO. */
int image_read(
	const struct image_source *s, uint64_t offset, uint8_t *out, size_t len, struct err *e);
