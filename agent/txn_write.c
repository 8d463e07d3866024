/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 1 to 6 of the transaction: intent, spoil, write, read back, record. */
#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/must.h"
#include "agent/leaves.h"
#include "agent/planning.h"
#include "agent/progress.h"
#include "agent/txn.h"
#include "agent/ways.h"

/*
 * Failures of the way to the server do not use up a release's attempts. Other
 * bytes than were signed are one of them: or whoever stands in the way burns a
 * security release for good with three wrong answers. What such an attempt
 * costs is bounded by the back-off, and leaves that were right are kept.
 */
static bool is_transport(enum err_code c)
{
	return c == E_NET || c == E_TLS || c == E_TIMEOUT || c == E_NOTFOUND || c == E_LATER ||
	       c == E_HASH || c == E_SIZE;
}

static int count_attempt(struct session *s, const struct plan *p, bool by_hand, struct err *e)
{
	struct state *st = &s->state;

	if (!hash_equal(st->attempt_manifest, p->manifest)) {
		memcpy(st->attempt_manifest, p->manifest, HASH_SIZE);
		st->attempts = 0;
	}
	if (!by_hand && st->attempts >= s->config.install_attempts)
		return err_set(e, E_FAILED,
			"release %" PRIu64
			" was begun %u times without success; `pawl install` or a "
			"higher release goes on",
			p->release, (unsigned)st->attempts);
	/* Counted before it starts, so that a crash counts too. */
	st->attempts++;
	return 0;
}

int txn_begin(struct session *s, const struct running *d, const struct offer *o, struct err *e)
{
	const struct plan *p = &o->manifest->plan;
	struct state_txn *t = &s->state.txn;
	bool by_hand = s->actor == JOURNAL_USER;

	if (count_attempt(s, p, by_hand, e) < 0)
		return -1;
	/* A slow link may need a hundred polls for one image: one milestone for all of them. */
	s->txn_again = !by_hand && t->why != E_OK && hash_equal(t->manifest, p->manifest);
	enum err_code last = s->txn_again ? t->why : E_OK;
	*t = (struct state_txn){
		.number = t->number + 1,
		.phase = STATE_TXN_WRITING,
		.target = d->target,
		.release = p->release,
		.why = last,
		.started = clock_wall(),
		.from_bundle = o->from_bundle,
		.by_hand = by_hand,
	};
	memcpy(t->manifest, p->manifest, HASH_SIZE);
	session_record(s, s->txn_again ? JOURNAL_INSTALL_AGAIN : JOURNAL_INSTALL, JOURNAL_INTENT,
		E_OK, session_release_data(p->release, p->epoch, p->manifest));
	return session_store(s, e);
}

int txn_abort(struct session *s, const struct err *why)
{
	struct err ignored = {0};

	if (is_transport(why->code) && s->state.attempts > 0)
		s->state.attempts--;
	bool again = s->txn_again && s->state.txn.why == why->code;

	session_record(s, again ? JOURNAL_INSTALL_AGAIN : JOURNAL_INSTALL, JOURNAL_FAIL, why->code,
		json_pack("{s:I}", "release", (json_int_t)s->state.txn.release));
	s->state.txn.why = why->code;
	s->state.txn.phase = STATE_TXN_NONE;
	if (session_store(s, &ignored) < 0)
		log_line(&s->log, LOG_LEVEL_ERROR, "state-not-stored reason=\"%s\"", ignored.text);
	return -1;
}

static void mark_slot(struct session *s, const struct running *d, const struct plan *p,
	enum state_slot_status status)
{
	struct state_slot *slot = state_slot_of(&s->state, d->target);

	*slot = (struct state_slot){
		.status = status,
		.release = p->release,
		.epoch = p->epoch,
		.support_end = p->support_end,
		.image_count = p->image_count,
	};
	memcpy(slot->version, p->version, sizeof(slot->version));
	memcpy(slot->manifest, p->manifest, HASH_SIZE);
	memcpy(slot->images, p->images, sizeof(slot->images));
}

/*
 * Step 3: no trial, no fallback, no head: from here nothing boots the
 * target. The record says `writing` before the first byte changes: a cut after
 * the heads must not leave a slot that counts as whole, once committed.
 */
static int make_target_unbootable(struct session *s, const struct running *d, const struct plan *p,
	struct slot_target *target, struct err *e)
{
	if (boot_cancel(s->boot, 0, e) < 0)
		return -1;
	mark_slot(s, d, p, STATE_SLOT_WRITING);
	if (session_store(s, e) < 0)
		return -1;
	return slot_spoil(target, e);
}

/* What was measured, beside the writer's own numbers. */
struct written {
	enum way way;
	uint64_t fetched; /* bytes of all objects */
	uint64_t saved; /* compared with full */
};

/* The second look of the trial, and the next update, ask for the leaves again. */
static int keep_leaves(struct session *s, const struct ways *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++) {
		if (leaves_keep(s, w->image[i].image, w->image[i].leaves.data, e) < 0)
			return -1;
	}
	return 0;
}

static int write_images(struct session *s, struct slot_target *target, struct ways *w,
	struct slot_stats *stats, struct err *e)
{
	struct progress progress;
	struct way_sum sum;

	ways_sum(w, &sum);
	progress_start(&progress, s, way_saved(&sum, sum.data + sum.tables));
	struct slot_progress writing = progress_writing(&progress);
	struct slot_progress fetching = progress_fetching(&progress);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < w->count; i++)
		rc = ways_write(w, i, target, &writing, &fetching, stats, e);
	if (rc == 0)
		rc = slot_finish(target, &writing, e);
	progress_end(&progress);
	return rc;
}

/* What is whole already is neither spoiled nor written: the plan has just read it all. */
static int fill_target(struct session *s, const struct running *d, struct slot_target *target,
	struct ways *w, struct slot_stats *stats, struct err *e)
{
	if (w->whole) {
		for (size_t i = 0; i < w->count; i++)
			stats->leaves_kept += slot_leaf_count(w->image[i].image->size);
		return keep_leaves(s, w, e);
	}
	if (make_target_unbootable(s, d, w->plan, target, e) < 0 ||
		write_images(s, target, w, stats, e) < 0)
		return -1;
	return keep_leaves(s, w, e);
}

static void log_plan(const struct session *s, const struct ways *w)
{
	struct way_sum sum;

	ways_sum(w, &sum);
	log_line(&s->log, LOG_LEVEL_INFO,
		"plan way=%s data=%" PRIu64 " tables=%" PRIu64 " requests=%" PRIu64 " full=%" PRIu64
		" write=%" PRIu64,
		way_name(sum.way), sum.data, sum.tables, sum.requests, sum.full, sum.write);
}

/* Steps 2 to 5: planned with the old content still there, so that a dead server costs nothing. */
static int plan_and_fill(struct session *s, const struct running *d, const struct ways_request *r,
	struct slot_target *target, struct slot_stats *stats, struct written *written,
	struct err *e)
{
	struct ways *w = NULL;
	struct way_sum sum;

	if (ways_make(r, &w, e) < 0)
		return -1;
	planning_keep(s, w);
	log_plan(s, w);
	int rc = fill_target(s, d, target, w, stats, e);
	ways_sum(w, &sum);
	*written = (struct written){
		.way = sum.way,
		.fetched = w->meter.bytes,
		.saved = way_saved(&sum, w->meter.bytes),
	};
	ways_free(w);
	return rc;
}

static void add_number(json_t *data, const char *key, uint64_t n)
{
	json_object_set_new(data, key, json_integer((json_int_t)n));
}

static void record_written(struct session *s, const struct plan *p, const struct slot_stats *stats,
	const struct written *w)
{
	json_t *data = session_release_data(p->release, p->epoch, p->manifest);

	json_object_set_new(data, "way", json_string(way_name(w->way)));
	add_number(data, "kept", stats->leaves_kept);
	add_number(data, "written", stats->leaves_written);
	add_number(data, "fetched", w->fetched);
	add_number(data, "saved", w->saved);
	add_number(data, "from_target", stats->from_target);
	add_number(data, "from_seed", stats->from_seed);
	session_record(s, JOURNAL_WRITTEN, JOURNAL_OK, E_OK, data);
}

int txn_write(struct session *s, const struct running *d, struct offer *o, struct err *e)
{
	const struct plan *p = &o->manifest->plan;
	const struct config_slot *running = config_slot_of(&s->config, d->booted);
	struct slot_part parts[PLAN_IMAGES_MAX];
	uint64_t needed[PLAN_IMAGES_MAX];
	struct slot_target *target = NULL;
	struct slot_stats stats = {0};
	struct written written = {0};

	if (!MUST("txn.target-choice",
		    d->target && d->target != d->booted && d->target != d->committed))
		return err_set(e, E_BUSY, "there is no slot that neither runs nor is committed");
	if (ways_choose_parts(config_slot_of(&s->config, d->target), p, parts, needed, e) < 0)
		return -1;
	if (slot_open_target(
		    parts, needed, p->image_count, running->parts, running->count, &target, e) < 0)
		return -1;
	struct ways_request r = {.session = s,
		.running = d,
		.plan = p,
		.objects = &o->objects,
		.near = o->near,
		.from_bundle = o->from_bundle,
		.parts = parts};
	int rc = plan_and_fill(s, d, &r, target, &stats, &written, e);
	slot_close_target(target);
	if (rc < 0)
		return -1;
	log_line(&s->log, LOG_LEVEL_INFO,
		"written slot=%c release=%" PRIu64 " way=%s leaves-kept=%" PRIu64
		" leaves-written=%" PRIu64 " bytes-fetched=%" PRIu64 " bytes-saved=%" PRIu64,
		d->target, p->release, way_name(written.way), stats.leaves_kept,
		stats.leaves_written, written.fetched, written.saved);
	mark_slot(s, d, p, STATE_SLOT_WRITTEN);
	s->state.txn.phase = STATE_TXN_WRITTEN;
	s->state.txn.why = E_OK; /* of earlier tries; from here on, of the activation */
	record_written(s, p, &stats, &written);
	if (session_store(s, e) < 0)
		return -1;
	leaves_drop_old(s);
	ways_clean(s, p);
	return 0;
}
