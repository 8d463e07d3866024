/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts an image into what devices fetch (docs/formats.md): the hashes of its
 * leaves, its content in compressed pieces with their table, and, for devices that
 * have an older release, index, data and frames. Streams: memory is bounded by the
 * number of threads and some bytes for each entry of the index.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"
#include "publisher/choice.h"

struct shelf;

/* Told of progress, from the calling thread. Functions may be NULL. */
struct image_watcher {
	void *ctx;
	void (*progress)(void *ctx, const char *name, uint64_t done, uint64_t total);
	/* A sentence for the maker; `warning`: that costs somebody something. */
	void (*tell)(void *ctx, bool warning, const char *text);
};

struct image_request {
	const char *name; /* in the manifest */
	const char *path;
	bool detect; /* find the format out; else it is `format` */
	enum plan_format format;
	enum hash_alg leaf_alg;
	enum plan_encoding encoding;
	int level;
	unsigned threads;
	enum choice_wish index;
	const struct shelf *before; /* the release before; NULL where there is none */
	struct image_watcher watcher;
};

/* What is true of the file besides what the manifest says. */
struct image_facts {
	uint64_t padding; /* zero bytes added to reach a multiple of 4096 */
	bool has_journal; /* ext4 with a journal, which a read-only slot does not need */
	struct timespec modified; /* the file's time of change when it was opened */
};

/*
 * Cuts the file and writes its objects into `objects_dir`. The result depends on
 * the content, on encoding, level, leaf hash and kind of index, and on the release
 * before only. Index and data are left out for small images and where it is said so.
 * E_USAGE for what is no image (empty, no regular file, compressed, too large),
 * E_IO also when the file changed meanwhile; objects may then be left behind.
 */
int image_cut(const struct image_request *r, int objects_dir, struct plan_image *out,
	struct image_facts *facts, struct err *e);

/*
 * Checks that the file can be cut, quickly, so that a wrong name is not found
 * after an hour. Gives size (padded), format and facts. E_USAGE, E_IO.
 */
int image_probe(const struct image_request *r, struct plan_image *out, struct image_facts *facts,
	struct err *e);
