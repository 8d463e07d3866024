/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of public/ a bundle needs, in their order. Used by bundle*.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/base/json.h"
#include "agent/plan/manifest.h"
#include "publisher/publisher.h"

#define BUNDLE_NAME_SIZE    192
#define BUNDLE_MEMBERS_MAX  1024 /* roots, objects of 8 images */
#define BUNDLE_OBJECT_LIMIT (UINT64_C(8) << 30) /* the size field of ustar */
#define BUNDLE_HEAD         ".head"

struct bundle_member {
	char name[BUNDLE_NAME_SIZE]; /* below public/, and in the bundle */
	bool checked; /* length and hash are known from signed metadata */
	uint64_t length;
	uint8_t sha256[HASH_SIZE];
	uint64_t head; /* only so many of the first bytes go in, under NAME.head; 0 = all */
};

/* What devices get of an image. */
enum bundle_way {
	BUNDLE_FULL, /* all of it */
	BUNDLE_SAME, /* nothing: they have it */
	BUNDLE_DATA, /* the first bytes of data */
	BUNDLE_PATCHES, /* patches upon what they run */
};

struct bundle_image {
	char name[PLAN_NAME_SIZE];
	enum bundle_way way;
	uint64_t bytes; /* of content, and of the tables that only this way needs */
	uint64_t full; /* what full and its table would be */
};

struct bundle_plan {
	struct bundle_member member[BUNDLE_MEMBERS_MAX];
	size_t count;
	struct bundle_image image[PLAN_IMAGES_MAX];
	size_t image_count;
	size_t releases; /* older ones that it is for; 0 = any device */
};

/* `from` 0: a full bundle. */
struct bundle_request {
	struct publisher *publisher; /* may be NULL for a full bundle */
	int public_dir; /* public/ */
	const char *product;
	uint64_t release;
	uint64_t from; /* for devices that run this release or a later one */
};

/* E_NOTFOUND, E_META, E_USAGE, E_SIZE for an object of 8 GiB and more. */
int bundle_make_plan(const struct bundle_request *r, struct bundle_plan *out, struct err *e);

/* --- For bundle_from.c ------------------------------------------------------------------ */

/*
 * Adds an object, once; `head` 0 = whole. E_SIZE for one that does not fit into a
 * bundle or is one too many.
 */
int bundle_add_object(
	struct bundle_plan *b, const struct plan_object *o, uint64_t head, struct err *e);

/* The manifest of a release as what is signed in releases.json names it; the caller's. */
int bundle_load_manifest(const struct bundle_request *r, const json_t *releases, uint64_t release,
	struct manifest **out, struct err *e);

/* The objects for devices that run r->from or a later release. */
int bundle_add_from(const struct bundle_request *r, const json_t *releases, const struct plan *plan,
	struct bundle_plan *out, struct err *e);
