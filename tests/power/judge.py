# SPDX-License-Identifier: Apache-2.0
"""Starts a device from a state that a power cut may leave, and says whether all is well."""
import hashlib
import json
import os
from dataclasses import dataclass, field

import states
from device import DATA_AT, DATA_SIZE, PARTS, ROUNDS
from loaders import HEAD, Known, write_at
from world import Wrong, must

SLOTS = {slot: PARTS[f"slot-{slot.lower()}-rootfs"] for slot in "AB"}
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
        self.device.mount_options = ",nobarrier"  # nothing is recorded here
        self.put(recording.base)
        self.device.attach(self.disk, self.disk,
                           lambda at, data: write_at(self.disk, at, data))
        self.known = Known(os.path.join(os.path.dirname(folder), "devices"))
        self.last = None, None
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
    def judge(self, disk, expected, torn):
        """`torn`: slots whose head was being written, and was cut within its 4 KiB."""
        starts, durable, state = expected
        self.put(disk)
        release = self.device.start(cut=True)
        must(release in starts, f"release {release} starts, not one of {starts}")
        self.check_heads(disk, torn)
        self.device.mount()
        try:
            there = self.device.milestones()
            must(there[:len(durable)] == durable,
                 f"{len(durable)} milestones were durable, {len(there)} are there")
            self.check_announced(disk, events_of(there))
            self.check_state(state)
            end = self.settle(disk)
        finally:
            self.device.unmount()
        must(end[:len(there)] == there, "milestones that were there are gone in the end")

    def check_heads(self, disk, torn):
        """Whatever the environment says: what is not whole has no head to be loaded by."""
        for slot, (at, _) in SLOTS.items():
            if slot not in torn and any(disk[at:at + HEAD]):
                release, wrong = self.device.release_in(slot)
                must(release, f"slot {slot} is not whole and has a head: {wrong}")

    def check_announced(self, disk, seen):
        """What was done was in the journal before: the slot, the trial, the commit."""
        new, base = self.sequence.installs, self.recording.base
        if not new:
            return
        for slot, (at, size) in SLOTS.items():
            if disk[at:at + size] != base[at:at + size]:
                must(("install.start", "intent", new) in seen,
                     f"slot {slot} changed without an intent in the journal")
        now, then = (self.device.loader.values(d) for d in (disk, base))
        if now.get("trial", then.get("trial")) != then.get("trial"):
            must(("install.activate", "intent", new) in seen,
                 "a trial was set without an intent in the journal")
        if now["committed"] != then["committed"]:
            must(("health.result", "ok", 0) in seen[-8:],
                 "a slot was committed without a verdict in the journal")

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
        """The milestones in the end. What the device does depends on what is mounted and on the
        rest of the disk, so equal ones are done once."""
        key = self.rest_of(disk) + self.device.data_hash()
        end = self.known.get(key)
        if end is None:
            self.count.settled += 1
            try:
                end = self.go_on()
            except Wrong as e:
                end = e
            self.known.put(key, end)
        if isinstance(end, Wrong):
            raise end
        return end

    def rest_of(self, disk):
        """The hash of everything but the data partition, which is looked at as it is mounted."""
        rest = disk[:DATA_AT], disk[DATA_AT + DATA_SIZE:]
        if rest != self.last[0]:
            self.last = rest, hashlib.sha256(b"".join(rest)).hexdigest()
        return self.last[1]

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
        seen = events_of(records)
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


def events_of(records):
    return [(r["evt"], r["out"], r.get("data", {}).get("release", 0))
            for r in map(json.loads, records)]


def torn_heads(interval, kept):
    """Slots of which a write of the head alone was torn; no medium writes less than a sector."""
    found = set()
    for (sector, data), mask in zip(interval.writes, kept):
        for slot, (at, _) in SLOTS.items():
            if sector * states.SECTOR == at and len(data) <= HEAD and isinstance(mask, list):
                found.add(slot)
    return found
