/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a bundle: libarchive walks the headers, the rules are judged here. */
#include "agent/poll/bundle_directory.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/must.h"
#include "agent/poll/bundle_tar.h"

static int read_bytes(
	const struct bundle *b, uint64_t offset, void *data, size_t len, struct err *e)
{
	return b->from.read(b->from.ctx, offset, data, len, e);
}

/* What libarchive reads from: one block at a time, because all content is skipped. */
struct walk {
	struct bundle *b;
	uint64_t pos;
	uint8_t block[TAR_BLOCK];
	struct err e; /* of a read that failed */
};

static la_ssize_t walk_read(struct archive *a, void *ctx, const void **data)
{
	struct walk *w = ctx;
	size_t len = sizeof(w->block);

	if (w->pos >= w->b->size)
		return 0;
	if (w->b->size - w->pos < len)
		len = (size_t)(w->b->size - w->pos);
	if (read_bytes(w->b, w->pos, w->block, len, &w->e) < 0) {
		archive_set_error(a, EIO, "%s", w->e.text);
		return -1;
	}
	w->pos += len;
	*data = w->block;
	return (la_ssize_t)len;
}

static la_int64_t walk_skip(struct archive *a, void *ctx, la_int64_t request)
{
	struct walk *w = ctx;
	uint64_t left = w->b->size - w->pos;
	uint64_t skip = request > 0 ? (uint64_t)request : 0;

	(void)a;
	if (skip > left)
		skip = left;
	w->pos += skip;
	return (la_int64_t)skip;
}

static void cleanup_archive(struct archive **a)
{
	archive_read_free(*a);
}

static int fail_archive(struct archive *a, const struct walk *w, struct err *e)
{
	if (w->e.code != E_OK) {
		*e = w->e;
		return -1;
	}
	const char *why = archive_error_string(a);
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

static int check_entry(const struct walk *w, struct archive *a, struct archive_entry *entry,
	uint64_t header, char name[TAR_NAME_SIZE], struct err *e)
{
	uint64_t size;

	/* The block that libarchive read last is the header that it judged. */
	if (bundle_read_header(w->block, name, &size, e) < 0)
		return -1;
	if (!MUST("bundle.one-header", w->pos == header + TAR_BLOCK))
		return err_set(e, E_BUNDLE, "%s: more than one header", name);
	if (!agrees(a, entry, header, name, size))
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

static int add_member(
	struct bundle *b, const char *name, uint64_t data, uint64_t size, struct err *e)
{
	if (!MUST("bundle.members", b->count < BUNDLE_MEMBERS_MAX))
		return err_set(e, E_BUNDLE, "more than %d members", BUNDLE_MEMBERS_MAX);
	if (b->count % 64 == 0) {
		struct bundle_member *more = realloc(b->members, (b->count + 64) * sizeof(*more));
		if (!more)
			return err_set(e, E_NOMEM, "no memory for the directory");
		b->members = more;
	}
	char *copy = strdup(name);
	if (!copy)
		return err_set(e, E_NOMEM, "no memory for the directory");
	b->members[b->count++] = (struct bundle_member){.name = copy, .offset = data, .size = size};
	return 0;
}

static int walk_members(
	struct bundle *b, struct archive *a, struct walk *w, uint64_t *end, struct err *e)
{
	enum bundle_group last = BUNDLE_METADATA;
	struct archive_entry *entry;
	char name[TAR_NAME_SIZE] = "";
	uint64_t header = 0;
	int rc;

	while ((rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		if (check_entry(w, a, entry, header, name, e) < 0)
			return -1;
		uint64_t data = header + TAR_BLOCK;
		uint64_t size = (uint64_t)archive_entry_size(entry);
		if (check_member(b, name, data, size, &last, e) < 0 ||
			add_member(b, name, data, size, e) < 0)
			return -1;
		header = data + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	}
	/* ARCHIVE_WARN too: what libarchive doubts is not for a root process. */
	if (rc != ARCHIVE_EOF)
		return fail_archive(a, w, e);
	*end = header;
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

static int compare_members(const void *a, const void *b)
{
	return strcmp(
		((const struct bundle_member *)a)->name, ((const struct bundle_member *)b)->name);
}

static int index_members(struct bundle *b, struct err *e)
{
	if (b->count == 0)
		return err_set(e, E_BUNDLE, "it is empty");
	qsort(b->members, b->count, sizeof(b->members[0]), compare_members);
	for (size_t i = 0; i < b->count; i++) {
		const struct bundle_member *m = &b->members[i];
		/* Which of two counts differs between readers (CVE-2018-1000035 class). */
		if (!MUST("bundle.duplicate", i == 0 || strcmp(m->name, m[-1].name) != 0))
			return err_set(e, E_BUNDLE, "%s: is there twice", m->name);
		if (bundle_group_of(m->name) == BUNDLE_TARGETS)
			b->target = m;
	}
	if (!MUST("bundle.target", b->target != NULL))
		return err_set(e, E_BUNDLE, "it holds no release");
	return 0;
}

int bundle_read_directory(struct bundle *b, struct err *e)
{
	__attribute__((cleanup(cleanup_archive))) struct archive *a = archive_read_new();
	struct walk w = {.b = b};
	uint64_t end = 0;

	if (!a)
		return err_set(e, E_NOMEM, "no memory for libarchive");
	/* Over a network: each header by itself, nothing of what lies between. */
	if (b->from.expect && b->from.expect(b->from.ctx, NULL, 0, e) < 0)
		return -1;
	/* Tar alone and no filter: no decompressor sees what nobody verified (CVE-2026-4424). */
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
		archive_read_set_skip_callback(a, walk_skip) != ARCHIVE_OK)
		return err_set(e, E_INTERNAL, "libarchive has no tar");
	if (archive_read_open(a, &w, NULL, walk_read, NULL) != ARCHIVE_OK)
		return fail_archive(a, &w, e);
	if (walk_members(b, a, &w, &end, e) < 0 || check_end(b, end, e) < 0)
		return -1;
	return index_members(b, e);
}

const struct bundle_member *bundle_find(const struct bundle *b, const char *name)
{
	struct bundle_member key = {.name = (char *)(uintptr_t)name};

	return bsearch(&key, b->members, b->count, sizeof(key), compare_members);
}
