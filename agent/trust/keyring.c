/* SPDX-License-Identifier: Apache-2.0 */
/* Keyrings: which keys a role has. Counting of signatures is in signature.c. */
#include "agent/trust/keyring.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"

void keyring_free(struct keyring *r)
{
	for (size_t i = 0; i < r->count; i++)
		key_free(r->keys[i].key);
	free(r->keys);
	*r = (struct keyring){0};
}

static bool ring_has(const struct keyring *r, const char *id)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->keys[i].id, id) == 0)
			return true;
	}
	return false;
}

bool keyring_same_keys(const struct keyring *a, const struct keyring *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!ring_has(b, a->keys[i].id))
			return false;
	}
	return a->count == b->count;
}

/* Adds one key; `object` may be NULL, then the id stays without a key. */
static int add_key(
	struct keyring *r, const char *id, const json_t *object, const char *where, struct err *e)
{
	struct keyring_key *k = &r->keys[r->count];
	char want[HASH_HEX_SIZE];
	struct err unknown = {0};

	if (strlen(id) != HASH_HEX_SIZE - 1)
		return err_set(e, E_META, "%s: key id \"%.80s\" is not a SHA-256 in hexadecimal",
			where, id);
	if (!MUST("keyring.id-once", !ring_has(r, id)))
		return err_set(e, E_META, "%s: key id %s is listed twice", where, id);
	memcpy(k->id, id, sizeof(k->id));
	r->count++;
	if (!object)
		return 0;
	if (key_id_of(object, want, e) < 0)
		return err_wrap(e, "%s: key %s", where, id);
	if (!MUST("keyring.id-is-hash", strcmp(id, want) == 0))
		return err_set(
			e, E_META, "%s: key id %s is not the hash of its key, %s", where, id, want);
	/* A key that cannot be used is no error: the other keys may meet the threshold. */
	if (key_parse(object, &k->key, &unknown) < 0 && unknown.code == E_NOMEM)
		return err_set(e, E_NOMEM, "%s: %s", where, unknown.text);
	return 0;
}

static int add_keys(
	struct keyring *r, const json_t *keys, const json_t *ids, const char *where, struct err *e)
{
	const json_t *id;
	size_t i;

	json_array_foreach (ids, i, id) {
		if (!json_is_string(id))
			return err_set(e, E_META, "%s: a key id is not a string", where);
		const char *text = json_string_value(id);
		if (add_key(r, text, json_object_get(keys, text), where, e) < 0)
			return -1;
	}
	return 0;
}

int keyring_parse(const json_t *keys, const json_t *role, const char *where, struct keyring *out,
	struct err *e)
{
	struct keyring r = {0};
	json_t *ids;
	int64_t threshold;

	if (json_want_array(role, "keyids", where, &ids, e) < 0 ||
		json_want_int(role, "threshold", where, INT_MIN, INT_MAX, &threshold, e) < 0)
		return -1;
	/* Threshold 0 would make every unsigned file a signed one (GHSA-fphv-w9fq-2525). */
	if (!MUST("keyring.threshold-positive", threshold >= 1))
		return err_set(e, E_META, "%s: threshold is %d, at least 1 is needed", where,
			(int)threshold);
	size_t count = json_array_size(ids);
	if (count > KEYRING_KEYS_MAX)
		return err_set(
			e, E_META, "%s: %zu keys, allowed are %d", where, count, KEYRING_KEYS_MAX);
	r.threshold = (unsigned)threshold;
	r.keys = calloc(count + 1, sizeof(*r.keys));
	if (!r.keys)
		return err_set(e, E_NOMEM, "no memory for %zu keys", count);
	if (add_keys(&r, keys, ids, where, e) < 0) {
		keyring_free(&r);
		return -1;
	}
	*out = r;
	return 0;
}

static void drop_oldest(struct keyring *r)
{
	key_free(r->keys[0].key);
	r->count--;
	memmove(r->keys, r->keys + 1, r->count * sizeof(*r->keys));
}

int keyring_retire(
	struct keyring *retired, struct keyring *old, const struct keyring *current, struct err *e)
{
	if (!retired->keys)
		retired->keys = calloc(KEYRING_KEYS_MAX, sizeof(*retired->keys));
	if (!retired->keys)
		return err_set(e, E_NOMEM, "no memory for %d keys", KEYRING_KEYS_MAX);
	for (size_t i = 0; i < old->count; i++) {
		struct keyring_key *k = &old->keys[i];
		if (!k->key || ring_has(current, k->id) || ring_has(retired, k->id))
			continue;
		if (retired->count == KEYRING_KEYS_MAX)
			drop_oldest(retired);
		retired->keys[retired->count++] = *k;
		k->key = NULL;
	}
	keyring_free(old);
	return 0;
}
