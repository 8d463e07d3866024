/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of public/ a bundle needs, in their order. Used by bundle.c. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "publisher/publisher.h"

#define BUNDLE_NAME_SIZE    192
#define BUNDLE_MEMBERS_MAX  256 /* 64 roots and more, 24 objects, the rest */
#define BUNDLE_OBJECT_LIMIT (UINT64_C(8) << 30) /* the size field of ustar */

struct bundle_member {
	char name[BUNDLE_NAME_SIZE]; /* below public/, and in the bundle */
	bool checked; /* length and hash are known from signed metadata */
	uint64_t length;
	uint8_t sha256[HASH_SIZE];
};

struct bundle_plan {
	struct bundle_member member[BUNDLE_MEMBERS_MAX];
	size_t count;
};

/* `public_dir` is public/. E_NOTFOUND, E_META, E_SIZE for an object of 8 GiB and more. */
int bundle_make_plan(int public_dir, const char *product, uint64_t release, struct bundle_plan *out,
	struct err *e);
