/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle (.pawl): an uncompressed ustar with the part of a repository that
 * one release needs. Read with libarchive's tar reader only, no filters.
 */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/base/reader.h"

#define BUNDLE_MEMBERS_MAX 4096

struct bundle; /* an open bundle and its directory; opaque */

/*
 * Opens the file once (regular file or, with `device_ok`, a block device;
 * O_NOFOLLOW) and reads all headers before anything else: every member must be
 * a regular file with a known name (metadata/…, targets/…, objects/…), in the
 * order metadata, targets, objects, no duplicates, no links, no sparse or pax
 * path tricks, sizes within the file. E_BUNDLE names the member and the rule.
 * The same descriptor serves all later reads, so that a file swapped behind its
 * name is not seen.
 */
int bundle_open(const char *path, struct bundle **out, struct err *e);

/*
 * The same over any reader of `size` bytes (http_reader of a bundle's URL, size
 * from http_size). Takes the reader over and closes it, also on failure. `name`
 * is for messages.
 */
int bundle_open_reader(struct reader *r, uint64_t size, const char *name, struct bundle **out,
	struct err *e);
void bundle_close(struct bundle *b);

/* The one <product>/releases/<release>.json that the bundle was made for. E_BUNDLE when unclear. */
int bundle_release_path(const struct bundle *b, char *path, size_t size, struct err *e);

struct fetcher bundle_metadata(struct bundle *b);
struct fetcher bundle_targets(struct bundle *b);
struct object_source bundle_objects(struct bundle *b);
