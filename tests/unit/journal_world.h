/* SPDX-License-Identifier: Apache-2.0 */
/* A journal in a scratch folder, for the tests of agent/journal. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "agent/base/file.h"
#include "agent/base/json.h"
#include "agent/journal/journal.h"

#define M1 "journal/m-00000001.jsonl"
#define M2 "journal/m-00000002.jsonl"
#define D1 "journal/d-00000001.jsonl"

struct world {
	char path[64];
	struct journal_config config;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void world_free(struct world *w)
{
	nftw(w->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	close(w->config.dir);
}
#define AUTO_WORLD __attribute__((cleanup(world_free)))

/* Small segments, so that few records rotate. In memory where there is such a folder. */
static inline struct world world_make(void)
{
	struct world w = {.config = {.product = "demo",
				  .device = "00112233445566778899aabbccddeeff",
				  .epoch = 1,
				  .boot = 7,
				  .segment_bytes = 4096,
				  .detail_bytes = 4 * 4096}};
	struct err e;

	strcpy(w.path, "/dev/shm/pawl-journal-XXXXXX");
	if (!mkdtemp(w.path)) {
		strcpy(w.path, "/tmp/pawl-journal-XXXXXX");
		assert_non_null(mkdtemp(w.path));
	}
	assert_int_equal(file_open_dir(w.path, &w.config.dir, &e), 0);
	return w;
}

static inline struct journal *world_open(struct world *w)
{
	struct journal *j = NULL;
	struct err e;

	assert_int_equal(journal_open(&w->config, &j, &e), 0);
	return j;
}

static inline void add(struct journal *j, enum journal_event ev, uint64_t n)
{
	JSON_AUTO json_t *data = json_pack("{s:I}", "n", (json_int_t)n);
	struct journal_record r = {.event = ev, .outcome = JOURNAL_OK, .txn = n, .data = data};

	journal_add(j, &r);
}

/* As state.json does: remembers the head that the next start is compared with. */
static inline void world_remember(struct world *w, const struct journal *j)
{
	journal_head(j, &w->config.expected_seq, w->config.expected_head);
}

static inline int world_verify(struct world *w, struct journal_verdict *v)
{
	struct err e = {0};
	int rc = journal_verify(&w->config, v, &e);

	if (rc < 0 && e.code != E_JOURNAL)
		fail_msg("verify: %s %s", err_name(e.code), e.text);
	return rc;
}

static inline void assert_verifies(struct world *w)
{
	struct journal_verdict v;
	struct err e = {0};

	if (journal_verify(&w->config, &v, &e) < 0)
		fail_msg("%s %s", err_name(e.code), e.text);
	assert_string_equal(v.bad_file, "");
}

static inline struct buf world_read(const struct world *w, const char *name)
{
	struct buf b = buf_make(1 << 22);
	struct err e;

	assert_int_equal(file_read(w->config.dir, name, &b, &e), 0);
	return b;
}

static inline void world_write(const struct world *w, const char *name, const void *data, size_t n)
{
	struct err e;
	AUTO_CLOSE int fd =
		openat(w->config.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(file_write_full(fd, data, n, &e), 0);
}

/* A file of the sources; `here` is __FILE__ of a test. */
static inline void world_read_source(const char *here, const char *name, struct buf *out)
{
	const char *below = strstr(here, "tests/unit/");
	char path[512];
	struct err e;

	assert_non_null(below);
	snprintf(path, sizeof(path), "%.*s%s", (int)(below - here), here, name);
	if (file_read(AT_FDCWD, path, out, &e) < 0)
		fail_msg("%s", e.text);
}

static inline bool world_has(const struct world *w, const char *name)
{
	return faccessat(w->config.dir, name, F_OK, 0) == 0;
}

/* How often an event is in the record, and the data of its last record. */
struct count {
	const char *event;
	unsigned n;
	unsigned all;
	json_t *last;
	uint64_t seq;
};

static int count_one(void *ctx, const char *line, const json_t *record, struct err *e)
{
	struct count *c = ctx;
	const char *event = json_string_value(json_object_get(record, "evt"));
	uint64_t seq = (uint64_t)json_integer_value(json_object_get(record, "seq"));

	(void)e;
	assert_true(strlen(line) < JOURNAL_RECORD_MAX);
	assert_true(seq > c->seq);
	c->seq = seq;
	c->all++;
	if (c->event && strcmp(event, c->event) != 0)
		return 0;
	c->n++;
	json_decref(c->last);
	c->last = json_deep_copy(record);
	return 0;
}

static inline void count_free(struct count *c)
{
	json_decref(c->last);
}
#define AUTO_COUNT __attribute__((cleanup(count_free)))

static inline struct count world_count(struct world *w, enum journal_event ev)
{
	struct count c = {.event = ev == JOURNAL_EVENT_COUNT ? NULL : journal_event_name(ev)};
	struct err e = {0};

	if (journal_each(&w->config, true, count_one, &c, &e) < 0)
		fail_msg("%s %s", err_name(e.code), e.text);
	return c;
}

static inline unsigned world_events(struct world *w, enum journal_event ev)
{
	AUTO_COUNT struct count c = world_count(w, ev);

	return c.n;
}

/* A number in the data of the last such record; -1 when there is none. */
static inline int64_t world_number(struct world *w, enum journal_event ev, const char *key)
{
	AUTO_COUNT struct count c = world_count(w, ev);
	const json_t *v = json_object_get(json_object_get(c.last, "data"), key);

	return json_is_integer(v) ? json_integer_value(v) : -1;
}
