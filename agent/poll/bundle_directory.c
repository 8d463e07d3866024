/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a bundle: libarchive walks the headers, the rules are judged here. */
#include "agent/poll/bundle_directory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/poll/bundle_pipe.h"
#include "agent/poll/bundle_tar.h"

static int read_bytes(
	const struct bundle *b, uint64_t offset, void *data, size_t len, struct err *e)
{
	return b->from.read(b->from.ctx, offset, data, len, e);
}

/* What libarchive reads from: one block at a time, because all content is skipped. */
struct bundle_walk {
	struct bundle *b;
	struct archive *archive;
	enum bundle_group last; /* of the member before */
	uint64_t header; /* where the next one should be */
	uint64_t pos;
	bool ended;
	uint8_t block[TAR_BLOCK];
	struct err e; /* of a read that failed */
};

/* The next block or what is left of it; 0 at the end. */
static int read_block(struct bundle_walk *w, size_t *len, struct err *e)
{
	const struct bundle *b = w->b;

	*len = sizeof(w->block);
	if (bundle_pipe_of(b))
		return bundle_pipe_read(bundle_pipe_of(b), w->block, *len, len, e);
	if (w->pos >= b->size)
		*len = 0;
	else if (b->size - w->pos < *len)
		*len = (size_t)(b->size - w->pos);
	return *len ? read_bytes(b, w->pos, w->block, *len, e) : 0;
}

static la_ssize_t walk_read(struct archive *a, void *ctx, const void **data)
{
	struct bundle_walk *w = ctx;
	size_t len;

	if (w->e.code != E_OK || read_block(w, &len, &w->e) < 0) {
		archive_set_error(a, EIO, "%s", w->e.text);
		return -1;
	}
	w->pos += len;
	*data = w->block;
	return (la_ssize_t)len;
}

static la_int64_t walk_skip(struct archive *a, void *ctx, la_int64_t request)
{
	struct bundle_walk *w = ctx;
	uint64_t left = w->b->size - w->pos;
	uint64_t skip = request > 0 ? (uint64_t)request : 0;

	(void)a;
	if (skip > left)
		skip = left;
	/* Nothing is skipped then, and the read that follows fails: -1 makes libarchive 3.6 go round. */
	if (bundle_pipe_of(w->b) && bundle_pipe_pass(w->b, w->pos + skip, &w->e) < 0)
		return 0;
	w->pos += skip;
	return (la_int64_t)skip;
}

static int fail_archive(const struct bundle_walk *w, struct err *e)
{
	if (w->e.code != E_OK) {
		*e = w->e;
		return -1;
	}
	const char *why = archive_error_string(w->archive);
	return err_set(e, E_BUNDLE, "not a tar that is allowed here: %s", why ? why : "unknown");
}

/*
 * A second opinion: place, name, size and type by libarchive must be those of
 * the raw header. What goes before a header in pax and GNU archives would put
 * the member elsewhere and give it another name or size (CVE-2016-5418 class).
 */
static bool agrees(struct archive *a, struct archive_entry *entry, uint64_t header,
	const char *name, uint64_t size)
{
	const char *path = archive_entry_pathname(entry);

	return archive_read_header_position(a) == (la_int64_t)header && path &&
	       strcmp(path, name) == 0 && archive_entry_size_is_set(entry) &&
	       archive_entry_size(entry) == (la_int64_t)size &&
	       archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
	       !archive_entry_symlink(entry) && archive_entry_sparse_count(entry) == 0;
}

static int check_entry(const struct bundle_walk *w, struct archive_entry *entry,
	char name[TAR_NAME_SIZE], struct err *e)
{
	uint64_t size;

	/* The block that libarchive read last is the header that it judged. */
	if (bundle_read_header(w->block, name, &size, e) < 0)
		return -1;
	if (!MUST("bundle.one-header", w->pos == w->header + TAR_BLOCK))
		return err_set(e, E_BUNDLE, "%s: more than one header", name);
	if (!agrees(w->archive, entry, w->header, name, size))
		return err_set(e, E_BUNDLE, "%s: its header can be read in two ways", name);
	return 0;
}

/* Rules between members: known names, the order of the groups, sizes that fit. */
static int check_member(const struct bundle *b, const char *name, uint64_t data, uint64_t size,
	enum bundle_group *last, struct err *e)
{
	enum bundle_group group = bundle_group_of(name);

	if (!MUST("bundle.name", group != BUNDLE_UNKNOWN))
		return err_set(e, E_BUNDLE, "%s: no such file belongs into a bundle", name);
	if (!MUST("bundle.order", group >= *last))
		return err_set(e, E_BUNDLE, "%s: comes too late: metadata, targets, objects", name);
	if (!MUST("bundle.small", group == BUNDLE_OBJECTS || size <= BUNDLE_METADATA_MAX))
		return err_set(
			e, E_BUNDLE, "%s: is larger than %d bytes", name, BUNDLE_METADATA_MAX);
	if (!MUST("bundle.inside", data <= b->size && size <= b->size - data))
		return err_set(e, E_BUNDLE, "%s: reaches behind the end of the bundle", name);
	if (!MUST("bundle.one-target", group != BUNDLE_TARGETS || *last != BUNDLE_TARGETS))
		return err_set(e, E_BUNDLE, "%s: a second release in one bundle", name);
	*last = group;
	return 0;
}

/* The same name, or an object whole and its head. */
static bool is_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return true;
	return (*a == 0 && strcmp(b, BUNDLE_HEAD) == 0) || (*b == 0 && strcmp(a, BUNDLE_HEAD) == 0);
}

/* Which of two counts differs between readers (CVE-2018-1000035 class). */
static int check_new(const struct bundle *b, const char *name, struct err *e)
{
	for (size_t i = 0; i < b->count; i++) {
		if (!MUST("bundle.duplicate", !is_same(b->members[i].name, name)))
			return err_set(e, E_BUNDLE, "%s: is there twice", name);
	}
	return 0;
}

static int add_member(
	struct bundle *b, const char *name, uint64_t data, uint64_t size, struct err *e)
{
	if (!MUST("bundle.members", b->count < BUNDLE_MEMBERS_MAX))
		return err_set(e, E_BUNDLE, "more than %d members", BUNDLE_MEMBERS_MAX);
	if (check_new(b, name, e) < 0)
		return -1;
	char *copy = strdup(name);
	if (!copy)
		return err_set(e, E_NOMEM, "no memory for the directory");
	struct bundle_member *m = &b->members[b->count++];
	*m = (struct bundle_member){
		.name = copy,
		.offset = data,
		.size = size,
		.state = bundle_pipe_of(b) ? BUNDLE_COMING : BUNDLE_STORED,
	};
	if (bundle_group_of(name) == BUNDLE_TARGETS)
		b->target = m;
	return 0;
}

int bundle_walk_next(struct bundle *b, bool *more, struct err *e)
{
	struct bundle_walk *w = b->walk;
	struct archive_entry *entry;
	char name[TAR_NAME_SIZE] = "";
	int rc = w->ended ? ARCHIVE_EOF : archive_read_next_header(w->archive, &entry);

	/* ARCHIVE_WARN too: what libarchive doubts is not for a root process. */
	if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF)
		return fail_archive(w, e);
	*more = rc == ARCHIVE_OK;
	w->ended = !*more;
	if (w->ended)
		return 0;
	if (check_entry(w, entry, name, e) < 0)
		return -1;
	uint64_t data = w->header + TAR_BLOCK;
	uint64_t size = (uint64_t)archive_entry_size(entry);
	if (check_member(b, name, data, size, &w->last, e) < 0 ||
		add_member(b, name, data, size, e) < 0)
		return -1;
	w->header = data + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	return 0;
}

/* Behind the last member: two blocks of zeros or a few more, and nothing else. */
static int check_end(const struct bundle *b, uint64_t end, struct err *e)
{
	uint8_t rest[TAR_END_MAX];
	uint64_t len = b->size > end ? b->size - end : 0;

	if (!MUST("bundle.end", b->size >= end && len >= (uint64_t)2 * TAR_BLOCK))
		return err_set(e, E_BUNDLE, "it has no end: truncated?");
	if (!MUST("bundle.end-length", len <= sizeof(rest)))
		return err_set(e, E_BUNDLE, "%llu bytes behind its end", (unsigned long long)len);
	if (len > sizeof(rest))
		len = sizeof(rest);
	if (read_bytes(b, end, rest, (size_t)len, e) < 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (!MUST("bundle.end-zero", rest[i] == 0))
			return err_set(e, E_BUNDLE, "content behind its end");
	}
	return 0;
}

void bundle_walk_end(struct bundle *b)
{
	if (b->walk && b->walk->archive)
		archive_read_free(b->walk->archive);
	free(b->walk);
	b->walk = NULL;
}

static int walk_start(struct bundle *b, struct err *e)
{
	struct bundle_walk *w = calloc(1, sizeof(*w));

	b->walk = w;
	b->members = calloc(BUNDLE_MEMBERS_MAX, sizeof(*b->members));
	if (!w || !b->members)
		return err_set(e, E_NOMEM, "no memory for the directory");
	w->b = b;
	w->last = BUNDLE_METADATA;
	w->archive = archive_read_new();
	if (!w->archive)
		return err_set(e, E_NOMEM, "no memory for libarchive");
	/* Tar alone and no filter: no decompressor sees what nobody verified (CVE-2026-4424). */
	if (archive_read_support_format_tar(w->archive) != ARCHIVE_OK ||
		archive_read_set_skip_callback(w->archive, walk_skip) != ARCHIVE_OK)
		return err_set(e, E_INTERNAL, "libarchive has no tar");
	if (archive_read_open(w->archive, w, NULL, walk_read, NULL) != ARCHIVE_OK)
		return fail_archive(w, e);
	return 0;
}

/* All headers, or those before the content that comes out of a pipe. */
static int walk_members(struct bundle *b, struct err *e)
{
	bool more = true;

	while (more) {
		if (bundle_walk_next(b, &more, e) < 0)
			return -1;
		if (more && bundle_pipe_of(b) && b->walk->last == BUNDLE_OBJECTS)
			return 0;
	}
	/* Where a pipe ends only shows when it was read to its end, which nothing needs. */
	return bundle_pipe_of(b) ? 0 : check_end(b, b->walk->header, e);
}

int bundle_read_directory(struct bundle *b, struct err *e)
{
	/* Over a network: each header by itself, nothing of what lies between. */
	if (b->from.expect && b->from.expect(b->from.ctx, NULL, 0, e) < 0)
		return -1;
	if (walk_start(b, e) < 0 || walk_members(b, e) < 0)
		return -1;
	if (b->count == 0)
		return err_set(e, E_BUNDLE, "it is empty");
	if (!MUST("bundle.target", b->target != NULL))
		return err_set(e, E_BUNDLE, "it holds no release");
	if (!bundle_pipe_of(b))
		bundle_walk_end(b);
	return 0;
}

struct bundle_member *bundle_find(const struct bundle *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->members[i].name, name) == 0)
			return &b->members[i];
	}
	return NULL;
}
