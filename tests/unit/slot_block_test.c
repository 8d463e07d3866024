/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partitions/slot on a block device, which is a file whose stat, open and ioctl
 * say otherwise: exclusive, its size by ioctl, read-only refused. Linked with
 * --wrap for both names that libraries give to the calls.
 */
#include "tests/unit/slot_rig.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define SIZE (2u * LEAF)

/* What the device does. */
static struct {
	const char *path;
	uint64_t size;
	int read_only;
	int open_error;
	int fd; /* what it was opened as last */
	bool changes; /* another device answers after the open */
	unsigned opens;
	unsigned exclusive_opens;
	unsigned locks;
} device;

static void make_block(struct stat *st, unsigned number)
{
	st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
	st->st_rdev = makedev(4000, number);
}

#define WRAP_STAT(name)                                                                            \
	int __real_##name(const char *path, struct stat *st);                                      \
	int __wrap_##name(const char *path, struct stat *st);                                      \
	int __wrap_##name(const char *path, struct stat *st)                                       \
	{                                                                                          \
		int rc = __real_##name(path, st);                                                  \
		if (rc == 0 && device.path && strcmp(path, device.path) == 0)                      \
			make_block(st, 7);                                                         \
		return rc;                                                                         \
	}

#define WRAP_FSTAT(name)                                                                           \
	int __real_##name(int fd, struct stat *st);                                                \
	int __wrap_##name(int fd, struct stat *st);                                                \
	int __wrap_##name(int fd, struct stat *st)                                                 \
	{                                                                                          \
		int rc = __real_##name(fd, st);                                                    \
		if (rc == 0 && device.path && fd == device.fd)                                     \
			make_block(st, device.changes ? 8 : 7);                                    \
		return rc;                                                                         \
	}

/* Fortified opens have two arguments; the plain one has none more here either. */
#define WRAP_OPEN(name)                                                                            \
	int __real_##name(const char *path, int flags, ...);                                       \
	int __wrap_##name(const char *path, int flags, ...);                                       \
	int __wrap_##name(const char *path, int flags, ...)                                        \
	{                                                                                          \
		return open_device(path, flags);                                                   \
	}

static int open_device(const char *path, int flags)
{
	bool ours = device.path && strcmp(path, device.path) == 0;

	if (ours) {
		device.opens++;
		device.exclusive_opens += (flags & O_EXCL) != 0;
	}
	if (ours && device.open_error && (flags & O_ACCMODE) == O_RDWR) {
		errno = device.open_error;
		return -1;
	}
	int fd = openat(AT_FDCWD, path, flags & ~O_EXCL, 0600);
	if (ours)
		device.fd = fd;
	return fd;
}

WRAP_STAT(stat)
WRAP_FSTAT(fstat)
WRAP_OPEN(open)
#ifdef __GLIBC__
WRAP_STAT(stat64)
WRAP_FSTAT(fstat64)
WRAP_OPEN(open64)
WRAP_OPEN(__open_2)
WRAP_OPEN(__open64_2)
#endif

#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif
int __wrap_ioctl(int fd, ioctl_request request, void *arg);
int __wrap_ioctl(int fd, ioctl_request request, void *arg)
{
	(void)fd;
	if (request == (ioctl_request)BLKGETSIZE64)
		*(uint64_t *)arg = device.size;
	else if (request == (ioctl_request)BLKROGET)
		*(int *)arg = device.read_only;
	else
		fail();
	return 0;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (fd == device.fd)
		device.fd = -1; /* the number will be used again */
	return __real_close(fd);
}

int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
	(void)fd, (void)operation;
	device.locks++;
	return 0;
}

static int open_target(struct rig *r, struct slot_target **t, struct err *e)
{
	uint64_t needed = SIZE;

	memset(e, 0, sizeof(*e));
	return slot_open_target(&r->part, &needed, 1, NULL, 0, t, e);
}

static struct rig *device_rig(void)
{
	struct rig *r = rig_new(SIZE, SLOT_ZLIB, HASH_SHA256);

	memset(&device, 0, sizeof(device));
	device.path = r->part.path;
	device.size = SIZE;
	return r;
}

static void free_device_rig(struct rig *r)
{
	device.path = NULL;
	rig_free(r);
}

static void a_block_device_is_opened_exclusively_and_filled(void **state)
{
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	struct slot_stats stats;
	struct err e;

	(void)state;
	if (open_target(r, &t, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(device.opens, 1);
	assert_int_equal(device.exclusive_opens, 1);
	assert_int_equal(device.locks, 0);
	assert_int_equal(slot_spoil(t, &e), 0);
	assert_int_equal(slot_write(t, 0, &r->image, NULL, &stats, &e), 0);
	assert_int_equal(slot_finish(t, NULL, &e), 0);
	slot_close_target(t);
	/* A look at it is not exclusive: during the trial it is the mounted root. */
	assert_int_equal(slot_check(r->part.path, SIZE, HASH_SHA256, r->leaves, &e), 0);
	assert_int_equal(device.exclusive_opens, 1);
	device.path = NULL;
	assert_true(rig_target_is_whole(r));
	free_device_rig(r);
}

static void the_size_is_the_device_s_own(void **state)
{
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	uint64_t size = 0;
	struct err e;

	(void)state;
	device.size = SIZE - 512;
	assert_int_equal(open_target(r, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "too small"));
	assert_int_equal(slot_part_size(r->part.path, &size, &e), 0);
	assert_int_equal(size, SIZE - 512);
	free_device_rig(r);
}

static void a_read_only_device_is_refused(void **state)
{
	static const int errors[] = {EROFS, EACCES, EPERM};
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	struct err e;

	(void)state;
	device.read_only = 1;
	assert_int_equal(open_target(r, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "read-only"));
	device.read_only = 0;
	for (size_t i = 0; i < 3; i++) {
		device.open_error = errors[i];
		assert_int_equal(open_target(r, &t, &e), -1);
		assert_int_equal(e.code, E_SLOT);
		assert_non_null(strstr(e.text, r->part.path));
	}
	free_device_rig(r);
}

static void a_device_that_somebody_claims_is_busy(void **state)
{
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	struct err e;

	(void)state;
	device.open_error = EBUSY;
	assert_int_equal(open_target(r, &t, &e), -1);
	assert_int_equal(e.code, E_BUSY);
	assert_non_null(strstr(e.text, r->part.path));
	free_device_rig(r);
}

static void a_device_that_changes_while_it_is_opened_is_refused(void **state)
{
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	struct err e;

	(void)state;
	device.changes = true;
	assert_int_equal(open_target(r, &t, &e), -1);
	assert_int_equal(e.code, E_SLOT);
	assert_non_null(strstr(e.text, "replaced"));
	free_device_rig(r);
}

/* It says that it is larger than it is. */
static void a_device_that_ends_early_fails_with_the_place(void **state)
{
	struct rig *r = device_rig();
	struct slot_target *t = NULL;
	struct slot_stats stats;
	struct err e;

	(void)state;
	rig_make_target(r, LEAF + SLOT_BLOCK_SIZE);
	assert_int_equal(open_target(r, &t, &e), 0);
	assert_int_equal(slot_spoil(t, &e), 0);
	int rc = slot_write(t, 0, &r->image, NULL, &stats, &e);
	if (rc == 0) {
		/* A file grows where a device would not; what is not there cannot be read back. */
		assert_int_equal(truncate(r->part.path, LEAF + SLOT_BLOCK_SIZE), 0);
		assert_int_equal(slot_finish(t, NULL, &e), -1);
	}
	assert_int_equal(e.code, E_IO);
	assert_non_null(strstr(e.text, r->part.path));
	assert_non_null(strstr(e.text, "reading at byte"));
	slot_close_target(t);
	device.path = NULL;
	assert_true(rig_head_is_spoiled(r));
	free_device_rig(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_device_is_opened_exclusively_and_filled),
		cmocka_unit_test(the_size_is_the_device_s_own),
		cmocka_unit_test(a_read_only_device_is_refused),
		cmocka_unit_test(a_device_that_somebody_claims_is_busy),
		cmocka_unit_test(a_device_that_changes_while_it_is_opened_is_refused),
		cmocka_unit_test(a_device_that_ends_early_fails_with_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
