# SPDX-License-Identifier: Apache-2.0
"""Plays the firmware of a Raspberry Pi 4 or 5 for QEMU's machine `virt`, by its documented rules:
reads autoboot.txt and a boot partition out of the disk with mtools, tells Linux in the device tree
what it did, and starts QEMU with the kernel that it chose.

A reboot with the argument "0 tryboot" reaches the real firmware through the kernel's reboot
notifiers. Nothing outside of QEMU can see that argument, but the kernel itself says it, with the
string that its notifiers just got: "reboot: Restarting system with command '0 tryboot'". It says
so for the system call only: a panic, a watchdog and a power cut come without. QEMU runs with
-no-reboot, so that after each reset, whose reason QEMU tells, this firmware chooses again.
"""
import os
import re
import struct
import subprocess
import sys
import threading

import fleet
from machine import Machine

sys.path.insert(0, os.path.join(fleet.SOURCE, "tests", "lib"))
import pi_firmware  # noqa: E402

SAID = re.compile(r"\] reboot: Restarting system with command '([^'\n]*)'\n")
RESETS = ("guest-reset", "host-qmp-system-reset")
MACHINE = ["-M", "virt", "-cpu", "cortex-a53", "-m", "256"]


class Firmware:
    """One boot's decisions."""

    CAPABILITIES = 0x7F

    def __init__(self, disk, folder):
        self.disk = disk
        self.folder = folder
        self.starts = {}  # of the primary partitions, by number; an MBR has no more to say
        with open(disk, "rb") as f:
            table = f.read(512)[446:510]
        for number in range(4):
            kind, start = table[16 * number + 4], table[16 * number + 8:16 * number + 12]
            if kind:
                self.starts[number + 1] = (kind, struct.unpack("<I", start)[0] * 512)

    def file(self, number, name):
        """A file of a FAT partition, None when it is not there."""
        place = f"{self.disk}@@{self.starts[number][1]}"
        done = subprocess.run(["mtype", "-i", place, f"::{name}"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
        return done.stdout if done.returncode == 0 else None

    def partition(self, flag):
        """Where autoboot.txt, on the first FAT partition, sends this boot."""
        first = min(n for n, (kind, _) in self.starts.items() if kind in (0x0B, 0x0C, 0x0E))
        text = (self.file(first, "autoboot.txt") or b"")[:512].decode("ascii", "replace")
        return pi_firmware.partition(text, flag) or first

    def words(self, number):
        """config.txt of the boot partition: the last one that holds counts."""
        said, holds = {"kernel": "kernel8.img", "cmdline": "cmdline.txt"}, True
        for line in self.file(number, "config.txt").decode("ascii").splitlines():
            if line.startswith("["):
                holds = line in ("[all]", f"[boot_partition={number}]")
            elif holds and "=" in line:
                name, value = line.split("=", 1)
                said[name] = value
        return said

    def tell(self, number, flag):
        """QEMU's device tree, with what the firmware says to Linux added."""
        tree = os.path.join(self.folder, "pi.dtb")
        fleet.command("qemu-system-aarch64", *MACHINE, "-display", "none", "-nic", "none",
                      "-machine", f"dumpdtb={tree}")
        fleet.command("fdtput", "-p", "-c", tree, "/chosen/bootloader")
        for name, value in (("partition", number), ("tryboot", int(flag)), ("boot-mode", 1),
                            ("capabilities", self.CAPABILITIES),
                            ("build-timestamp", 1735689600)):
            fleet.command("fdtput", "-t", "x", tree, "/chosen/bootloader", name, f"{value:x}")
        return tree

    def boot(self, flag):
        """QEMU's arguments for this boot; None: nothing that could be started."""
        number = self.partition(flag)
        if self.file(number, "config.txt") is None:
            return None
        said = self.words(number)
        parts = {"kernel": said["kernel"], "initrd": "initramfs8", "cmdline": said["cmdline"]}
        for name, file in parts.items():
            data = self.file(number, file)
            if data is None:
                return None
            with open(os.path.join(self.folder, f"pi.{name}"), "wb") as f:
                f.write(data)
        # The firmware knows which port serial0 is.
        line = data.decode("ascii").strip().replace("serial0,115200", "ttyAMA0")
        return ["-dtb", self.tell(number, flag), "-kernel", "pi.kernel", "-initrd", "pi.initrd",
                "-append", line]


class PiMachine(Machine):
    """A machine whose every boot is chosen by the firmware."""

    def __init__(self, folder, arguments):
        super().__init__(folder, arguments)
        self.base = arguments
        self.firmware = Firmware(os.path.join(folder, "disk.img"), folder)
        self.began = 0  # of text, by this boot

    def start(self):
        """Power: no flag outlives that."""
        self.boot(False)

    def boot(self, flag):
        chosen = self.firmware.boot(flag)
        self.say(f"\nPi: partition {self.firmware.partition(flag)}, tryboot {int(flag)}\n")
        if chosen is None:
            self.say("Pi: nothing there that starts\n")
            return
        self.arguments = self.base + ["-no-reboot"] + chosen
        self.shutdown = None
        self.began = len(self.text)
        super().start()
        threading.Thread(target=self.boot_again, args=(self.process,), daemon=True).start()

    def boot_again(self, process):
        """After a reset of this process' machine."""
        process.wait()
        self.console.join()
        self.events.join()
        if process is not self.process or self.shutdown not in RESETS:
            return
        self.resets.append(self.shutdown)
        found = SAID.findall(self.text, self.began)
        self.boot(bool(found) and " tryboot" in found[-1])
