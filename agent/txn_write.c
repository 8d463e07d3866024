/* SPDX-License-Identifier: Apache-2.0 */
/* Steps 1 to 6 of the transaction: intent, spoil, write, read back, record. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/progress.h"
#include "agent/txn.h"

#define LEAVES_MAX (32u * (SLOT_IMAGE_MAX / SLOT_LEAF_SIZE))

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

int txn_keep_leaves(
	struct session *s, const struct plan_image *image, const uint8_t *leaves, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[HASH_HEX_SIZE];

	hash_to_hex(image->leaves.sha256, name);
	if (file_make_dir(s->data, "leaves", &dir, e) < 0 ||
		file_replace(dir, name, leaves, (size_t)image->leaves.length, 0600, e) < 0)
		return err_wrap(e, "keeping the leaves of %s", image->name);
	return 0;
}

/* Does one of the slots still need this leaf list? */
static bool is_needed(const struct state *st, const char *name)
{
	char hex[HASH_HEX_SIZE];

	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < st->slots[i].image_count; k++) {
			hash_to_hex(st->slots[i].images[k].leaves.sha256, hex);
			if (strcmp(hex, name) == 0)
				return true;
		}
	}
	return false;
}

/* Lists of images that are in no slot any more; what cannot be removed is removed next time. */
static void drop_old_leaves(struct session *s)
{
	struct err ignored = {0};
	int fd = -1;

	if (file_make_dir(s->data, "leaves", &fd, &ignored) < 0)
		return;
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (d->d_name[0] != '.' && !is_needed(&s->state, d->d_name))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
}

int txn_load_leaves(
	struct session *s, const struct plan_image *image, struct buf *out, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	char name[HASH_HEX_SIZE];
	uint8_t digest[HASH_SIZE];

	hash_to_hex(image->leaves.sha256, name);
	*out = buf_make((size_t)image->leaves.length);
	if (file_make_dir(s->data, "leaves", &dir, e) < 0 || file_read(dir, name, out, e) < 0)
		return err_wrap(e, "leaves of %s", image->name);
	if (hash_bytes(HASH_SHA256, out->data, out->len, digest, e) < 0)
		return -1;
	if (!MUST("txn.kept-leaves-hash", hash_equal(digest, image->leaves.sha256)))
		return err_set(e, E_HASH, "the kept leaves of %s are not those of the release",
			image->name);
	return 0;
}

/* Reads a small object whole and verifies it before anybody looks into it. */
static int read_object(const struct object_source *src, const struct plan_object *o, size_t cap,
	const char *what, struct buf *out, struct err *e)
{
	struct reader r = {0};
	uint8_t digest[HASH_SIZE];
	AUTO_FREE uint8_t *data = NULL;

	if (o->length == 0 || o->length > cap)
		return err_set(e, E_META, "%s is signed with %" PRIu64 " bytes", what, o->length);
	data = malloc((size_t)o->length);
	if (!data)
		return err_set(e, E_NOMEM, "no memory for %s", what);
	if (src->open(src->ctx, o->sha256, o->length, &r, e) < 0)
		return err_wrap(e, "%s", what);
	int rc = r.read(r.ctx, 0, data, (size_t)o->length, e);
	reader_close(&r);
	if (rc < 0 || hash_bytes(HASH_SHA256, data, (size_t)o->length, digest, e) < 0)
		return err_wrap(e, "%s", what);
	if (!MUST("txn.table-hash", hash_equal(digest, o->sha256)))
		return err_set(e, E_HASH, "%s differs from its signed hash", what);
	*out = (struct buf){.data = steal_ptr(data),
		.len = (size_t)o->length,
		.cap = (size_t)o->length,
		.limit = (size_t)o->length};
	return 0;
}

/* Tables of one image, verified; freed by free_tables. */
struct tables {
	struct buf leaves;
	struct slot_pieces pieces;
};

static void free_tables(struct tables *t)
{
	buf_free(&t->leaves);
	slot_pieces_free(&t->pieces);
}

static int load_tables(const struct object_source *src, const struct plan_image *image,
	struct tables *t, struct err *e)
{
	AUTO_BUF struct buf pieces = buf_make(0);
	char what[80];
	size_t cap = SLOT_PIECES_HEADER + SLOT_PIECES_ENTRY * (size_t)slot_piece_count(image->size);

	*t = (struct tables){0};
	snprintf(what, sizeof(what), "leaves of %s", image->name);
	if (image->leaves.length != slot_leaf_count(image->size) * HASH_SIZE)
		return err_set(e, E_META, "%s: %" PRIu64 " bytes do not fit an image of %" PRIu64,
			what, image->leaves.length, image->size);
	if (read_object(src, &image->leaves, LEAVES_MAX, what, &t->leaves, e) < 0)
		return -1;
	snprintf(what, sizeof(what), "pieces of %s", image->name);
	if (read_object(src, &image->pieces, cap, what, &pieces, e) < 0)
		return -1;
	if (slot_pieces_parse(
		    pieces.data, pieces.len, image->size, image->full.length, &t->pieces, e) < 0)
		return err_wrap(e, "%s", what);
	return 0;
}

static enum slot_encoding encoding_of(enum plan_encoding c)
{
	return c == PLAN_ZSTD ? SLOT_ZSTD : c == PLAN_ZLIB ? SLOT_ZLIB : SLOT_NONE;
}

/* The part of the slot that has the image's name; policy has seen that there is one. */
static int find_part(
	const struct config_slot *slot, const char *image, size_t *index, struct err *e)
{
	for (size_t i = 0; i < slot->count; i++) {
		if (strcmp(slot->parts[i].image, image) == 0) {
			*index = i;
			return 0;
		}
	}
	return err_set(e, E_COMPAT, "the slot has no place for image %.32s", image);
}

static int write_image(struct session *s, struct slot_target *target, size_t index,
	const struct plan_image *image, const struct object_source *src, struct tables *t,
	const struct slot_progress *progress, struct slot_stats *stats, struct err *e)
{
	struct reader full = {0};

	if (load_tables(src, image, t, e) < 0)
		return -1;
	if (src->open(src->ctx, image->full.sha256, image->full.length, &full, e) < 0)
		return err_wrap(e, "image %s", image->name);
	struct slot_image si = {
		.name = image->name,
		.size = image->size,
		.leaf_alg = image->leaf_alg,
		.leaves = t->leaves.data,
		.encoding = encoding_of(image->encoding),
		.pieces = &t->pieces,
		.full = full,
	};
	int rc = slot_write(target, index, &si, progress, stats, e);
	reader_close(&full);
	if (rc < 0)
		return -1;
	return txn_keep_leaves(s, image, t->leaves.data, e);
}

/* Parts in the order of the release's images, and the bytes that each must hold. */
static int choose_parts(const struct session *s, const struct running *d, const struct plan *p,
	struct slot_part *parts, uint64_t *needed, struct err *e)
{
	const struct config_slot *slot = config_slot_of(&s->config, d->target);

	for (size_t i = 0; i < p->image_count; i++) {
		size_t at = 0;
		if (find_part(slot, p->images[i].name, &at, e) < 0)
			return -1;
		parts[i] = slot->parts[at];
		needed[i] = p->images[i].size;
	}
	return 0;
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
 * Steps 2 and 3: no trial, no fallback, no head: from here nothing boots the
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

static int fill_parts(struct session *s, struct slot_target *target, struct offer *o,
	struct tables *tables, const struct slot_progress *report, struct slot_stats *stats,
	struct err *e)
{
	const struct plan *p = &o->manifest->plan;

	for (size_t i = 0; i < p->image_count; i++) {
		if (write_image(s, target, i, &p->images[i], &o->objects, &tables[i], report, stats,
			    e) < 0)
			return -1;
	}
	return slot_finish(target, report, e);
}

static int write_images(struct session *s, struct slot_target *target, struct offer *o,
	struct slot_stats *stats, struct err *e)
{
	/* The leaf lists are asked again by the read-back of slot_finish. */
	struct tables tables[PLAN_IMAGES_MAX] = {0};
	struct progress progress;
	struct slot_progress report = progress_start(&progress, s);

	int rc = fill_parts(s, target, o, tables, &report, stats, e);
	progress_end(&progress);
	for (size_t i = 0; i < PLAN_IMAGES_MAX; i++)
		free_tables(&tables[i]);
	return rc;
}

int txn_write(struct session *s, const struct running *d, struct offer *o, struct err *e)
{
	const struct plan *p = &o->manifest->plan;
	const struct config_slot *running = config_slot_of(&s->config, d->booted);
	struct slot_part parts[PLAN_IMAGES_MAX];
	uint64_t needed[PLAN_IMAGES_MAX];
	struct slot_target *target = NULL;
	struct slot_stats stats = {0};

	if (!MUST("txn.target-choice",
		    d->target && d->target != d->booted && d->target != d->committed))
		return err_set(e, E_BUSY, "there is no slot that neither runs nor is committed");
	if (choose_parts(s, d, p, parts, needed, e) < 0)
		return -1;
	if (slot_open_target(
		    parts, needed, p->image_count, running->parts, running->count, &target, e) < 0)
		return -1;
	int rc = make_target_unbootable(s, d, p, target, e);
	if (rc == 0)
		rc = write_images(s, target, o, &stats, e);
	slot_close_target(target);
	if (rc < 0)
		return -1;
	log_line(&s->log, LOG_LEVEL_INFO,
		"written slot=%c release=%" PRIu64 " leaves-kept=%" PRIu64
		" leaves-written=%" PRIu64 " bytes-fetched=%" PRIu64,
		d->target, p->release, stats.leaves_kept, stats.leaves_written,
		stats.bytes_fetched);
	mark_slot(s, d, p, STATE_SLOT_WRITTEN);
	s->state.txn.phase = STATE_TXN_WRITTEN;
	json_t *data = session_release_data(p->release, p->epoch, p->manifest);
	json_object_set_new(data, "kept", json_integer((json_int_t)stats.leaves_kept));
	json_object_set_new(data, "written", json_integer((json_int_t)stats.leaves_written));
	json_object_set_new(data, "fetched", json_integer((json_int_t)stats.bytes_fetched));
	session_record(s, JOURNAL_WRITTEN, JOURNAL_OK, E_OK, data);
	if (session_store(s, e) < 0)
		return -1;
	drop_old_leaves(s);
	return 0;
}
