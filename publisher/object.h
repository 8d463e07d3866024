/* SPDX-License-Identifier: Apache-2.0 */
/* Writing objects/<2 hex>/<sha256>: content goes to its name only when it is whole and durable. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/plan/plan.h"

#define OBJECT_NAME_SIZE (3 + HASH_HEX_SIZE) /* "ab/ab…" with the NUL */

/* An object whose hash is not known yet. Zero-initialise and set `fd` to -1. */
struct object_writer {
	int dir; /* the objects folder; borrowed */
	int fd;
	struct hash *hash;
	uint64_t length;
};

/* "ab/abcd…", the name below the objects folder. */
void object_name(const uint8_t sha256[HASH_SIZE], char name[OBJECT_NAME_SIZE]);

/*
 * Starts, fills and ends one object below `objects_dir`, one at a time. It is
 * hashed while it is written to a temporary file; object_finish flushes it and
 * renames it to its hash (mode 0644). object_abort removes what is there of an
 * unfinished one, and does nothing otherwise. E_IO, E_SPACE.
 */
int object_begin(struct object_writer *w, int objects_dir, struct err *e);
int object_add(struct object_writer *w, const void *data, size_t len, struct err *e);
int object_finish(struct object_writer *w, struct plan_object *out, struct err *e);
void object_abort(struct object_writer *w);
#define AUTO_OBJECT __attribute__((cleanup(object_abort)))

/* The same for bytes that are all there. */
int object_write(
	int objects_dir, const void *data, size_t len, struct plan_object *out, struct err *e);
