/* SPDX-License-Identifier: Apache-2.0 */
/* What the single ways share; for agent/ways*.c only. */
#pragma once

#include "agent/spool.h"
#include "agent/ways.h"

/*
 * Each looks whether its way can be gone and sets its row of im->cost; -1 only
 * for what stops the whole plan (a server that cannot be asked).
 */
int ways_plan_copy(struct ways *w, struct ways_image *im, struct err *e);
int ways_plan_patch(struct ways *w, struct ways_image *im, uint64_t limit, struct err *e);
int ways_plan_delta(struct ways *w, struct ways_image *im, uint64_t limit, struct err *e);
int ways_plan_full(struct ways *w, struct ways_image *im, struct err *e);

/* Loads the piece table, and so makes the cost of WAY_FULL exact. */
int ways_load_pieces(struct ways *w, struct ways_image *im, struct err *e);

/* The pieces that WAY_COPY reads, and a reader for them; out of im->copy. */
int ways_open_copy(struct ways_image *im, struct reader *out, struct err *e);

/* Frees what a way has loaded; what was never loaded is fine. */
void ways_free_delta(struct way_delta *d);
void ways_free_patch(struct way_patch *p);

/* The spool of the frames that im->delta's match needs. */
struct spool_request ways_spool(struct ways *w, const struct ways_image *im);

/* Plans one image anew: its target was written to, and ways with `failed` are out. */
int ways_plan_again(struct ways *w, struct ways_image *im, struct err *e);

/*
 * A failure that is about what one way needs (missing on the server, wrong
 * there, not built in, no room for it), so that another way may still do.
 */
bool ways_is_passable(enum err_code c);

/* The same before the slot is written: an error of the cache or of a seed, too. */
bool ways_can_be_planned_without(enum err_code c);

/* Removes from the cache what neither this plan nor the next update can use. */
void ways_sweep(struct tables *t, const struct state *state, const struct plan *plan);

/* Logs why a way cannot be gone, and marks it. */
void ways_rule_out(struct ways *w, struct ways_image *im, enum way way, const struct err *why);

/* What fetching these ranges takes, as a row of the table; `tables` stays. */
void ways_count(struct way_cost *c, const struct byte_range *ranges, size_t count);

/* A table of an image (tables.h). */
struct ways_table {
	const struct plan_object *object;
	const struct plan_object *within; /* whose first bytes it is; NULL: it is one itself */
	const struct plan_differences *from; /* NULL: it comes whole */
	int dir; /* where older ones are kept; -1: nowhere */
	size_t cap;
	const char *what; /* "index", "frames" … */
	bool map;
};

/*
 * Gets it: what is kept, else as its difference from one that is, else whole. A
 * difference that is of no use is a record of the journal and no more.
 */
int ways_get_table(struct ways *w, const struct ways_image *im, const struct ways_table *t,
	struct table *out, struct err *e);

/*
 * What was to save bytes of a table ("difference", "first") is of no use, so that more of it
 * is fetched: a record, and no more.
 */
void ways_note_unused(
	struct ways *w, const char *saver, const struct ways_table *t, const struct err *why);

/*
 * Loads the table of frames, or as much of it as has the first `generations`; the index is
 * there. im->cost's tables grow by what came for it.
 */
int ways_load_frames(struct ways *w, struct ways_image *im, unsigned generations, struct err *e);

/* What would be fetched for that at the most. */
uint64_t ways_frames_cost(const struct ways *w, const struct ways_image *im, unsigned generations);

/* Loads the whole table in place of its first part; what that had is there unchanged. E_META. */
int ways_complete_frames(struct ways *w, struct ways_image *im, struct err *e);

/* Does this piece of 4 MiB hold a wanted leaf? */
bool ways_wants_piece(const struct ways_image *im, uint64_t piece);

/* What would be fetched for it: nothing where it is in the cache. */
uint64_t ways_table_cost(const struct ways *w, const struct ways_table *t);

/* Is the image in the running slot what the state says of it, to the last leaf? */
bool ways_is_intact(struct ways *w, const struct ways_image *im);

bool ways_can_decode(enum plan_encoding c);

/* May its index and data be had: not ruled out, and nobody says that they are not there? */
bool ways_has_delta(const struct ways *w, const struct ways_image *im);
enum slot_encoding ways_encoding(enum plan_encoding c);
