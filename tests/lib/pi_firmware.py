#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the Raspberry Pi firmware for a device out of files (tests/lib/device.sh).

  pi_firmware.py make DIR             an MBR disk, the FAT with autoboot.txt, kernel and device tree
  pi_firmware.py boot DIR [--reset]   one boot; prints the slot. --reset: power or watchdog, which
                                      lose the tryboot flag that a reboot asked for
  pi_firmware.py show DIR             prints autoboot.txt

Boot partition 2 is slot A, 3 is slot B. The rules are those of the firmware's documentation: the
last boot_partition= line that holds counts; [tryboot] holds in a boot that was asked for with
"0 tryboot", once."""
import os
import struct
import sys
import uuid

SECTOR = 512
AUTOBOOT = b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"
AUTOBOOT += b"\n" * (SECTOR - len(AUTOBOOT))
FAT_START, FAT_SECTORS, ROOT_SECTORS, CLUSTERS = 1, 6, 4, 2000
DATA_START = FAT_START + 2 * FAT_SECTORS + ROOT_SECTORS


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def tree(root, name, value):
    write(f"{root}/proc/device-tree/chosen/bootloader/{name}", struct.pack(">I", value))


def make(root):
    head = bytearray(SECTOR)
    struct.pack_into("<HBHBHHBHHHII", head, 11, SECTOR, 1, FAT_START, 2, ROOT_SECTORS * 16,
                     DATA_START + CLUSTERS, 0xf8, FAT_SECTORS, 32, 8, 0, 0)
    head[510:] = b"\x55\xaa"
    fat = bytearray(FAT_SECTORS * SECTOR)
    fat[:3] = b"\xf8\xff\xff"
    fat[4:6] = b"\xf0\xff"  # cluster 3 is the last of its file
    entry = struct.pack("<11sB14xHI", b"AUTOBOOTTXT", 0x20, 3, len(AUTOBOOT))
    folder = entry.ljust(ROOT_SECTORS * SECTOR, b"\0")
    data = bytes(SECTOR) + AUTOBOOT + bytes((CLUSTERS - 2) * SECTOR)
    write(f"{root}/dev/mmcblk0p1", bytes(head) + bytes(fat) * 2 + folder + data)
    mbr = bytearray(SECTOR)
    for i, kind in enumerate((0x0c, 0x0c, 0x0c, 0x05)):
        mbr[446 + 16 * i + 4] = kind
    mbr[510:] = b"\x55\xaa"
    write(f"{root}/dev/mmcblk0", bytes(mbr))
    write(f"{root}/dev/vcio", b"")
    write(f"{root}/sys/devices/mmcblk0/mmcblk0p1/partition", b"1\n")
    os.makedirs(f"{root}/sys/class/block", exist_ok=True)
    os.symlink("../../devices/mmcblk0/mmcblk0p1", f"{root}/sys/class/block/mmcblk0p1")
    tree(root, "capabilities", 0x7f)
    write(f"{root}/reboot", b"#!/bin/sh\nprintf '%s' \"$1\" >\"${0%/*}/run/pi-asked\"\n"
          b": >\"${0%/*}/run/pawl-reboot\"\n")
    os.chmod(f"{root}/reboot", 0o755)


def autoboot(root):
    with open(f"{root}/dev/mmcblk0p1", "rb") as f:
        disk = f.read()
    start = (FAT_START + 2 * FAT_SECTORS) * SECTOR
    for at in range(start, start + ROOT_SECTORS * SECTOR, 32):
        name, attr, cluster, size = struct.unpack_from("<11sB14xHI", disk, at)
        if name == b"AUTOBOOTTXT" and not attr & 0x18:
            at = (DATA_START + cluster - 2) * SECTOR
            return disk[at:at + min(size, SECTOR)].decode("ascii")
    sys.exit("no autoboot.txt")


def partition(text, tryboot):
    found, holds = 0, True
    for line in text.split("\n"):
        if line.startswith("["):
            holds = line == "[all]" or (line == "[tryboot]" and tryboot)
        elif holds and line.startswith("boot_partition="):
            found = int(line.partition("=")[2])
    return found


def boot(root, reset):
    asked = f"{root}/run/pi-asked"
    flag = False
    if os.path.exists(asked):
        with open(asked, encoding="ascii") as f:
            flag = " tryboot" in f.read() and not reset
        os.unlink(asked)
    if os.path.exists(f"{root}/run/pawl-reboot"):
        os.unlink(f"{root}/run/pawl-reboot")
    number = partition(autoboot(root), flag)
    slot = {2: "A", 3: "B"}[number]
    tree(root, "partition", number)
    tree(root, "tryboot", int(flag))
    write(f"{root}/proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n".encode())
    write(f"{root}/proc/cmdline",
          f"root={os.path.realpath(root)}/dev/slot-{slot.lower()}-rootfs panic=5 pawl.slot={slot}\n"
          .encode())
    print(slot)


if __name__ == "__main__":
    verb, where = sys.argv[1:3]
    if verb == "make":
        make(where)
    elif verb == "show":
        print(autoboot(where), end="")
    else:
        boot(where, "--reset" in sys.argv[3:])
