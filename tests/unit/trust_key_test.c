/* SPDX-License-Identifier: Apache-2.0 */
/* agent/trust/key: which keys are accepted, and that only a good signature is good. */
#include "tests/unit/trust_fixture.h"

#include <openssl/rsa.h>

static enum err_code parse(json_t *object, struct key **out)
{
	struct err e = {0};

	return key_parse(object, out, &e) == 0 ? E_OK : e.code;
}

static void refuses(json_t *object)
{
	struct key *k = NULL;

	assert_non_null(object);
	assert_int_equal(parse(object, &k), E_META);
	assert_null(k);
	json_decref(object);
}

static char *pem_of(EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	long len = BIO_get_mem_data(bio, &text);
	char *copy = strndup(text, (size_t)len);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	assert_non_null(copy);
	return copy;
}

static json_t *object_of(const char *keytype, const char *scheme, const char *public)
{
	return json_pack("{s:s, s:s, s:{s:s}}", "keytype", keytype, "scheme", scheme, "keyval",
		"public", public);
}

static void every_kind_signs_and_verifies(void **state)
{
	EVP_PKEY *kinds[] = {EVP_EC_gen("P-256"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fx_key k = {0};
		struct key *key = NULL;
		uint8_t sig[256];

		fx_key_from(&k, kinds[i]);
		assert_int_equal(parse(k.object, &key), E_OK);
		AUTO_FREE char *hex = fx_sign_bytes(&k, "text", 4);
		size_t len = strlen(hex) / 2;
		assert_true(hex_decode(hex, sig, len));
		assert_true(key_verifies(key, "text", 4, sig, len));
		assert_false(key_verifies(key, "texu", 4, sig, len));
		assert_false(key_verifies(key, "text", 3, sig, len));
		assert_false(key_verifies(key, "text", 4, sig, len - 1));
		assert_false(key_verifies(key, "text", 4, sig, 0));
		sig[len / 2] ^= 1;
		assert_false(key_verifies(key, "text", 4, sig, len));
		key_free(key);
		fx_key_free(&k);
	}
}

static void rsa_pss_verifies(void **state)
{
	struct fx_key k = {0};
	struct key *key = NULL;
	EVP_PKEY_CTX *pctx = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[512];
	size_t len = sizeof(sig);

	(void)state;
	fx_key_from(&k, EVP_RSA_gen(3072));
	assert_string_equal(
		json_string_value(json_object_get(k.object, "scheme")), "rsassa-pss-sha256");
	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, k.pkey), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)"text", 4), 1);
	EVP_MD_CTX_free(ctx);
	assert_int_equal(parse(k.object, &key), E_OK);
	assert_true(key_verifies(key, "text", 4, sig, len));
	assert_false(key_verifies(key, "texT", 4, sig, len));
	/* PKCS#1 v1.5 of the same key is another scheme. */
	AUTO_FREE char *hex = fx_sign_bytes(&k, "text", 4);
	assert_true(hex_decode(hex, sig, len));
	assert_false(key_verifies(key, "text", 4, sig, len));
	key_free(key);
	fx_key_free(&k);
}

static void a_malformed_signature_is_not_good(void **state)
{
	static const uint8_t odd[][8] = {{0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00},
		{0x30, 0x80, 0, 0, 0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, {0x30, 0x7f}};
	struct fx_key k = {0};
	struct key *key = NULL;

	(void)state;
	fx_key_make(&k);
	assert_int_equal(parse(k.object, &key), E_OK);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_false(key_verifies(key, "text", 4, odd[i], sizeof(odd[i])));
	key_free(key);
	fx_key_free(&k);
}

static void refuses_weak_keys_and_kinds_that_differ(void **state)
{
	AUTO_FREE char *p256 = pem_of(EVP_EC_gen("P-256"));
	AUTO_FREE char *k256 = pem_of(EVP_EC_gen("secp256k1"));
	AUTO_FREE char *p384 = pem_of(EVP_EC_gen("P-384"));
	AUTO_FREE char *rsa1024 = pem_of(EVP_RSA_gen(1024));
	AUTO_FREE char *rsa2048 = pem_of(EVP_RSA_gen(2048));
	json_t *none = NULL;
	struct err e = {0};

	(void)state;
	refuses(object_of("rsa", "rsassa-pss-sha256", rsa1024));
	refuses(object_of("rsa", "rsassa-pss-sha256", rsa2048));
	refuses(object_of("ecdsa", "ecdsa-sha2-nistp256", k256));
	refuses(object_of("ecdsa", "ecdsa-sha2-nistp256", p384));
	refuses(object_of("ecdsa", "ecdsa-sha2-nistp256", rsa2048));
	refuses(object_of("rsa", "rsassa-pss-sha256", p256));
	refuses(object_of("ed25519", "ed25519", p256));
	refuses(object_of("ecdsa", "ed25519", p256));
	refuses(object_of("rsa", "rsa-pkcs1v15-sha256", rsa2048));
	refuses(object_of("ecdsa", "ecdsa-sha2-nistp256", ""));
	refuses(object_of("ecdsa", "ecdsa-sha2-nistp256", "-----BEGIN PUBLIC KEY-----\n"));
	refuses(object_of("ed25519", "ed25519", "00"));
	refuses(object_of("ed25519", "ed25519",
		"5866666666666666666666666666666666666666666666666666666666666666"
		"0"));
	refuses(json_pack("{s:s, s:s}", "keytype", "ecdsa", "scheme", "ecdsa-sha2-nistp256"));
	refuses(json_pack("{s:i, s:s, s:{}}", "keytype", 1, "scheme", "x", "keyval"));
	assert_int_equal(key_object_from_pem(k256, strlen(k256), &none, &e), -1);
	assert_int_equal(e.code, E_META);
	assert_null(none);
}

static void the_id_is_the_hash_of_the_canonical_object(void **state)
{
	JSON_AUTO json_t *object = object_of("ed25519", "ed25519", "ab");
	static const char text[] =
		"{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"ab\"},\"scheme\":\"ed25519\"}";
	uint8_t digest[HASH_SIZE];
	char want[HASH_HEX_SIZE], id[HASH_HEX_SIZE];
	struct err e = {0};

	(void)state;
	assert_int_equal(hash_bytes(HASH_SHA256, text, strlen(text), digest, &e), 0);
	hash_to_hex(digest, want);
	assert_int_equal(key_id_of(object, id, &e), 0);
	assert_string_equal(id, want);
}

static void one_key_in_two_texts_is_one_key(void **state)
{
	AUTO_FREE char *pem = pem_of(EVP_EC_gen("P-256"));
	AUTO_FREE char *other_pem = pem_of(EVP_EC_gen("P-256"));
	AUTO_BUF struct buf longer = buf_make(4096);
	struct key *a = NULL, *b = NULL, *c = NULL;
	struct err e = {0};

	(void)state;
	assert_int_equal(buf_printf(&longer, &e, "a remark\n%s\nmore\n", pem), 0);
	JSON_AUTO json_t *first = object_of("ecdsa", "ecdsa-sha2-nistp256", pem);
	JSON_AUTO json_t *second =
		object_of("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", buf_text(&longer));
	JSON_AUTO json_t *third = object_of("ecdsa", "ecdsa-sha2-nistp256", other_pem);
	assert_int_equal(parse(first, &a), E_OK);
	assert_int_equal(parse(second, &b), E_OK);
	assert_int_equal(parse(third, &c), E_OK);
	assert_true(key_equal(a, b));
	assert_false(key_equal(a, c));
	key_free(a);
	key_free(b);
	key_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_signs_and_verifies),
		cmocka_unit_test(rsa_pss_verifies),
		cmocka_unit_test(a_malformed_signature_is_not_good),
		cmocka_unit_test(refuses_weak_keys_and_kinds_that_differ),
		cmocka_unit_test(the_id_is_the_hash_of_the_canonical_object),
		cmocka_unit_test(one_key_in_two_texts_is_one_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
