/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How each image of a release comes, decided before anything is changed: the
 * target is read, the running slot is read, tables are fetched, and what would
 * be fetched is known to the byte. Then the way that fetches least is gone; when
 * what it needs is missing or wrong on the server, the next one is. ways_*.c are
 * the single ways.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/meter.h"
#include "agent/running.h"
#include "agent/session.h"
#include "agent/tables.h"
#include "agent/way.h"
#include "partitions/slot/slot.h"

/* What one way would take. */
struct way_cost {
	bool possible; /* looked at, and nothing is in its way */
	bool failed; /* was tried, or cannot be had */
	bool estimated; /* `data` may be a little less or more */
	uint64_t data; /* bytes, with joined gaps */
	uint64_t tables; /* bytes that are (or were, when the plan began) not in the cache */
	uint64_t requests; /* for data */
};

/* WAY_COPY: the image lies on this device already. */
struct way_copy {
	const char *path; /* running slot's or target's part */
	bool from_target; /* whose head will be zeroed, so it is kept here */
	uint8_t head[SLOT_BLOCK_SIZE];
};

/* WAY_DELTA */
struct way_delta {
	struct table index_bytes;
	struct slot_index index;
	struct slot_frames frames;
	struct slot_seed *seeds[SLOT_SEEDS_MAX];
	size_t seed_count;
	struct slot_match match;
};

/* WAY_PATCH */
struct way_patch {
	const struct plan_patch *patch;
	struct slot_patch_table table;
};

/* One image of the release and all that its ways need. */
struct ways_image {
	const struct plan_image *image; /* of the release; borrowed */
	const struct plan_image *old; /* what the running slot holds by the state; NULL = unknown */
	const char *target; /* path; borrowed */
	const char *running; /* path of the running slot's part, NULL = none */
	struct table leaves; /* verified; until ways_free */
	uint64_t leaves_fetched;
	struct slot_survey survey;
	struct way_cost cost[WAY_COUNT];
	enum way way;
	struct way_copy copy;
	struct way_patch patch;
	struct way_delta delta;
	struct slot_pieces pieces; /* of `full`, or made for WAY_COPY */
};

struct ways {
	struct session *session;
	const struct plan *plan;
	const char *offline; /* --offline-from, NULL = none */
	bool near; /* the objects are in a file on this device */
	bool from_bundle; /* first parts of tables save nothing */
	struct tables tables;
	struct meter meter;
	struct object_source objects; /* through the meter */
	bool whole; /* the target holds the whole release: nothing is written */
	struct ways_image image[PLAN_IMAGES_MAX];
	size_t count;
};

struct ways_request {
	struct session *session;
	const struct running *running;
	const struct plan *plan;
	const struct object_source *objects;
	bool near; /* they are in a file on this device */
	bool from_bundle;
	const struct slot_part *parts; /* of the target, in the order of the plan's images */
};

/* Parts in the order of the plan's images, and the bytes that each must hold. E_COMPAT. */
int ways_choose_parts(const struct config_slot *slot, const struct plan *p,
	struct slot_part parts[PLAN_IMAGES_MAX], uint64_t needed[PLAN_IMAGES_MAX], struct err *e);

/*
 * Makes the plan. Everything in the request is borrowed until ways_free. Fails
 * when no way is left for an image, or with E_NET, E_TIMEOUT … when the server
 * cannot be asked: nothing was changed then but the cache.
 */
int ways_make(const struct ways_request *r, struct ways **out, struct err *e);
void ways_free(struct ways *w);

/* The numbers of the whole release. */
void ways_sum(const struct ways *w, struct way_sum *out);

/* The words of what one image would take, for people. */
struct buf;
int ways_describe(const struct ways_image *im, struct buf *out, struct err *e);

/*
 * Fills part `i` of the target (slot_write), by the next way when one fails for
 * what the server has. `stats` adds up.
 */
int ways_write(struct ways *w, size_t i, struct slot_target *target,
	const struct slot_progress *writing, const struct slot_progress *fetching,
	struct slot_stats *stats, struct err *e);

/* The release is written: nothing in the cache but what the next update can use stays. */
void ways_clean(struct session *s, const struct plan *written);
