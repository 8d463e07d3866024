/* SPDX-License-Identifier: Apache-2.0 */
/* A chain on disk as its writer sees it: recovery, append, rotation. */
#include "agent/journal/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/journal/journal.h"

/* What a walk over one segment found. */
struct survey {
	bool any; /* a good line, header or record */
	bool any_record;
	struct line last; /* last good line */
	struct line last_record;
	size_t end; /* behind the last good line that is kept */
	size_t garbage; /* bytes behind it that are not zero */
};

static int read_segment(const struct chain *c, uint32_t number, struct buf *file, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(c->kind, number, name);
	return file_read(c->dir, name, file, e);
}

static struct survey survey_segment(const struct chain *c, const struct buf *file)
{
	struct survey s = {0};
	struct segment_line at = {0};
	struct err why;

	while (segment_next_line(file, at.end, &at)) {
		struct line l;
		if (line_read(at.text, at.len, &l, NULL, &why) < 0) {
			if (c->kind == CHAIN_DETAILS)
				break;
			continue;
		}
		s.any = true;
		s.last = l;
		s.end = at.end;
		if (!l.header) {
			s.any_record = true;
			s.last_record = l;
		}
	}
	s.garbage = segment_garbage(file, s.end);
	return s;
}

/* Room on the medium before it is needed; file systems that cannot do it just append. */
static int preallocate(const struct chain *c, int fd)
{
	if (fallocate(fd, 0, 0, (off_t)c->segment_bytes) == 0)
		return 0;
	return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -1;
}

/* Cuts what is behind the whole lines: half a line would merge with the next one. */
static int cut_tail(struct chain *c, struct err *e)
{
	if (ftruncate(c->fd, (off_t)c->used) < 0 || fdatasync(c->fd) < 0)
		return err_sys(e, E_IO, errno, "journal: cannot cut off half a line");
	c->dirty = false;
	(void)preallocate(c, c->fd);
	return 0;
}

static int open_newest(struct chain *c, const struct survey *s, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];
	int mode = c->read_only ? O_RDONLY : O_RDWR;

	segment_name(c->kind, c->number, name);
	c->fd = openat(c->dir, name, mode | O_CLOEXEC | O_NOFOLLOW);
	if (c->fd < 0)
		return err_sys(e, E_IO, errno, "journal: cannot open %s", name);
	c->used = s->end;
	memcpy(c->tip, s->last.hash, HASH_SIZE);
	if (s->garbage == 0)
		return 0;
	c->cut += s->garbage;
	return c->read_only ? 0 : cut_tail(c, e);
}

/* A segment without one good line is what a cut left of it; it never held a record. */
static int drop_segment(struct chain *c, uint32_t number, const struct survey *s, struct err *e)
{
	char name[SEGMENT_NAME_SIZE];

	c->cut += s->garbage;
	if (c->read_only)
		return 0;
	segment_name(c->kind, number, name);
	return file_remove(c->dir, name, e);
}

static int load_from(struct chain *c, const struct segment_list *l, struct err *e)
{
	for (size_t i = l->count; i-- > 0 && c->head.seq == 0;) {
		AUTO_BUF struct buf file = buf_make(SEGMENT_FILE_MAX);
		if (read_segment(c, l->numbers[i], &file, e) < 0)
			return -1;
		struct survey s = survey_segment(c, &file);
		if (c->number == 0 && !s.any) {
			if (drop_segment(c, l->numbers[i], &s, e) < 0)
				return -1;
			continue;
		}
		if (c->number == 0) {
			c->number = l->numbers[i];
			if (open_newest(c, &s, e) < 0)
				return -1;
		}
		if (s.any_record)
			c->head = s.last_record;
	}
	return 0;
}

int chain_load(struct chain *c, struct err *e)
{
	struct segment_list l = {0};

	c->fd = -1;
	if (segment_list(c->dir, c->kind, &l, e) < 0)
		return -1;
	int rc = load_from(c, &l, e);
	segment_list_free(&l);
	c->usable = rc == 0;
	return rc;
}

static int build_header(
	const struct chain *c, uint64_t epoch, uint64_t next_seq, struct buf *b, struct err *e)
{
	char prev[HASH_HEX_SIZE];

	hash_to_hex(c->tip, prev);
	if (buf_printf(b, e,
		    "{\"v\":%d,\"seg\":%u,\"chain\":\"%s\",\"first\":%llu,\"epoch\":%llu,"
		    "\"dev\":\"%s\",\"prod\":\"%s\",\"prev\":\"%s\"",
		    LINE_VERSION, c->number + 1, chain_kind_name(c->kind),
		    (unsigned long long)next_seq, (unsigned long long)epoch, c->device, c->product,
		    prev) < 0)
		return -1;
	return line_seal(b, e);
}

/* A segment under a name that no reader looks at, so that it appears with its header or not. */
static int make_segment(
	const struct chain *c, const char *tmp, const struct buf *header, int *out, struct err *e)
{
	if (unlinkat(c->dir, tmp, 0) < 0 && errno != ENOENT)
		return err_sys(e, E_IO, errno, "journal: cannot remove %s", tmp);
	AUTO_CLOSE int fd =
		openat(c->dir, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "journal: cannot make %s", tmp);
	if (preallocate(c, fd) < 0)
		return err_sys(e, file_code_of(errno), errno, "journal: no room for %s", tmp);
	if (file_pwrite_full(fd, header->data, header->len, 0, e) < 0 || file_sync(fd, e) < 0)
		return err_wrap(e, "journal: %s", tmp);
	*out = steal_fd(&fd);
	return 0;
}

/* The finished segment loses its preallocated rest and is plain lines from now on. */
static void finish_segment(struct chain *c)
{
	if (c->fd < 0)
		return;
	/* Zeros that stay are allowed by the format, so a failure costs space only. */
	if (ftruncate(c->fd, (off_t)c->used) == 0)
		(void)fdatasync(c->fd);
	close(steal_fd(&c->fd));
}

int chain_rotate(struct chain *c, uint64_t epoch, uint64_t next_seq, struct err *e)
{
	AUTO_BUF struct buf header = buf_make(JOURNAL_RECORD_MAX);
	char name[SEGMENT_NAME_SIZE];
	char tmp[SEGMENT_NAME_SIZE + 8];
	AUTO_CLOSE int fd = -1;

	/* The old segment must be whole on the medium before a new one refers to its end. */
	if (c->fd >= 0 && ((c->dirty && cut_tail(c, e) < 0) || chain_sync(c, e) < 0))
		return -1;
	segment_name(c->kind, c->number + 1, name);
	snprintf(tmp, sizeof(tmp), ".%s.new", name);
	if (build_header(c, epoch, next_seq, &header, e) < 0)
		return -1;
	if (make_segment(c, tmp, &header, &fd, e) < 0) {
		unlinkat(c->dir, tmp, 0);
		return -1;
	}
	if (renameat(c->dir, tmp, c->dir, name) < 0) {
		int sys = errno;
		unlinkat(c->dir, tmp, 0);
		return err_sys(e, file_code_of(sys), sys, "journal: cannot rename %s", tmp);
	}
	/* From here on the new segment counts, or the old one would go on beside it. */
	finish_segment(c);
	c->fd = steal_fd(&fd);
	c->number++;
	c->used = header.len;
	c->unsynced = false;
	if (hash_bytes(HASH_SHA256, header.data, header.len - 1, c->tip, e) < 0 ||
		file_sync(c->dir, e) < 0)
		return -1;
	if (c->keep > 0)
		chain_prune(c, c->keep);
	return 0;
}

int chain_make_room(struct chain *c, uint64_t epoch, uint64_t next_seq, struct err *e)
{
	if (!c->usable)
		return err_set(
			e, E_IO, "journal: the %s cannot be written", chain_kind_name(c->kind));
	if (c->dirty && cut_tail(c, e) < 0)
		return -1;
	if (c->fd >= 0 && c->used + JOURNAL_RECORD_MAX <= c->segment_bytes)
		return 0;
	return chain_rotate(c, epoch, next_seq, e);
}

int chain_append(struct chain *c, const struct buf *line, bool sync, struct err *e)
{
	struct line l;
	struct err ignored;

	/* Reading it back also proves that nothing unreadable is ever written. */
	if (line_read(line->data, line->len - 1, &l, NULL, e) < 0)
		return -1;
	int rc = file_pwrite_full(c->fd, line->data, line->len, c->used, e);
	if (rc == 0 && sync && fdatasync(c->fd) < 0)
		rc = err_sys(e, file_code_of(errno), errno, "fdatasync");
	if (rc < 0) {
		c->dirty = true;
		(void)cut_tail(c, &ignored);
		return err_wrap(e, "journal: %s", chain_kind_name(c->kind));
	}
	c->used += line->len;
	c->unsynced = !sync;
	memcpy(c->tip, l.hash, HASH_SIZE);
	c->head = l;
	return 0;
}

int chain_sync(struct chain *c, struct err *e)
{
	if (c->fd < 0 || !c->unsynced)
		return 0;
	if (fdatasync(c->fd) < 0)
		return err_sys(e, file_code_of(errno), errno, "journal: fdatasync");
	c->unsynced = false;
	return 0;
}

void chain_prune(const struct chain *c, uint32_t keep)
{
	struct segment_list l = {0};
	struct err ignored;
	char name[SEGMENT_NAME_SIZE];

	/* What cannot be removed now is removed by the next rotation. */
	if (segment_list(c->dir, c->kind, &l, &ignored) < 0)
		return;
	for (size_t i = 0; i + keep < l.count; i++) {
		segment_name(c->kind, l.numbers[i], name);
		unlinkat(c->dir, name, 0);
	}
	segment_list_free(&l);
}

/* Looks for the record in one segment; *first: no older segment can hold it. */
static bool find_in(const struct buf *file, uint64_t seq, uint8_t hash[HASH_SIZE], bool *first)
{
	struct segment_line at = {0};
	struct err why;

	while (segment_next_line(file, at.end, &at)) {
		struct line l;
		if (line_read(at.text, at.len, &l, NULL, &why) < 0)
			continue;
		if (l.header)
			*first = l.seq <= seq;
		if (l.header || l.seq != seq)
			continue;
		memcpy(hash, l.hash, HASH_SIZE);
		return true;
	}
	return false;
}

int chain_find(const struct chain *c, uint64_t seq, uint8_t hash[HASH_SIZE], struct err *e)
{
	struct segment_list l = {0};
	bool first = false;
	bool found = false;
	int rc = 0;

	if (segment_list(c->dir, c->kind, &l, e) < 0)
		return -1;
	for (size_t i = l.count; i-- > 0 && rc == 0 && !found && !first;) {
		AUTO_BUF struct buf file = buf_make(SEGMENT_FILE_MAX);
		rc = read_segment(c, l.numbers[i], &file, e);
		found = rc == 0 && find_in(&file, seq, hash, &first);
	}
	segment_list_free(&l);
	if (rc == 0 && !found)
		return err_set(
			e, E_NOTFOUND, "journal: record %llu is gone", (unsigned long long)seq);
	return rc;
}

void chain_close(struct chain *c)
{
	struct err ignored;

	if (!c->read_only)
		(void)chain_sync(c, &ignored);
	cleanup_close(&c->fd);
	c->fd = -1;
	c->usable = false;
}
