/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts an image into what devices fetch (docs/formats.md): the hashes of its
 * leaves, its content in compressed pieces, and the table of these. Streams:
 * memory is bounded by the number of threads, whatever the image's size.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/plan/plan.h"

/* Told of progress, from the calling thread. */
struct image_watcher {
	void *ctx;
	void (*progress)(void *ctx, const char *name, uint64_t done, uint64_t total); /* or NULL */
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
	struct image_watcher watcher;
};

/* What is true of the file besides what the manifest says. */
struct image_facts {
	uint64_t padding; /* zero bytes added to reach a multiple of 4096 */
	bool has_journal; /* ext4 with a journal, which a read-only slot does not need */
};

/*
 * Cuts the file and writes leaves, full and pieces into `objects_dir`. The
 * result depends on the content and on encoding, level and leaf hash only.
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
