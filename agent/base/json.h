/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON from outside, through jansson after our own scan. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define JSON_DEPTH_MAX 16
#define JSON_NODES_MAX 50000 /* numbers; other values count as several of them, see below */

/*
 * Checks size-independent limits before any memory is spent (a 1 MiB array
 * costs jansson 25 MiB): depth, number of values (a string or a key counts as 2, an
 * array as 3, an object as 5, as they cost jansson), integers only (no fraction,
 * exponent, or number outside int64), no byte order mark, no "\u0000", no lone
 * surrogate, valid UTF-8, nothing after the end. E_JSON names the byte.
 * Source: RFC 8259, design 4.
 */
int json_scan(const uint8_t *data, size_t len, struct err *e);

/*
 * json_scan, then jansson with JSON_REJECT_DUPLICATES. *out is a new reference
 * of the caller's (JSON_AUTO frees it).
 */
int json_read(const uint8_t *data, size_t len, json_t **out, struct err *e);

/*
 * Members of an object. `where` is the file or role for the message. A missing
 * member or a wrong type is E_META; strings are borrowed from the object.
 */
int json_want_string(
	const json_t *obj, const char *key, const char *where, const char **out, struct err *e);
int json_want_int(const json_t *obj, const char *key, const char *where, int64_t min, int64_t max,
	int64_t *out, struct err *e);
int json_want_object(
	const json_t *obj, const char *key, const char *where, json_t **out, struct err *e);
int json_want_array(
	const json_t *obj, const char *key, const char *where, json_t **out, struct err *e);

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define JSON_AUTO __attribute__((cleanup(cleanup_json)))
