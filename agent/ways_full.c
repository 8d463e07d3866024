/* SPDX-License-Identifier: Apache-2.0 */
/* WAY_FULL: the pieces that hold wanted leaves. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agent/base/buf.h"
#include "agent/ways_parts.h"

bool ways_wants_piece(const struct ways_image *im, uint64_t piece)
{
	uint64_t first = piece * SLOT_LEAVES_A_PIECE;

	for (uint64_t l = first; l < first + SLOT_LEAVES_A_PIECE && l < im->survey.wanted.count;
		l++) {
		if (leaf_set_has(&im->survey.wanted, l))
			return true;
	}
	return false;
}

void ways_count(struct way_cost *c, const struct byte_range *ranges, size_t count)
{
	spool_count(ranges, count, &c->data, &c->requests);
}

/* Plain bytes: just the wanted leaves. */
static int count_plain(struct ways_image *im, struct err *e)
{
	const struct leaf_set *wanted = &im->survey.wanted;
	AUTO_FREE struct byte_range *ranges = calloc((size_t)wanted->count, sizeof(*ranges));
	size_t n = 0;

	if (!ranges)
		return err_set(e, E_NOMEM, "no memory for ranges");
	for (uint64_t l = 0; l < wanted->count; l++) {
		if (leaf_set_has(wanted, l))
			ranges[n++] = (struct byte_range){
				l * SLOT_LEAF_SIZE, slot_leaf_length(im->image->size, l)};
	}
	ways_count(&im->cost[WAY_FULL], ranges, n);
	return 0;
}

/* Compressed pieces are fetched whole. */
static int count_packed(struct ways_image *im, struct err *e)
{
	const struct slot_pieces *p = &im->pieces;
	AUTO_FREE struct byte_range *ranges = calloc(p->count, sizeof(*ranges));
	size_t n = 0;

	if (!ranges)
		return err_set(e, E_NOMEM, "no memory for ranges");
	for (uint32_t i = 0; i < p->count; i++) {
		if (ways_wants_piece(im, i))
			ranges[n++] = (struct byte_range){p->offset[i], p->stored[i]};
	}
	ways_count(&im->cost[WAY_FULL], ranges, n);
	return 0;
}

static struct ways_table pieces_of(const struct plan_image *i)
{
	return (struct ways_table){.object = &i->pieces,
		.cap = SLOT_PIECES_HEADER + SLOT_PIECES_ENTRY * (size_t)slot_piece_count(i->size),
		.what = "pieces"};
}

int ways_load_pieces(struct ways *w, struct ways_image *im, struct err *e)
{
	const struct plan_image *i = im->image;
	const struct ways_table pieces = pieces_of(i);
	AUTO_TABLE struct table bytes = {0};

	if (ways_get_table(w, im, &pieces, &bytes, e) < 0)
		return -1;
	slot_pieces_free(&im->pieces);
	if (slot_pieces_parse(bytes.data, bytes.len, i->size, i->full.length, &im->pieces, e) < 0)
		return err_wrap(e, "pieces of %s", i->name);
	im->cost[WAY_FULL].estimated = false;
	return i->encoding == PLAN_NONE ? count_plain(im, e) : count_packed(im, e);
}

/* As if all pieces were of one length, which is exact where all are wanted. */
static void estimate_packed(struct ways_image *im)
{
	struct way_cost *c = &im->cost[WAY_FULL];
	uint64_t length = im->image->full.length;
	uint64_t pieces = slot_piece_count(im->image->size);
	uint64_t wanted = 0;

	assert(pieces > 0); /* the manifest's parser refuses an empty image */
	for (uint64_t i = 0; i < pieces; i++)
		wanted += ways_wants_piece(im, i);
	c->data = length / pieces * wanted + length % pieces * wanted / pieces;
	c->requests = 1;
}

int ways_plan_full(struct ways *w, struct ways_image *im, struct err *e)
{
	const struct ways_table pieces = pieces_of(im->image);
	struct way_cost *c = &im->cost[WAY_FULL];

	if (c->failed || c->possible)
		return 0;
	/* The table is fetched when this is the way: another one mostly makes it needless. */
	*c = (struct way_cost){
		.possible = ways_can_decode(im->image->encoding),
		.estimated = true,
		.tables = ways_table_cost(w, &pieces),
	};
	if (im->image->encoding == PLAN_NONE)
		return count_plain(im, e);
	estimate_packed(im);
	return 0;
}
