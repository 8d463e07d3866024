/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a whole public/ tree as a suspicious mirror operator would; each problem is one line. */
#pragma once

#include <jansson.h>

#include "agent/plan/manifest.h"
#include "publisher/publisher.h"
#include "publisher/roles.h"

/* What is known so far; cmd_verify makes and frees it. */
struct verify {
	struct publisher *p;
	struct roles roles; /* today's, as far as they could be read */
	json_t *roots; /* `signed` of every root, in order */
	json_t *manifests; /* hash -> product, of the listed releases */
	json_t *objects; /* hash -> length, of the listed releases */
	unsigned problems;
	enum err_code first; /* code of the first problem */
};

/* Prints "PATH: what is wrong" and counts it. */
void verify_problem(struct verify *v, enum err_code code, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * All roots and their chain, then timestamp, snapshot, targets and releases,
 * then older and left-over files of metadata/. -1 only when the work cannot go
 * on (E_IO, E_NOMEM); problems are counted.
 */
int verify_metadata(struct verify *v, struct err *e);

/*
 * Index, frames and tables of patches of a listed release: do they parse and fit?
 * What is missing or has another hash is left to verify_tree.
 */
int verify_delta(struct verify *v, const struct manifest *m, struct err *e);

/* Every listed manifest and object, then everything else below targets/ and objects/. */
int verify_tree(struct verify *v, struct err *e);
