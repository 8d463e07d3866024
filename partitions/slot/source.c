/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of an image out of a reader that nobody trusts. */
#include "partitions/slot/source.h"

#include <stdlib.h>

#include "agent/base/must.h"
#include "partitions/slot/writer.h"

#define FETCH_STEP (512u * 1024)

static uint64_t first_leaf(uint64_t piece)
{
	return piece * SLOT_LEAVES_A_PIECE;
}

/* The leaf after the last one of a piece. */
static uint64_t end_leaf(const struct source *s, uint64_t piece)
{
	uint64_t end = first_leaf(piece + 1);

	return end < s->want->count ? end : s->want->count;
}

/*
 * The next run of wanted leaves in [*from, end); false when there is none.
 * *from moves behind the run.
 */
static bool next_run(const struct leaf_set *want, uint64_t *from, uint64_t end, uint64_t *first)
{
	uint64_t leaf = *from;

	while (leaf < end && !leaf_set_has(want, leaf))
		leaf++;
	*first = leaf;
	while (leaf < end && leaf_set_has(want, leaf))
		leaf++;
	*from = leaf;
	return leaf > *first;
}

/* Bytes of leaves [first, end): where in the image, and in a plain `full`. */
static struct byte_range run_range(const struct source *s, uint64_t first, uint64_t end)
{
	uint64_t to = end * SLOT_LEAF_SIZE;

	if (to > s->image->size)
		to = s->image->size;
	return (struct byte_range){
		.offset = first * SLOT_LEAF_SIZE, .length = to - first * SLOT_LEAF_SIZE};
}

/* Appends a range, or lengthens the last one. */
static void add_range(struct byte_range *ranges, size_t *count, struct byte_range r)
{
	struct byte_range *last = *count ? &ranges[*count - 1] : NULL;

	if (last && last->offset + last->length == r.offset)
		last->length += r.length;
	else
		ranges[(*count)++] = r;
}

static void collect_plain(const struct source *s, struct byte_range *ranges, size_t *count)
{
	uint64_t first;

	for (uint64_t leaf = 0; next_run(s->want, &leaf, s->want->count, &first);)
		add_range(ranges, count, run_range(s, first, leaf));
}

static void collect_pieces(const struct source *s, struct byte_range *ranges, size_t *count)
{
	const struct slot_pieces *p = s->image->pieces;
	uint64_t first;

	for (uint32_t i = 0; i < p->count; i++) {
		uint64_t leaf = first_leaf(i);
		if (next_run(s->want, &leaf, end_leaf(s, i), &first))
			add_range(ranges, count,
				(struct byte_range){
					.offset = p->offset[i], .length = p->stored[i]});
	}
}

/* Tells the reader beforehand what will be read. */
static int announce(struct source *s, struct err *e)
{
	const struct reader *r = &s->image->full;
	bool plain = s->image->encoding == SLOT_NONE;
	/* Between two ranges lies at least one unwanted leaf or piece. */
	size_t most = (size_t)(plain ? s->want->count / 2 + 1 : s->image->pieces->count);
	size_t count = 0;

	if (!r->expect)
		return 0;
	s->ranges = calloc(most, sizeof(*s->ranges));
	if (!s->ranges)
		return err_set(e, E_NOMEM, "no memory for %zu ranges", most);
	if (plain)
		collect_plain(s, s->ranges, &count);
	else
		collect_pieces(s, s->ranges, &count);
	return count ? r->expect(r->ctx, s->ranges, count, e) : 0;
}

/* As large as the largest stored piece really is, not as it might be. */
static size_t largest_stored(const struct slot_pieces *p)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < p->count; i++)
		most = p->stored[i] > most ? p->stored[i] : most;
	return most;
}

static int verify_leaf(const struct source *s, uint64_t leaf, struct err *e)
{
	unsigned place = (unsigned)(leaf % SLOT_LEAVES_A_PIECE);

	if (s->hasher)
		return write_check_digest(s->image, leaf, hash_behind_digest(s->hasher, place), e);
	return write_verify_leaf(s->image, leaf, s->out.data + (size_t)place * SLOT_LEAF_SIZE, e);
}

/* The next leaves, up to `end`, which are all there; each is handed on as soon as it is right. */
static int verify_to(struct source *s, uint64_t end, struct err *e)
{
	while (s->verified < end) {
		if (leaf_set_has(s->want, s->verified) && verify_leaf(s, s->verified, e) < 0)
			return -1;
		s->verified++;
		if (s->on_verified)
			s->on_verified(s->ctx, s->verified);
	}
	return 0;
}

/* Between two steps of the decoder. A wrong leaf stays where it is for verify_to at the end. */
static void piece_grown(void *source, size_t len)
{
	struct source *s = source;
	struct err later;

	hash_behind_reached(s->hasher, len);
	(void)verify_to(s, first_leaf(s->piece) + hash_behind_ready(s->hasher), &later);
}

static int open_packed(struct source *s, struct err *e)
{
	const struct slot_image *image = s->image;
	bool with_thread = slot_leaf_count(image->size) > 1; /* one leaf ends when its piece does */

	if (decoder_open(image->encoding, &s->decoder, e) < 0 ||
		pages_get(largest_stored(image->pieces), &s->stored, e) < 0 ||
		hash_behind_open(image->leaf_alg, with_thread, &s->hasher, e) < 0)
		return -1;
	decoder_empty_input(s->decoder, &s->stored);
	decoder_watch(s->decoder, piece_grown, s);
	return 0;
}

int source_open(const struct slot_image *image, const struct leaf_set *want,
	struct slot_stats *stats, struct source *out, struct err *e)
{
	*out = (struct source){.image = image, .want = want, .stats = stats};
	if (pages_get(slot_piece_length(image->size, 0), &out->out, e) < 0)
		return -1;
	if (image->encoding != SLOT_NONE && open_packed(out, e) < 0)
		return -1;
	return announce(out, e);
}

void source_close(struct source *s)
{
	hash_behind_close(s->hasher); /* before what it reads goes */
	pages_free(&s->stored);
	pages_free(&s->out);
	decoder_free(s->decoder);
	free(s->ranges);
	*s = (struct source){0};
}

/* Waits until the first `len` bytes of the last piece are written. */
static int wait_written(struct source *s, size_t len, struct err *e)
{
	if (len > s->out.size)
		len = s->out.size;
	return s->writing ? write_queue_wait(s->writing, s->out.data, s->out.data + len, e) : 0;
}

static int read_step(struct source *s, uint64_t offset, uint8_t *to, size_t len, struct err *e)
{
	const struct reader *reader = &s->image->full;

	if (reader->read(reader->ctx, offset, to, len, e) < 0)
		return err_wrap(e, "bytes %llu to %llu of the source", (unsigned long long)offset,
			(unsigned long long)(offset + len));
	s->stats->bytes_fetched += len;
	return 0;
}

static size_t step_of(size_t left)
{
	return left < FETCH_STEP ? left : FETCH_STEP;
}

/* Plain pieces: only the wanted leaves, straight to their places, as soon as those are free. */
static int fetch_plain(struct source *s, uint64_t piece, struct err *e)
{
	uint64_t first;

	for (uint64_t leaf = first_leaf(piece);
		next_run(s->want, &leaf, end_leaf(s, piece), &first);) {
		struct byte_range r = run_range(s, first, leaf);
		size_t place = (size_t)(r.offset - piece * SLOT_PIECE_SIZE);
		for (size_t done = 0, n; done < r.length; done += n) {
			n = step_of((size_t)r.length - done);
			uint8_t *to = s->out.data + place + done;
			if (wait_written(s, place + done + n, e) < 0 ||
				read_step(s, r.offset + done, to, n, e) < 0)
				return -1;
		}
	}
	/* What is put into the queue next begins at low addresses again. */
	return wait_written(s, s->out.size, e);
}

/*
 * The stored bytes of a piece. While they come, as much memory at the end of the last
 * output is given back; when they are decoded, they go as the output grows to there.
 * So both never need the memory of more than one piece.
 */
static int fetch_stored(struct source *s, struct byte_range r, struct err *e)
{
	size_t len = (size_t)r.length;
	size_t keep = s->out.size > len ? s->out.size - len : 0;

	keep -= keep % PAGES_ALIGN;
	for (size_t done = 0, n; done < len; done += n) {
		n = step_of(len - done);
		if (wait_written(s, keep + done + n, e) < 0)
			return -1;
		if (keep + done < s->out.size)
			pages_empty(&s->out, keep + done, n);
		if (read_step(s, r.offset + done, s->stored.data + done, n, e) < 0)
			return -1;
	}
	return wait_written(s, s->out.size, e);
}

/* The wanted leaves of a piece, one bit each. */
static uint32_t wanted_bits(const struct source *s, uint64_t piece)
{
	uint64_t first = first_leaf(piece);
	uint32_t bits = 0;

	for (uint64_t leaf = first; leaf < end_leaf(s, piece); leaf++) {
		if (leaf_set_has(s->want, leaf))
			bits |= 1u << (leaf - first);
	}
	return bits;
}

/* The leaves' digests are then with the hasher, and compared with nothing yet. */
static int decode_and_hash(struct source *s, uint64_t piece, size_t stored, struct err *e)
{
	size_t len = slot_piece_length(s->image->size, piece);

	hash_behind_begin(s->hasher, s->out.data, len, wanted_bits(s, piece));
	if (decoder_run(s->decoder, s->stored.data, stored, s->out.data, len, e) < 0) {
		hash_behind_abandon(s->hasher);
		return -1;
	}
	return hash_behind_finish(s->hasher, e);
}

/* Compressed pieces: nothing is decompressed before the hash of its stored bytes was right. */
static int fetch_packed(struct source *s, uint64_t piece, struct err *e)
{
	const struct slot_pieces *p = s->image->pieces;
	struct byte_range r = {.offset = p->offset[piece], .length = p->stored[piece]};
	uint8_t digest[HASH_SIZE];

	if (fetch_stored(s, r, e) < 0 ||
		hash_bytes(HASH_SHA256, s->stored.data, (size_t)r.length, digest, e) < 0)
		return -1;
	if (!MUST("slot.piece-hash", hash_equal(digest, p->sha256[piece])))
		return err_set(e, E_HASH,
			"leaf %llu (piece %llu): bytes %llu to %llu of the source have a wrong hash",
			(unsigned long long)first_leaf(piece), (unsigned long long)piece,
			(unsigned long long)r.offset, (unsigned long long)(r.offset + r.length));
	int rc = decode_and_hash(s, piece, (size_t)r.length, e);
	pages_empty(&s->stored, 0, s->stored.size);
	return rc < 0 ? err_wrap(e, "piece %llu", (unsigned long long)piece) : 0;
}

static int get_once(struct source *s, uint64_t piece, struct err *e)
{
	s->piece = piece;
	s->verified = first_leaf(piece);
	int rc = s->image->encoding == SLOT_NONE ? fetch_plain(s, piece, e)
						 : fetch_packed(s, piece, e);
	return rc < 0 ? -1 : verify_to(s, end_leaf(s, piece), e);
}

int source_get(struct source *s, uint64_t piece, struct err *e)
{
	if (get_once(s, piece, e) == 0)
		return 0;
	/* A proxy's bad copy or a flipped bit is worth one more try; anything else is not. */
	if (e->code == E_HASH && get_once(s, piece, e) == 0)
		return 0;
	return err_wrap(e, "image %s", s->image->name);
}
