/* SPDX-License-Identifier: Apache-2.0 */
/* Making a release: the order of steps. */
#include "publisher/release.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "partitions/slot/format.h"
#include "partitions/slot/index.h"
#include "publisher/differences.h"
#include "publisher/history.h"
#include "publisher/image_delta.h"
#include "publisher/release_patches.h"
#include "publisher/shelf.h"
#include "publisher/staging.h"

struct making {
	struct publisher *publisher;
	const struct release_settings *settings;
	const struct release_watcher *watcher;
	struct release_identity id;
	struct shelf before; /* the release before, where there is one */
	struct release_patches patches;
	struct differences differences;
	struct image_request request[PLAN_IMAGES_MAX];
	struct plan_image image[PLAN_IMAGES_MAX];
	size_t count;
};

static int find_product(struct making *m, struct err *e)
{
	const char *given = release_setting(m->settings, RELEASE_PRODUCT);

	m->id.product = given ? given : m->publisher->product;
	if (!manifest_name_is_valid(m->id.product))
		return err_set(e, E_USAGE, "product \"%s\" must match [a-z0-9][a-z0-9._-]{0,31}",
			m->id.product);
	return 0;
}

/* Below the epoch of a release that devices already run they would refuse this one. */
static int find_epoch(struct making *m, struct err *e)
{
	const char *given = release_setting(m->settings, RELEASE_EPOCH);
	uint64_t last = m->id.newest ? m->id.newest->plan.epoch : 0;

	m->id.epoch = last;
	if (!given)
		return 0;
	return release_parse_number(given, "--epoch", last, UINT64_C(1) << 53, &m->id.epoch, e);
}

static int find_number(struct making *m, struct err *e)
{
	const char *given = release_setting(m->settings, RELEASE_RELEASE);
	uint64_t wanted = 0;

	if (m->id.adopt && m->id.newest)
		return err_set(e, E_USAGE,
			"%s has release %" PRIu64 " already; adopt is for a product that has none",
			m->id.product, m->id.newest->plan.release);
	if (m->id.adopt)
		wanted = 1;
	if (given && release_parse_number(given, "--release", 1, UINT64_C(1) << 53, &wanted, e) < 0)
		return -1;
	return history_number(m->publisher, m->id.product, m->id.newest, wanted, &m->id.release, e);
}

static int find_tables(struct making *m, struct err *e)
{
	const char *given = release_setting(m->settings, RELEASE_TABLES_FROM);
	uint64_t count = DIFFERENCES_DEFAULT;

	if (given && release_parse_number(given, "--tables-from", 0, PLAN_BASES_MAX, &count, e) < 0)
		return -1;
	return differences_find(
		m->publisher, m->id.product, m->id.newest, (size_t)count, &m->differences, e);
}

/* Tells what is true of an image that its maker may not have meant. */
static void tell_facts(
	const struct making *m, const struct plan_image *image, const struct image_facts *facts)
{
	char text[200];

	if (facts->padding > 0) {
		snprintf(text, sizeof(text),
			"image %s: %" PRIu64 " zero bytes added, to a multiple of 4096",
			image->name, facts->padding);
		m->watcher->warn(m->watcher->ctx, text);
	}
	if (facts->has_journal) {
		snprintf(text, sizeof(text),
			"image %s: ext4 with a journal; a read-only slot needs none "
			"(mke2fs -O ^has_journal)",
			image->name);
		m->watcher->warn(m->watcher->ctx, text);
	}
}

/* The least that index, data and frames can be. */
static void draft_delta(const struct image_request *r, struct plan_image *image)
{
	if (r->index == CHOICE_NO_DELTA || image->size < IMAGE_DELTA_LEAST)
		return;
	image->has_delta = true;
	image->index.length = SLOT_INDEX_HEADER;
	image->data.length = 1;
	image->data_encoding = r->encoding;
	image->frames.length = SLOT_FRAMES_HEADER + SLOT_FRAMES_ENTRY;
}

/* Lengths as they will be, so that the manifest can be checked before the long work. */
static int probe_images(struct making *m, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		struct plan_image *image = &m->image[i];
		struct image_facts facts;
		if (image_probe(&m->request[i], image, &facts, e) < 0)
			return -1;
		image->leaves.length = slot_leaf_count(image->size) * HASH_SIZE;
		image->pieces.length =
			SLOT_PIECES_HEADER + slot_piece_count(image->size) * SLOT_PIECES_ENTRY;
		image->full.length = 1;
		draft_delta(&m->request[i], image);
		tell_facts(m, image, &facts);
	}
	return 0;
}

/* Everything that can be wrong is found here, before an hour of compression. */
static int check_first(struct making *m, struct err *e)
{
	AUTO_MANIFEST struct manifest *draft = NULL;
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);

	if (probe_images(m, e) < 0 ||
		release_manifest(m->settings, &m->id, m->image, m->count, &text, &draft, e) < 0)
		return -1;
	return release_lint(draft, m->watcher, e);
}

/* A patch is made of the file once more: it must still be what was cut. */
static int check_same(const struct image_request *r, const struct image_facts *was, struct err *e)
{
	struct plan_image ignored;
	struct image_facts now;

	if (image_probe(r, &ignored, &now, e) < 0)
		return -1;
	if (now.modified.tv_sec != was->modified.tv_sec ||
		now.modified.tv_nsec != was->modified.tv_nsec)
		return err_set(
			e, E_IO, "image %s: %s was changed while it was read", r->name, r->path);
	return 0;
}

static int cut_images(struct making *m, const struct staging *s, struct err *e)
{
	for (size_t i = 0; i < m->count; i++) {
		struct image_request *r = &m->request[i];
		struct image_facts facts;
		r->watcher = m->watcher->image;
		r->before = m->id.newest ? &m->before : NULL;
		if (image_cut(r, s->objects, &m->image[i], &facts, e) < 0 ||
			release_patches_add(m->publisher, &m->patches, s, r, &m->image[i], e) < 0 ||
			differences_add(&m->differences, r, s->objects, &m->image[i], e) < 0 ||
			check_same(r, &facts, e) < 0)
			return -1;
	}
	return 0;
}

static int stage(struct making *m, struct manifest **out, struct err *e)
{
	AUTO_STAGING struct staging s = {.parent = -1};
	AUTO_MANIFEST struct manifest *made = NULL;
	AUTO_BUF struct buf text = buf_make(MANIFEST_MAX);

	if (staging_begin(m->publisher, m->id.product, m->id.release, &s, e) < 0 ||
		cut_images(m, &s, e) < 0 ||
		release_manifest(m->settings, &m->id, m->image, m->count, &text, &made, e) < 0 ||
		publisher_allot_release(m->publisher, m->id.product, m->id.release, e) < 0 ||
		staging_commit(&s, &text, e) < 0)
		return -1;
	*out = steal_ptr(made);
	return 0;
}

static void making_free(struct making *m)
{
	release_patches_free(&m->patches);
	differences_free(&m->differences);
}

int release_make(struct publisher *p, const struct release_settings *s, bool adopt,
	const struct release_watcher *w, struct manifest **out, struct err *e)
{
	__attribute__((cleanup(making_free))) struct making m = {.publisher = p,
		.settings = s,
		.watcher = w,
		.id = {.adopt = adopt, .issued = p->now}};
	AUTO_MANIFEST struct manifest *newest = NULL;

	if (find_product(&m, e) < 0 || history_newest(p, m.id.product, &newest, e) < 0)
		return -1;
	m.id.newest = newest;
	m.before = (struct shelf){.publisher = p, .plan = newest ? &newest->plan : NULL};
	if (release_images(s, m.request, &m.count, e) < 0 || find_epoch(&m, e) < 0 ||
		find_number(&m, e) < 0 ||
		release_patches_find(p, m.id.product, s, &m.patches, e) < 0 ||
		find_tables(&m, e) < 0 || check_first(&m, e) < 0)
		return -1;
	return stage(&m, out, e);
}
