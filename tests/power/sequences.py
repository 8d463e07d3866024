# SPDX-License-Identifier: Apache-2.0
"""What is recorded: for each sequence a disk to begin with, and what the device does from power on
while every write is logged."""
import glob
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field

import agent_killed
import media
import sandbox_states as sandbox
import states
from device import BAD, ENV_AT, PARTS, Device, make_disk
from loaders import LOADERS, read_at, write_at
from world import must

REBOOT = "reboot"
BOOT, HEALTH, POLL = ["boot"], ["health"], ["poll", "--now"]
START = [BOOT, HEALTH, POLL]  # what the units do after each boot
REPAIR = ["doctor", "--repair"]
RECORD_MAX = 1024
ROOM = 1830  # some details still fit, so that the next segment begins amid a program


@dataclass
class Sequence:
    """`steps`: verbs of the agent, or REBOOT. `settles`: the releases that may run in the end, and
    `starts` at the moment of any cut. `after`: what runs after each boot when power is back."""
    name: str
    loader: str
    tree: str
    steps: list
    start: str  # the name of a disk of `Workshop`
    starts: set = field(default_factory=lambda: {1})
    settles: set = field(default_factory=lambda: {1})
    after: list = field(default_factory=lambda: list(START))
    installs: int = 0  # the release that the journal must announce
    failed: int = 0  # a release that must be remembered as failed
    repaired: bool = False  # doctor must find nothing to repair in the end


SEQUENCES = [
    Sequence("update", "uboot", "p2", [*START, REBOOT, *START, REBOOT, *START], "one",
             {1, 2}, {2}, installs=2),
    Sequence("back", "uboot", "p3", [BOOT, HEALTH, POLL, REBOOT, BOOT, HEALTH, REBOOT, *START],
             "two", {2, BAD}, {2}, installs=BAD, failed=BAD),
    Sequence("tryboot", "tryboot", "p2", [*START, REBOOT, *START, REBOOT, *START], "one",
             {1, 2}, {2}, installs=2),
    # A cut while these recover from one: in the middle of the writing, and in the trial.
    Sequence("again", "uboot", "p2", [*START, REBOOT, *START, REBOOT, *START], "cut_writing",
             {1, 2}, {2}, installs=2),
    Sequence("retry", "uboot", "p2", [*START, REBOOT, *START], "cut_trial", {2}, {2}),
    Sequence("rotation", "uboot", "p1-rotated", [*START, REBOOT, *START], "one"),
    # Both chains begin a new segment in `check`.
    Sequence("journal", "uboot", "p2",
             [BOOT, HEALTH, ["check"], POLL, REBOOT, *START, REBOOT, *START], "full",
             {1, 2}, {2}, installs=2),
    Sequence("repair-copy", "uboot", "p1", [REPAIR, REBOOT, *START, REPAIR], "copy",
             after=[*START, REPAIR], repaired=True),
    Sequence("repair-lost", "uboot", "p1", [REPAIR, REBOOT, *START, REPAIR], "lost",
             after=[REPAIR, *START], repaired=True),
    Sequence("repair-identity", "uboot", "p1", [REPAIR, REBOOT, *START, REPAIR], "identity",
             after=[REPAIR, *START], repaired=True),
    Sequence("repair-trial", "uboot", "p1", [REPAIR, REBOOT, *START, REPAIR], "stray",
             after=[REPAIR, *START], repaired=True),
    Sequence("repair-autoboot", "tryboot", "p1", [REPAIR, REBOOT, *START, REPAIR], "minds",
             after=[REPAIR, *START], repaired=True),
]


class Workshop:
    """Makes the disks that sequences begin with, each once."""

    def __init__(self, folder, publisher, url):
        self.folder = folder
        self.publisher = publisher
        self.url = url

    def device(self, folder, loader, tree):
        os.makedirs(folder)
        return Device(os.path.join(folder, "root"), self.publisher, LOADERS[loader](folder),
                      self.url, tree)

    def disk(self, name, loader):
        path = os.path.join(self.folder, f"disk-{loader}-{name}")
        if not os.path.exists(path):
            getattr(self, "make_" + name)(path, loader)
        return path

    def grow(self, path, loader, origin, tree, *steps, change=None):
        """A disk on which the device did `steps` since `origin`; `change` works on its files."""
        folder = path + ".making"
        d = self.device(folder, loader, tree)
        if origin:
            shutil.copyfile(self.disk(origin, loader), path)
        else:
            make_disk(path, self.publisher, d.loader)
        d.attach(path, path, lambda at, data: write_at(path, at, data))
        try:
            play(d, steps, lambda: None)
            if change:
                d.mount()
                change(d)
                d.unmount()
        finally:
            d.detach()
            shutil.rmtree(folder)

    def make_one(self, path, loader):
        """Release 1, provisioned, in the field for some boots."""
        self.grow(path, loader, None, "p1", ["provision"], REBOOT, *START, REBOOT, *START)

    def make_two(self, path, loader):
        self.grow(path, loader, "one", "p2", *START, REBOOT, *START, REBOOT, *START)

    def make_full(self, path, loader):
        self.grow(path, loader, "one", "p1", *START, change=fill_journal)

    def make_cut_writing(self, path, loader):
        at, size = PARTS["slot-b-rootfs"]

        def middle(recording):
            found = [i for i, e in enumerate(recording.entries)
                     if e and at <= e[0] * states.SECTOR < at + size]
            return found[len(found) // 2]
        self.cut(path, loader, middle)

    def make_cut_trial(self, path, loader):
        self.cut(path, loader, lambda recording: recording.marks[len(START) + 1][0])

    def cut(self, path, loader, where):
        """The disk in the middle of an update."""
        update = next(q for q in SEQUENCES if q.start == "one" and q.loader == loader)
        recording = record(self, update, path + ".record")
        disk = bytearray(recording.base)
        for entry in filter(None, recording.entries[:where(recording)]):
            states.write(disk, *entry)
        with open(path, "wb") as f:
            f.write(disk)

    def damage(self, path, loader, change):
        shutil.copyfile(self.disk("one", loader), path)
        copies = [read_at(path, at, sandbox.ENV_SIZE) for at in ENV_AT]
        for at, copy in zip(ENV_AT, change(copies)):
            write_at(path, at, copy)

    def make_copy(self, path, loader):
        def newest(copies):
            second = (copies[1][4] - copies[0][4]) % 256 == 1
            return [copies[0], spoil(copies[1])] if second else [spoil(copies[0]), copies[1]]
        self.damage(path, loader, newest)

    def make_lost(self, path, loader):
        self.damage(path, loader, lambda copies: [spoil(c) for c in copies])

    def make_identity(self, path, loader):
        self.damage(path, loader, lambda copies: change_values(copies, pawl_id=None))

    def make_stray(self, path, loader):
        self.damage(path, loader, lambda copies: change_values(
            copies, pawl_trial="B", pawl_tries="2"))

    def make_minds(self, path, loader):
        """Both sections of autoboot.txt name slot A."""
        shutil.copyfile(self.disk("one", loader), path)
        with open(path, "r+b") as f:
            content = f.read()
            at = content.index(b"[tryboot]\nboot_partition=3")
            f.seek(at)
            f.write(b"[tryboot]\nboot_partition=2")


def spoil(copy):
    return copy[:100] + bytes([copy[100] ^ 1]) + copy[101:]


def change_values(copies, **values):
    return [sandbox.pack({**sandbox.active(copies), **values}, 1)] * 2


def fill_journal(device):
    """Both chains almost up to the end of their segments, by the format of docs/journal.md."""
    path = sorted(glob.glob(device.path("var/lib/pawl/journal/d-*.jsonl")))[-1]
    old = agent_killed.lines_of(path)
    record, new = json.loads(old[-1]), old[:]
    del record["h"]
    while sum(len(line) + 1 for line in new) <= agent_killed.SEGMENT - RECORD_MAX - ROOM:
        record["seq"] += 1
        record["prev"] = hashlib.sha256(new[-1]).hexdigest()
        text = json.dumps(record, separators=(",", ":"))[:-1].encode()
        new.append(text + b',"h":"' + hashlib.sha256(text).hexdigest().encode() + b'"}')
    with open(path, "r+b") as f:
        f.write(b"\n".join(new) + b"\n")
    agent_killed.fill_journal(device)


def play(device, steps, mark):
    """One device from power on; `mark` is called after each step."""
    device.start(cut=True)
    device.mount()
    try:
        for step in steps:
            if step == REBOOT:
                device.unmount()
                device.start(cut=False)
                device.mount()
            else:
                device.pawl(*step)
            mark()
        device.settled = device.is_settled()
    finally:
        device.unmount()


def check_arrived(device, sequence):
    """A recording in which nothing came about would be green in every state."""
    release, _ = device.release_in(device.slot)
    must(release in sequence.settles and device.settled,
         f"{sequence.name}: the device is on release {release} without any cut")


@dataclass
class Recording:
    base: bytes
    entries: list  # writes and flushes, in order
    marks: list  # [(entries by then, milestones that were there)] after each step


def record(workshop, sequence, folder):
    device = workshop.device(folder, sequence.loader, sequence.tree)
    disk = os.path.join(folder, "disk.img")
    shutil.copyfile(workshop.disk(sequence.start, sequence.loader), disk)
    with open(disk, "rb") as f:
        base = f.read()
    recorder = media.Recorder(disk, folder)
    marks = []
    try:
        device.attach(disk, recorder.export, recorder.write)
        try:
            play(device, sequence.steps,
                 lambda: marks.append((recorder.count(), device.milestones())))
            check_arrived(device, sequence)
        finally:
            device.detach()
        entries = media.read_log(recorder.log, recorder.count())
    finally:
        recorder.close()
    return Recording(base, entries, marks)
