/* SPDX-License-Identifier: Apache-2.0 */
/* Files: full reads and writes, the one way to replace a state file, locks. */
#include "agent/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum err_code file_code_of(int sys)
{
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? E_SPACE : E_IO;
}

int file_open_dir(const char *path, int *fd, struct err *e)
{
	int n = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (n < 0)
		return err_sys(e, E_IO, errno, "cannot open folder %s", path);
	*fd = n;
	return 0;
}

int file_make_dir(int dirfd, const char *name, int *fd, struct err *e)
{
	bool made = mkdirat(dirfd, name, 0700) == 0;

	if (!made && errno != EEXIST)
		return err_sys(e, file_code_of(errno), errno, "cannot make folder %s", name);
	/* Files in it are flushed with it, but its own name only with the folder above. */
	if (made && file_sync(dirfd, e) < 0)
		return err_wrap(e, "folder of %s", name);
	int n = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (n < 0)
		return err_sys(e, E_IO, errno, "cannot open folder %s", name);
	*fd = n;
	return 0;
}

/* `path` was just made: its name must be on the medium before anything counts on it. */
static int sync_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash > path ? (size_t)(slash - path) : 1;
	AUTO_FREE char *parent = strndup(slash ? path : ".", len);
	AUTO_CLOSE int fd = -1;

	if (!parent)
		return err_set(e, E_NOMEM, "no memory for a path");
	if (file_open_dir(parent, &fd, e) < 0 || file_sync(fd, e) < 0)
		return err_wrap(e, "folder of %s", path);
	return 0;
}

int file_make_path(const char *path, mode_t mode, struct err *e)
{
	char part[4096];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return err_set(e, E_CONFIG, "path of %zu bytes is not usable", len);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != 0)
			continue;
		char kept = part[i];
		part[i] = 0;
		bool made = mkdir(part, mode) == 0;
		if (!made && errno != EEXIST)
			return err_sys(
				e, file_code_of(errno), errno, "cannot make folder %s", part);
		if (made && sync_parent(part, e) < 0)
			return -1;
		part[i] = kept;
	}
	return 0;
}

int file_read(int dirfd, const char *name, struct buf *out, struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_sys(
			e, errno == ENOENT ? E_NOTFOUND : E_IO, errno, "cannot open %s", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, E_IO, errno, "cannot stat %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, E_IO, "%s is not a regular file", name);
	AUTO_BUF struct buf got = buf_make(out->limit);
	uint8_t chunk[16384];
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, E_IO, errno, "cannot read %s", name);
		if (n == 0)
			break;
		if (buf_add(&got, chunk, (size_t)n, e) < 0)
			return err_wrap(e, "%s", name);
	}
	buf_clear(out);
	return buf_add(out, got.data, got.len, e);
}

int file_replace(
	int dirfd, const char *name, const void *data, size_t len, mode_t mode, struct err *e)
{
	char tmp[300];

	if (strchr(name, '/') || snprintf(tmp, sizeof(tmp), ".%s.new", name) >= (int)sizeof(tmp))
		return err_set(e, E_INTERNAL, "%s is not a plain file name", name);
	if (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT)
		return err_sys(e, file_code_of(errno), errno, "cannot remove %s", tmp);
	AUTO_CLOSE int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot make %s", tmp);
	if (file_write_full(fd, data, len, e) < 0 || file_sync(fd, e) < 0) {
		unlinkat(dirfd, tmp, 0);
		return err_wrap(e, "%s", name);
	}
	/* The commit point: before it the old content stands, after it the new. */
	if (renameat(dirfd, tmp, dirfd, name) < 0) {
		int sys = errno;
		unlinkat(dirfd, tmp, 0);
		return err_sys(e, file_code_of(sys), sys, "cannot rename %s to %s", tmp, name);
	}
	if (file_sync(dirfd, e) < 0)
		return err_wrap(e, "folder of %s", name);
	return 0;
}

int file_remove(int dirfd, const char *name, struct err *e)
{
	if (unlinkat(dirfd, name, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, file_code_of(errno), errno, "cannot remove %s", name);
	}
	if (file_sync(dirfd, e) < 0)
		return err_wrap(e, "folder of %s", name);
	return 0;
}

int file_pread_full(int fd, void *data, size_t len, uint64_t offset, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (uint8_t *)data + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, E_IO, errno, "reading at byte %llu",
				(unsigned long long)(offset + done));
		if (n == 0)
			return err_set(e, E_IO, "reading at byte %llu: unexpected end",
				(unsigned long long)(offset + done));
		done += (size_t)n;
	}
	return 0;
}

int file_pwrite_full(int fd, const void *data, size_t len, uint64_t offset, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(
			fd, (const uint8_t *)data + done, len - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, file_code_of(n < 0 ? errno : EIO), n < 0 ? errno : EIO,
				"writing at byte %llu", (unsigned long long)(offset + done));
		done += (size_t)n;
	}
	return 0;
}

int file_write_full(int fd, const void *data, size_t len, struct err *e)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const uint8_t *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, file_code_of(n < 0 ? errno : EIO), n < 0 ? errno : EIO,
				"writing");
		done += (size_t)n;
	}
	return 0;
}

int file_sync(int fd, struct err *e)
{
	if (fsync(fd) < 0)
		return err_sys(e, file_code_of(errno), errno, "fsync");
	return 0;
}

int file_lock(int dirfd, const char *name, unsigned wait_seconds, int *fd, struct err *e)
{
	AUTO_CLOSE int n = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	const struct timespec tick = {.tv_nsec = 50 * 1000 * 1000};

	if (n < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot open lock %s", name);
	for (uint64_t tries = (uint64_t)wait_seconds * 20 + 1; tries > 0; tries--) {
		if (flock(n, LOCK_EX | LOCK_NB) == 0) {
			*fd = steal_fd(&n);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, E_IO, errno, "cannot lock %s", name);
		if (tries > 1)
			nanosleep(&tick, NULL);
	}
	return err_set(e, E_BUSY, "another process holds the lock %s", name);
}

int file_join(char *out, size_t size, const char *dir, const char *name, struct err *e)
{
	size_t len = strlen(dir);
	const char *slash = len > 0 && dir[len - 1] == '/' ? "" : "/";

	while (*name == '/')
		name++;
	if (snprintf(out, size, "%s%s%s", dir, slash, name) >= (int)size)
		return err_set(e, E_CONFIG, "path too long: %.80s/%.80s", dir, name);
	return 0;
}
