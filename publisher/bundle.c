/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a bundle: each planned file goes into a ustar, hashed on its way. */
#include "publisher/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"
#include "agent/base/must.h"
#include "publisher/bundle_plan.h"
#include "publisher/output.h"

#define CHUNK (256u * 1024)

/* A fixed block size: the padding at the end is part of the bytes that must not differ. */
#define TAR_BLOCK 10240

struct writer {
	struct archive *archive;
	int public_dir;
	uint8_t *chunk;
	struct hash *hash;
};

static int archive_failed(const struct writer *w, struct err *e)
{
	int sys = archive_errno(w->archive);

	return err_set(
		e, file_code_of(sys), "writing the bundle: %s", archive_error_string(w->archive));
}

static void writer_free(struct writer *w)
{
	if (w->archive)
		archive_write_free(w->archive);
	hash_free(w->hash);
	free(w->chunk);
}

static int writer_open(struct writer *w, int fd, struct err *e)
{
	w->chunk = malloc(CHUNK);
	w->archive = archive_write_new();
	if (!w->chunk || !w->archive)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	if (hash_start(HASH_SHA256, &w->hash, e) < 0)
		return -1;
	if (archive_write_set_format_ustar(w->archive) != ARCHIVE_OK ||
		archive_write_add_filter_none(w->archive) != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(w->archive, TAR_BLOCK) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(w->archive, TAR_BLOCK) != ARCHIVE_OK ||
		archive_write_open_fd(w->archive, fd) != ARCHIVE_OK)
		return archive_failed(w, e);
	return 0;
}

/* Nothing of this machine (times, owners, modes) may get into the header. */
static int write_header(
	struct writer *w, const struct bundle_member *m, uint64_t length, struct err *e)
{
	struct archive_entry *entry = archive_entry_new();
	char name[BUNDLE_NAME_SIZE + sizeof(BUNDLE_HEAD)];

	if (!entry)
		return err_set(e, E_NOMEM, "no memory for a bundle");
	snprintf(name, sizeof(name), "%s%s", m->name, length < m->length ? BUNDLE_HEAD : "");
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (int64_t)length);
	archive_entry_set_mtime(entry, 0, 0);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	int rc = archive_write_header(w->archive, entry);
	archive_entry_free(entry);
	return rc == ARCHIVE_OK ? 0 : archive_failed(w, e);
}

/* Hashes all of the file; its first `keep` bytes go into the bundle. */
static int copy_content(struct writer *w, int fd, uint64_t length, uint64_t keep,
	uint8_t digest[HASH_SIZE], struct err *e)
{
	uint64_t done = 0;

	if (hash_restart(w->hash, e) < 0)
		return -1;
	while (done < length) {
		size_t n = length - done < CHUNK ? (size_t)(length - done) : CHUNK;
		if (file_pread_full(fd, w->chunk, n, done, e) < 0 ||
			hash_update(w->hash, w->chunk, n, e) < 0)
			return -1;
		uint64_t left = keep > done ? keep - done : 0;
		size_t put = left < n ? (size_t)left : n;
		if (put > 0 && archive_write_data(w->archive, w->chunk, put) != (la_ssize_t)put)
			return archive_failed(w, e);
		done += n;
	}
	return hash_finish(w->hash, digest, e);
}

static int write_member(
	struct writer *w, const struct bundle_member *m, uint64_t *length, struct err *e)
{
	AUTO_CLOSE int fd =
		openat(w->public_dir, m->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t digest[HASH_SIZE];
	struct stat st;

	if (fd < 0)
		return err_sys(e, errno == ENOENT ? E_NOTFOUND : E_IO, errno, "public/%s", m->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, E_IO, "public/%s is not a regular file", m->name);
	uint64_t size = (uint64_t)st.st_size;
	if (!MUST("publisher.bundle-size", !m->checked || size == m->length))
		return err_set(e, E_SIZE, "public/%s has %llu bytes where %llu are signed", m->name,
			(unsigned long long)size, (unsigned long long)m->length);
	uint64_t keep = m->head && m->head < size ? m->head : size;
	if (write_header(w, m, keep, e) < 0 || copy_content(w, fd, size, keep, digest, e) < 0)
		return err_wrap(e, "public/%s", m->name);
	if (!MUST("publisher.bundle-hash", !m->checked || hash_equal(digest, m->sha256)))
		return err_set(e, E_HASH,
			"public/%s does not have the hash that is signed; restore it", m->name);
	*length = keep;
	return 0;
}

static int write_members(
	struct writer *w, const struct bundle_plan *plan, struct bundle_facts *facts, struct err *e)
{
	for (size_t i = 0; i < plan->count; i++) {
		uint64_t length = 0;
		if (write_member(w, &plan->member[i], &length, e) < 0)
			return -1;
		facts->bytes += length;
		facts->members++;
	}
	if (archive_write_close(w->archive) != ARCHIVE_OK)
		return archive_failed(w, e);
	return 0;
}

int bundle_write(const struct bundle_request *r, const char *path, struct bundle_plan *plan,
	struct bundle_facts *facts, struct err *e)
{
	__attribute__((cleanup(writer_free))) struct writer w = {.public_dir = r->public_dir};
	AUTO_OUTPUT struct output out = {.dir = -1, .fd = -1};
	struct bundle_facts found = {0};

	if (bundle_make_plan(r, plan, e) < 0 || output_begin(path, &out, e) < 0)
		return -1;
	if (writer_open(&w, out.fd, e) < 0 || write_members(&w, plan, &found, e) < 0 ||
		output_commit(&out, e) < 0)
		return -1;
	*facts = found;
	return 0;
}
