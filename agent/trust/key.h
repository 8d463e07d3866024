/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys of TUF metadata: parsing, identity, verification. Shared with the publisher. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"

struct key; /* one public key; opaque */

/*
 * From a TUF key object {keytype, scheme, keyval{public}}. E_META for malformed
 * objects, unknown or mismatched type and scheme, RSA below 3072 bits, a point
 * on the wrong curve.
 */
int key_parse(const json_t *object, struct key **out, struct err *e);
void key_free(struct key *k);

/* SHA-256 of the canonical key object, lower-case hex: what its keyid must be. */
int key_id_of(const json_t *object, char keyid[HASH_HEX_SIZE], struct err *e);

/*
 * Same key? Compared as public keys, whatever their PEM text or point form, so
 * that no key counts twice (CVE-2020-6174).
 */
bool key_equal(const struct key *a, const struct key *b);

/*
 * Is `sig` (raw bytes) a signature of `data` by `k`? True only when OpenSSL's
 * EVP_DigestVerify returns exactly 1.
 */
bool key_verifies(
	const struct key *k, const void *data, size_t len, const uint8_t *sig, size_t sig_len);

/* The TUF key object for a public key in PEM (SubjectPublicKeyInfo); new reference. E_META. */
int key_object_from_pem(const char *pem, size_t len, json_t **out, struct err *e);
