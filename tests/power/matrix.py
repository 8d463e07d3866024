#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power cuts: every write and flush of a device is recorded in one log, for the whole disk, while
it does a sequence (sequences.py); then the device is started from the states in which a cut may
leave the disk (states.py), goes on by itself, and is judged (judge.py). Prints TAP.

usage: matrix.py [SEQUENCE...]
POWER_SEED    of the random states, default 1; equal seeds and logs give equal states
POWER_AREA    only intervals that write to this part of the disk: env, data, slot-a-rootfs ...
POWER_CAP     seconds for all states, default 1800, short 8, recordings come on top; what is left
              then is counted as skipped
POWER_JOBS    states at a time, default twice the number of processors: they wait a lot
PAWL_LONG=1   every prefix and thousands of states, else a sample of some sequences
"""
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

import media
import states
from device import PARTS, Publisher
from judge import Count, Judge, torn_heads
from loaders import LOADERS
from sequences import SEQUENCES, Workshop, record
from world import Server, Wrong

LONG = os.environ.get("PAWL_LONG") == "1"
SEED = os.environ.get("POWER_SEED", "1")
AREA = os.environ.get("POWER_AREA")
CAP = int(os.environ.get("POWER_CAP", "1800" if LONG else "8"))
JOBS = int(os.environ.get("POWER_JOBS", 2 * (os.cpu_count() or 1)))
AMOUNT = states.Amount(32, 3, 1) if LONG else states.Amount(1, 1, 1)
SHORT = ("update",)
SHARE = 1 if AREA else 2  # neighbours that one worker takes


class Walk:
    """One worker's way through the states of a recording."""

    def __init__(self, judge, recording, mine, deadline):
        self.judge = judge
        self.count = judge.count
        self.recording = recording
        self.intervals = states.split(recording.entries)
        self.mine = mine
        self.deadline = deadline
        self.expected, self.seen = {}, {}

    def run(self):
        """Kind by kind, or by a quarter of the intervals and of the kinds, so that when time runs
        out every part of the recording had its turn."""
        for interval in filter(self.mine, self.intervals):
            for kind, number in states.possible(interval).items():
                self.count.possible[kind] += number
        for turn, kind in enumerate(states.KINDS):
            disk = bytearray(self.recording.base)
            for interval in self.intervals:
                if self.mine(interval) and LONG:
                    self.run_interval(interval, kind, disk)
                elif self.mine(interval) and interval.number % 4 == turn:
                    self.run_interval(interval, states.KINDS[interval.number // 4 % 4], disk)
                states.apply(disk, interval, states.whole(interval))

    def run_interval(self, interval, kind, disk):
        n = interval.number
        chosen = states.states_of(interval, AMOUNT, f"{SEED} {self.judge.sequence.name}")[kind]
        if not LONG and chosen:
            chosen = [chosen[n % len(chosen)]]
        if time.monotonic() <= self.deadline and n not in self.expected:
            self.expected[n] = self.try_to("at its flush", interval,
                                           lambda: self.judge.expect(interval, disk))
            self.seen[n] = set()
        if self.expected.get(n) is None:
            self.count.skipped += len(chosen)
            return
        for name, kept in chosen:
            change = hash(states.change_of(disk, interval, kept))
            if change in self.seen[n]:
                self.count.same += 1
            elif time.monotonic() > self.deadline:
                self.count.skipped += 1
            else:
                self.seen[n].add(change)
                self.count.tested[kind] += 1
                self.run_state(interval, name, kept, bytearray(disk))

    def run_state(self, interval, name, kept, cut):
        states.apply(cut, interval, kept)
        torn = torn_heads(interval, kept)
        self.try_to(name, interval, lambda: self.judge.judge(
            bytes(cut), self.expected[interval.number], torn))

    def try_to(self, name, interval, step):
        try:
            return step()
        except Wrong as e:
            self.count.wrong.append(f"interval {interval.number} (of {len(interval.writes)} "
                                    f"writes from entry {interval.first}), {name}: {e}")
        except Exception:  # a broken test must not look like a green one
            self.count.wrong.append(f"interval {interval.number}, {name}: "
                                    f"{traceback.format_exc()}")
        return None


def is_chosen(interval):
    if not AREA:
        return True
    at, size = PARTS[AREA]
    return any(at <= sector * states.SECTOR < at + size for sector, _ in interval.writes)


def work(sequence, recording, workshop, folder, worker, deadline, results):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        media.own_locks()
        judge = Judge(sequence, recording, workshop, os.path.join(folder, f"worker-{worker}"))
        try:
            Walk(judge, recording, lambda i: is_chosen(i) and i.number // SHARE % JOBS == worker,
                 deadline).run()
        finally:
            judge.close()
        results.put(judge.count)
    except BaseException:
        count = Count()
        count.wrong.append(traceback.format_exc())
        results.put(count)
        raise


def run_sequence(sequence, recording, workshop, folder, seconds):
    results = multiprocessing.Queue()
    deadline = time.monotonic() + seconds
    workers = [multiprocessing.Process(target=work, args=(
        sequence, recording, workshop, folder, w, deadline, results)) for w in range(JOBS)]
    total = Count()
    try:
        for w in workers:
            w.start()
        for _ in workers:
            total.add(results.get())
    except BaseException:
        for w in workers:
            w.terminate()  # each of them gives its loop devices back
        raise
    finally:
        for w in workers:
            w.join()
    return total


def short(n):
    return str(n) if n < 10 ** 7 else f"{n:.1e}"


def report(number, sequence, recording, count, seconds):
    intervals = states.split(recording.entries)
    good = not count.wrong and count.states() > 0
    print(f"{'ok' if good else 'not ok'} {number} - {sequence.name}: {count.states()} states, "
          f"{len(count.wrong)} wrong", flush=True)
    kinds = ", ".join(f"{k} {count.tested[k]}" +
                      (f" of {short(count.possible[k])}" if count.possible[k] else "")
                      for k in states.KINDS)
    print(f"#: {sequence.name}: {sum(len(i.writes) for i in intervals)} writes in "
          f"{len(intervals)} intervals; {kinds}; {count.same} equal to another, "
          f"{count.skipped} skipped; {count.settled} different devices, {count.boots} boot loader "
          f"runs, {count.fscks} times e2fsck; {seconds:.0f} s", flush=True)
    for w in count.wrong[:8]:
        print("# " + w.strip().replace("\n", "\n# "))
    return good


def run_all(folder, names):
    publisher = Publisher(os.path.join(folder, "publisher"))
    server = Server(publisher.folder)
    total, good, number, spent = Count(), True, 0, 0.0
    try:
        chosen = [q for q in SEQUENCES if q.name in names]
        workshop = Workshop(folder, publisher, server.url)
        for i, q in enumerate(chosen):
            number += 1
            recording = record(workshop, q, os.path.join(folder, f"record-{q.name}"))
            started = time.monotonic()
            here = os.path.join(folder, q.name)
            count = run_sequence(q, recording, workshop, here, (CAP - spent) / (len(chosen) - i))
            shutil.rmtree(here)
            seconds = time.monotonic() - started
            spent += seconds
            good = report(number, q, recording, count, seconds) and good
            total.add(count)
    finally:
        server.close()
    print(f"#: seed {SEED}, cap {CAP} s: {total.states()} states tested, {total.skipped} skipped, "
          f"{len(total.wrong)} wrong; what boots said {oracles(names)}")
    print(f"1..{number}")
    return good


def oracles(names):
    used = {q.loader for q in SEQUENCES if q.name in names}
    return ", and ".join(LOADERS[name].oracle for name in sorted(used, reverse=True))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = sys.argv[1:] or ([q.name for q in SEQUENCES] if LONG else SHORT)
    folder = tempfile.mkdtemp(prefix="pawl-power-")
    media.own_locks()
    # In memory, and with devices, which other such file systems refuse.
    media.mount("tmpfs", folder, "tmpfs", 0, "size=4g")
    try:
        os.makedirs(os.path.join(folder, "publisher"))
        return 0 if run_all(folder, names) else 1
    finally:
        media.LIBC.umount2(folder.encode(), 2)
        os.rmdir(folder)


if __name__ == "__main__":
    sys.exit(main())
