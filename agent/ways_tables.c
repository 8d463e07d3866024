/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of images, as little of them as will do. */
#include <stdio.h>

#include "agent/tables_from.h"
#include "agent/ways_parts.h"

/* NULL: it can only come whole. */
static const struct plan_difference *find_difference(
	const struct ways *w, const struct ways_table *t)
{
	const struct object_source *o = &w->objects;
	struct err ignored;

	if (!SLOT_HAVE_DELTA || !t->from || t->dir < 0 || !ways_can_decode(PLAN_ZSTD))
		return NULL;
	const struct plan_difference *d = tables_find_difference(t->dir, t->from);
	/* A bundle has none. */
	bool may_come = d && (!o->holds || o->holds(o->ctx, d->object.sha256, d->object.length,
						   NULL, 0, &ignored) == 0);
	return may_come ? d : NULL;
}

uint64_t ways_table_cost(const struct ways *w, const struct ways_table *t)
{
	if (tables_has(&w->tables, t->object))
		return 0;
	const struct plan_difference *d = find_difference(w, t);
	return d ? d->object.length : t->object->length;
}

void ways_note_unused(
	struct ways *w, const char *saver, const struct ways_table *t, const struct err *why)
{
	log_line(&w->session->log, LOG_LEVEL_WARN, "%s-unused table=%s code=%s reason=\"%s\"",
		saver, t->what, err_name(why->code), why->text);
	session_record(w->session, JOURNAL_WAY, JOURNAL_FAIL, why->code,
		json_pack("{s:s, s:s}", "way", saver, "table", t->what));
}

/* One try with a difference at most, so that nothing goes round in circles. */
int ways_get_table(struct ways *w, const struct ways_image *im, const struct ways_table *t,
	struct table *out, struct err *e)
{
	char text[80];
	struct table_request r = {.objects = &w->objects,
		.object = t->object,
		.within = t->within,
		.cap = t->cap,
		.what = text,
		.map = t->map};
	const struct plan_difference *d = NULL;
	struct err why = {0};

	snprintf(text, sizeof(text), "%s of %s", t->what, im->image->name);
	if (!tables_has(&w->tables, t->object))
		d = find_difference(w, t);
	if (!SLOT_HAVE_DELTA || !d)
		return tables_get(&w->tables, &r, out, e);
	uint64_t before = w->meter.bytes;
	if (tables_get_from(&w->tables, &r, t->dir, d, out, &why) == 0)
		return 0;
	if (!ways_can_be_planned_without(why.code)) {
		*e = why;
		return -1;
	}
	ways_note_unused(w, "difference", t, &why);
	if (tables_get(&w->tables, &r, out, e) < 0)
		return -1;
	out->fetched = w->meter.bytes - before;
	return 0;
}
