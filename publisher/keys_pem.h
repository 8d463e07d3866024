/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in PEM: making, encrypting, reading, signing. The only user of OpenSSL here. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/err.h"

#define KEYS_PEM_MAX (16 * 1024)

static inline void cleanup_pkey(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}
#define AUTO_PKEY __attribute__((cleanup(cleanup_pkey)))

/* Overwrites a buffer that held a secret, then frees it. */
void keys_wipe(struct buf *b);
#define AUTO_SECRET __attribute__((cleanup(keys_wipe)))

/* A new ECDSA P-256 key; the caller's. */
int keys_pem_generate(EVP_PKEY **out, struct err *e);

/*
 * Appends the private key as PKCS #8 PEM, encrypted (scrypt, AES-256-CBC) when
 * `passphrase` is not NULL. Every `openssl pkey` reads it.
 */
int keys_pem_write_private(EVP_PKEY *key, const char *passphrase, struct buf *out, struct err *e);

/* Appends the public key as PEM (SubjectPublicKeyInfo). */
int keys_pem_write_public(EVP_PKEY *key, struct buf *out, struct err *e);

/*
 * Reads a private key. `passphrases` is text with one passphrase a line, tried
 * in turn; NULL or empty = none. E_CONFIG when it is encrypted and none fits,
 * or is no private key. Never asks at the terminal.
 */
int keys_pem_read_private(
	const struct buf *pem, const char *passphrases, EVP_PKEY **out, struct err *e);

/*
 * Signs with the scheme that belongs to the key's type: ECDSA with SHA-256 (P-384:
 * SHA-384) in DER, Ed25519, or RSASSA-PSS with SHA-256.
 */
int keys_pem_sign(EVP_PKEY *key, const void *data, size_t len, struct buf *sig, struct err *e);
