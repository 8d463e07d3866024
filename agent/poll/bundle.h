/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle (.pawl): an uncompressed ustar with the part of a repository that
 * one release needs. Read with libarchive's tar reader only, no filters, and
 * each header is compared with what a plain ustar may hold. libarchive stays
 * (docs/decisions.md), although its libraries cost 2 MiB of RSS on Debian.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/fetcher.h"
#include "agent/base/reader.h"

#define BUNDLE_MEMBERS_MAX  4096
#define BUNDLE_METADATA_MAX (1024 * 1024) /* bytes of a member of metadata/ or targets/ */

struct bundle; /* an open bundle and its directory; opaque */

/*
 * Opens the file once (a regular file, no link in the last component, never
 * waits) and reads all headers before anything else: every member must be a
 * regular file with a known name (docs/formats.md), metadata before targets
 * before objects, no duplicates, no links, no sparse or pax tricks, nothing
 * between or behind the members but zeros. E_BUNDLE names the member and the
 * rule; E_IO, E_NOTFOUND where the file cannot be opened. The same descriptor
 * serves all later reads, so that a file swapped behind its name is not seen.
 */
int bundle_open(const char *path, struct bundle **out, struct err *e);

/*
 * The same for `size` bytes from a reader (a bundle on a web server); `name` is
 * for messages. The reader passes to the bundle, also when this fails.
 */
int bundle_open_reader(
	struct reader *from, uint64_t size, const char *name, struct bundle **out, struct err *e);

/*
 * The same for what comes out of `fd` (standard input), which stays the caller's;
 * `name` is for messages. A regular file is used as one. Anything else is read
 * once, from front to back: its headers are judged as they come, and metadata,
 * tables, small objects and heads of data are kept in a nameless file in the
 * folder `spool_dir`. A larger object can be read forward only, while it comes: going
 * back is E_IO. E_SPACE when a head does not fit into the folder, E_TIMEOUT when
 * nothing comes for two minutes, E_BUNDLE when it ends too early.
 */
int bundle_open_stream(int fd, int spool_dir, const char *name, struct bundle **out, struct err *e);

/* NULL is allowed. */
void bundle_close(struct bundle *b);

/*
 * The TUF target that the bundle was made for: "<product>/releases/<release>.json".
 * E_SIZE when it does not fit.
 */
int bundle_release_path(const struct bundle *b, char *path, size_t size, struct err *e);

/*
 * Names below metadata/ and targets/, and objects by hash; E_NOTFOUND for what
 * is not in it, E_SIZE for an object of another length than asked. Of an object
 * of which the bundle holds the first bytes only (NAME.head: it is for devices
 * that run a later release), `expect` and `read` of others are E_NOTFOUND. Valid
 * while the bundle is open.
 */
struct fetcher bundle_metadata(struct bundle *b);
struct fetcher bundle_targets(struct bundle *b);
struct object_source bundle_objects(struct bundle *b);
