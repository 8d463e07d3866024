/* SPDX-License-Identifier: Apache-2.0 */
/* Releases that wait in staging/: read for publishing, put into public/, cleared away. */
#pragma once

#include <stddef.h>

#include "agent/base/buf.h"
#include "agent/plan/manifest.h"
#include "publisher/publisher.h"

#define STAGED_MAX 64

struct staged {
	char folder[64]; /* "demo-7", below staging/ */
	struct buf bytes; /* the manifest */
	struct manifest *manifest; /* the same, parsed */
	char hash[HASH_HEX_SIZE]; /* of its bytes */
	bool published; /* listed already: an interrupted run got that far */
};

struct staged_list {
	struct staged item[STAGED_MAX];
	size_t count;
};

/*
 * Reads all staged releases, in the order of product and release number. Names
 * with a dot in front are unfinished and passed over. E_META when a folder's
 * name is not that of its manifest.
 */
int staged_read(struct publisher *p, struct staged_list *out, struct err *e);
void staged_free(struct staged_list *l);
#define AUTO_STAGED __attribute__((cleanup(staged_free)))

/*
 * Puts objects, then the manifest under its names, into public/, all durable.
 * Nothing refers to them yet. Safe to repeat.
 */
int staged_store(struct publisher *p, const struct staged *s, struct err *e);

/* Removes a release from staging/, so that an interruption leaves nothing that looks whole. */
int staged_remove(struct publisher *p, const struct staged *s, struct err *e);
