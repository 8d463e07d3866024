/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a chain from its first to its last record, checking each link. */
#include "agent/journal/cursor.h"

#include <string.h>

#include "agent/base/file.h"
#include "agent/base/json.h"
#include "agent/base/must.h"

int cursor_open(struct cursor *c, int dir, enum chain_kind k, struct err *e)
{
	*c = (struct cursor){.dir = dir, .kind = k, .file = buf_make(SEGMENT_FILE_MAX)};
	return segment_list(dir, k, &c->list, e);
}

void cursor_close(struct cursor *c)
{
	segment_list_free(&c->list);
	buf_free(&c->file);
	json_decref(c->json);
	c->json = NULL;
}

static int next_segment(struct cursor *c, struct err *e)
{
	segment_name(c->kind, c->list.numbers[c->next], c->name);
	c->next++;
	c->at = 0;
	c->line_number = 0;
	c->header_next = true;
	return file_read(c->dir, c->name, &c->file, e);
}

/* Milestones are whole from their first segment on; details begin where the ring does. */
static int check_header(const struct cursor *c, const struct line *l, struct err *e)
{
	static const uint8_t none[HASH_SIZE];
	uint32_t number = c->list.numbers[c->next - 1];

	if (!MUST("journal.segment-header", l->header && l->kind == c->kind))
		return err_set(e, E_JOURNAL, "does not begin with the header of its chain");
	if (!MUST("journal.segment-number", l->segment == number))
		return err_set(e, E_JOURNAL, "is segment %llu by its header",
			(unsigned long long)l->segment);
	if (c->any)
		return 0;
	if (c->kind == CHAIN_MILESTONES &&
		!MUST("journal.first-segment", memcmp(l->prev, none, HASH_SIZE) == 0))
		return err_set(e, E_JOURNAL, "older segments are gone");
	return 0;
}

static int check_record(const struct cursor *c, const struct line *l, struct err *e)
{
	if (l->header)
		return err_set(e, E_JOURNAL, "a header in the middle of a segment");
	if (!MUST("journal.order", line_is_before(&c->before, l)))
		return err_set(e, E_JOURNAL, "record %llu does not come after %llu",
			(unsigned long long)l->seq, (unsigned long long)c->before.seq);
	return 0;
}

static int check_link(const struct cursor *c, const struct line *l, struct err *e)
{
	if (!c->any)
		return 0;
	if (!MUST("journal.prev", hash_equal(l->prev, c->tip)))
		return err_set(e, E_JOURNAL,
			"does not follow the line before it: lines were removed, added or moved");
	return 0;
}

static int check_line(struct cursor *c, const struct line *l, struct err *e)
{
	if (c->header_next ? check_header(c, l, e) < 0 : check_record(c, l, e) < 0)
		return -1;
	return check_link(c, l, e);
}

/* Behind the last line only zeros may follow: the preallocated rest. */
static int check_rest(struct cursor *c, struct err *e)
{
	c->line_number++;
	if (c->header_next)
		return err_set(e, E_JOURNAL, "has no header");
	if (!MUST("journal.rest", segment_garbage(&c->file, c->at) == 0))
		return err_set(e, E_JOURNAL,
			"is not whole (after a cut of power the next start of the agent cuts it)");
	return 0;
}

static int read_line(struct cursor *c, const struct segment_line *s, struct err *e)
{
	struct line l;

	c->line_number++;
	json_decref(c->json);
	c->json = NULL;
	if (line_read(s->text, s->len, &l, &c->json, e) < 0 || check_line(c, &l, e) < 0)
		return -1;
	c->at = s->end;
	c->any = true;
	c->header_next = false;
	memcpy(c->tip, l.hash, HASH_SIZE);
	c->line = l;
	c->text = (const char *)s->text;
	c->len = s->len;
	return 0;
}

int cursor_next(struct cursor *c, struct err *e)
{
	struct segment_line s;

	if (c->line.seq > 0 && !c->line.header)
		c->before = c->line;
	for (;;) {
		if (segment_next_line(&c->file, c->at, &s)) {
			if (read_line(c, &s, e) < 0)
				return -1;
			if (!c->line.header)
				return 0;
			continue;
		}
		if (c->next > 0 && check_rest(c, e) < 0)
			return -1;
		if (c->next == c->list.count) {
			c->done = true;
			return 0;
		}
		if (next_segment(c, e) < 0)
			return -1;
	}
}
