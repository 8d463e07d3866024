#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Power cuts: every write and flush of a device is recorded in one log, for the whole disk, while it
does a sequence; then the device is started from the states in which a cut may leave the disk
(states.py), and goes on by itself. Prints TAP. What must hold stands in `Judge`.

usage: matrix.py [SEQUENCE...]
POWER_SEED    of the random states, default 1; equal seeds and logs give equal states
POWER_CAP     seconds for all states, default 1800, short 12; what is left then is counted as skipped
POWER_JOBS    states at a time, default the number of processors
PAWL_LONG=1   every prefix and thousands of states, else a sample of some sequences
"""
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field

import media
import states
from device import DATA_AT, DATA_SIZE, ROUNDS, Publisher
from loaders import LOADERS, write_at
from sequences import SEQUENCES, Workshop, record
from world import Server, Wrong, must

LONG = os.environ.get("PAWL_LONG") == "1"
SEED = os.environ.get("POWER_SEED", "1")
CAP = int(os.environ.get("POWER_CAP", "1800" if LONG else "12"))
JOBS = int(os.environ.get("POWER_JOBS", os.cpu_count() or 1))
AMOUNT = states.Amount(32, 6, 3) if LONG else states.Amount(1, 1, 1)
SHORT = ("update",)
SHARE = 4  # neighbours that one worker takes
NEVER = ("journal.truncated", "journal.gap", "journal.degraded", "state.lost")
FLOORS = ("release_floor", "epoch_floor", "time_floor")


@dataclass
class Count:
    possible: dict = field(default_factory=lambda: dict.fromkeys(states.KINDS, 0))
    tested: dict = field(default_factory=lambda: dict.fromkeys(states.KINDS, 0))
    same: int = 0  # came to the bytes of another state
    skipped: int = 0  # chosen, but out of time
    settled: int = 0  # runs of the agent until nothing moved; others were known by then
    boots: int = 0  # runs of the boot loader that were not known by then
    fscks: int = 0  # the kernel could not mount, e2fsck -p made that good
    wrong: list = field(default_factory=list)

    def add(self, other):
        for kind in states.KINDS:
            self.possible[kind] += other.possible[kind]
            self.tested[kind] += other.tested[kind]
        for name in ("same", "skipped", "settled", "boots", "fscks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.wrong += other.wrong

    def states(self):
        return sum(self.tested.values())


class Judge:
    """Starts a device from the states of one recording."""

    def __init__(self, sequence, recording, workshop, folder):
        self.sequence = sequence
        self.recording = recording
        self.disk = os.path.join(folder, "disk.img")
        self.device = workshop.device(folder, sequence.loader, sequence.tree)
        self.put(recording.base)
        self.device.attach(self.disk, self.disk,
                           lambda at, data: write_at(self.disk, at, data))
        self.known = {}  # what a device comes to
        self.count = Count()

    def close(self):
        self.count.boots = self.device.loader.runs
        self.count.fscks = self.device.fscks
        self.device.detach()

    def put(self, content):
        with open(self.disk, "r+b" if os.path.exists(self.disk) else "wb") as f:
            f.write(content)

    # --- One interval -------------------------------------------------------------------------
    def look(self, disk):
        """(release that would start, milestones, state.json) of a disk at a flush."""
        self.put(disk)
        release = self.device.start(cut=True)
        self.device.mount()
        try:
            return release, self.device.milestones(), self.device.state()
        finally:
            self.device.unmount()

    def expect(self, interval, disk):
        """What must hold in all states of an interval: (releases that may start, milestones that
        must be there, state.json at the flush before it)."""
        before, durable, state = self.look(disk)
        after = bytearray(disk)
        states.apply(after, interval, states.whole(interval))
        starts = {before, self.look(after)[0]}
        must(starts <= self.sequence.starts, f"starts release {starts - self.sequence.starts}")
        end = interval.first + len(interval.writes)
        for count, milestones in self.recording.marks:
            # A program that ended has promised its milestones, flushed or not.
            if count <= end and len(milestones) > len(durable):
                durable = milestones
        return starts, durable, state

    # --- One state ----------------------------------------------------------------------------
    def judge(self, disk, expected):
        starts, durable, state = expected
        self.put(disk)
        release = self.device.start(cut=True)
        must(release in starts, f"release {release} starts, not one of {starts}")
        self.device.mount()
        try:
            there = self.device.milestones()
            must(there[:len(durable)] == durable,
                 f"{len(durable)} milestones were durable, {len(there)} are there")
            self.check_state(state)
            end = self.settle(disk)
        finally:
            self.device.unmount()
        must(end[:len(there)] == there, "milestones that were there are gone in the end")

    def check_state(self, before):
        """state.json can be read, its floors did not fall, and a slot is what it says."""
        if not before:
            return
        now = self.device.state()
        must(now, "state.json is gone")
        for name in FLOORS:
            must(now[name] >= before[name], f"{name} went down")
        for slot in "AB":
            said = now["slot_" + slot.lower()]
            if said["status"] in ("written", "committed"):
                found, wrong = self.device.release_in(slot)
                must(found == said["release"],
                     f"slot {slot} counts as {said['status']}, and is not whole: {wrong}")

    def settle(self, disk):
        """The milestones in the end. What the device does depends on what is mounted and on the rest
        of the disk, so equal ones are done once."""
        key = hash_of(disk), self.device.data_hash()
        if key not in self.known:
            self.count.settled += 1
            try:
                self.known[key] = self.go_on()
            except Wrong as e:
                self.known[key] = e
        if isinstance(self.known[key], Wrong):
            raise self.known[key]
        return self.known[key]

    def go_on(self):
        """Boots, units, polls, until nothing moves any more."""
        device = self.device
        for turn in range(ROUNDS):
            for verb in self.sequence.after:
                last = device.pawl(*verb)
                if verb == ["boot"] and turn == 0:
                    verified = device.pawl("journal", "verify")
                    must(verified.returncode == 0, "the journal does not verify: "
                         f"{verified.stderr.strip()} {last.stderr.strip()}")
                if device.reboot_asked():
                    break
            if not device.reboot_asked() and device.is_settled():
                return self.check_end()
            device.unmount()
            try:
                device.start(cut=False)
            finally:
                device.mount()
        status = device.pawl("status").stdout
        raise Wrong(f"stuck: {last.stderr.strip()} {status}")

    def check_end(self):
        """Settled: one release runs, is committed, whole and in the journal."""
        q, device = self.sequence, self.device
        status = device.status()
        slot = device.slot
        release, wrong = device.release_in(slot)
        must(release in q.settles, f"settled on release {release}: {wrong}")
        must(status["booted"] == status["committed"] == slot, f"slot {slot} runs: {status}")
        verified = device.pawl("journal", "verify")
        must(verified.returncode == 0, f"the journal does not verify: {verified.stderr.strip()}")
        state, records = device.state(), device.milestones()
        seen = [(r["evt"], r["out"], r.get("data", {}).get("release", 0))
                for r in map(json.loads, records)]
        for event, _, _ in seen:
            must(event not in NEVER, f"the journal says {event}")
        must(release == 1 or ("update.committed", "ok", release) in seen,
             f"release {release} runs, but its commit is not in the journal")
        must(state["release_floor"] == release, f"release floor {state['release_floor']}")
        if q.failed:
            must(q.failed in [f["release"] for f in state["failed"]], "the failure is forgotten")
            must(("update.rolledback", "ok", q.failed) in seen, "the way back is not recorded")
        if q.repaired:
            said = device.pawl("doctor").stdout
            bad = [line for line in said.splitlines()
                   if line.startswith("BAD") and line.split()[1] != "repository"]
            must(not bad, f"not repaired: {bad}")
        return records

    # --- All of one worker --------------------------------------------------------------------
    def run(self, intervals, mine, deadline):
        """Kind by kind, so that when time runs out every interval had its turn."""
        expected, seen = {}, {}
        for kind in states.KINDS:
            disk = bytearray(self.recording.base)
            for interval in intervals:
                if mine(interval):
                    self.run_interval(interval, kind, disk, expected, seen, deadline)
                states.apply(disk, interval, states.whole(interval))

    def run_interval(self, interval, kind, disk, expected, seen, deadline):
        n = interval.number
        self.count.possible[kind] += states.possible(interval)[kind]
        chosen = states.states_of(interval, AMOUNT, f"{SEED} {self.sequence.name}")[kind]
        if not LONG:
            chosen = chosen[-1:]
        if time.monotonic() > deadline:
            self.count.skipped += len(chosen)
            return
        if n not in expected:
            expected[n] = self.try_to("at its flush", interval,
                                      lambda: self.expect(interval, disk))
            seen[n] = set()
        if expected[n] is None:
            self.count.skipped += len(chosen)
            return
        for name, kept in chosen:
            change = hash(states.change_of(disk, interval, kept))
            if change in seen[n]:
                self.count.same += 1
            elif time.monotonic() > deadline:
                self.count.skipped += 1
            else:
                seen[n].add(change)
                self.count.tested[kind] += 1
                cut = bytearray(disk)
                states.apply(cut, interval, kept)
                self.try_to(name, interval, lambda: self.judge(bytes(cut), expected[n]))

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


def hash_of(disk):
    """Of everything but the data partition, which is looked at as it is mounted."""
    total = hashlib.sha256(disk[:DATA_AT])
    total.update(disk[DATA_AT + DATA_SIZE:])
    return total.digest()


def work(sequence, recording, workshop, folder, worker, deadline, results):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        judge = Judge(sequence, recording, workshop, os.path.join(folder, f"worker-{worker}"))
        try:
            judge.run(states.split(recording.entries),
                      lambda i: i.number // SHARE % JOBS == worker, deadline)
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
    for w in workers:
        w.start()
    total = Count()
    for _ in workers:
        total.add(results.get())
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
    total, good, number = Count(), True, 0
    begin = time.monotonic()
    try:
        chosen = [q for q in SEQUENCES if q.name in names]
        workshop = Workshop(folder, publisher, server.url)
        for i, q in enumerate(chosen):
            number += 1
            started = time.monotonic()
            recording = record(workshop, q, os.path.join(folder, f"record-{q.name}"))
            left = max(CAP - (time.monotonic() - begin), 0) / (len(chosen) - i)
            here = os.path.join(folder, q.name)
            count = run_sequence(q, recording, workshop, here, left)
            shutil.rmtree(here)
            good = report(number, q, recording, count, time.monotonic() - started) and good
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
