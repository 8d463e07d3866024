/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One side of an estimate: a release of the workspace, or an image file, which is
 * cut into a temporary folder as if it were a release of one image.
 */
#pragma once

#include "agent/base/err.h"
#include "agent/plan/manifest.h"
#include "publisher/image.h"
#include "publisher/publisher.h"
#include "publisher/shelf.h"

/* Zero-initialise and set own.fd to -1; side_close. */
struct side {
	struct manifest *manifest; /* of a release */
	struct plan *plan; /* of a file */
	struct publisher own; /* of a file: its `fd` is the temporary folder */
	char folder[256];
	struct shelf shelf;
};

/* Is it the number of a release (digits only)? Else it is a file. */
bool side_is_release(const char *word);

int side_open_release(
	struct side *s, struct publisher *p, const char *product, const char *word, struct err *e);

/* Cuts the file of the request, whose name the image gets. E_IO, E_SPACE, as image_cut. */
int side_open_file(struct side *s, const struct image_request *r, struct err *e);

/* Removes what side_open_file made. */
void side_close(struct side *s);
#define AUTO_SIDE __attribute__((cleanup(side_close)))
