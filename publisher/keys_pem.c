/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys in PEM: making, encrypting, reading, signing. */
#include "publisher/keys_pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

/* What `openssl pkcs8 -scrypt` takes: 16 MiB, so that every OpenSSL accepts it by default. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

static void cleanup_bio(BIO **b)
{
	BIO_free_all(*b);
}
#define AUTO_BIO __attribute__((cleanup(cleanup_bio)))

static void cleanup_md(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}
#define AUTO_MD __attribute__((cleanup(cleanup_md)))

/* Sets `e` from OpenSSL's queue and empties it. */
static int openssl_err(struct err *e, enum err_code code, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, text);
}

void keys_wipe(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->cap);
	buf_free(b);
}

int keys_pem_generate(EVP_PKEY **out, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return openssl_err(e, E_INTERNAL, "cannot make a P-256 key");
	*out = key;
	return 0;
}

static int add_bio(BIO *bio, struct buf *out, struct err *e)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return buf_add(out, data, (size_t)len, e);
}

/* PKCS #8 with scrypt: PEM_write_bio_PKCS8PrivateKey knows only PBKDF2 with 2,048 rounds. */
static int write_encrypted(BIO *bio, EVP_PKEY *key, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	X509_ALGOR *alg = PKCS5_pbe2_set_scrypt(
		EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed = NULL;
	int ok = 0;

	if (info && alg)
		sealed = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, alg);
	if (sealed)
		ok = PEM_write_bio_PKCS8(bio, sealed) == 1;
	else
		X509_ALGOR_free(alg); /* else `sealed` owns it */
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(info);
	return ok;
}

int keys_pem_write_private(EVP_PKEY *key, const char *passphrase, struct buf *out, struct err *e)
{
	AUTO_BIO BIO *bio = BIO_new(BIO_s_secmem());
	int ok;

	if (!bio)
		return openssl_err(e, E_NOMEM, "cannot write a private key");
	if (passphrase)
		ok = write_encrypted(bio, key, passphrase);
	else
		ok = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
	if (!ok)
		return openssl_err(e, E_INTERNAL, "cannot write a private key");
	return add_bio(bio, out, e);
}

int keys_pem_write_public(EVP_PKEY *key, struct buf *out, struct err *e)
{
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio_PUBKEY(bio, key) != 1)
		return openssl_err(e, E_INTERNAL, "cannot write a public key");
	return add_bio(bio, out, e);
}

struct passphrase {
	const char *text;
	size_t len;
	int asked; /* did OpenSSL want one, so is the key encrypted? */
};

/* OpenSSL's callback; without it, it would ask at the terminal and a CI job would hang. */
static int give_passphrase(char *out, int size, int writing, void *ctx)
{
	struct passphrase *p = ctx;

	(void)writing;
	p->asked = 1;
	if (!p->text || p->len > (size_t)size)
		return -1;
	memcpy(out, p->text, p->len);
	return (int)p->len;
}

static EVP_PKEY *read_with(const struct buf *pem, struct passphrase *p)
{
	AUTO_BIO BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, p) : NULL;

	ERR_clear_error();
	return key;
}

int keys_pem_read_private(
	const struct buf *pem, const char *passphrases, EVP_PKEY **out, struct err *e)
{
	struct passphrase p = {0};
	const char *line = passphrases ? passphrases : "";
	EVP_PKEY *key = read_with(pem, &p);

	while (!key && p.asked && *line) {
		p.text = line;
		p.len = strcspn(line, "\n");
		key = read_with(pem, &p);
		line += p.len + (line[p.len] == '\n');
	}
	if (!key && p.asked && !p.text)
		return err_set(e, E_CONFIG,
			"the key is encrypted: give --passphrase-file or --passphrase-fd");
	if (!key && p.asked)
		return err_set(e, E_CONFIG, "no passphrase that was given opens the key");
	if (!key)
		return err_set(e, E_CONFIG, "not a private key in PEM");
	*out = key;
	return 0;
}

/* The digest and padding of the key type's scheme (docs/formats.md). */
static int start_signing(EVP_MD_CTX *ctx, EVP_PKEY *key)
{
	EVP_PKEY_CTX *padding = NULL;

	if (EVP_PKEY_is_a(key, "ED25519"))
		return EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1;
	bool p384 = EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256;
	if (EVP_DigestSignInit(ctx, &padding, p384 ? EVP_sha384() : EVP_sha256(), NULL, key) != 1)
		return 0;
	if (!EVP_PKEY_is_a(key, "RSA"))
		return 1;
	return EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) == 1;
}

int keys_pem_sign(EVP_PKEY *key, const void *data, size_t len, struct buf *sig, struct err *e)
{
	AUTO_MD EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t out[1024];
	size_t n = sizeof(out);

	if (!ctx || !start_signing(ctx, key) || EVP_DigestSign(ctx, out, &n, data, len) != 1)
		return openssl_err(e, E_INTERNAL, "cannot sign");
	return buf_add(sig, out, n, e);
}
