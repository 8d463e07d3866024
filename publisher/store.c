/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by hash: checked, linked or copied, durable before anything refers to them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/must.h"
#include "publisher/publisher.h"

#define CHUNK (256 * 1024)

static void cleanup_hash(struct hash **h)
{
	hash_free(*h);
}

/* Hashes `from`, and copies it to `to` on the way when that is not -1. */
static int hash_and_copy(
	int from, int to, uint8_t digest[HASH_SIZE], uint64_t *length, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);
	__attribute__((cleanup(cleanup_hash))) struct hash *h = NULL;
	uint64_t total = 0;
	ssize_t n = 1;

	if (!chunk)
		return err_set(e, E_NOMEM, "out of memory");
	if (hash_start(HASH_SHA256, &h, e) < 0)
		return -1;
	while (n != 0) {
		n = read(from, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, E_IO, errno, "reading");
		if (hash_update(h, chunk, (size_t)n, e) < 0 ||
			(to >= 0 && file_write_full(to, chunk, (size_t)n, e) < 0))
			return -1;
		total += (uint64_t)n;
	}
	if (hash_finish(h, digest, e) < 0)
		return -1;
	*length = total;
	return 0;
}

int publisher_hash_file(int fd, uint8_t digest[HASH_SIZE], uint64_t *length, struct err *e)
{
	return hash_and_copy(fd, -1, digest, length, e);
}

/* Is the object there already? Then it is whole, because it got its name after its fsync. */
static bool is_there(int dir, const char *name, off_t size)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == size;
}

static int check(const uint8_t got[HASH_SIZE], const uint8_t want[HASH_SIZE], struct err *e)
{
	char hex[HASH_HEX_SIZE];

	if (MUST("publisher.object-hash", hash_equal(got, want)))
		return 0;
	hash_to_hex(want, hex);
	return err_set(e, E_HASH, "content is not that of object %s: make the release again", hex);
}

/* A second name for the same bytes; false where the file system cannot. */
static bool link_object(int from, const char *from_path, int dir, const char *name)
{
	return fchmod(from, 0644) == 0 && fsync(from) == 0 &&
	       linkat(AT_FDCWD, from_path, dir, name, 0) == 0;
}

static int copy_object(
	int from, int dir, const char *name, const uint8_t sha256[HASH_SIZE], struct err *e)
{
	uint8_t got[HASH_SIZE];
	uint64_t length;
	char tmp[HASH_HEX_SIZE + 8];

	snprintf(tmp, sizeof(tmp), ".%s.new", name);
	unlinkat(dir, tmp, 0);
	AUTO_CLOSE int to =
		openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (to < 0)
		return err_sys(e, file_code_of(errno), errno, "cannot make %s", tmp);
	if (lseek(from, 0, SEEK_SET) < 0)
		return err_sys(e, E_IO, errno, "cannot read again");
	if (hash_and_copy(from, to, got, &length, e) < 0 || check(got, sha256, e) < 0 ||
		file_sync(to, e) < 0) {
		unlinkat(dir, tmp, 0);
		return -1;
	}
	if (renameat(dir, tmp, dir, name) < 0)
		return err_sys(e, E_IO, errno, "cannot rename %s", tmp);
	return 0;
}

int publisher_store_object(
	int objects_dir, const char *from_path, const uint8_t sha256[HASH_SIZE], struct err *e)
{
	char hex[HASH_HEX_SIZE];
	char shard[3] = "";
	uint8_t got[HASH_SIZE];
	uint64_t length;
	struct stat st;
	AUTO_CLOSE int from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return err_sys(e, E_IO, errno, "cannot open object %s", from_path);
	hash_to_hex(sha256, hex);
	memcpy(shard, hex, 2);
	if (mkdirat(objects_dir, shard, 0755) == 0 && file_sync(objects_dir, e) < 0)
		return err_wrap(e, "objects");
	AUTO_CLOSE int dir = openat(objects_dir, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, E_IO, errno, "cannot open folder objects/%s", shard);
	if (is_there(dir, hex, st.st_size))
		return file_sync(dir, e); /* the run that made it may not have come so far */
	if (publisher_hash_file(from, got, &length, e) < 0 || check(got, sha256, e) < 0)
		return err_wrap(e, "%s", from_path);
	/* A file of the same name and another length is damage: it gives way. */
	unlinkat(dir, hex, 0);
	if (!link_object(from, from_path, dir, hex) && copy_object(from, dir, hex, sha256, e) < 0)
		return err_wrap(e, "%s", from_path);
	return file_sync(dir, e);
}
