/* SPDX-License-Identifier: Apache-2.0 */
/* The "hashes" objects of metadata. */
#include "agent/trust/hashes.h"

#include <openssl/evp.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/base/must.h"

static int read_digest(const json_t *object, const char *name, uint8_t *out, size_t size, bool *has,
	const char *where, struct err *e)
{
	const json_t *value = json_object_get(object, name);
	const char *hex = json_string_value(value);

	*has = value != NULL;
	if (!value)
		return 0;
	if (!MUST("hashes.hex", hex && hex_decode(hex, out, size)))
		return err_set(e, E_META, "%s: %s must be %zu lower-case hexadecimal digits", where,
			name, 2 * size);
	return 0;
}

int hashes_parse(const json_t *object, const char *where, struct hashes *out, struct err *e)
{
	struct hashes h = {0};

	if (!json_is_object(object))
		return err_set(e, E_META, "%s: \"hashes\" must be an object", where);
	if (read_digest(object, "sha256", h.sha256, sizeof(h.sha256), &h.has_sha256, where, e) <
			0 ||
		read_digest(object, "sha512", h.sha512, sizeof(h.sha512), &h.has_sha512, where, e) <
			0)
		return -1;
	if (!MUST("hashes.known", h.has_sha256 || h.has_sha512))
		return err_set(
			e, E_META, "%s: no hash of a known algorithm (sha256, sha512)", where);
	*out = h;
	return 0;
}

static bool sha512_fits(const struct hashes *h, const void *data, size_t len)
{
	uint8_t digest[HASHES_SHA512_SIZE];

	return EVP_Digest(data, len, digest, NULL, EVP_sha512(), NULL) == 1 &&
	       memcmp(digest, h->sha512, sizeof(digest)) == 0;
}

int hashes_check(
	const struct hashes *h, const void *data, size_t len, const char *where, struct err *e)
{
	uint8_t digest[HASH_SIZE];

	if (h->has_sha256) {
		if (hash_bytes(HASH_SHA256, data, len, digest, e) < 0)
			return -1;
		if (!MUST("hashes.sha256", hash_equal(digest, h->sha256)))
			return err_set(e, E_HASH, "%s: SHA-256 is not the signed one", where);
	}
	if (h->has_sha512 && !MUST("hashes.sha512", sha512_fits(h, data, len)))
		return err_set(e, E_HASH, "%s: SHA-512 is not the signed one", where);
	return 0;
}
