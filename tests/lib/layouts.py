#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files of each layout say the same: U-Boot, Linux, the disk image and Pawl must mean one
environment and the same partitions. Prints TAP.  usage: layouts.py FOLDER-OF-LAYOUTS"""
import os
import re
import sys

UNITS = {"": 1, "K": 1 << 10, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}
UBOOT = {"arm64-uboot": "mmc 0:2", "qemu-arm64": "mmc 0:2", "raspberrypi-uboot": "mmc 0:1"}
TRYBOOT = "raspberrypi-tryboot"
count = 0
bad = 0


def check(good, name, more=""):
    global count, bad
    count += 1
    bad += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    if not good and more:
        print(f"# {more}")


def read(*path):
    with open(os.path.join(sys.argv[1], *path), encoding="utf-8") as f:
        return f.read()


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KkMG]?)", text).groups()
    return int(number) * UNITS[unit]


def genimage(layout):
    """Partitions of disk.img in the order of the file: name -> its settings."""
    text = re.sub(r"#.*", "", read(layout, "genimage.cfg"))
    disk = text[text.index("image disk.img"):]
    disk = disk[:disk.index("\n}")]
    return {name: dict(re.findall(r"([\w-]+) = \"?([^\"\n]+)\"?", body))
            for name, body in re.findall(r"partition ([\w-]+) \{(.*?)\n\t\}", disk, re.S)}


def table(parts):
    """Those that the partition table lists."""
    return [n for n, p in parts.items() if p.get("in-partition-table") != "false"]


def wic(layout):
    """Lines of pawl.wks: each with its options."""
    lines = [w for w in read(layout, "pawl.wks").splitlines() if w.startswith("part")]
    return [dict(re.findall(r"--([\w-]+)[ =]\"?([^\s\"]+)", w), table="--no-table" not in w)
            for w in lines]


def pawl_slot(layout, slot):
    body = read(layout, "pawl.conf").split(f"[slot {slot}]")[1].split("[")[0]
    return dict(re.findall(r"^(\w+) = (\S+)$", body, re.M))


def check_sizes(layout, parts):
    lines = wic(layout)
    names = list(parts)
    check(len(lines) == len(names), f"{layout}: genimage.cfg and pawl.wks have the same partitions")
    for line, name in zip(lines, names):
        given = parts[name].get("size")
        check(given is None or size(given) == size(line["fixed-size"]),
              f"{layout}: {name} is as large for both", f"{given} {line}")
        offset = parts[name].get("offset")
        check("offset" not in line or size(offset or "0") == size(line["offset"]),
              f"{layout}: {name} is at the same place for both", f"{offset} {line}")
        check(line["table"] == (name in table(parts)),
              f"{layout}: {name} is in the table of both or of none")
        # A slot that is known by its UUID must have it in both.
        check(parts[name].get("partition-uuid") == line.get("uuid"), f"{layout}: {name} has one UUID")
    for slot in ("rootfs", "boot"):
        if f"{slot}-a" in parts:
            check(parts[f"{slot}-a"]["size"] == parts[f"{slot}-b"]["size"],
                  f"{layout}: both slots have one size ({slot})")


def check_environment(layout, parts, script):
    fragment = dict(re.findall(r"^CONFIG_(\w+)=\"?(.*?)\"?$", read(layout, "u-boot-fragment.config"),
                               re.M))
    env = dict(re.findall(r"^(\w+)=(.*)$", read(layout, "env.txt"), re.M))
    rows = [r.split() for r in read(layout, "fw_env.config").splitlines() if r and r[0] != "#"]
    wanted = [(fragment["ENV_OFFSET"], fragment["ENV_SIZE"]),
              (fragment["ENV_OFFSET_REDUND"], fragment["ENV_SIZE"])]
    check([(r[1], r[2]) for r in rows] == wanted,
          f"{layout}: fw_env.config has both copies where U-Boot has them", f"{rows} {wanted}")
    start = size(parts["pawl-env"]["offset"])
    end = start + size(parts["pawl-env"]["size"])
    copies = re.findall(r"offset = (\w+)\n\t\timage = \"env.bin\"", read(layout, "genimage.cfg"))
    check([int(w[0], 16) for w in wanted] == [start + size(c) for c in copies],
          f"{layout}: the disk image has both copies there")
    check(int(wanted[1][0], 16) + int(wanted[1][1], 16) <= end,
          f"{layout}: nothing else is put where they are")
    check(fragment["BOOTCOMMAND"] == env["pawl_boot"],
          f"{layout}: the built-in environment boots as the stored one")
    check(env["bootcmd"] == "run pawl_boot", f"{layout}: the stored environment boots at all")
    check(env["pawl_boot"].startswith(f"load {script} "), f"{layout}: from the boot partition")
    number = int(script.rsplit(":", 1)[1])
    check(table(parts)[number - 1] == "boot", f"{layout}: which has that number")
    check("# CONFIG_BOOTCOUNT_LIMIT is not set" in read(layout, "u-boot-fragment.config"),
          f"{layout}: U-Boot counts no boots of its own")


def check_slots(layout, parts):
    """boot.cmd, pawl.conf and the disk mean the same partitions."""
    script = read(layout, "boot.cmd")
    numbers = re.search(r"p_part=(\d).*?\"B\".*?p_part=(\d)", script, re.S).groups()
    root = re.search(r"root=(\S+?)[ \"]", script).group(1)
    for slot, number in zip("AB", numbers):
        name = f"rootfs-{slot.lower()}"
        check(table(parts)[int(number) - 1] == name, f"{layout}: boot.cmd loads {slot} from {name}")
        uuid = parts[name].get("partition-uuid")
        if root == "${p_root}":
            roots = re.findall(r"p_root=PARTUUID=(\S+)", script)
            check(roots["AB".index(slot)] == uuid, f"{layout}: the kernel of {slot} gets its root")
            device = f"/dev/disk/by-partuuid/{uuid}"
        else:
            device = root.replace("${p_part}", number)
            device = device.replace("PARTUUID=", "/dev/disk/by-partuuid/")
        check(pawl_slot(layout, slot) == {"rootfs": device}, f"{layout}: pawl.conf has {slot} there",
              f"{pawl_slot(layout, slot)} {device}")
    signature = re.search(r"disk-signature = 0x(\w+)", read(layout, "genimage.cfg"))
    check(not signature or f"PARTUUID={signature.group(1)}-" in root,
          f"{layout}: the signature of the disk is the one that roots name")


def check_tryboot(parts):
    layout = TRYBOOT
    text = read(layout, "autoboot.txt")
    check(len(text) == 512, f"{layout}: autoboot.txt fills one sector")
    numbers = re.findall(r"^boot_partition=(\d)$", text, re.M)
    check("tryboot_a_b=1" in text and len(numbers) == 2, f"{layout}: it names both slots")
    boot = dict(re.findall(r"^([\w-]+) = (\S+)$", read(layout, "pawl.conf"), re.M))
    check([boot["autoboot"], boot["partition-a"], boot["partition-b"]] ==
          ["/dev/mmcblk0p1", *numbers] and table(parts)[0] == "autoboot",
          f"{layout}: pawl.conf has autoboot.txt and the boot partitions where they are")
    config = read(layout, "config.txt")
    signature = re.search(r"disk-signature = 0x(\w+)", read(layout, "genimage.cfg")).group(1)
    # Behind the extended partition, numbers go on with 5.
    names = table(parts)
    number_of = {n: i + 1 if i < 3 else i + 2 for i, n in enumerate(names)}
    for slot, boot in zip("ab", numbers):
        check(number_of[f"boot-{slot}"] == int(boot), f"{layout}: slot {slot} boots from its partition")
        check(f"[boot_partition={boot}]\ncmdline=cmdline-{slot}.txt" in config,
              f"{layout}: with its own words")
        words = read(layout, f"cmdline-{slot}.txt").split()
        root = number_of[f"rootfs-{slot}"]
        check({f"root=PARTUUID={signature}-0{root}", "panic=5", f"pawl.slot={slot.upper()}"}
              <= set(words), f"{layout}: which say root, panic and slot", words)
        check(pawl_slot(layout, slot.upper()) == {"boot": f"/dev/mmcblk0p{boot}",
                                                  "rootfs": f"/dev/mmcblk0p{root}"},
              f"{layout}: pawl.conf has slot {slot} there")


def main():
    for layout, script in UBOOT.items():
        parts = genimage(layout)
        check_sizes(layout, parts)
        check_environment(layout, parts, script)
        check_slots(layout, parts)
    parts = genimage(TRYBOOT)
    check_sizes(TRYBOOT, parts)
    check_tryboot(parts)
    for layout in (*UBOOT, TRYBOOT):
        check(len(read(layout, "README.md").splitlines()) <= 60, f"{layout}: README of one screen")
    print(f"1..{count}")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
