/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is before it is cut. Used by image.c. */
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
};

/* Opens and looks; *fd is the caller's. E_USAGE for what cannot be an image, E_IO. */
int image_open(const struct image_request *r, int *fd, struct image_probe *out, struct err *e);

/* Has the file the size and time of change that it had when it was opened? */
bool image_is_unchanged(int fd, const struct image_probe *before);
