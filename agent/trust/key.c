/* SPDX-License-Identifier: Apache-2.0 */
/* Public keys: a table of what is accepted, and the one place that asks OpenSSL. */
#include "agent/trust/key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "agent/base/hex.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/canonical.h"

#define KEY_RSA_BITS_MIN  3072
#define KEY_RSA_BITS_MAX  8192 /* verification time grows with the square */
#define KEY_PEM_MAX       4096
#define KEY_CANONICAL_MAX (16 * 1024)
#define KEY_ED25519_SIZE  32

/* Everything that differs between kinds of key. The first row of a type is what we write. */
struct key_kind {
	const char *keytype;
	const char *scheme;
	int type; /* EVP_PKEY_... */
	const char *group; /* EC only */
	const char *digest;
};

static const struct key_kind key_kinds[] = {
	{"ecdsa", "ecdsa-sha2-nistp256", EVP_PKEY_EC, "prime256v1", "SHA256"},
	{"ecdsa", "ecdsa-sha2-nistp384", EVP_PKEY_EC, "secp384r1", "SHA384"},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", EVP_PKEY_EC, "prime256v1", "SHA256"},
	{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", EVP_PKEY_EC, "secp384r1", "SHA384"},
	{"ed25519", "ed25519", EVP_PKEY_ED25519, NULL, NULL},
	{"rsa", "rsassa-pss-sha256", EVP_PKEY_RSA, NULL, "SHA256"},
};

#define KEY_KIND_COUNT (sizeof(key_kinds) / sizeof(key_kinds[0]))

struct key {
	EVP_PKEY *pkey;
	const struct key_kind *kind;
};

void key_free(struct key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

static const struct key_kind *find_kind(const char *keytype, const char *scheme)
{
	for (size_t i = 0; i < KEY_KIND_COUNT; i++) {
		if (strcmp(key_kinds[i].keytype, keytype) == 0 &&
			strcmp(key_kinds[i].scheme, scheme) == 0)
			return &key_kinds[i];
	}
	return NULL;
}

/* By name, so that explicit parameters of some other curve do not pass (CVE-2020-0601). */
static bool group_is(EVP_PKEY *pkey, const char *want)
{
	char group[64];
	size_t len = 0;

	return EVP_PKEY_get_utf8_string_param(
		       pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), &len) == 1 &&
	       strcmp(group, want) == 0;
}

static bool kind_fits(const struct key_kind *kind, EVP_PKEY *pkey)
{
	return EVP_PKEY_get_base_id(pkey) == kind->type &&
	       (!kind->group || group_is(pkey, kind->group));
}

static int check_strength(const struct key_kind *kind, EVP_PKEY *pkey, struct err *e)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (kind->type != EVP_PKEY_RSA)
		return 0;
	if (!MUST("key.rsa-bits", bits >= KEY_RSA_BITS_MIN && bits <= KEY_RSA_BITS_MAX))
		return err_set(e, E_META, "RSA key of %d bits, allowed are %d to %d", bits,
			KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	return 0;
}

/* Never asks for a pass phrase on the terminal, whatever the PEM text says. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static int read_pem(const char *pem, size_t len, EVP_PKEY **out, struct err *e)
{
	if (len > KEY_PEM_MAX)
		return err_set(e, E_META, "public key of %zu bytes of PEM text", len);
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		return err_set(e, E_NOMEM, "no memory for a key");
	EVP_PKEY *pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!pkey)
		return err_set(e, E_META, "public key is not a PEM \"PUBLIC KEY\"");
	*out = pkey;
	return 0;
}

static int read_ed25519(const char *text, EVP_PKEY **out, struct err *e)
{
	uint8_t raw[KEY_ED25519_SIZE];

	if (!hex_decode(text, raw, sizeof(raw)))
		return err_set(e, E_META, "ed25519 key is not 64 lower-case hexadecimal digits");
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof(raw));
	ERR_clear_error();
	return *out ? 0 : err_set(e, E_META, "not an ed25519 key");
}

static int read_public(const struct key_kind *kind, const char *text, EVP_PKEY **out, struct err *e)
{
	EVP_PKEY *pkey = NULL;

	if (kind->type == EVP_PKEY_ED25519)
		return read_ed25519(text, out, e);
	if (read_pem(text, strlen(text), &pkey, e) < 0)
		return -1;
	if (!MUST("key.kind", kind_fits(kind, pkey))) {
		EVP_PKEY_free(pkey);
		return err_set(e, E_META, "public key is not of the scheme %s", kind->scheme);
	}
	if (check_strength(kind, pkey, e) < 0) {
		EVP_PKEY_free(pkey);
		return -1;
	}
	*out = pkey;
	return 0;
}

int key_parse(const json_t *object, struct key **out, struct err *e)
{
	const char *keytype, *scheme, *public;
	json_t *keyval;

	if (json_want_string(object, "keytype", "key", &keytype, e) < 0 ||
		json_want_string(object, "scheme", "key", &scheme, e) < 0 ||
		json_want_object(object, "keyval", "key", &keyval, e) < 0 ||
		json_want_string(keyval, "public", "key", &public, e) < 0)
		return -1;
	const struct key_kind *kind = find_kind(keytype, scheme);
	if (!kind)
		return err_set(e, E_META, "key of type \"%s\" with scheme \"%s\" is not known",
			keytype, scheme);
	struct key *k = calloc(1, sizeof(*k));
	if (!k)
		return err_set(e, E_NOMEM, "no memory for a key");
	k->kind = kind;
	if (read_public(kind, public, &k->pkey, e) < 0) {
		free(k);
		return -1;
	}
	*out = k;
	return 0;
}

int key_id_of(const json_t *object, char keyid[HASH_HEX_SIZE], struct err *e)
{
	AUTO_BUF struct buf text = buf_make(KEY_CANONICAL_MAX);
	uint8_t digest[HASH_SIZE];

	if (canonical_write(object, &text, e) < 0 ||
		hash_bytes(HASH_SHA256, text.data, text.len, digest, e) < 0)
		return -1;
	hash_to_hex(digest, keyid);
	return 0;
}

bool key_equal(const struct key *a, const struct key *b)
{
	bool equal = EVP_PKEY_eq(a->pkey, b->pkey) == 1;

	ERR_clear_error();
	return equal;
}

static bool start_verify(EVP_MD_CTX *ctx, const struct key *k)
{
	EVP_PKEY_CTX *pctx = NULL; /* owned by ctx */

	if (EVP_DigestVerifyInit_ex(ctx, &pctx, k->kind->digest, NULL, NULL, k->pkey, NULL) != 1)
		return false;
	if (k->kind->type != EVP_PKEY_RSA)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) == 1;
}

bool key_verifies(
	const struct key *k, const void *data, size_t len, const uint8_t *sig, size_t sig_len)
{
	if (sig_len == 0)
		return false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx)
		return false;
	/* A malformed signature gives -1, which `if (!EVP_...)` took for success (CVE-2008-5077). */
	bool good = start_verify(ctx, k) &&
		    MUST("key.signature", EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* The text of keyval.public: raw hexadecimal for ed25519, else PEM written anew. */
static int public_text(const struct key_kind *kind, EVP_PKEY *pkey, struct buf *out, struct err *e)
{
	if (kind->type == EVP_PKEY_ED25519) {
		uint8_t raw[KEY_ED25519_SIZE];
		char hex[2 * KEY_ED25519_SIZE + 1];
		size_t len = sizeof(raw);

		if (EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1 || len != sizeof(raw))
			return err_set(e, E_META, "not an ed25519 key");
		hex_encode(raw, sizeof(raw), hex);
		return buf_add_text(out, hex, e);
	}
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len = 0;
	int rc = -1;
	if (bio && PEM_write_bio_PUBKEY(bio, pkey) == 1)
		len = BIO_get_mem_data(bio, &text);
	if (len > 0)
		rc = buf_add(out, text, (size_t)len, e);
	else
		err_set(e, E_META, "the public key cannot be written as PEM");
	BIO_free(bio);
	return rc;
}

static const struct key_kind *kind_of(EVP_PKEY *pkey)
{
	for (size_t i = 0; i < KEY_KIND_COUNT; i++) {
		if (kind_fits(&key_kinds[i], pkey))
			return &key_kinds[i];
	}
	return NULL;
}

static int make_object(EVP_PKEY *pkey, json_t **out, struct err *e)
{
	AUTO_BUF struct buf text = buf_make(KEY_PEM_MAX);
	const struct key_kind *kind = kind_of(pkey);

	if (!kind)
		return err_set(e, E_META,
			"this kind of key is not supported: use EC P-256 or P-384, Ed25519, or RSA "
			"of at least %d bits",
			KEY_RSA_BITS_MIN);
	if (check_strength(kind, pkey, e) < 0 || public_text(kind, pkey, &text, e) < 0)
		return -1;
	json_t *object = json_pack("{s:s, s:s, s:{s:s}}", "keytype", kind->keytype, "scheme",
		kind->scheme, "keyval", "public", buf_text(&text));
	if (!object)
		return err_set(e, E_NOMEM, "no memory for a key");
	*out = object;
	return 0;
}

int key_object_from_pem(const char *pem, size_t len, json_t **out, struct err *e)
{
	EVP_PKEY *pkey = NULL;

	if (read_pem(pem, len, &pkey, e) < 0)
		return -1;
	int rc = make_object(pkey, out, e);
	EVP_PKEY_free(pkey);
	return rc;
}
