/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of the manifest's `images`: numbers that must fit together before anything is fetched. */
#include <inttypes.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/must.h"
#include "agent/plan/manifest_delta.h"
#include "agent/plan/manifest_field.h"

/* The same numbers as in partitions/slot/format.h, which plan may not include. */
#define IMAGE_MAX    (UINT64_C(64) << 30)
#define BLOCK_SIZE   UINT64_C(4096)
#define LEAF_SIZE    (UINT64_C(256) * 1024)
#define PIECE_SIZE   (UINT64_C(4) * 1024 * 1024)
#define PIECE_SLACK  (UINT64_C(64) * 1024)
#define PIECES_HEAD  UINT64_C(20)
#define PIECES_ENTRY UINT64_C(36)

static uint64_t divide_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

/* Index of the member's text among `words`, or `count` where it is none of them. */
static int read_word(const json_t *obj, const char *key, const char *(*word)(int), int count,
	int *out, struct err *e)
{
	const char *text;
	int i = 0;

	if (json_want_string(obj, key, "image", &text, e) < 0)
		return -1;
	while (i < count && strcmp(word(i), text) != 0)
		i++;
	/* What this agent does not know it cannot write right: refuse, never guess. */
	if (!MUST("manifest.word", i < count))
		return err_set(e, E_COMPAT, "\"%s\" is \"%.40s\", which this agent does not know",
			key, text);
	*out = i;
	return 0;
}

static const char *format_word(int i)
{
	return plan_format_name((enum plan_format)i);
}

static const char *encoding_word(int i)
{
	return plan_encoding_name((enum plan_encoding)i);
}

static const char *leaf_word(int i)
{
	return hash_alg_name((enum hash_alg)i);
}

int manifest_read_object(const json_t *obj, const char *key, struct plan_object *out, struct err *e)
{
	json_t *o;

	if (json_want_object(obj, key, "image", &o, e) < 0)
		return -1;
	if (field_digest(o, "sha256", out->sha256, e) < 0 ||
		field_number(o, "length", 1, FIELD_INT_MAX, &out->length, e) < 0)
		return err_wrap(e, "\"%s\"", key);
	return 0;
}

static int read_size(const json_t *obj, struct plan_image *out, struct err *e)
{
	if (field_number(obj, "size", 0, FIELD_INT_MAX, &out->size, e) < 0)
		return -1;
	bool good = out->size > 0 && out->size <= IMAGE_MAX && out->size % BLOCK_SIZE == 0;
	if (!MUST("manifest.image-size", good))
		return err_set(e, E_META,
			"size is %" PRIu64 ", but must be a multiple of 4096 up to 64 GiB",
			out->size);
	return 0;
}

/* Lengths of the tables follow from the size; `full` is bounded by it. */
static int check_lengths(const struct plan_image *i, struct err *e)
{
	uint64_t leaves = divide_up(i->size, LEAF_SIZE) * HASH_SIZE;
	uint64_t count = divide_up(i->size, PIECE_SIZE);
	uint64_t pieces = PIECES_HEAD + PIECES_ENTRY * count;

	if (!MUST("manifest.leaves-length", i->leaves.length == leaves))
		return err_set(e, E_META,
			"leaves are %" PRIu64 " bytes, but the size makes them %" PRIu64,
			i->leaves.length, leaves);
	if (!MUST("manifest.pieces-length", i->pieces.length == pieces))
		return err_set(e, E_META,
			"pieces are %" PRIu64 " bytes, but the size makes them %" PRIu64,
			i->pieces.length, pieces);
	if (!MUST("manifest.full-length", i->full.length <= count * (PIECE_SIZE + PIECE_SLACK)))
		return err_set(e, E_META,
			"full is %" PRIu64 " bytes, more than its pieces can hold", i->full.length);
	return 0;
}

int manifest_read_encoding(const json_t *obj, enum plan_encoding *out, struct err *e)
{
	int encoding = 0;

	if (read_word(obj, "encoding", encoding_word, PLAN_ZSTD + 1, &encoding, e) < 0)
		return -1;
	*out = (enum plan_encoding)encoding;
	return 0;
}

static int read_words(const json_t *obj, struct plan_image *out, struct err *e)
{
	json_t *full;
	int format = 0;
	int leaf = 0;

	if (json_want_object(obj, "full", "image", &full, e) < 0 ||
		read_word(obj, "format", format_word, PLAN_EROFS + 1, &format, e) < 0 ||
		read_word(obj, "leaf_hash", leaf_word, HASH_ALG_COUNT, &leaf, e) < 0 ||
		manifest_read_encoding(full, &out->encoding, e) < 0)
		return -1;
	out->format = (enum plan_format)format;
	out->leaf_alg = (enum hash_alg)leaf;
	return 0;
}

static int read_rest(const json_t *obj, struct plan_image *out, struct err *e)
{
	json_t *full;

	if (read_words(obj, out, e) < 0 || read_size(obj, out, e) < 0 ||
		manifest_read_object(obj, "leaves", &out->leaves, e) < 0 ||
		manifest_read_object(obj, "full", &out->full, e) < 0 ||
		json_want_object(obj, "full", "image", &full, e) < 0 ||
		manifest_read_object(full, "pieces", &out->pieces, e) < 0)
		return -1;
	if (check_lengths(out, e) < 0)
		return -1;
#ifdef CONFIG_DELTA
	return manifest_parse_delta(obj, out, e);
#else
	return 0; /* has_delta stays false, so nobody asks for what is not parsed */
#endif
}

int manifest_parse_image(const json_t *obj, struct plan_image *out, struct err *e)
{
	if (!json_is_object(obj))
		return err_set(e, E_META, "manifest: every entry of \"images\" must be an object");
	if (field_name(obj, "name", out->name, e) < 0)
		return -1;
	if (read_rest(obj, out, e) < 0)
		return err_wrap(e, "manifest: image %s", out->name);
	return 0;
}
