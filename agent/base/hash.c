/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes (through OpenSSL's EVP) and hexadecimal digests. */
#include "agent/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hex.h"

struct hash {
	EVP_MD_CTX *ctx;
	const EVP_MD *md;
};

static const char *const alg_names[] = {
	[HASH_SHA256] = "sha256",
	[HASH_SHA512_256] = "sha512-256",
};

const char *hash_alg_name(enum hash_alg alg)
{
	return alg_names[alg];
}

enum hash_alg hash_alg_find(const char *name)
{
	for (int i = 0; i < HASH_ALG_COUNT; i++) {
		if (strcmp(alg_names[i], name) == 0)
			return (enum hash_alg)i;
	}
	return HASH_ALG_COUNT;
}

static const EVP_MD *md_of(enum hash_alg alg)
{
	return alg == HASH_SHA512_256 ? EVP_sha512_256() : EVP_sha256();
}

int hash_restart(struct hash *h, struct err *e)
{
	if (EVP_DigestInit_ex(h->ctx, h->md, NULL) != 1)
		return err_set(e, E_INTERNAL, "OpenSSL cannot start a hash");
	return 0;
}

int hash_start(enum hash_alg alg, struct hash **out, struct err *e)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(e, E_NOMEM, "no memory for a hash");
	h->md = md_of(alg);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx) {
		hash_free(h);
		return err_set(e, E_NOMEM, "no memory for a hash");
	}
	if (hash_restart(h, e) < 0) {
		hash_free(h);
		return -1;
	}
	*out = h;
	return 0;
}

int hash_update(struct hash *h, const void *data, size_t len, struct err *e)
{
	if (EVP_DigestUpdate(h->ctx, data, len) != 1)
		return err_set(e, E_INTERNAL, "OpenSSL cannot hash");
	return 0;
}

int hash_finish(struct hash *h, uint8_t digest[HASH_SIZE], struct err *e)
{
	unsigned int n = 0;

	if (EVP_DigestFinal_ex(h->ctx, digest, &n) != 1 || n != HASH_SIZE)
		return err_set(e, E_INTERNAL, "OpenSSL cannot finish a hash");
	return 0;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

int hash_bytes(
	enum hash_alg alg, const void *data, size_t len, uint8_t digest[HASH_SIZE], struct err *e)
{
	unsigned int n = 0;

	if (EVP_Digest(data, len, digest, &n, md_of(alg), NULL) != 1 || n != HASH_SIZE)
		return err_set(e, E_INTERNAL, "OpenSSL cannot hash %zu bytes", len);
	return 0;
}

bool hash_equal(const uint8_t a[HASH_SIZE], const uint8_t b[HASH_SIZE])
{
	return CRYPTO_memcmp(a, b, HASH_SIZE) == 0;
}

void hash_to_hex(const uint8_t digest[HASH_SIZE], char hex[HASH_HEX_SIZE])
{
	hex_encode(digest, HASH_SIZE, hex);
}

int hash_from_hex(const char *hex, uint8_t digest[HASH_SIZE], struct err *e)
{
	uint8_t tmp[HASH_SIZE];

	if (strlen(hex) != 2 * HASH_SIZE || !hex_decode(hex, tmp, HASH_SIZE))
		return err_set(
			e, E_META, "a SHA-256 hash must be 64 lower-case hexadecimal digits");
	memcpy(digest, tmp, HASH_SIZE);
	return 0;
}
