/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program directly (no shell), with limits on time and output. */
#include "agent/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"

#define LAST_TICK_MS 5 /* the pipes are closed, so the end is near */
#define TICK_MS      50 /* how late an end is seen when someone else holds the pipes */
#define STUCK_MS     5000 /* how long a killed child may take to go */
#define CHUNK        65536
#define DRAIN_READS  64 /* what may still be read once the child is gone */
#define FIRST_FREE   4 /* 0, 1, 2 and the report are the child's only descriptors */

/* Ends of pipes; -1 where there is none. */
struct pipe_ends {
	int read;
	int write;
};

static void close_ends(struct pipe_ends *p)
{
	cleanup_close(&p->read);
	cleanup_close(&p->write);
}
#define AUTO_ENDS __attribute__((cleanup(close_ends)))

/* What the child needs between fork and exec. */
struct child {
	const struct process_request *req;
	int in;
	int out;
	int err;
	int report;
	pid_t parent;
};

/* What the parent watches. */
struct watch {
	pid_t pid;
	uint64_t deadline;
	struct pollfd fds[2];
	struct buf *into[2]; /* NULL: read and dropped */
};

static void close_from(unsigned first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0U, 0U) == 0)
		return;
#endif
	long max = sysconf(_SC_OPEN_MAX);
	for (long fd = (long)first; fd < (max > 0 ? max : 1024); fd++)
		close((int)fd);
}

/* Descriptors 0 to 3; above them first, because the parent may have had these closed. */
static int place_descriptors(const struct child *c)
{
	const int from[FIRST_FREE] = {c->in, c->out, c->err, c->report};
	int high[FIRST_FREE];

	for (int i = 0; i < FIRST_FREE; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 2 * FIRST_FREE);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < FIRST_FREE - 1; i++) {
		if (dup2(high[i], i) < 0)
			return -1;
	}
	if (dup3(high[FIRST_FREE - 1], FIRST_FREE - 1, O_CLOEXEC) < 0)
		return -1;
	close_from(FIRST_FREE);
	return 0;
}

/* Handlers and ignored signals of the agent must not reach the program. */
static void reset_signals(void)
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * After fork: only async-signal-safe calls. An own session, so that the program
 * has its own group and no terminal that could stop it. It is killed when the
 * agent dies, or a killed agent would leave a hook running beside the next one.
 */
static _Noreturn void run_child(const struct child *c)
{
	int report = c->report;

	if (setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && place_descriptors(c) == 0 &&
		chdir("/") == 0) {
		report = FIRST_FREE - 1;
		umask(022);
		reset_signals();
		if (getppid() != c->parent)
			_exit(127);
		execve(c->req->path, (char *const *)c->req->argv, (char *const *)c->req->env);
	}
	int sys = errno;
	ssize_t n = write(report, &sys, sizeof(sys));
	_exit(n == sizeof(sys) ? 127 : 126);
}

/* A file in memory instead of a pipe: no deadlock and no SIGPIPE when nobody reads it. */
static int make_input(const struct process_request *req, int *fd, struct err *e)
{
	AUTO_CLOSE int n = memfd_create("input", MFD_CLOEXEC);

	if (n < 0)
		return err_sys(e, E_HOOK, errno, "%s: cannot make its input", req->path);
	for (size_t done = 0; done < req->input_len;) {
		ssize_t w = pwrite(n, req->input + done, req->input_len - done, (off_t)done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_sys(e, E_HOOK, errno, "%s: cannot write its input", req->path);
		done += (size_t)w;
	}
	*fd = steal_fd(&n);
	return 0;
}

static int make_pipe(const char *path, struct pipe_ends *p, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, E_HOOK, errno, "%s: cannot make a pipe", path);
	*p = (struct pipe_ends){fds[0], fds[1]};
	return 0;
}

/* Signals stay blocked over the fork, or a handler of ours could run in the child. */
static pid_t fork_child(const struct child *c)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		run_child(c);
	int sys = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = sys;
	return pid;
}

/* The report's pipe closes by itself at a successful exec; else it carries errno. */
static int exec_error(int report)
{
	int sys = 0;
	ssize_t n;

	do
		n = read(report, &sys, sizeof(sys));
	while (n < 0 && errno == EINTR);
	return n == sizeof(sys) ? sys : 0;
}

/* Reads once; closes the watch on it at its end. False: nothing more for now. */
static bool take_output(struct watch *w, int i)
{
	uint8_t chunk[CHUNK];
	struct err ignored;
	struct buf *into = w->into[i];
	ssize_t n = read(w->fds[i].fd, chunk, sizeof(chunk));

	if (n < 0)
		return errno == EINTR;
	if (n == 0) {
		w->fds[i].fd = -1;
		return false;
	}
	if (into && into->len < into->limit) {
		size_t room = into->limit - into->len;
		/* Without memory the output is lost, not the program's verdict. */
		(void)buf_add(into, chunk, (size_t)n < room ? (size_t)n : room, &ignored);
	}
	return true;
}

/* Has the child ended? It stays a zombie, so that its number cannot be used again. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno != EINTR;
	return info.si_pid == pid;
}

static void watch_child(struct watch *w, struct process_result *res)
{
	while (!has_ended(w->pid)) {
		uint64_t now = clock_mono_ms();
		if (now >= w->deadline) {
			res->timed_out = true;
			return;
		}
		int tick = w->fds[0].fd < 0 && w->fds[1].fd < 0 ? LAST_TICK_MS : TICK_MS;
		uint64_t left = w->deadline - now;
		int got = poll(w->fds, 2, left < (uint64_t)tick ? (int)left : tick);
		for (int i = 0; got > 0 && i < 2; i++) {
			if (w->fds[i].fd >= 0 && w->fds[i].revents)
				take_output(w, i);
		}
	}
}

/*
 * Kills the group and reaps the child. One that hangs in the kernel (a dead
 * disk) does not go: it is left behind, or the agent would hang with it.
 */
static void end_child(const struct watch *w, struct process_result *res)
{
	const struct timespec tick = {.tv_nsec = 10 * 1000 * 1000};
	uint64_t until = clock_mono_ms() + STUCK_MS;
	int status = 0;
	pid_t got;

	kill(-w->pid, SIGKILL);
	while ((got = waitpid(w->pid, &status, WNOHANG)) == 0 && clock_mono_ms() < until)
		nanosleep(&tick, NULL);
	if (got != w->pid)
		return;
	if (WIFSIGNALED(status))
		res->signal = WTERMSIG(status);
	else if (!res->timed_out)
		res->exit_status = WEXITSTATUS(status);
}

/* What was written before the end; bounded, since a process that left the group may go on. */
static void drain(struct watch *w)
{
	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < DRAIN_READS && w->fds[i].fd >= 0; n++) {
			if (!take_output(w, i))
				break;
		}
	}
}

static int start(const struct process_request *req, struct child *c, pid_t *pid, struct err *e)
{
	AUTO_ENDS struct pipe_ends report = {-1, -1};

	if (make_pipe(req->path, &report, e) < 0)
		return -1;
	c->report = report.write;
	*pid = fork_child(c);
	if (*pid < 0)
		return err_sys(e, E_HOOK, errno, "%s: cannot start a process", req->path);
	close(steal_fd(&report.write));
	int sys = exec_error(report.read);
	if (sys == 0)
		return 0;
	waitpid(*pid, NULL, 0);
	return err_sys(e, E_HOOK, sys, "%s: cannot be executed", req->path);
}

static int run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e)
{
	AUTO_ENDS struct pipe_ends one = {-1, -1};
	AUTO_ENDS struct pipe_ends two = {-1, -1};
	AUTO_CLOSE int in = -1;
	struct child c = {.req = req, .parent = getpid()};
	struct watch w = {.into = {out, errors}};
	bool shared = out && out == errors; /* one pipe keeps the order of lines */

	if (make_input(req, &in, e) < 0 || make_pipe(req->path, &one, e) < 0 ||
		(!shared && make_pipe(req->path, &two, e) < 0))
		return -1;
	c.in = in;
	c.out = one.write;
	c.err = shared ? one.write : two.write;
	if (start(req, &c, &w.pid, e) < 0)
		return -1;
	close(steal_fd(&one.write));
	if (!shared)
		close(steal_fd(&two.write));
	w.fds[0] = (struct pollfd){.fd = one.read, .events = POLLIN};
	w.fds[1] = (struct pollfd){.fd = two.read, .events = POLLIN};
	for (int i = 0; i < 2; i++)
		fcntl(w.fds[i].fd, F_SETFL, O_NONBLOCK);
	unsigned seconds = req->timeout_seconds > 0 ? req->timeout_seconds : 1;
	w.deadline = clock_mono_ms() + (uint64_t)seconds * 1000;
	*res = (struct process_result){.exit_status = -1};
	watch_child(&w, res);
	end_child(&w, res);
	drain(&w);
	return 0;
}

int process_run(const struct process_request *req, struct buf *out, struct buf *errors,
	struct process_result *res, struct err *e)
{
	/* An ignored SIGCHLD (cron can leave it so) would lose every exit status. */
	struct sigaction plain = {.sa_handler = SIG_DFL};
	struct sigaction before;

	sigaction(SIGCHLD, &plain, &before);
	int rc = run(req, out, errors, res, e);
	sigaction(SIGCHLD, &before, NULL);
	return rc;
}
