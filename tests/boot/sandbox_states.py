#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every boot state of docs/boot.md: the shipped boot script in U-Boot's sandbox, with U-Boot's own
code for the redundant environment, against the simulated boot loader `sim`. Prints TAP.

Needs PAWL, PAWL_SOURCE, PAWL_BOOT_OUT (with sandbox/u-boot and sandbox/u-boot.dtb). A state is:
the four variables, which slots can be loaded, which copies of the environment are bad, and
whether saving works. For each: which slot starts, with which words for the kernel, and what
the environment holds afterwards. PAWL_LONG=1 takes every combination; without it, those in which
nothing is out of the ordinary are complete, and the others are a fixed sample.
"""
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor

SOURCE = os.environ["PAWL_SOURCE"]
LAYOUT = os.path.join(SOURCE, "partitions/layouts/qemu-arm64")
SANDBOX = os.path.join(os.environ["PAWL_BOOT_OUT"], "sandbox")
MIB = 1 << 20
ENV_SIZE = 0x10000
ENV_AT = (0x100000, 0x180000)
SLOT_AT = {"A": 4 * MIB, "B": 6 * MIB}
SLOT_KEPT = 8 * MIB  # the same once more, in no partition
IDENTITY = "0123456789abcdef0123456789abcdef"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
NAMES = ("pawl_slot", "pawl_trial", "pawl_tries", "pawl_fallback")

# None is an absent variable.
VALUES = {
    "pawl_slot": (None, "A", "B", "C"),
    "pawl_trial": (None, "", "A", "B", "AB"),
    "pawl_tries": (None, "0", "1", "2", "9", "a", "10"),
    "pawl_fallback": (None, "A", "B", "x"),
}
LOADS = ("AB", "A", "B", "")
BAD_COPIES = ((), (0,), (1,), (0, 1))


def command(*words, **more):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   env=dict(os.environ, PATH=PATH), **more)


# --- The environment as bytes --------------------------------------------------------------
def pack(variables, flag):
    text = b"".join(f"{k}={v}".encode() + b"\0" for k, v in variables.items() if v is not None)
    data = (text + b"\0").ljust(ENV_SIZE - 5, b"\0")
    return zlib.crc32(data).to_bytes(4, "little") + bytes([flag]) + data


def unpack(data):
    """Variables of one copy, or None when its checksum is wrong."""
    if zlib.crc32(data[5:]) != int.from_bytes(data[:4], "little"):
        return None
    text = data[5:data.index(b"\0\0", 5)].decode()
    return dict(v.split("=", 1) for v in text.split("\0") if v)


def active(copies):
    """Variables of the copy that counts; flags count up and wrap."""
    found = [(c[4], unpack(c)) for c in copies]
    good = [f for f in found if f[1] is not None]
    if not good:
        return None
    if len(good) == 2:
        (one, first), (two, second) = good
        return second if (two - one) % 256 == 1 else first
    return good[0][1]


class State:
    def __init__(self, values, loads, bad, saves=True):
        self.values = dict(zip(NAMES, values))
        self.loads = loads
        self.bad = bad
        self.saves = saves

    def __str__(self):
        shown = " ".join(f"{k[5:]}={v}" for k, v in self.values.items() if v is not None)
        return f"[{shown}] loads={self.loads or '-'} bad={self.bad} saves={self.saves}"

    def copies(self):
        more = {"pawl_id": IDENTITY, "kernel_addr_r": "0x2000000", "ramdisk_addr_r": "0x3000000",
                "kernel_comp_addr_r": "0x4000000", "board": "sandbox",
                "stdin": "serial", "stdout": "serial", "stderr": "serial"}
        # The second copy is the older one and says something else, so that it shows.
        old = dict(more, pawl_slot="A", pawl_trial="B", pawl_tries="4", board="old")
        made = [pack(dict(more, **self.values), 7), pack(old, 6)]
        for i in self.bad:
            made[i] = made[i][:40] + bytes([made[i][40] ^ 1]) + made[i][41:]
        return made


class Outcome:
    """What a boot came to; equal when loader and script agree."""

    def __init__(self, slot, words, before, after):
        self.slot = slot
        # The root is the layout's, and the simulated one is a file.
        self.words = sorted(w for w in words.split() if re.match(r"(pawl\.|panic=)", w))
        # U-Boot saves what it found out about the machine, too; that is not compared.
        kept = (*NAMES, "pawl_id", "board")
        self.environment = {k: v for k, v in (active(after) or {}).items() if k in kept}
        self.good = [unpack(c) is not None for c in after]
        self.written = [b != a for b, a in zip(before, after)]

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __str__(self):
        return (f"slot={self.slot} {self.words} {self.environment} good={self.good} "
                f"written={self.written}")


# --- The real script ----------------------------------------------------------------------
def joined_script(folder, saves):
    """The script as it is shipped; in the sandbox booti says what it would start."""
    with open(f"{SOURCE}/partitions/layouts/common/boot-core.cmd", encoding="utf-8") as f:
        core = f.read()
    with open(f"{LAYOUT}/boot.cmd", encoding="utf-8") as f:
        own = f.read()
    own, starts = re.subn(r"^(\t+)booti .*$", r'\1echo "STARTED ${bootargs}"; poweroff',
                          own, flags=re.M)
    own, ends = re.subn(r"^if sleep 10; then reset; fi$", "poweroff", own, flags=re.M)
    if not saves:
        core, n = re.subn(r"\bif env save;", "if false;", core)
        assert n == 1
    assert (starts, ends) == (1, 1), "the layout's boot.cmd has another form"
    path = os.path.join(folder, "joined.cmd")
    with open(path, "w", encoding="utf-8") as f:
        f.write(core + own)
    out = os.path.join(folder, "boot.scr")
    command("mkimage", "-A", "sandbox", "-O", "linux", "-T", "script", "-C", "none", "-d", path, out)
    return out


def make_disk(folder, name, script):
    """The partitions of the layout in small, with two slots that can be loaded."""
    disk = os.path.join(folder, name)
    with open(disk, "wb") as f:
        f.truncate(16 * MIB)
    table = ("label: gpt\nstart=2048,size=2048\nstart=4096,size=4096\nstart=8192,size=4096\n"
             "start=12288,size=4096\n")
    subprocess.run(["sfdisk", "-q", disk], input=table, text=True, check=True,
                   env=dict(os.environ, PATH=PATH))
    fat = os.path.join(folder, "fat")
    command("mkfs.vfat", "-C", fat, "2048")
    command("mcopy", "-i", fat, script, "::/boot.scr")
    tree = os.path.join(folder, "tree")
    os.makedirs(f"{tree}/boot", exist_ok=True)
    for file in ("Image", "initrd"):
        with open(f"{tree}/boot/{file}", "w", encoding="ascii") as f:
            f.write(file)
    slot = os.path.join(folder, "slot")
    command("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^orphan_file", "-d", tree, slot, "2M")
    with open(disk, "r+b") as f:
        for offset, part in ((2 * MIB, fat), (SLOT_AT["A"], slot), (SLOT_AT["B"], slot),
                             (SLOT_KEPT, slot)):
            with open(part, "rb") as p:
                f.seek(offset)
                f.write(p.read())
    os.unlink(fat)
    os.unlink(slot)
    return disk


def boot_script(state, folder):
    """The folder has a disk for each kind of script; only what a state says is written anew."""
    folder = os.path.join(folder, str(state.saves))
    disk = os.path.join(folder, "disk.img")
    before = state.copies()
    with open(disk, "r+b") as f:
        for offset, data in zip(ENV_AT, before):
            f.seek(offset)
            f.write(data)
        f.seek(SLOT_KEPT)
        head = f.read(4096)
        for slot, offset in SLOT_AT.items():
            f.seek(offset)
            f.write(head if slot in state.loads else bytes(4096))
    done = subprocess.run(
        [f"{SANDBOX}/u-boot", "-d", f"{SANDBOX}/u-boot.dtb", "-c",
         "load mmc 0:2 0x1000000 /boot.scr; source 0x1000000"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=60, check=False)
    # The sandbox paints its console.
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode("utf-8", "replace")).replace("\r", "")
    if "Pawl: committed" not in said:
        raise RuntimeError(f"{state}: the script did not run\n{said[-1500:]}")
    after = []
    with open(disk, "rb") as f:
        for offset in ENV_AT:
            f.seek(offset)
            after.append(f.read(ENV_SIZE))
    started = re.search(r"^STARTED (.*)$", said, re.M)
    words = started.group(1) if started else ""
    slot = re.search(r"pawl\.slot=(.)", words)
    root = re.search(r"root=/dev/mmcblk0p(\d)", words)
    if slot and root.group(1) != {"A": "3", "B": "4"}[slot.group(1)]:
        raise RuntimeError(f"{state}: root of another slot: {words}")
    return Outcome(slot.group(1) if slot else None, words, before, after)


# --- The simulated loader -------------------------------------------------------------------
CONFIG = """[device]
product = demo
compatible = demo
[boot]
loader = sim
[slot A]
rootfs = /dev/a
[slot B]
rootfs = /dev/b
"""


def boot_sim(state, folder):
    root = os.path.join(folder, "sim")
    shutil.rmtree(root, ignore_errors=True)
    for name in ("etc/pawl", "dev"):
        os.makedirs(f"{root}/{name}")
    before = state.copies()
    for i, data in enumerate(before):
        with open(f"{root}/dev/env-{i}", "wb") as f:
            f.write(data)
    with open(f"{root}/etc/pawl/pawl.conf", "w", encoding="ascii") as f:
        f.write(CONFIG)
    with open(f"{root}/etc/fw_env.config", "w", encoding="ascii") as f:
        f.write("".join(f"{root}/dev/env-{i} 0x0 {ENV_SIZE:#x}\n" for i in (0, 1)))
    for slot in "AB":
        with open(f"{root}/dev/{slot.lower()}", "wb") as f:
            f.write((b"x" if slot in state.loads else b"\0") * 8192)
    subprocess.run([os.environ["PAWL"], "--root", root, "sim", "boot"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    after = []
    for i in (0, 1):
        with open(f"{root}/dev/env-{i}", "rb") as f:
            after.append(f.read())
    words = ""
    if os.path.exists(f"{root}/proc/cmdline"):
        with open(f"{root}/proc/cmdline", encoding="ascii") as f:
            words = f.read()
    slot = re.search(r"pawl\.slot=(.)", words)
    return Outcome(slot.group(1) if slot else None, words, before, after)


def by_the_rules(state):
    """Where the environment cannot be saved, no trial starts: what must boot then."""
    v = state.values
    committed = v["pawl_slot"] if v["pawl_slot"] in ("A", "B") else None
    order = [committed or "A"]
    order += [v["pawl_fallback"]] if v["pawl_fallback"] in ("A", "B") else []
    order += [] if committed else ["B"]
    return next((s for s in order if s in state.loads), None)


# --- All of it --------------------------------------------------------------------------------
def odd(values):
    """How many values are not what Pawl writes."""
    usual = ({"A", "B"}, {None, "A", "B"}, {None, "1", "2"}, {None, "A", "B"})
    return sum(v not in u for v, u in zip(values, usual))


def make_states(everything):
    states = []
    for i, values in enumerate(itertools.product(*VALUES.values())):
        for j, (loads, bad) in enumerate(itertools.product(LOADS, BAD_COPIES)):
            strange = odd(values) + bool(bad)
            sampled = (i * 16 + j) % 61 == 0
            plain = strange == 0 or (strange == 1 and loads in ("AB", "A") and i % 5 == 0)
            if everything or plain or sampled:
                states.append(State(values, loads, bad))
    for values in itertools.product(("A", "B", None), ("A", "B"), ("1", "9"), (None, "B")):
        states += [State(values, loads, (), saves=False) for loads in LOADS]
    return states


def main():
    states = make_states(bool(os.environ.get("PAWL_LONG")))
    folder = tempfile.mkdtemp()
    workers = os.cpu_count() or 1
    wrong = []
    try:
        disks = {s: make_disk(folder, f"disk-{s}", joined_script(folder, s)) for s in (True, False)}

        def run(worker):
            mine = tempfile.mkdtemp(dir=folder)
            for saves, disk in disks.items():
                os.makedirs(f"{mine}/{saves}")
                shutil.copy(disk, f"{mine}/{saves}/disk.img")
            for state in states[worker::workers]:
                script = boot_script(state, mine)
                if not state.saves:
                    if script.slot != by_the_rules(state) or any(script.written):
                        wrong.append(f"{state}: script {script}")
                    continue
                sim = boot_sim(state, mine)
                if script != sim:
                    wrong.append(f"{state}: script {script}; sim {sim}")

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, range(workers)))
    finally:
        shutil.rmtree(folder)
    for line in wrong[:20]:
        print(f"# {line}")
    print(f"#: {len(states)} boot states, {len(wrong)} differ")
    print(f"{'not ok' if wrong else 'ok'} 1 - script and simulated loader agree in every state")
    print("1..1")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
