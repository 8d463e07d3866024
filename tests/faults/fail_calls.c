/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls, and what one of them works on; see fail_calls.h. */
#include "tests/faults/fail_calls.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {
	{"read", KIND_READ},
	{"write", KIND_WRITE},
	{"sync", KIND_SYNC},
	{"open", KIND_OPEN},
	{"make", KIND_MAKE},
	{"name", KIND_NAME},
	{"size", KIND_SIZE},
};

static const struct fail_call calls[] = {
	{SYS_read, "read", KIND_READ, BY_FD, 0},
	{SYS_pread64, "pread64", KIND_READ, BY_FD, 0},
	{SYS_readv, "readv", KIND_READ, BY_FD, 0},
	{SYS_preadv, "preadv", KIND_READ, BY_FD, 0},
	{SYS_getdents64, "getdents64", KIND_READ, BY_FD, 0},
	{SYS_write, "write", KIND_WRITE, BY_FD, 0},
	{SYS_pwrite64, "pwrite64", KIND_WRITE, BY_FD, 0},
	{SYS_writev, "writev", KIND_WRITE, BY_FD, 0},
	{SYS_pwritev, "pwritev", KIND_WRITE, BY_FD, 0},
	{SYS_copy_file_range, "copy_file_range", KIND_WRITE, BY_FD, 2},
	{SYS_sendfile, "sendfile", KIND_WRITE, BY_FD, 0},
	{SYS_fsync, "fsync", KIND_SYNC, BY_FD, 0},
	{SYS_fdatasync, "fdatasync", KIND_SYNC, BY_FD, 0},
	{SYS_sync_file_range, "sync_file_range", KIND_SYNC, BY_FD, 0},
	{SYS_syncfs, "syncfs", KIND_SYNC, BY_FD, 0},
	{SYS_ftruncate, "ftruncate", KIND_SIZE, BY_FD, 0},
	{SYS_fallocate, "fallocate", KIND_SIZE, BY_FD, 0},
	{SYS_openat, "openat", KIND_OPEN, BY_DIR, 0}, /* or KIND_MAKE */
	{SYS_renameat2, "renameat2", KIND_NAME, BY_DIR, 2},
	{SYS_unlinkat, "unlinkat", KIND_NAME, BY_DIR, 0},
	{SYS_mkdirat, "mkdirat", KIND_NAME, BY_DIR, 0},
	{SYS_linkat, "linkat", KIND_NAME, BY_DIR, 2},
#ifdef SYS_renameat
	{SYS_renameat, "renameat", KIND_NAME, BY_DIR, 2},
#endif
#ifdef SYS_rename /* architectures from before the *at calls */
	{SYS_rename, "rename", KIND_NAME, BY_NAME, 1},
	{SYS_unlink, "unlink", KIND_NAME, BY_NAME, 0},
	{SYS_mkdir, "mkdir", KIND_NAME, BY_NAME, 0},
	{SYS_rmdir, "rmdir", KIND_NAME, BY_NAME, 0},
#endif
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

_Static_assert(CALLS <= FAIL_CALLS_MAX, "the filter has no room for so many calls");

const struct fail_call *fail_calls(unsigned short *count)
{
	*count = CALLS;
	return calls;
}

const struct fail_call *fail_call_of(const struct seccomp_notif *n)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].number == (unsigned)n->data.nr)
			return &calls[i];
	}
	return NULL;
}

enum kind fail_kind_of(const struct fail_call *c, const struct seccomp_notif *n)
{
	return c->kind == KIND_OPEN && (n->data.args[2] & O_CREAT) ? KIND_MAKE : c->kind;
}

static int read_link(pid_t tid, int fd, char out[PATH_MAX])
{
	char link[64];

	if (fd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", tid);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", tid, fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return -1;
	out[n] = 0;
	return 0;
}

/* Page by page: a name may end just before memory that is not there. */
static int read_text(pid_t tid, uint64_t at, char out[PATH_MAX])
{
	for (size_t done = 0; done < PATH_MAX;) {
		size_t n = PAGE - (at + done) % PAGE;
		if (n > PATH_MAX - done)
			n = PATH_MAX - done;
		struct iovec to = {.iov_base = out + done, .iov_len = n};
		struct iovec from = {.iov_base = (void *)(uintptr_t)(at + done), .iov_len = n};
		if (process_vm_readv(tid, &to, 1, &from, 1, 0) != (ssize_t)n)
			return -1;
		if (memchr(out + done, 0, n))
			return 0;
		done += n;
	}
	return -1;
}

int fail_path_of(const struct fail_call *c, const struct seccomp_notif *n, char out[PATH_MAX])
{
	char name[PATH_MAX];
	pid_t tid = (pid_t)n->pid;
	int fd = c->where == BY_NAME ? AT_FDCWD : (int)n->data.args[c->arg];
	int text = c->where == BY_NAME ? c->arg : c->arg + 1;

	if (c->where == BY_FD)
		return read_link(tid, fd, out);
	if (read_text(tid, n->data.args[text], name) < 0)
		return -1;
	if (name[0] == '/') {
		memcpy(out, name, strlen(name) + 1);
		return 0;
	}
	if (read_link(tid, fd, out) < 0)
		return -1;
	size_t len = strlen(out);
	return snprintf(out + len, PATH_MAX - len, "/%s", name) < (int)(PATH_MAX - len) ? 0 : -1;
}

const char *fail_kind_name(enum kind kind)
{
	size_t i = 0;

	while (kinds[i].kind != kind)
		i++;
	return kinds[i].name;
}

unsigned fail_kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(name, kinds[i].name) == 0)
			return kinds[i].kind;
	}
	return 0;
}
