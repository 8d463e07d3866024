/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small TUF repository in memory for the tests of agent/trust: keys, bodies
 * that a test may bend, signing, a fetcher, and a store in a temporary folder.
 * It writes metadata with its own code where the agent reads it, but for the
 * canonical form and key ids, which trust_canonical_test and trust_key_test fix.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/hex.h"
#include "agent/base/json.h"
#include "agent/trust/canonical.h"
#include "agent/trust/client.h"
#include "agent/trust/key.h"

#define FX_FILES_MAX 160
#define FX_ROOTS     3

struct fx_key {
	EVP_PKEY *pkey;
	json_t *object;
	char id[HASH_HEX_SIZE];
};

struct fx_file {
	char name[96];
	struct buf bytes;
	enum err_code error; /* not E_OK: fetching it fails so */
};

struct fx {
	struct fx_key roots[FX_ROOTS], new_roots[FX_ROOTS], release, online, other;
	json_t *root, *timestamp, *snapshot, *targets; /* bodies ("signed") */
	struct fx_file files[FX_FILES_MAX];
	size_t file_count;
	size_t fetches; /* since fx_forget_fetches */
	bool answer_unchanged; /* timestamp: 304 to a tag that fits */
	size_t unchanged_answers;
	struct buf image_root;
	char dir[64];
	int store;
	struct trust_options o;
	struct trust *t;
	struct err e;
};

static inline int64_t fx_time(const char *text)
{
	struct err e = {0};
	int64_t t = 0;

	assert_int_equal(clock_parse(text, &t, &e), 0);
	return t;
}

/* --- keys and signatures ----------------------------------------------------------- */

static inline void fx_key_from(struct fx_key *k, EVP_PKEY *pkey)
{
	struct err e = {0};
	char *text = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(pkey);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	long len = BIO_get_mem_data(bio, &text);
	k->pkey = pkey;
	assert_int_equal(key_object_from_pem(text, (size_t)len, &k->object, &e), 0);
	assert_int_equal(key_id_of(k->object, k->id, &e), 0);
	BIO_free(bio);
}

static inline void fx_key_make(struct fx_key *k)
{
	fx_key_from(k, EVP_EC_gen("P-256"));
}

static inline void fx_key_free(struct fx_key *k)
{
	EVP_PKEY_free(k->pkey);
	json_decref(k->object);
}

/* A signature over raw bytes as hexadecimal text (the caller's). */
static inline char *fx_sign_bytes(const struct fx_key *k, const void *data, size_t len)
{
	bool pure = EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_ED25519;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[1024];
	size_t sig_len = sizeof(sig);

	assert_int_equal(
		EVP_DigestSignInit(ctx, NULL, pure ? NULL : EVP_sha256(), NULL, k->pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &sig_len, data, len), 1);
	EVP_MD_CTX_free(ctx);
	char *hex = calloc(1, 2 * sig_len + 1);
	assert_non_null(hex);
	hex_encode(sig, sig_len, hex);
	return hex;
}

/* One more signature of the document's body under the key id `id`. */
static inline void fx_add_signature_as(json_t *doc, const struct fx_key *k, const char *id)
{
	AUTO_BUF struct buf text = buf_make(4 * 1024 * 1024);
	struct err e = {0};

	assert_int_equal(canonical_write(json_object_get(doc, "signed"), &text, &e), 0);
	AUTO_FREE char *hex = fx_sign_bytes(k, text.data, text.len);
	json_array_append_new(json_object_get(doc, "signatures"),
		json_pack("{s:s, s:s}", "keyid", id, "sig", hex));
}

static inline void fx_add_signature(json_t *doc, const struct fx_key *k)
{
	fx_add_signature_as(doc, k, k->id);
}

/* {signed: body, signatures: []} with a copy of the body; the caller's. */
static inline json_t *fx_document(const json_t *body)
{
	return json_pack("{s:o, s:[]}", "signed", json_deep_copy(body), "signatures");
}

/* --- files of the repository ------------------------------------------------------- */

static inline struct fx_file *fx_file(struct fx *f, const char *name)
{
	for (size_t i = 0; i < f->file_count; i++) {
		if (strcmp(f->files[i].name, name) == 0)
			return &f->files[i];
	}
	assert_true(f->file_count < FX_FILES_MAX);
	struct fx_file *file = &f->files[f->file_count++];
	*file = (struct fx_file){.bytes = buf_make(16 * 1024 * 1024)};
	snprintf(file->name, sizeof(file->name), "%s", name);
	file->error = E_NOTFOUND;
	return file;
}

static inline void fx_put_bytes(struct fx *f, const char *name, const void *data, size_t len)
{
	struct fx_file *file = fx_file(f, name);
	struct err e = {0};

	buf_clear(&file->bytes);
	assert_int_equal(buf_add(&file->bytes, data, len, &e), 0);
	file->error = E_OK;
}

static inline void fx_put(struct fx *f, const char *name, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_INDENT(1));

	assert_non_null(text);
	fx_put_bytes(f, name, text, strlen(text));
	free(text);
}

static inline void fx_fail(struct fx *f, const char *name, enum err_code code)
{
	fx_file(f, name)->error = code;
}

static inline int fx_get(void *ctx, const char *name, struct fetch_tag *tag, bool *unchanged,
	struct buf *out, struct err *e)
{
	struct fx *f = ctx;
	const struct fx_file *file = fx_file(f, name);
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	f->fetches++;
	buf_clear(out);
	if (unchanged)
		*unchanged = false;
	if (file->error != E_OK)
		return err_set(e, file->error, "the test says so: %s", name);
	assert_int_equal(hash_bytes(HASH_SHA256, file->bytes.data, file->bytes.len, digest, e), 0);
	hash_to_hex(digest, hex);
	if (tag && f->answer_unchanged && strcmp(tag->text, hex) == 0) {
		*unchanged = true;
		f->unchanged_answers++;
		return 0;
	}
	if (tag)
		snprintf(tag->text, sizeof(tag->text), "%s", hex);
	return buf_add(out, file->bytes.data, file->bytes.len, e);
}

static inline struct fetcher fx_fetcher(struct fx *f)
{
	return (struct fetcher){.ctx = f, .get = fx_get};
}

/* --- bodies ------------------------------------------------------------------------ */

static inline json_t *fx_body(const char *type, const char *expires)
{
	return json_pack("{s:s, s:s, s:i, s:s}", "_type", type, "spec_version", "1.0.31", "version",
		1, "expires", expires);
}

static inline void fx_set_version(json_t *body, int version)
{
	json_object_set_new(body, "version", json_integer(version));
}

static inline int fx_version(const json_t *body)
{
	return (int)json_integer_value(json_object_get(body, "version"));
}

static inline void fx_set_text(json_t *body, const char *key, const char *text)
{
	json_object_set_new(body, key, json_string(text));
}

/* Makes `keys` the holders of a role of root. */
static inline void fx_set_keys(
	struct fx *f, const char *role, const struct fx_key *keys, size_t count, int threshold)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < count; i++) {
		json_array_append_new(ids, json_string(keys[i].id));
		json_object_set(json_object_get(f->root, "keys"), keys[i].id, keys[i].object);
	}
	json_object_set_new(json_object_get(f->root, "roles"), role,
		json_pack("{s:o, s:i}", "keyids", ids, "threshold", threshold));
}

static inline json_t *fx_target_entry(const char *content)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];
	struct err e = {0};

	assert_int_equal(hash_bytes(HASH_SHA256, content, strlen(content), digest, &e), 0);
	hash_to_hex(digest, hex);
	return json_pack("{s:i, s:{s:s}}", "length", (int)strlen(content), "hashes", "sha256", hex);
}

static inline void fx_add_target(json_t *targets, const char *path, const char *content)
{
	json_object_set_new(json_object_get(targets, "targets"), path, fx_target_entry(content));
}

static inline json_t *fx_meta(json_t *body, const char *file)
{
	return json_object_get(json_object_get(body, "meta"), file);
}

static inline void fx_list(json_t *body, const char *file, int version)
{
	json_object_set_new(
		json_object_get(body, "meta"), file, json_pack("{s:i}", "version", version));
}

static inline void fx_make_bodies(struct fx *f)
{
	f->root = fx_body("root", "2031-01-01T00:00:00Z");
	json_object_set_new(f->root, "consistent_snapshot", json_true());
	json_object_set_new(f->root, "keys", json_object());
	json_object_set_new(f->root, "roles", json_object());
	fx_set_keys(f, "root", f->roots, FX_ROOTS, 2);
	fx_set_keys(f, "targets", &f->release, 1, 1);
	fx_set_keys(f, "snapshot", &f->online, 1, 1);
	fx_set_keys(f, "timestamp", &f->online, 1, 1);
	f->timestamp = fx_body("timestamp", "2026-02-01T00:00:00Z");
	json_object_set_new(f->timestamp, "meta", json_object());
	fx_set_text(f->timestamp, "x-issued", "2026-01-01T00:00:00Z");
	f->snapshot = fx_body("snapshot", "2027-01-01T00:00:00Z");
	json_object_set_new(f->snapshot, "meta", json_object());
	f->targets = fx_body("targets", "2027-01-01T00:00:00Z");
	json_object_set_new(f->targets, "targets", json_object());
	fx_set_text(f->targets, "x-issued", "2025-12-31T00:00:00Z");
	fx_list(f->timestamp, "snapshot.json", 1);
	fx_list(f->snapshot, "targets.json", 1);
}

/* --- publishing -------------------------------------------------------------------- */

static inline const char *fx_name(char name[96], const json_t *body, const char *role)
{
	snprintf(name, 96, "%d.%s.json", fx_version(body), role);
	return name;
}

/* Signs the root's body with `count` keys and puts it under its version. */
static inline void fx_publish_root(
	struct fx *f, const struct fx_key *a, const struct fx_key *b, size_t count)
{
	JSON_AUTO json_t *doc = fx_document(f->root);
	char name[96];

	for (size_t i = 0; i < count; i++) {
		fx_add_signature(doc, &a[i]);
		if (b)
			fx_add_signature(doc, &b[i]);
	}
	fx_put(f, fx_name(name, f->root, "root"), doc);
}

static inline void fx_publish_one(
	struct fx *f, const char *name, const json_t *body, const struct fx_key *k)
{
	JSON_AUTO json_t *doc = fx_document(body);

	fx_add_signature(doc, k);
	fx_put(f, name, doc);
}

/* Lists the present versions and puts timestamp, snapshot and targets. */
static inline void fx_publish(struct fx *f)
{
	char name[96];

	fx_list(f->timestamp, "snapshot.json", fx_version(f->snapshot));
	fx_list(f->snapshot, "targets.json", fx_version(f->targets));
	fx_publish_one(f, fx_name(name, f->targets, "targets"), f->targets, &f->release);
	fx_publish_one(f, fx_name(name, f->snapshot, "snapshot"), f->snapshot, &f->online);
	fx_publish_one(f, "timestamp.json", f->timestamp, &f->online);
}

/* Raises all three versions and publishes them. */
static inline void fx_publish_next(struct fx *f)
{
	fx_set_version(f->targets, fx_version(f->targets) + 1);
	fx_set_version(f->snapshot, fx_version(f->snapshot) + 1);
	fx_set_version(f->timestamp, fx_version(f->timestamp) + 1);
	fx_publish(f);
}

/* --- running ----------------------------------------------------------------------- */

static inline void fx_close(struct fx *f)
{
	trust_free(f->t);
	f->t = NULL;
}

/* Opens as a new process would; E_OK or the error. */
static inline enum err_code fx_open(struct fx *f)
{
	fx_close(f);
	f->e = (struct err){0};
	return trust_open(&f->o, &f->t, &f->e) == 0 ? E_OK : f->e.code;
}

static inline enum err_code fx_refresh(struct fx *f)
{
	struct fetcher source = fx_fetcher(f);

	if (fx_open(f) != E_OK)
		return f->e.code;
	return trust_refresh(f->t, &source, &f->e) == 0 ? E_OK : f->e.code;
}

static inline enum err_code fx_find(struct fx *f, const char *path, struct trust_target *out)
{
	struct fetcher source = fx_fetcher(f);

	f->e = (struct err){0};
	return trust_find_target(f->t, &source, path, out, &f->e) == 0 ? E_OK : f->e.code;
}

static inline struct trust_facts fx_facts(const struct fx *f)
{
	struct trust_facts facts;

	trust_get_facts(f->t, &facts);
	return facts;
}

/* One number over every name and byte below the store, to see that nothing changed. */
static inline void fx_digest_dir(int dir, uint64_t *sum)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d))) {
		AUTO_BUF struct buf bytes = buf_make(4 * 1024 * 1024);
		AUTO_CLOSE int sub = -1;
		uint8_t digest[HASH_SIZE];
		struct err e = {0};

		if (entry->d_name[0] == '.')
			continue;
		sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub >= 0) {
			fx_digest_dir(sub, sum);
			continue;
		}
		assert_int_equal(file_read(dir, entry->d_name, &bytes, &e), 0);
		assert_int_equal(buf_add_text(&bytes, entry->d_name, &e), 0);
		assert_int_equal(hash_bytes(HASH_SHA256, bytes.data, bytes.len, digest, &e), 0);
		*sum += le64_get(digest); /* the order of readdir must not matter */
	}
	closedir(d);
}

static inline uint64_t fx_store_digest(const struct fx *f)
{
	uint64_t sum = 0;

	fx_digest_dir(f->store, &sum);
	return sum;
}

static inline bool fx_stored(const struct fx *f, const char *name)
{
	struct stat st;

	return fstatat(f->store, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Version of a stored file, 0 where there is none. */
static inline int fx_stored_version(const struct fx *f, const char *name)
{
	AUTO_BUF struct buf bytes = buf_make(1024 * 1024);
	JSON_AUTO json_t *doc = NULL;
	struct err e = {0};

	if (file_read(f->store, name, &bytes, &e) < 0)
		return 0;
	assert_int_equal(json_read(bytes.data, bytes.len, &doc, &e), 0);
	return fx_version(json_object_get(doc, "signed"));
}

/* Refused with this code, and not a byte of the store is different. */
static inline void fx_refuses(struct fx *f, enum err_code code)
{
	uint64_t before = fx_store_digest(f);
	enum err_code got = fx_refresh(f);

	if (got != code)
		fail_msg("got %s (%s), wanted %s", err_name(got), f->e.text, err_name(code));
	assert_true(fx_store_digest(f) == before);
}

static inline void fx_accepts(struct fx *f)
{
	enum err_code got = fx_refresh(f);

	if (got != E_OK)
		fail_msg("got %s: %s", err_name(got), f->e.text);
}

static inline void fx_use_image_root(struct fx *f, const char *name)
{
	const struct fx_file *file = fx_file(f, name);
	struct err e = {0};

	buf_clear(&f->image_root);
	assert_int_equal(buf_add(&f->image_root, file->bytes.data, file->bytes.len, &e), 0);
	f->o.image_root = f->image_root.data;
	f->o.image_root_len = f->image_root.len;
}

/* --- life -------------------------------------------------------------------------- */

static inline void fx_remove_dir(int parent, const char *name)
{
	int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(dir);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, entry->d_name, 0) < 0)
			fx_remove_dir(dir, entry->d_name);
	}
	if (d)
		closedir(d);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static inline int fx_setup(void **state)
{
	struct fx *f = calloc(1, sizeof(*f));
	struct err e = {0};

	assert_non_null(f);
	for (size_t i = 0; i < FX_ROOTS; i++) {
		fx_key_make(&f->roots[i]);
		fx_key_make(&f->new_roots[i]);
	}
	fx_key_make(&f->release);
	fx_key_make(&f->online);
	fx_key_make(&f->other);
	fx_make_bodies(f);
	fx_add_target(f->targets, "demo/stable.json", "manifest");
	f->image_root = buf_make(TRUST_ROOT_MAX);
	snprintf(f->dir, sizeof(f->dir), "/tmp/pawl-trust-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(file_open_dir(f->dir, &f->store, &e), 0);
	fx_publish_root(f, f->roots, NULL, 2);
	fx_publish(f);
	f->o = (struct trust_options){
		.store = f->store,
		.now = fx_time("2026-01-02T00:00:00Z"),
		.clock_synchronised = true,
	};
	fx_use_image_root(f, "1.root.json");
	*state = f;
	return 0;
}

static inline int fx_teardown(void **state)
{
	struct fx *f = *state;

	fx_close(f);
	for (size_t i = 0; i < FX_ROOTS; i++) {
		fx_key_free(&f->roots[i]);
		fx_key_free(&f->new_roots[i]);
	}
	fx_key_free(&f->release);
	fx_key_free(&f->online);
	fx_key_free(&f->other);
	json_decref(f->root);
	json_decref(f->timestamp);
	json_decref(f->snapshot);
	json_decref(f->targets);
	for (size_t i = 0; i < f->file_count; i++)
		buf_free(&f->files[i].bytes);
	buf_free(&f->image_root);
	close(f->store);
	fx_remove_dir(AT_FDCWD, f->dir);
	free(f);
	return 0;
}

#define fx_test(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)
