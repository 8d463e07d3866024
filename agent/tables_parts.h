/* SPDX-License-Identifier: Apache-2.0 */
/* What tables.c and tables_from.c share. */
#pragma once

#include "agent/tables.h"

#define TABLES_PART_NAME "new" /* a table while it comes; one agent at a time holds the lock */

/* Are these the bytes that the hash and the length name? */
bool tables_is_right(const struct plan_object *o, const uint8_t *data, size_t len);

/*
 * The digest of a file by read(2): in a mapped page, an error of the medium is a SIGBUS,
 * and the agent would die of the same file at every start. E_IO, E_NOMEM.
 */
int tables_digest(int fd, size_t len, uint8_t digest[HASH_SIZE], struct err *e);

/* Maps a file's first `len` bytes for reading. E_NOMEM. */
int tables_map(int fd, size_t len, struct table *out, struct err *e);

/* Fetches r->object into memory and compares it with its hash. */
int tables_fetch(const struct table_request *r, struct table *out, struct err *e);

/* Only saves a second fetch: a table that cannot be kept is no error. */
void tables_keep(struct tables *t, const struct table_request *r, const struct table *table);
