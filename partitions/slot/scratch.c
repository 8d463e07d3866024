/* SPDX-License-Identifier: Apache-2.0 */
/* Big arrays: memory while they are small, files without a name when they are not. */
#include "partitions/slot/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/file.h"

#define NAME_TRIES   100u
#define SETTLE_EVERY 65536u

/* For file systems without O_TMPFILE: a name for the shortest of times. */
static int open_named(int dir, struct err *e)
{
	char name[64];

	for (unsigned i = 0; i < NAME_TRIES; i++) {
		snprintf(name, sizeof(name), ".scratch-%ld-%u", (long)getpid(), i);
		int fd =
			openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			unlinkat(dir, name, 0);
			return fd;
		}
		if (errno != EEXIST)
			break;
	}
	return err_sys(e, file_code_of(errno), errno, "cannot make a scratch file");
}

static int open_file(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	/* Old file systems say EOPNOTSUPP, old kernels EISDIR; whatever it was, a name shows. */
	return fd >= 0 ? fd : open_named(dir, e);
}

int scratch_allocate(int fd, size_t size, struct err *e)
{
	const uint8_t zeros[4096] = {0};
	int rc = posix_fallocate(fd, 0, (off_t)size);

	if (rc == 0)
		return 0;
	if (rc != EOPNOTSUPP && rc != EINVAL)
		return err_sys(
			e, file_code_of(rc), rc, "no room for a scratch file of %zu bytes", size);
	/* The C library does not write zeros itself (musl): written ones are allocated, too. */
	for (size_t at = 0; at < size; at += sizeof(zeros)) {
		size_t len = size - at < sizeof(zeros) ? size - at : sizeof(zeros);
		if (file_pwrite_full(fd, zeros, len, at, e) < 0)
			return err_wrap(e, "a scratch file of %zu bytes", size);
	}
	return 0;
}

static int map(int fd, size_t size, struct scratch *out, struct err *e)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return err_sys(e, errno == ENOMEM ? E_NOMEM : E_IO, errno,
			"cannot map %zu bytes of scratch", size);
	*out = (struct scratch){.data = p, .size = size};
	return 0;
}

int scratch_get(int dir, size_t size, struct scratch *out, struct err *e)
{
	if (size == 0) {
		*out = (struct scratch){0};
		return 0;
	}
	if (size <= SCRATCH_MEMORY_MAX)
		return map(-1, size, out, e);
	AUTO_CLOSE int fd = open_file(dir, e);
	if (fd < 0 || scratch_allocate(fd, size, e) < 0)
		return -1;
	return map(fd, size, out, e);
}

void scratch_free(struct scratch *s)
{
	if (s->data)
		munmap(s->data, s->size);
	*s = (struct scratch){0};
}

void scratch_settle(const struct scratch *s, size_t from, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	/* Memory has no file behind it that would keep the content. */
	if (s->size <= SCRATCH_MEMORY_MAX || from >= s->size)
		return;
	if (len > s->size - from)
		len = s->size - from;
	/* A file's pages stay in its page cache; only our view of them goes, so whole pages may. */
	size_t start = from - from % page;
	(void)madvise((uint8_t *)s->data + start, from + len - start, MADV_DONTNEED);
}

void scratch_settle_behind(const struct scratch *s, size_t *settled, size_t to)
{
	if (to < *settled + SETTLE_EVERY)
		return;
	scratch_settle(s, *settled, to - *settled);
	*settled = to - to % SETTLE_EVERY;
}
