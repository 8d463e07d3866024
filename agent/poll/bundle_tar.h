/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a member of a bundle may be: names and raw ustar headers. Pure. Private
 * to bundle*.c; the contract is bundle.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define TAR_BLOCK     512
#define TAR_NAME_SIZE 257 /* prefix, slash, name, NUL */
#define BUNDLE_HEAD   ".head" /* behind the name of an object: only its first bytes */
#define TAR_END_MAX   (2 * TAR_BLOCK + 10240) /* end marks and the rest of a record */

/* The three groups, in the order in which they must come. */
enum bundle_group { BUNDLE_METADATA, BUNDLE_TARGETS, BUNDLE_OBJECTS, BUNDLE_UNKNOWN };

/*
 * Which group the name belongs to: exactly the names of docs/formats.md, or
 * BUNDLE_UNKNOWN. No other name can lead anywhere ("../", "/etc").
 */
enum bundle_group bundle_group_of(const char *name);

/* Is it the name of a member that holds the first bytes of an object? */
bool bundle_is_head(const char *name);

/* "targets/P/releases/HASH.N.json" -> "P/releases/N.json"; E_SIZE when it does not fit. */
int bundle_target_path(const char *name, char *path, size_t size, struct err *e);

/*
 * Reads one header block: ustar, a regular file, plain octal size, no link
 * name, no bytes behind the ends of its texts. E_BUNDLE names the rule. (The
 * checksum is libarchive's to check.)
 */
int bundle_read_header(
	const uint8_t block[TAR_BLOCK], char name[TAR_NAME_SIZE], uint64_t *size, struct err *e);
