/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a person named: written beside their name, then renamed. */
#include "publisher/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"

/* Folder and last component of a path. */
static int split(const char *path, char folder[PATH_MAX], const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;
	if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0 || len >= PATH_MAX)
		return err_set(e, E_USAGE, "\"%s\" is not the name of a file", path);
	if (!slash)
		snprintf(folder, PATH_MAX, ".");
	else if (len == 0)
		snprintf(folder, PATH_MAX, "/");
	else
		snprintf(folder, PATH_MAX, "%.*s", (int)len, path);
	return 0;
}

int output_begin(const char *path, struct output *out, struct err *e)
{
	AUTO_OUTPUT struct output o = {.dir = -1, .fd = -1};
	char folder[PATH_MAX];
	const char *name;
	struct stat st;

	if (split(path, folder, &name, e) < 0)
		return -1;
	if (strlen(name) + sizeof("..new") > sizeof(o.temporary))
		return err_set(e, E_USAGE, "the name of %s is too long", path);
	snprintf(o.name, sizeof(o.name), "%s", name);
	snprintf(o.temporary, sizeof(o.temporary), ".%.240s.new", name);
	if (file_open_dir(folder, &o.dir, e) < 0)
		return -1;
	/* Renaming over a device or folder would not do what was meant. */
	if (fstatat(o.dir, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, E_USAGE, "%s is not a regular file", path);
	if (unlinkat(o.dir, o.temporary, 0) < 0 && errno != ENOENT)
		return err_sys(e, E_IO, errno, "cannot remove %s/%s", folder, o.temporary);
	o.fd = openat(
		o.dir, o.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (o.fd < 0)
		return err_sys(
			e, file_code_of(errno), errno, "cannot make %s/%s", folder, o.temporary);
	*out = o;
	o.dir = -1; /* handed on */
	return 0;
}

int output_commit(struct output *o, struct err *e)
{
	if (file_sync(o->fd, e) < 0)
		return err_wrap(e, "%s", o->name);
	if (renameat(o->dir, o->temporary, o->dir, o->name) < 0)
		return err_sys(e, E_IO, errno, "cannot rename %s to %s", o->temporary, o->name);
	int rc = file_sync(o->dir, e);
	cleanup_close(&o->fd);
	cleanup_close(&o->dir);
	o->fd = o->dir = -1;
	return rc < 0 ? err_wrap(e, "folder of %s", o->name) : 0;
}

void output_abort(struct output *o)
{
	if (o->dir < 0)
		return;
	if (o->fd >= 0) {
		close(o->fd);
		unlinkat(o->dir, o->temporary, 0);
	}
	close(o->dir);
	o->fd = o->dir = -1;
}

int output_replace(const char *path, const void *data, size_t len, struct err *e)
{
	AUTO_OUTPUT struct output o = {.dir = -1, .fd = -1};

	if (output_begin(path, &o, e) < 0)
		return -1;
	if (file_write_full(o.fd, data, len, e) < 0)
		return err_wrap(e, "%s", path);
	return output_commit(&o, e);
}
