# SPDX-License-Identifier: Apache-2.0
"""What boots: the shipped boot script in U-Boot's sandbox on the disk itself, or the firmware of a
Raspberry Pi as tests/lib/pi_firmware.py plays it. Each of them answers `boot`."""
import contextlib
import hashlib
import io
import os
import pickle
import re
import shutil
import subprocess

import pi_firmware
import sandbox_states as sandbox
from device import DISK_SIZE, ENV_AT, ENV_SIZE, MIB, PARTS, SLOT_SIZE, command
from world import must, run, write

HEAD = 4096
AUTOBOOT = re.compile(rb"\[all\]\ntryboot_a_b=1\nboot_partition=(.)")
ENVIRONMENT = {"pawl_slot": "A", "bootcmd": "run bootscript", "board": "sandbox",
               "kernel_addr_r": "0x2000000", "ramdisk_addr_r": "0x3000000",
               "kernel_comp_addr_r": "0x4000000",
               "stdin": "serial", "stdout": "serial", "stderr": "serial"}


def read_at(path, offset, size):
    with open(path, "rb") as f:
        f.seek(offset)
        return f.read(size)


def write_at(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)


class Known:
    """What was found out once, for all workers: a file for each key."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def get(self, key):
        try:
            with open(os.path.join(self.folder, key), "rb") as f:
                return pickle.load(f)
        except FileNotFoundError:
            return None

    def put(self, key, value):
        path = os.path.join(self.folder, f".{os.getpid()}")
        with open(path, "wb") as f:
            pickle.dump(value, f)
        os.rename(path, os.path.join(self.folder, key))


class UBoot:
    """The script of the layout `qemu-arm64` in U-Boot's sandbox.

    What it decides depends on the environment and on what can be loaded from the slots, so a
    verdict is kept for the bytes of both copies and of both slots. All slots whose head is zeros
    are one: there is no file system to be found in any of them."""
    name = "uboot"
    config = ""
    reboot_words = ""
    oracle = "U-Boot sandbox with the shipped boot.cmd"

    def __init__(self, folder):
        self.folder = folder
        self.known = Known(os.path.join(os.path.dirname(folder), "verdicts"))
        self.runs = 0

    def prepare(self, device):
        write(device.path("etc/u-boot-initial-env"),
              "".join(f"{k}={v}\n" for k, v in ENVIRONMENT.items()))

    def write_factory(self, path):
        made = os.path.join(self.folder, "factory")
        os.makedirs(made)
        script = sandbox.joined_script(made, True)
        table = ("label: gpt\nstart=2048,size=2048\nstart=4096,size=2048\n"
                 "start=8192,size=4096\nstart=12288,size=4096\n")
        with open(path, "r+b") as disk:
            subprocess.run(["sfdisk", "-q", path], input=table, text=True, check=True,
                           env=dict(os.environ, PATH=sandbox.PATH))
            fat = os.path.join(made, "fat")
            command("mkfs.vfat", "-C", fat, "1024")
            command("mcopy", "-i", fat, script, "::/boot.scr")
            disk.seek(2 * MIB)
            with open(fat, "rb") as f:
                disk.write(f.read())
        for at in ENV_AT:
            write_at(path, at, sandbox.pack(ENVIRONMENT, 1))
        shutil.rmtree(made)

    @staticmethod
    def environment(path):
        return tuple(read_at(path, at, ENV_SIZE) for at in ENV_AT)

    @staticmethod
    def values(disk):
        """What the environment of a disk says, in the words of every loader."""
        found = sandbox.active([disk[at:at + ENV_SIZE] for at in ENV_AT]) or {}
        return {"committed": found.get("pawl_slot"), "trial": found.get("pawl_trial")}

    def key(self, path):
        found = [*self.environment(path)]
        for slot in "ab":
            content = read_at(path, PARTS[f"slot-{slot}-rootfs"][0], SLOT_SIZE)
            found.append(b"headless" if content[:HEAD] == bytes(HEAD) else content)
        return "-".join(hashlib.sha256(c).hexdigest()[:16] for c in found)

    def boot(self, device, cut):
        """The environment of the disk is changed as the script changes it."""
        del cut  # U-Boot remembers nothing but the environment
        path = device.disk
        key = self.key(path)
        verdict = self.known.get(key)
        if verdict is None:
            verdict = self.ask(path)
            self.known.put(key, verdict)
        slot, words, after = verdict
        for at, before, now in zip(ENV_AT, self.environment(path), after):
            if before != now:
                device.store(at, now)
        return slot, words

    def ask(self, path):
        self.runs += 1
        work = os.path.join(self.folder, "sandbox")
        os.makedirs(work, exist_ok=True)
        disk = os.path.join(work, "disk.img")
        shutil.copyfile(path, disk)
        done = subprocess.run(
            [f"{sandbox.SANDBOX}/u-boot", "-d", f"{sandbox.SANDBOX}/u-boot.dtb", "-c",
             "load mmc 0:2 0x1000000 /boot.scr; source 0x1000000"],
            cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=60, check=False)
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode("utf-8", "replace"))
        said = said.replace("\r", "")
        must("Pawl: committed" in said, f"the boot script did not run: {said[-800:]}")
        started = re.search(r"^STARTED (.*)$", said, re.M)
        if not started:
            return None, "", self.environment(disk)
        words = started.group(1)
        slot = re.search(r"pawl\.slot=(.)", words).group(1)
        root = re.search(r"root=/dev/mmcblk0p(\d)", words).group(1)
        must(root == {"A": "3", "B": "4"}[slot], f"root of another slot: {words}")
        kept = [w for w in words.split() if not w.startswith("root=")]
        return slot, " ".join(kept), self.environment(disk)


class Firmware:
    """The firmware of a Raspberry Pi: autoboot.txt lies on the disk, the flag of a tryboot in the
    machine."""
    name = "tryboot"
    config = "autoboot = /dev/mmcblk0p1\npartition-a = 2\npartition-b = 3"
    reboot_words = "printf '%s' \"$1\" >\"${0%/*}/pi-asked\"\n"
    oracle = "tests/lib/pi_firmware.py, which plays the Raspberry Pi's firmware"

    def __init__(self, folder):
        self.folder = folder
        self.runs = 0

    def prepare(self, device):
        """The folders and files of the firmware; the FAT itself is a part of the disk."""
        keep = device.path("reboot")
        os.rename(keep, keep + ".kept")
        run("python3", pi_firmware.__file__, "make", device.folder)
        os.rename(keep + ".kept", keep)
        os.rename(device.path("dev/mmcblk0p1"), os.path.join(self.folder, "fat"))

    def write_factory(self, path):
        write_at(path, PARTS["mmcblk0p1"][0], read_at(os.path.join(self.folder, "fat"), 0, MIB))

    @staticmethod
    def values(disk):
        return {"committed": AUTOBOOT.search(disk).group(1)}

    def boot(self, device, cut):
        self.runs += 1
        asked = device.path("pi-asked")
        if os.path.exists(asked):
            os.rename(asked, device.path("run/pi-asked"))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            pi_firmware.boot(device.folder, cut)
        slot = said.getvalue().strip()
        return slot, f"panic=5 pawl.slot={slot}"


LOADERS = {"uboot": UBoot, "tryboot": Firmware}
assert DISK_SIZE > sum(PARTS["data"])
