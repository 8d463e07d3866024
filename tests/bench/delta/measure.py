# SPDX-License-Identifier: Apache-2.0
"""Runs a program and measures it and all its children from outside: time, memory, writing."""
import os
import subprocess
import threading
import time
from collections import namedtuple

# Seconds, KiB, bytes. rss and anonymous are peaks of the sum over all processes, seen every
# PERIOD (ru_maxrss would also count what this program had when it forked); rss is at least the
# kernel's own peak of each process (VmHWM). written is what the kernel has on account
# (write_bytes), of the program itself.
Measured = namedtuple("Measured", "status wall cpu rss anonymous written output")
PERIOD = 0.005


def descendants(pid):
    """pid and its children, theirs too."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    todo += [int(n) for n in f.read().split()]
        except OSError:
            pass
    return found


def memory_of(pid):
    """(resident, anonymous, peak of resident) KiB of one process."""
    rss = anonymous = peak = 0
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    rss = int(line.split()[1])
                elif line.startswith("VmHWM:"):
                    peak = int(line.split()[1])
                elif line.startswith("RssAnon:"):
                    anonymous = int(line.split()[1])
    except OSError:
        pass
    return rss, anonymous, peak


class Watch:
    """Samples the memory of processes until it is stopped."""

    def __init__(self, roots):
        self.roots, self.rss, self.anonymous = list(roots), 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            sums = [memory_of(pid) for root in self.roots for pid in descendants(root)]
            self.rss = max([self.rss, sum(s[0] for s in sums), *(s[2] for s in sums)])
            self.anonymous = max(self.anonymous, sum(s[1] for s in sums))
            self._stop.wait(PERIOD)

    def stop(self):
        self._stop.set()
        self._thread.join()


def written_by(pid):
    """Also of a process that has ended and was not waited for."""
    try:
        with open(f"/proc/{pid}/io") as f:
            return int(f.read().split("write_bytes:")[1].split()[0])
    except (OSError, IndexError):
        return 0


def cpu_of(pid):
    """Seconds of a process that goes on, with those of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(n) for n in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def run(command, also=(), **how):
    """Runs command; also: processes that work for it, counted in its memory and CPU time."""
    before = sum(cpu_of(pid) for pid in also)
    began = time.monotonic()
    with subprocess.Popen(
        [str(a) for a in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how
    ) as process:
        watch = Watch([process.pid, *also])
        output = process.stdout.read().decode(errors="replace")
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - began
        written = written_by(process.pid)
        watch.stop()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime + sum(cpu_of(pid) for pid in also) - before
    return Measured(process.returncode, wall, cpu, watch.rss, watch.anonymous, written, output)
