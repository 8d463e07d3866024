/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying and reading the record: both chains in order, nothing is changed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/must.h"
#include "agent/journal/cursor.h"
#include "agent/journal/store.h"

typedef int each_fn(void *ctx, const char *line, const json_t *record, struct err *e);

/* One walk over both chains. */
struct walk {
	const struct journal_config *config;
	int dir;
	struct cursor cursors[CHAIN_KINDS];
	struct line detail; /* last detail that was passed; seq 0 = none */
	uint64_t newest_first; /* number from which on details are whole in any case */
	bool found; /* the expected milestone was passed */
	struct journal_verdict *verdict;
	bool details; /* hand details out, too */
	each_fn *each; /* may be NULL */
	void *ctx;
};

static int bad(struct walk *w, const struct cursor *c, struct err *e)
{
	if (e->code != E_JOURNAL)
		return err_wrap(e, "journal: %s", c->name);
	snprintf(w->verdict->bad_file, sizeof(w->verdict->bad_file), "%s", c->name);
	snprintf(w->verdict->why, sizeof(w->verdict->why), "%.150s", e->text);
	w->verdict->bad_line = c->line_number;
	return err_wrap(e, "journal: %s line %llu", c->name, (unsigned long long)c->line_number);
}

static int bad_as_a_whole(struct walk *w, struct err *e)
{
	snprintf(w->verdict->bad_file, sizeof(w->verdict->bad_file), "journal");
	snprintf(w->verdict->why, sizeof(w->verdict->why), "%.150s", e->text);
	return err_wrap(e, "journal");
}

/* Where the newest segment of details says it begins: before it some may be known to be gone. */
static int find_newest_first(struct walk *w, struct err *e)
{
	AUTO_BUF struct buf file = buf_make(SEGMENT_FILE_MAX);
	const struct segment_list *l = &w->cursors[CHAIN_DETAILS].list;
	char name[SEGMENT_NAME_SIZE];
	struct segment_line s;
	struct line line;
	struct err why;

	if (l->count == 0)
		return 0;
	segment_name(CHAIN_DETAILS, l->numbers[l->count - 1], name);
	if (file_read(w->dir, name, &file, e) < 0)
		return -1;
	/* A bad header is found, and named, by the walk itself. */
	if (segment_next_line(&file, 0, &s) && line_read(s.text, s.len, &line, NULL, &why) == 0)
		w->newest_first = line.seq;
	return 0;
}

/*
 * The milestone names the last detail before it. A missing one is no fault
 * where the ring dropped it, or where a new segment began behind it because
 * the loss was found, and recorded, when the journal was opened.
 */
static int check_details(const struct walk *w, const struct line *m, struct err *e)
{
	if (m->dseq == 0)
		return 0;
	if (w->detail.seq == m->dseq &&
		MUST("journal.details-hash", hash_equal(w->detail.hash, m->det)))
		return 0;
	if (w->detail.seq < m->dseq && m->dseq < w->newest_first)
		return 0;
	if (!MUST("journal.details-head", false))
		return err_set(e, E_JOURNAL, "details up to %llu were changed or are gone",
			(unsigned long long)m->dseq);
	return 0;
}

static int check_expected(struct walk *w, const struct line *m, struct err *e)
{
	if (w->config->expected_seq == 0 || m->seq != w->config->expected_seq)
		return 0;
	if (!MUST("journal.expected-head", hash_equal(m->hash, w->config->expected_head)))
		return err_set(
			e, E_JOURNAL, "is another record than the one that state.json names");
	w->found = true;
	return 0;
}

static int check_milestone(struct walk *w, const struct line *m, struct err *e)
{
	if (check_details(w, m, e) < 0)
		return -1;
	return check_expected(w, m, e);
}

static int hand_out(const struct walk *w, const struct cursor *c, struct err *e)
{
	if (!w->each || (c->kind == CHAIN_DETAILS && !w->details))
		return 0;
	AUTO_FREE char *line = strndup(c->text, c->len);
	if (!line)
		return err_set(e, E_NOMEM, "no memory for a record");
	return w->each(w->ctx, line, c->json, e);
}

/* The cursor whose record comes next by (epoch, seq); NULL at the end. */
static struct cursor *earlier(struct walk *w)
{
	struct cursor *m = &w->cursors[CHAIN_MILESTONES];
	struct cursor *d = &w->cursors[CHAIN_DETAILS];

	if (m->done || d->done)
		return !m->done ? m : !d->done ? d : NULL;
	return line_is_before(&d->line, &m->line) ? d : m;
}

static int walk_records(struct walk *w, struct err *e)
{
	struct cursor *c;

	for (int k = 0; k < CHAIN_KINDS; k++) {
		if (cursor_next(&w->cursors[k], e) < 0)
			return bad(w, &w->cursors[k], e);
	}
	while ((c = earlier(w))) {
		if (c->kind == CHAIN_MILESTONES && check_milestone(w, &c->line, e) < 0)
			return bad(w, c, e);
		if (c->kind == CHAIN_DETAILS)
			w->detail = c->line;
		if (hand_out(w, c, e) < 0)
			return -1;
		if (c->kind == CHAIN_MILESTONES)
			w->verdict->milestones++;
		else
			w->verdict->details++;
		if (cursor_next(c, e) < 0)
			return bad(w, c, e);
	}
	if (w->config->expected_seq > 0 && !MUST("journal.expected-length", w->found)) {
		err_set(e, E_JOURNAL, "record %llu, which state.json names, is not there",
			(unsigned long long)w->config->expected_seq);
		return bad_as_a_whole(w, e);
	}
	return 0;
}

static int walk_open(struct walk *w, struct err *e)
{
	for (int k = 0; k < CHAIN_KINDS; k++) {
		if (cursor_open(&w->cursors[k], w->dir, (enum chain_kind)k, e) < 0)
			return -1;
	}
	if (find_newest_first(w, e) < 0)
		return -1;
	return walk_records(w, e);
}

static int walk(struct walk *w, struct err *e)
{
	*w->verdict = (struct journal_verdict){0};
	AUTO_CLOSE int dir =
		openat(w->config->dir, JOURNAL_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT && w->config->expected_seq == 0)
		return 0;
	if (dir < 0 && errno == ENOENT) {
		err_set(e, E_JOURNAL, "the folder is gone, but state.json names record %llu",
			(unsigned long long)w->config->expected_seq);
		return bad_as_a_whole(w, e);
	}
	if (dir < 0)
		return err_sys(e, E_IO, errno, "cannot open the folder journal");
	w->dir = dir;
	int rc = walk_open(w, e);
	for (int k = 0; k < CHAIN_KINDS; k++)
		cursor_close(&w->cursors[k]);
	return rc;
}

int journal_verify(const struct journal_config *c, struct journal_verdict *out, struct err *e)
{
	struct walk w = {.config = c, .verdict = out};

	return walk(&w, e);
}

int journal_each(
	const struct journal_config *c, bool details, each_fn *each, void *ctx, struct err *e)
{
	struct journal_verdict verdict;
	struct walk w = {
		.config = c, .verdict = &verdict, .details = details, .each = each, .ctx = ctx};

	return walk(&w, e);
}
