/* SPDX-License-Identifier: Apache-2.0 */
/* A release that is being made: begin, commit by one rename, abort. */
#include "publisher/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Calls `visit` for each name of a folder but "." and ".."; a missing folder has none. */
static void each_name(int parent, const char *folder, void (*visit)(int dir, const char *name))
{
	int fd = openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *n = readdir(d); n; n = readdir(d)) {
		if (strcmp(n->d_name, ".") != 0 && strcmp(n->d_name, "..") != 0)
			visit(fd, n->d_name);
	}
	closedir(d);
}

static void remove_file(int dir, const char *name)
{
	unlinkat(dir, name, 0);
}

/* A folder with files only. */
static void remove_shelf(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0)
		return;
	each_name(dir, name, remove_file);
	unlinkat(dir, name, AT_REMOVEDIR);
}

int staging_clear(int parent, const char *name, struct err *e)
{
	AUTO_CLOSE int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(e, E_IO, errno, "staging/%s", name);
	each_name(dir, "objects", remove_shelf);
	unlinkat(dir, "objects", AT_REMOVEDIR);
	each_name(parent, name, remove_file);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return err_sys(e, E_IO, errno,
			"cannot remove staging/%s, which an interrupted run left; remove it by hand",
			name);
	return 0;
}

static int make_folders(struct staging *s, struct err *e)
{
	if (mkdirat(s->parent, s->temporary, 0755) < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot make folder staging/%s",
			s->temporary);
	s->dir = openat(s->parent, s->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dir < 0)
		return err_sys(e, E_IO, errno, "cannot open folder staging/%s", s->temporary);
	if (mkdirat(s->dir, "objects", 0755) < 0)
		return err_sys(
			e, E_IO, errno, "cannot make folder staging/%s/objects", s->temporary);
	s->objects = openat(s->dir, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->objects < 0)
		return err_sys(
			e, E_IO, errno, "cannot open folder staging/%s/objects", s->temporary);
	return 0;
}

int staging_begin(struct publisher *p, const char *product, uint64_t release, struct staging *out,
	struct err *e)
{
	AUTO_STAGING struct staging s = {.parent = -1, .dir = -1, .objects = -1};
	struct stat st;

	snprintf(s.name, sizeof(s.name), "%s-%" PRIu64, product, release);
	snprintf(s.temporary, sizeof(s.temporary), ".%s.new", s.name);
	if (publisher_open_dir(p, "staging", true, &s.parent, e) < 0)
		return -1;
	if (fstatat(s.parent, s.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, E_BUSY,
			"release %" PRIu64 " of %s is staged already; publish it, or remove "
			"staging/%s to make it again",
			release, product, s.name);
	if (staging_clear(s.parent, s.temporary, e) < 0 || make_folders(&s, e) < 0)
		return -1;
	*out = s;
	s.parent = -1; /* handed on */
	return 0;
}

static void close_all(struct staging *s)
{
	cleanup_close(&s->objects);
	cleanup_close(&s->dir);
	cleanup_close(&s->parent);
	s->objects = s->dir = s->parent = -1;
}

int staging_commit(struct staging *s, const struct buf *manifest, struct err *e)
{
	if (file_sync(s->objects, e) < 0 ||
		file_replace(s->dir, "manifest.json", manifest->data, manifest->len, 0644, e) < 0)
		return err_wrap(e, "staging/%s", s->temporary);
	if (renameat(s->parent, s->temporary, s->parent, s->name) < 0)
		return err_sys(
			e, E_IO, errno, "cannot rename staging/%s to %s", s->temporary, s->name);
	int rc = file_sync(s->parent, e);
	close_all(s);
	return rc < 0 ? err_wrap(e, "folder staging") : 0;
}

void staging_abort(struct staging *s)
{
	struct err ignored = {0};

	if (s->parent < 0)
		return;
	staging_clear(s->parent, s->temporary, &ignored);
	close_all(s);
}
