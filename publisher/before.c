/* SPDX-License-Identifier: Apache-2.0 */
/* The release before: its index where it fits, else its content, cut again. */
#include "publisher/before.h"

#include <inttypes.h>
#include <stdio.h>

#include "agent/base/buf.h"

void before_free(struct before *b)
{
	for (int k = 0; k < CUTTER_KINDS; k++)
		index_set_free(&b->content[k]);
	*b = (struct before){0};
}

/* An object that is not here is a fact, not a failure. */
static int forgive_missing(struct before *b, struct err *e)
{
	if (e->code != E_NOTFOUND)
		return -1;
	snprintf(b->missing, sizeof(b->missing), "%.199s", e->text);
	*e = (struct err){0};
	return 0;
}

static int load_index(
	const struct shelf *shelf, const struct plan_image *image, struct before *b, struct err *e)
{
	AUTO_BUF struct buf bytes = {0};
	struct slot_index index;

	if (!image->has_delta)
		return 0;
	if (shelf_read(shelf, &image->index, &bytes, e) < 0)
		return forgive_missing(b, e);
	if (slot_index_parse(bytes.data, bytes.len, image->size, &index, e) < 0)
		return err_wrap(
			e, "release %" PRIu64 ": image %s", shelf->plan->release, image->name);
	/* Cut by a rule of some other version: only its content tells. */
	if (index.rule > SLOT_RULE_CHUNKS)
		return 0;
	b->has_index = true;
	b->kind = index.content_defined ? CUTTER_CHUNKS : CUTTER_BLOCKS;
	b->known[b->kind] = true;
	return index_set_add_all(&b->content[b->kind], &index, e);
}

static int take_item(void *ctx, const struct slot_index_item *item, struct err *e)
{
	return item->zero ? 0 : index_set_add(ctx, item->hash, item->length, 0, e);
}

static int take_content(void *ctx, const uint8_t *data, size_t len, struct err *e)
{
	return cutter_add(ctx, data, len, e);
}

static int cut_content(const struct shelf *shelf, const struct plan_image *image,
	const struct cutter_sink sinks[CUTTER_KINDS], struct err *e)
{
	struct cutter *cutter = NULL;

	if (cutter_make(sinks, &cutter, e) < 0)
		return -1;
	const struct shelf_sink sink = {.ctx = cutter, .take = take_content};
	int rc = shelf_unpack(shelf, image, &sink, e);
	if (rc == 0)
		rc = cutter_end(cutter, e);
	cutter_free(cutter);
	return rc;
}

/* What the index does not tell is found by unpacking the image. */
static int load_content(const struct shelf *shelf, const struct plan_image *image,
	const bool wanted[CUTTER_KINDS], struct before *b, struct err *e)
{
	struct cutter_sink sinks[CUTTER_KINDS] = {0};
	bool any = false;

	for (int k = 0; k < CUTTER_KINDS; k++) {
		if (!wanted[k] || b->known[k])
			continue;
		sinks[k] = (struct cutter_sink){.ctx = &b->content[k], .take = take_item};
		any = true;
	}
	if (!any)
		return 0;
	if (cut_content(shelf, image, sinks, e) < 0)
		return forgive_missing(b, e);
	for (int k = 0; k < CUTTER_KINDS; k++)
		b->known[k] |= sinks[k].take != NULL;
	return 0;
}

int before_load(const struct shelf *shelf, const char *image, const bool wanted[CUTTER_KINDS],
	struct before *out, struct err *e)
{
	const struct plan_image *old = shelf ? shelf_image(shelf, image) : NULL;

	if (!old)
		return 0;
	out->has_image = true;
	return load_index(shelf, old, out, e) < 0 ? -1 : load_content(shelf, old, wanted, out, e);
}
