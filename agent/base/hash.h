/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes (through OpenSSL's EVP) and hexadecimal digests. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

#define HASH_SIZE     32 /* bytes of every digest used here */
#define HASH_HEX_SIZE 65 /* with the NUL */

/* Both give 32 bytes; SHA-512/256 is the faster one on CPUs without SHA instructions. */
enum hash_alg { HASH_SHA256, HASH_SHA512_256, HASH_ALG_COUNT };

/* The manifest's name of an algorithm ("sha256", "sha512-256") and back (HASH_ALG_COUNT: none). */
const char *hash_alg_name(enum hash_alg alg);
enum hash_alg hash_alg_find(const char *name);

/* A hash over data that comes in parts. Opaque; hash_free ends it, also after hash_finish. */
struct hash;
int hash_start(enum hash_alg alg, struct hash **out, struct err *e);
int hash_update(struct hash *h, const void *data, size_t len, struct err *e);
int hash_finish(struct hash *h, uint8_t digest[HASH_SIZE], struct err *e);
void hash_free(struct hash *h);

/* Makes a finished hash ready for the next content, without new memory. */
int hash_restart(struct hash *h, struct err *e);

/* The digest of bytes that are all there. */
int hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e);

/* Compares digests in constant time. */
bool hash_equal(const uint8_t a[HASH_SIZE], const uint8_t b[HASH_SIZE]);

/* Lower-case hexadecimal. */
void hash_to_hex(const uint8_t digest[HASH_SIZE], char hex[HASH_HEX_SIZE]);

/*
 * Exactly 64 lower-case digits, nothing else (CVE-2020-7982: a hash with a
 * leading space was taken as "no hash"). 0, or -1 with E_META.
 */
int hash_from_hex(const char *hex, uint8_t digest[HASH_SIZE], struct err *e);
