/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A release that is being made: staging/.PRODUCT-RELEASE.new/, which gets its
 * name staging/PRODUCT-RELEASE/ in one rename when it is whole and durable.
 */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "publisher/publisher.h"

struct staging {
	int parent; /* staging/; -1 = nothing was begun */
	int dir; /* the new folder */
	int objects; /* its objects/ */
	char name[64];
	char temporary[80];
};

/*
 * Starts one; what an interrupted run left is removed first. The caller holds
 * the workspace's lock. E_BUSY when the release is staged already, E_IO, E_SPACE.
 */
int staging_begin(struct publisher *p, const char *product, uint64_t release, struct staging *out,
	struct err *e);

/* Writes manifest.json, flushes everything and gives the folder its name: the commit point. */
int staging_commit(struct staging *s, const struct buf *manifest, struct err *e);

/*
 * Removes the folder `name` of staging/: exactly what staging_begin and
 * object_finish make. Anything else stays, and E_IO says so. Absent: 0.
 */
int staging_clear(int parent, const char *name, struct err *e);

/* Removes what was begun and not committed; nothing after staging_commit. */
void staging_abort(struct staging *s);
#define AUTO_STAGING __attribute__((cleanup(staging_abort)))
