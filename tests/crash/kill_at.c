/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program and kills it (SIGKILL, the whole process) on entry of its Nth
 * system call that can change what is kept: that call is not done. Counts over
 * all threads; calls of programs that it starts are not counted.
 *
 * usage: kill_at REPORT N PROGRAM [ARGUMENT...]      N = 0: only counts
 * The file REPORT gets one line: "seen COUNT killed NAME", NAME "-" if it was
 * not killed. Ends as the program ended; 137 when it was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Calls that change files, media or the machine, whatever their arguments are. */
static const struct {
	unsigned number;
	const char *name;
} calls[] = {
	{SYS_write, "write"},
	{SYS_pwrite64, "pwrite64"},
	{SYS_writev, "writev"},
	{SYS_pwritev, "pwritev"},
	{SYS_pwritev2, "pwritev2"},
	{SYS_copy_file_range, "copy_file_range"},
	{SYS_sendfile, "sendfile"},
	{SYS_splice, "splice"},
	{SYS_fsync, "fsync"},
	{SYS_fdatasync, "fdatasync"},
	{SYS_sync_file_range, "sync_file_range"},
	{SYS_syncfs, "syncfs"},
	{SYS_sync, "sync"},
	{SYS_msync, "msync"},
	{SYS_ftruncate, "ftruncate"},
	{SYS_truncate, "truncate"},
	{SYS_fallocate, "fallocate"},
	{SYS_renameat2, "renameat2"},
	{SYS_unlinkat, "unlinkat"},
	{SYS_mkdirat, "mkdirat"},
	{SYS_linkat, "linkat"},
	{SYS_symlinkat, "symlinkat"},
	{SYS_fchmod, "fchmod"},
	{SYS_reboot, "reboot"},
#ifdef SYS_rename /* architectures from before the *at calls */
	{SYS_rename, "rename"},
	{SYS_unlink, "unlink"},
	{SYS_rmdir, "rmdir"},
	{SYS_mkdir, "mkdir"},
	{SYS_link, "link"},
	{SYS_symlink, "symlink"},
	{SYS_creat, "creat"},
#endif
#ifdef SYS_renameat
	{SYS_renameat, "renameat"},
#endif
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

#define MAKES    (O_CREAT | O_TRUNC) /* an openat that changes something */
#define BLK_TYPE 0x1200 /* ioctl numbers of block devices */

static const char *name_of(unsigned number)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].number == number)
			return calls[i].name;
	}
	return number == SYS_ioctl ? "ioctl" : "openat";
}

static void die(const char *what)
{
	fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
	exit(99);
}

#define DATA(field)       ((unsigned)offsetof(struct seccomp_data, field))
#define LOAD(offset)      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define ANSWER(a)         BPF_STMT(BPF_RET | BPF_K, a)

/* Stops the tracee on those calls only; everything else runs at full speed. */
static void install_filter(void)
{
	struct sock_filter f[2 * CALLS + 16];
	unsigned short n = 0;

	f[n++] = (struct sock_filter)LOAD(DATA(nr));
	for (size_t i = 0; i < CALLS; i++) {
		f[n++] = (struct sock_filter)EQUAL(calls[i].number, 0, 1);
		f[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_TRACE);
	}
	f[n++] = (struct sock_filter)EQUAL(SYS_openat, 0, 3);
	f[n++] = (struct sock_filter)LOAD(DATA(args[2]));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAKES, 5, 0);
	f[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)EQUAL(SYS_ioctl, 0, 4);
	f[n++] = (struct sock_filter)LOAD(DATA(args[1]));
	f[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff00);
	f[n++] = (struct sock_filter)EQUAL(BLK_TYPE, 0, 1);
	f[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_TRACE);
	f[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = n, .filter = f};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp filter");
}

static pid_t start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		die("ptrace");
	/* Until the tracer has set its options, a filtered call would fail with ENOSYS. */
	raise(SIGSTOP);
	install_filter();
	execvp(argv[0], argv);
	die(argv[0]);
	return -1;
}

struct run {
	pid_t main; /* the program; its threads share its thread group */
	unsigned long kill_at;
	unsigned long seen;
	const char *killed;
	int status; /* wait status of `main` */
};

static unsigned syscall_of(pid_t tid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0)
		return SYS_openat;
	return (unsigned)info.seccomp.nr;
}

/* A counted call is about to be done. True: go on with it. */
static int allow(struct run *r, pid_t tid)
{
	/* Threads belong to the group; a hook or another started program does not. */
	if (syscall(SYS_tgkill, r->main, tid, 0) < 0)
		return 1;
	r->seen++;
	if (r->kill_at == 0 || r->seen != r->kill_at)
		return 1;
	r->killed = name_of(syscall_of(tid));
	kill(r->main, SIGKILL);
	return 0;
}

/* The signal to pass on; stops that ptrace itself makes are not passed on. */
static int signal_of(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 || sig == SIGSTOP || sig == SIGTRAP ? 0 : sig;
}

static void follow(struct run *r)
{
	const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	int status;

	if (waitpid(r->main, &status, 0) != r->main || !WIFSTOPPED(status))
		die("the program did not start");
	if (ptrace(PTRACE_SETOPTIONS, r->main, NULL, options) < 0)
		die("ptrace options");
	ptrace(PTRACE_CONT, r->main, NULL, 0L);
	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid < 0)
			return;
		if (!WIFSTOPPED(status)) {
			if (tid == r->main)
				r->status = status;
			continue;
		}
		int at_call = status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8);
		if (!at_call || allow(r, tid))
			ptrace(PTRACE_CONT, tid, NULL, (long)signal_of(status));
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: kill_at REPORT N PROGRAM [ARGUMENT...]\n");
		return 99;
	}
	struct run r = {.kill_at = strtoul(argv[2], NULL, 10), .killed = "-"};
	r.main = start(argv + 3);
	follow(&r);
	FILE *report = fopen(argv[1], "we");
	if (!report || fprintf(report, "seen %lu killed %s\n", r.seen, r.killed) < 0 ||
		fclose(report) != 0)
		die(argv[1]);
	return WIFEXITED(r.status) ? WEXITSTATUS(r.status) : 128 + WTERMSIG(r.status);
}
