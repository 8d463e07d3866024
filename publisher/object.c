/* SPDX-License-Identifier: Apache-2.0 */
/* Writing objects/<2 hex>/<sha256>: temporary file, hash, fsync, rename. */
#include "publisher/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"

/* The workspace's lock lets one process write, and that one object at a time. */
#define TEMPORARY ".object.new"

void object_name(const uint8_t sha256[HASH_SIZE], char name[OBJECT_NAME_SIZE])
{
	char hex[HASH_HEX_SIZE];

	hash_to_hex(sha256, hex);
	snprintf(name, OBJECT_NAME_SIZE, "%.2s/%s", hex, hex);
}

int object_begin(struct object_writer *w, int objects_dir, struct err *e)
{
	*w = (struct object_writer){.dir = objects_dir, .fd = -1};
	if (unlinkat(objects_dir, TEMPORARY, 0) < 0 && errno != ENOENT)
		return err_sys(e, E_IO, errno, "cannot remove objects/" TEMPORARY);
	int fd = openat(
		objects_dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot make objects/" TEMPORARY);
	w->fd = fd;
	if (hash_start(HASH_SHA256, &w->hash, e) < 0) {
		object_abort(w);
		return -1;
	}
	return 0;
}

int object_add(struct object_writer *w, const void *data, size_t len, struct err *e)
{
	if (hash_update(w->hash, data, len, e) < 0)
		return -1;
	if (file_write_full(w->fd, data, len, e) < 0)
		return err_wrap(e, "object of the release");
	w->length += len;
	return 0;
}

/* Moves the temporary file to its hash and makes the name durable. */
static int give_name(const struct object_writer *w, const uint8_t sha256[HASH_SIZE], struct err *e)
{
	char name[OBJECT_NAME_SIZE];
	char folder[3] = {0};

	object_name(sha256, name);
	memcpy(folder, name, 2);
	if (mkdirat(w->dir, folder, 0755) < 0 && errno != EEXIST)
		return err_sys(e, E_IO, errno, "cannot make folder objects/%s", folder);
	AUTO_CLOSE int dir =
		openat(w->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return err_sys(e, E_IO, errno, "cannot open folder objects/%s", folder);
	if (renameat(w->dir, TEMPORARY, w->dir, name) < 0)
		return err_sys(e, E_IO, errno, "cannot rename to objects/%s", name);
	return file_sync(dir, e) < 0 ? err_wrap(e, "folder objects/%s", folder) : 0;
}

int object_finish(struct object_writer *w, struct plan_object *out, struct err *e)
{
	struct plan_object object = {.length = w->length};

	if (hash_finish(w->hash, object.sha256, e) < 0 || file_sync(w->fd, e) < 0 ||
		give_name(w, object.sha256, e) < 0) {
		object_abort(w);
		return -1;
	}
	close(w->fd);
	w->fd = -1;
	hash_free(steal_ptr(w->hash));
	*out = object;
	return 0;
}

void object_abort(struct object_writer *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	w->fd = -1;
	hash_free(steal_ptr(w->hash));
	unlinkat(w->dir, TEMPORARY, 0);
}

int object_write(
	int objects_dir, const void *data, size_t len, struct plan_object *out, struct err *e)
{
	AUTO_OBJECT struct object_writer w = {.fd = -1};

	if (object_begin(&w, objects_dir, e) < 0 || object_add(&w, data, len, e) < 0)
		return -1;
	return object_finish(&w, out, e);
}
