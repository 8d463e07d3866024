/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a bundle. Private to bundle*.c; the contract is bundle.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/reader.h"
#include "agent/poll/bundle.h"

struct bundle_member {
	char *name;
	uint64_t offset; /* of its content */
	uint64_t size;
};

struct bundle_object;

struct bundle {
	struct reader from;
	const struct bundle_object *announced; /* whose ranges `from` was told last */
	uint64_t size;
	char name[256]; /* for messages */
	struct bundle_member *members; /* sorted by name once the directory is read */
	size_t count;
	const struct bundle_member *target; /* the one release */
};

/*
 * Fills members, count and target from the headers. On failure (E_BUNDLE, or
 * the reader's error) what was added stays for bundle_close.
 */
int bundle_read_directory(struct bundle *b, struct err *e);

/* The member with this full name, or NULL. */
const struct bundle_member *bundle_find(const struct bundle *b, const char *name);
