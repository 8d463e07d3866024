/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted suffixes, with a filter before them. */
#include "publisher/patch_search.h"

#include <divsufsort.h>
#include <stdlib.h>

#include "agent/base/buf.h"

#define PAIRS       65536u /* of two bytes */
#define NEAR_TRIES  64u /* places with the same content that are looked at, in either direction */
#define FILTER_MIN  (UINT64_C(1) << 16)
#define HASH_FACTOR UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / golden ratio */

static uint64_t filter_place(const struct patch_search *s, const uint8_t *p)
{
	uint64_t hash = (le64_get(p) * HASH_FACTOR) ^ p[8];

	hash = (hash ^ hash >> 29) * HASH_FACTOR;
	return (hash >> 20) & (s->filter_bits - 1);
}

/*
 * In new content nearly every place has to be looked up, and mostly in vain: one
 * look at a bit saves forty at sorted suffixes all over the memory.
 */
static int make_filter(struct patch_search *s, struct err *e)
{
	const struct patch_text *t = s->text;

	s->filter_bits = FILTER_MIN;
	while (s->filter_bits < (uint64_t)t->length * 4)
		s->filter_bits *= 2;
	s->filter = calloc((size_t)(s->filter_bits / 8), 1);
	if (!s->filter)
		return err_set(e, E_NOMEM, "no memory to look through the old image");
	for (uint32_t i = 0; i + PATCH_SEARCH_MIN <= t->length; i++) {
		uint64_t place = filter_place(s, t->bytes + i);
		s->filter[place / 8] |= (uint8_t)(1u << place % 8);
	}
	return 0;
}

static unsigned pair_of(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* By counting. The last byte begins no pair; it is sorted before all that do, so it counts as one with 0. */
static int make_pairs(struct patch_search *s, struct err *e)
{
	const struct patch_text *t = s->text;
	uint32_t sum = 0;

	s->first = calloc(PAIRS + 1, sizeof(*s->first));
	if (!s->first)
		return err_set(e, E_NOMEM, "no memory to look through the old image");
	for (uint32_t i = 0; i + 1 < t->length; i++)
		s->first[pair_of(t->bytes + i)]++;
	if (t->length > 0)
		s->first[(unsigned)t->bytes[t->length - 1] << 8]++;
	for (unsigned pair = 0; pair <= PAIRS; pair++) {
		uint32_t count = s->first[pair];
		s->first[pair] = sum;
		sum += count;
	}
	return 0;
}

int patch_search_make(const struct patch_text *text, struct patch_search *out, struct err *e)
{
	struct patch_search s = {.text = text};

	s.order = malloc(((size_t)text->length + 1) * sizeof(*s.order));
	if (!s.order) {
		err_set(e, E_NOMEM, "no memory to sort an old image: %llu bytes are needed",
			(unsigned long long)text->length * sizeof(*s.order));
	} else if (text->length > 0 &&
		   divsufsort(text->bytes, s.order, (saidx_t)text->length) != 0) {
		err_set(e, E_NOMEM, "no memory to sort an old image");
	} else if (make_pairs(&s, e) == 0 && make_filter(&s, e) == 0) {
		*out = s;
		return 0;
	}
	patch_search_free(&s);
	return -1;
}

void patch_search_free(struct patch_search *s)
{
	free(s->order);
	free(s->first);
	free(s->filter);
	*s = (struct patch_search){0};
}

static uint32_t common(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t len)
{
	uint32_t n = from;

	while (n + 8 <= len) {
		uint64_t x = le64_get(a + n) ^ le64_get(b + n);
		if (x)
			return n + (uint32_t)__builtin_ctzll(x) / 8;
		n += 8;
	}
	while (n < len && a[n] == b[n])
		n++;
	return n;
}

/* One end of the range in which the suffixes are that may be longest. */
struct edge {
	uint32_t at; /* in `order` */
	uint32_t match; /* bytes that its suffix has in common with what is looked for */
};

/* Bytes in common with the suffix at `i` of `order`, of which `known` are. */
static uint32_t match_at(
	const struct patch_search *s, uint32_t i, const uint8_t *data, uint32_t len, uint32_t known)
{
	uint32_t place = (uint32_t)s->order[i];
	uint32_t left = s->text->length - place;

	return common(s->text->bytes + place, data, known, left < len ? left : len);
}

/* Does the suffix, which has `match` bytes in common with `data`, come before it? */
static bool is_before(const struct patch_search *s, uint32_t i, const uint8_t *data, uint32_t match)
{
	uint32_t place = (uint32_t)s->order[i] + match;

	return place >= s->text->length || s->text->bytes[place] < data[match];
}

uint32_t patch_search_find(
	const struct patch_search *s, const uint8_t *data, uint32_t len, uint32_t *rank)
{
	if (len < PATCH_SEARCH_MIN || s->text->length < PATCH_SEARCH_MIN)
		return 0;
	uint64_t bit = filter_place(s, data);
	if (!(s->filter[bit / 8] >> bit % 8 & 1))
		return 0;
	unsigned pair = pair_of(data);
	if (s->first[pair] == s->first[pair + 1])
		return 0;
	struct edge low = {.at = s->first[pair]};
	struct edge high = {.at = s->first[pair + 1] - 1};
	low.match = match_at(s, low.at, data, len, 0);
	high.match = match_at(s, high.at, data, len, 0);
	while (high.at - low.at > 1 && low.match < len && high.match < len) {
		uint32_t middle = low.at + (high.at - low.at) / 2;
		uint32_t known = low.match < high.match ? low.match : high.match;
		uint32_t match = match_at(s, middle, data, len, known);
		if (match == len || is_before(s, middle, data, match))
			low = (struct edge){.at = middle, .match = match};
		else
			high = (struct edge){.at = middle, .match = match};
	}
	const struct edge *best = low.match >= high.match ? &low : &high;
	if (best->match < PATCH_SEARCH_MIN)
		return 0;
	*rank = best->at;
	return best->match;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

/* Looks at neighbours in one direction, as long as they begin with the same bytes. */
static uint32_t nearest_to(const struct patch_search *s, uint32_t rank, int step,
	const struct patch_wanted *w, uint32_t best)
{
	for (unsigned tries = 0; tries < NEAR_TRIES; tries++) {
		if ((step < 0 && rank == 0) || (step > 0 && rank + 1 == s->text->length))
			break;
		rank += (uint32_t)step;
		if (match_at(s, rank, w->data, w->len, 0) < w->len)
			break;
		uint32_t place = (uint32_t)s->order[rank];
		if (distance(place, w->near) < distance(best, w->near))
			best = place;
	}
	return best;
}

uint32_t patch_search_nearest(
	const struct patch_search *s, uint32_t rank, const struct patch_wanted *w)
{
	uint32_t best = nearest_to(s, rank, 1, w, (uint32_t)s->order[rank]);

	return nearest_to(s, rank, -1, w, best);
}
