/* SPDX-License-Identifier: Apache-2.0 */
/* The "hashes" objects of metadata: never "no hash is fine" (CVE-2020-7982). */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"

#define HASHES_SHA512_SIZE 64

struct hashes {
	bool has_sha256;
	bool has_sha512;
	uint8_t sha256[HASH_SIZE];
	uint8_t sha512[HASHES_SHA512_SIZE];
};

/*
 * Reads {"sha256": hex, "sha512": hex}; other algorithms are passed over. E_META
 * when none that we know is there, or one is not exact lower-case hexadecimal.
 */
int hashes_parse(const json_t *object, const char *where, struct hashes *out, struct err *e);

/* Do the bytes have every hash that is given? E_HASH. */
int hashes_check(
	const struct hashes *h, const void *data, size_t len, const char *where, struct err *e);
