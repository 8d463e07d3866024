/* SPDX-License-Identifier: Apache-2.0 */
/* Counting of signatures: distinct keys only, and a bad signature is simply not counted. */
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/hex.h"
#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/trust/canonical.h"
#include "agent/trust/keyring.h"

#define SIGNATURE_MAX 1024 /* bytes; RSA-8192 has as many */
#define CANONICAL_MAX (2 * 1024 * 1024) /* twice the largest file */
#define COUNTED_MAX   (2 * KEYRING_KEYS_MAX)

struct counting {
	struct buf text; /* what is signed */
	const struct key *counted[COUNTED_MAX];
	size_t count;
};

static const struct key *find_key(const struct keyring *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->keys[i].id, id) == 0)
			return r->keys[i].key;
	}
	return NULL;
}

static bool is_counted(const struct counting *c, const struct key *key)
{
	for (size_t i = 0; i < c->count; i++) {
		if (key_equal(c->counted[i], key))
			return true;
	}
	return false;
}

static bool signed_by(const struct counting *c, const struct key *key, const char *hex)
{
	uint8_t sig[SIGNATURE_MAX];
	size_t len = strlen(hex) / 2;

	return len <= sizeof(sig) && hex_decode(hex, sig, len) &&
	       key_verifies(key, c->text.data, c->text.len, sig, len);
}

/* Counts one more distinct key; false when there is nothing to count. */
static bool count_signature(
	struct counting *c, const struct keyring *r, const char *id, const char *hex)
{
	const struct key *key = find_key(r, id);

	if (!key || c->count == COUNTED_MAX)
		return false;
	/* One key under two ids must not make two signatures (CVE-2020-6174). */
	if (!MUST("signature.distinct", !is_counted(c, key)) || !signed_by(c, key, hex))
		return false;
	c->counted[c->count++] = key;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The specification: "the keyid MUST be unique in the signatures array". */
static int check_ids(const json_t *signatures, const char *where, struct err *e)
{
	const char *ids[KEYRING_SIGNATURES_MAX];
	const char *sig;
	const json_t *entry;
	size_t count = json_array_size(signatures);
	size_t i;

	if (count > KEYRING_SIGNATURES_MAX)
		return err_set(e, E_META, "%s: %zu signatures, allowed are %d", where, count,
			KEYRING_SIGNATURES_MAX);
	json_array_foreach (signatures, i, entry) {
		if (json_want_string(entry, "keyid", where, &ids[i], e) < 0 ||
			json_want_string(entry, "sig", where, &sig, e) < 0)
			return -1;
	}
	qsort(ids, count, sizeof(ids[0]), compare_ids);
	for (i = 1; i < count; i++) {
		if (!MUST("signature.id-once", strcmp(ids[i - 1], ids[i]) != 0))
			return err_set(
				e, E_META, "%s: two signatures by key id %.64s", where, ids[i]);
	}
	return 0;
}

static void count_all(struct counting *c, const struct keyring *r, const struct keyring *retired,
	const json_t *signatures, struct keyring_tally *out)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (signatures, i, entry) {
		const char *id = json_string_value(json_object_get(entry, "keyid"));
		const char *hex = json_string_value(json_object_get(entry, "sig"));
		if (count_signature(c, r, id, hex))
			out->valid++;
	}
	out->with_retired = out->valid;
	if (!retired || out->valid >= r->threshold)
		return;
	json_array_foreach (signatures, i, entry) {
		const char *id = json_string_value(json_object_get(entry, "keyid"));
		const char *hex = json_string_value(json_object_get(entry, "sig"));
		if (count_signature(c, retired, id, hex))
			out->with_retired++;
	}
}

int keyring_count(const struct keyring *r, const struct keyring *retired, const json_t *doc,
	const char *where, struct keyring_tally *out, struct err *e)
{
	struct counting c = {.text = buf_make(CANONICAL_MAX)};
	struct keyring_tally tally = {0};
	json_t *signatures, *body;

	if (json_want_array(doc, "signatures", where, &signatures, e) < 0 ||
		json_want_object(doc, "signed", where, &body, e) < 0 ||
		check_ids(signatures, where, e) < 0)
		return -1;
	if (canonical_write(body, &c.text, e) < 0) {
		buf_free(&c.text);
		return err_wrap(e, "%s", where);
	}
	count_all(&c, r, retired, signatures, &tally);
	buf_free(&c.text);
	*out = tally;
	return 0;
}

int keyring_check(const struct keyring *r, const struct keyring *retired, const json_t *doc,
	const char *where, struct err *e)
{
	struct keyring_tally t;

	if (keyring_count(r, retired, doc, where, &t, e) < 0)
		return -1;
	if (MUST("signature.threshold", t.valid >= r->threshold))
		return 0;
	if (t.with_retired >= r->threshold)
		return err_set(e, E_KEY_REVOKED,
			"%s: signed by a key that the root has replaced; sign it with today's key",
			where);
	return err_set(e, E_SIG, "%s: %u valid signatures of distinct keys, %u are needed", where,
		t.valid, r->threshold);
}
