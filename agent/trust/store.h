/* SPDX-License-Identifier: Apache-2.0 */
/* What was verified, as received, on disk: one folder, written by file_replace only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"
#include "agent/base/fetcher.h"

#define STORE_NAME_MAX 240

struct store {
	int dir; /* borrowed; -1: a scratch set, nothing is kept */
};

/*
 * A role's name as part of a file name or URL: all but A-Z a-z 0-9 _ . - ~ as
 * %XX, so that "../x" stays in the folder. E_META when empty, too long, or the
 * name of a top-level role where that is not meant (`delegated`).
 */
int store_encode(const char *role, bool delegated, char out[STORE_NAME_MAX], struct err *e);

/* <role>.json; reading gives E_NOTFOUND where nothing is kept. `role` is encoded already. */
int store_read(const struct store *s, const char *role, struct buf *out, struct err *e);
int store_write(const struct store *s, const char *role, const struct buf *bytes, struct err *e);
int store_remove(const struct store *s, const char *role, struct err *e);

/* roots/<version>.root.json */
int store_read_root(const struct store *s, uint64_t version, struct buf *out, struct err *e);
int store_write_root(
	const struct store *s, uint64_t version, const struct buf *bytes, struct err *e);

/* The tag of the stored timestamp (cache/timestamp.tag); "" where there is none. */
void store_read_tag(const struct store *s, struct fetch_tag *out);
int store_write_tag(const struct store *s, const struct fetch_tag *tag, struct err *e);

/* Forgets timestamp, snapshot and tag, which a new root no longer vouches for. */
int store_forget_online(const struct store *s, struct err *e);
