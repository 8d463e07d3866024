/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a text do given bytes occur? Sorted suffixes, by libdivsufsort. Used by patch*.c. */
#pragma once

#include <stdint.h>

#include "agent/base/err.h"
#include "publisher/patch_text.h"

#define PATCH_SEARCH_MIN 9u /* shorter content is not looked for */

struct patch_search {
	const struct patch_text *text; /* borrowed */
	int32_t *order; /* places of the text, sorted by the bytes from there on */
	uint32_t *first; /* for two bytes: where in `order` those begin that begin with them */
	uint8_t *filter; /* a bit for the hash of each PATCH_SEARCH_MIN bytes that occur */
	uint64_t filter_bits; /* a power of two */
};

/* Sorts: five bytes of memory for each of the text. E_NOMEM. Freed with patch_search_free. */
int patch_search_make(const struct patch_text *text, struct patch_search *out, struct err *e);
void patch_search_free(struct patch_search *s);

/*
 * The length of the longest prefix of `data` that occurs in the text; *rank is the
 * place in `order` of a suffix that begins with it. 0 when it has less than
 * PATCH_SEARCH_MIN bytes. Several threads may ask at once.
 */
uint32_t patch_search_find(
	const struct patch_search *s, const uint8_t *data, uint32_t len, uint32_t *rank);

/* Content, and where in the text it would be welcome. */
struct patch_wanted {
	const uint8_t *data;
	uint32_t len;
	uint32_t near;
};

/*
 * Among places of the text that hold what was wanted, `rank` being one of them
 * and only its neighbours being looked at, the one that is nearest.
 */
uint32_t patch_search_nearest(
	const struct patch_search *s, uint32_t rank, const struct patch_wanted *w);
