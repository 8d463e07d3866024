/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program and lets one of its system calls go wrong: the Nth one that
 * works on certain files. Seccomp asks this program about each such call
 * (user notification), over all threads; programs that it starts are let alone.
 *
 * usage: fail_at REPORT OPTIONS -- PROGRAM [ARGUMENT...]
 *   --path GLOB      files that count (fnmatch on the whole path); repeatable
 *   --calls KIND,..  calls that count: read write sync open make name size; default all
 *   --at N           the call that goes wrong; 0 (default): none, only counted
 *   --what WHAT      fail (default), short, flip, shrink=BYTES
 *   --error NAME     EIO (default), ENOSPC, EROFS, ENODEV, ENXIO
 *   --sticky         all later calls that count go wrong, too
 *
 * fail: the call is not done and gives the error. short: the first half of a
 * read or write is done. flip: a write is done with one wrong bit, and told as
 * done. shrink: from then on the file ends at BYTES, as a device would:
 * nothing to read behind it, ENOSPC for a write.
 * REPORT gets one line for each call that counts: "KIND NAME PATH", with " !"
 * where it went wrong. Ends as the program ended; 128 + signal when killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/fail_calls.h"

#define PATHS_MAX 16
#define ALIGNED   4096 /* what O_DIRECT asks of buffers */

static const struct {
	const char *name;
	int number;
} errors[] = {
	{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"ENODEV", ENODEV}, {"ENXIO", ENXIO}};

enum what { FAIL, SHORT, FLIP, SHRINK };

struct run {
	const char *paths[PATHS_MAX];
	size_t path_count;
	unsigned kinds;
	unsigned long at;
	enum what what;
	uint64_t end; /* of a file that shrinks */
	int error;
	int sticky;
	FILE *report;
	pid_t main; /* the program; its threads share its thread group */
	int pidfd;
	int listener;
	unsigned long seen;
};

static void die(const char *what)
{
	fprintf(stderr, "fail_at: %s: %s\n", what, strerror(errno));
	exit(99);
}

/* --- The program that is watched --------------------------------------------------- */

static int install_filter(void)
{
	struct sock_filter f[2 * FAIL_CALLS_MAX + 2];
	unsigned short count;
	const struct fail_call *calls = fail_calls(&count);
	unsigned short n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = n, .filter = f};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no new privileges");
	long fd = syscall(
		SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0)
		die("seccomp filter with user notification");
	return (int)fd;
}

union fd_message {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* Sends `fd`, or (fd < 0) receives one. */
static int pass_fd(int socket, int fd)
{
	union fd_message control = {0};
	char byte = 0;
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};

	if (fd >= 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		return sendmsg(socket, &m, 0) == 1 ? fd : -1;
	}
	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void start(struct run *r, char **argv)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	r->main = fork();
	if (r->main < 0)
		die("fork");
	if (r->main == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = install_filter();
		if (pass_fd(pair[1], fd) < 0)
			die("passing the listener");
		execvp(argv[0], argv);
		die(argv[0]);
	}
	r->listener = pass_fd(pair[0], -1);
	r->pidfd = (int)syscall(SYS_pidfd_open, r->main, 0);
	if (r->listener < 0 || r->pidfd < 0)
		die("the program did not start");
	close(pair[0]);
	close(pair[1]);
}

static int counts(const struct run *r, enum kind kind, const char *path)
{
	if (!(r->kinds & kind))
		return 0;
	for (size_t i = 0; i < r->path_count; i++) {
		if (fnmatch(r->paths[i], path, 0) == 0)
			return 1;
	}
	return 0;
}

/* --- What goes wrong ------------------------------------------------------------------ */

/* Copies between this process and the program; true: all of it. */
static int copy_memory(pid_t tid, void *here, uint64_t there, size_t len, int write)
{
	struct iovec local = {.iov_base = here, .iov_len = len};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)there, .iov_len = len};
	ssize_t n = write ? process_vm_writev(tid, &local, 1, &remote, 1, 0)
			  : process_vm_readv(tid, &local, 1, &remote, 1, 0);

	return n == (ssize_t)len;
}

/* Does the first `len` bytes of a read or write in the program's place; `flip`: one bit wrong. */
static ssize_t do_part(const struct run *r, const struct seccomp_notif *n, size_t len, int flip)
{
	const __u64 *a = n->data.args;
	int fd = (int)syscall(SYS_pidfd_getfd, r->pidfd, (int)a[0], 0);
	uint8_t *data = aligned_alloc(ALIGNED, (len / ALIGNED + 1) * ALIGNED);
	pid_t tid = (pid_t)n->pid;
	ssize_t done = -1;

	if (fd < 0 || !data)
		die("a call in the program's place");
	if (n->data.nr == SYS_read || n->data.nr == SYS_pread64) {
		done = n->data.nr == SYS_read ? read(fd, data, len)
					      : pread(fd, data, len, (off_t)a[3]);
		if (done > 0 && !copy_memory(tid, data, a[1], (size_t)done, 1))
			die("the program's memory");
	} else {
		if (!copy_memory(tid, data, a[1], len, 0))
			die("the program's memory");
		if (flip)
			data[len / 2] ^= 0x10;
		done = n->data.nr == SYS_write ? write(fd, data, len)
					       : pwrite(fd, data, len, (off_t)a[3]);
	}
	int sys = errno;
	free(data);
	close(fd);
	return done < 0 ? -sys : done;
}

static int is_plain_io(int number)
{
	return number == SYS_read || number == SYS_pread64 || number == SYS_write ||
	       number == SYS_pwrite64;
}

/* Half of it, in blocks where there are some: O_DIRECT refuses others. */
static size_t half_of(size_t len)
{
	size_t half = len / 2;

	return half > ALIGNED ? half / ALIGNED * ALIGNED : half > 0 ? half : len;
}

/* What the call gives instead; false: it is done as if nothing were. */
static int spoil(const struct run *r, const struct seccomp_notif *n, enum kind kind, ssize_t *out)
{
	size_t len = (size_t)n->data.args[2];
	uint64_t from = n->data.args[3];
	int place = n->data.nr == SYS_pread64 || n->data.nr == SYS_pwrite64;

	switch (r->what) {
	case FAIL:
		*out = -r->error;
		return 1;
	case SHORT:
		if (!is_plain_io(n->data.nr) || len < 2)
			return 0;
		*out = do_part(r, n, half_of(len), 0);
		return 1;
	case FLIP:
		if (kind != KIND_WRITE || !is_plain_io(n->data.nr) || len == 0)
			return 0;
		*out = do_part(r, n, len, 1);
		return 1;
	case SHRINK:
		if (!place || from + len <= r->end)
			return 0;
		if (from < r->end)
			*out = do_part(r, n, (size_t)(r->end - from), 0);
		else
			*out = kind == KIND_READ ? 0 : -ENOSPC;
		return 1;
	}
	return 0;
}

/* A call of one of the program's threads. True: `out` is what it gives. */
static int judge(struct run *r, const struct seccomp_notif *n, ssize_t *out)
{
	char path[PATH_MAX];
	const struct fail_call *c = fail_call_of(n);

	/* Threads belong to the group; a hook or another started program does not. */
	if (!c || syscall(SYS_tgkill, r->main, n->pid, 0) < 0 || fail_path_of(c, n, path) < 0)
		return 0;
	enum kind kind = fail_kind_of(c, n);
	if (!counts(r, kind, path))
		return 0;
	r->seen++;
	int due = r->at > 0 && (r->seen == r->at || (r->sticky && r->seen > r->at));
	int wrong = due && spoil(r, n, kind, out);
	fprintf(r->report, "%s %s %s%s\n", fail_kind_name(kind), c->name, path, wrong ? " !" : "");
	return wrong;
}

static void answer(struct run *r)
{
	struct seccomp_notif n = {0};
	struct seccomp_notif_resp a = {0};
	ssize_t result = 0;

	if (ioctl(r->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return; /* the thread has gone */
	a.id = n.id;
	if (!judge(r, &n, &result))
		a.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0)
		a.error = (int)result;
	else
		a.val = result;
	(void)ioctl(r->listener, SECCOMP_IOCTL_NOTIF_SEND, &a);
}

static int follow(struct run *r)
{
	struct pollfd p[2] = {
		{.fd = r->listener, .events = POLLIN}, {.fd = r->pidfd, .events = POLLIN}};
	int status = 0;

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents & POLLIN)
			answer(r);
		else if (p[1].revents & POLLIN)
			break;
	}
	if (waitpid(r->main, &status, 0) != r->main)
		die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- The command line -------------------------------------------------------------------- */

static void usage(const char *why)
{
	fprintf(stderr, "fail_at: %s; the head of fail_at.c says what is allowed\n", why);
	exit(99);
}

static unsigned read_kinds(char *text)
{
	unsigned all = 0;

	for (char *save = NULL, *w = strtok_r(text, ",", &save); w;
		w = strtok_r(NULL, ",", &save)) {
		unsigned found = fail_kind_find(w);
		if (!found)
			usage(w);
		all |= found;
	}
	return all;
}

static int read_error(const char *text)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (strcmp(text, errors[i].name) == 0)
			return errors[i].number;
	}
	usage(text);
	return 0;
}

static void read_what(struct run *r, const char *text)
{
	if (strcmp(text, "fail") == 0)
		r->what = FAIL;
	else if (strcmp(text, "short") == 0)
		r->what = SHORT;
	else if (strcmp(text, "flip") == 0)
		r->what = FLIP;
	else if (strncmp(text, "shrink=", 7) == 0) {
		r->what = SHRINK;
		r->end = strtoull(text + 7, NULL, 10);
	} else
		usage(text);
}

static int read_option(struct run *r, const char *option, char *value)
{
	if (strcmp(option, "--sticky") == 0) {
		r->sticky = 1;
		return 1;
	}
	if (!value)
		usage(option);
	if (strcmp(option, "--path") == 0 && r->path_count < PATHS_MAX)
		r->paths[r->path_count++] = value;
	else if (strcmp(option, "--calls") == 0)
		r->kinds = read_kinds(value);
	else if (strcmp(option, "--at") == 0)
		r->at = strtoul(value, NULL, 10);
	else if (strcmp(option, "--what") == 0)
		read_what(r, value);
	else if (strcmp(option, "--error") == 0)
		r->error = read_error(value);
	else
		usage(option);
	return 2;
}

int main(int argc, char **argv)
{
	struct run r = {.kinds = KIND_ALL, .error = EIO};
	int i = 2;

	while (i < argc && strcmp(argv[i], "--") != 0)
		i += read_option(&r, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
	if (i + 1 >= argc || r.path_count == 0)
		usage("REPORT --path GLOB -- PROGRAM");
	r.report = fopen(argv[1], "we");
	if (!r.report)
		die(argv[1]);
	start(&r, argv + i + 1);
	int status = follow(&r);
	if (fclose(r.report) != 0)
		die(argv[1]);
	return status;
}
