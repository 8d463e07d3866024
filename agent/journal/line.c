/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the record: sealing it with its own hash, and reading it back. */
#include "agent/journal/line.h"

#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/journal/journal.h"

/* What jq and every other reader keeps exactly; differences of two still fit into 64 bits. */
#define NUMBER_MAX (INT64_C(1) << 53)

#define SEAL_START ",\"h\":\""
#define SEAL_SIZE  (sizeof(SEAL_START) - 1 + HASH_HEX_SIZE - 1 + 2) /* and "} */

const char *chain_kind_name(enum chain_kind k)
{
	return k == CHAIN_DETAILS ? "details" : "milestones";
}

int line_seal(struct buf *b, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	if (hash_bytes(HASH_SHA256, b->data, b->len, digest, e) < 0)
		return -1;
	hash_to_hex(digest, hex);
	return buf_printf(b, e, SEAL_START "%s\"}\n", hex);
}

/* The hash covers stored bytes, so it is checked before anything is parsed. */
static int check_seal(const uint8_t *text, size_t len, struct err *e)
{
	uint8_t want[HASH_SIZE];
	uint8_t got[HASH_SIZE];
	char hex[HASH_HEX_SIZE];

	if (len < SEAL_SIZE || len >= JOURNAL_RECORD_MAX)
		return err_set(e, E_JOURNAL, "a line of %zu bytes is no record", len);
	const uint8_t *seal = text + len - SEAL_SIZE;
	if (memcmp(seal, SEAL_START, sizeof(SEAL_START) - 1) != 0 ||
		memcmp(text + len - 2, "\"}", 2) != 0)
		return err_set(e, E_JOURNAL, "does not end with its hash");
	memcpy(hex, seal + sizeof(SEAL_START) - 1, HASH_HEX_SIZE - 1);
	hex[HASH_HEX_SIZE - 1] = 0;
	if (hash_from_hex(hex, want, e) < 0)
		return err_set(e, E_JOURNAL, "does not end with its hash");
	if (hash_bytes(HASH_SHA256, text, len - SEAL_SIZE, got, e) < 0)
		return -1;
	if (!MUST("journal.own-hash", hash_equal(want, got)))
		return err_set(e, E_JOURNAL, "was changed: its own hash is wrong");
	return 0;
}

static int want_hash(const json_t *j, const char *key, uint8_t digest[HASH_SIZE], struct err *e)
{
	const char *hex;

	return json_want_string(j, key, "record", &hex, e) < 0 || hash_from_hex(hex, digest, e) < 0
		       ? -1
		       : 0;
}

static int want_number(const json_t *j, const char *key, uint64_t *out, struct err *e)
{
	int64_t v;

	if (json_want_int(j, key, "record", 0, NUMBER_MAX, &v, e) < 0)
		return -1;
	*out = (uint64_t)v;
	return 0;
}

static int read_header(const json_t *j, struct line *l, struct err *e)
{
	const char *chain;

	if (want_number(j, "first", &l->seq, e) < 0 || want_number(j, "seg", &l->segment, e) < 0 ||
		json_want_string(j, "chain", "header", &chain, e) < 0)
		return -1;
	for (int k = 0; k < CHAIN_KINDS; k++) {
		if (strcmp(chain, chain_kind_name((enum chain_kind)k)) == 0) {
			l->kind = (enum chain_kind)k;
			return 0;
		}
	}
	return err_set(e, E_META, "unknown chain \"%s\"", chain);
}

static int read_record(const json_t *j, struct line *l, struct err *e)
{
	if (want_number(j, "seq", &l->seq, e) < 0 || want_number(j, "boot", &l->boot, e) < 0 ||
		want_number(j, "mono", &l->mono, e) < 0 ||
		json_want_int(j, "wall", "record", -NUMBER_MAX, NUMBER_MAX, &l->wall, e) < 0)
		return -1;
	if (!json_object_get(j, "dseq"))
		return 0;
	if (want_number(j, "dseq", &l->dseq, e) < 0)
		return -1;
	return l->dseq > 0 ? want_hash(j, "det", l->det, e) : 0;
}

static int read_fields(const json_t *j, struct line *l, struct err *e)
{
	int64_t version;

	if (json_want_int(j, "v", "record", LINE_VERSION, LINE_VERSION, &version, e) < 0 ||
		want_number(j, "epoch", &l->epoch, e) < 0 || want_hash(j, "prev", l->prev, e) < 0)
		return -1;
	l->header = json_object_get(j, "seg") != NULL;
	return l->header ? read_header(j, l, e) : read_record(j, l, e);
}

int line_read(const uint8_t *text, size_t len, struct line *out, json_t **json, struct err *e)
{
	struct line l = {0};
	JSON_AUTO json_t *j = NULL;

	if (check_seal(text, len, e) < 0)
		return -1;
	if (json_read(text, len, &j, e) < 0 || read_fields(j, &l, e) < 0) {
		err_wrap(e, "no valid record");
		e->code = E_JOURNAL;
		return -1;
	}
	if (hash_bytes(HASH_SHA256, text, len, l.hash, e) < 0)
		return -1;
	*out = l;
	if (json)
		*json = steal_ptr(j);
	return 0;
}

bool line_is_before(const struct line *a, const struct line *b)
{
	return a->epoch != b->epoch ? a->epoch < b->epoch : a->seq < b->seq;
}
