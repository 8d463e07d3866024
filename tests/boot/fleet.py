# SPDX-License-Identifier: Apache-2.0
"""What the tests of real boots share: a publisher with a web server, images with chosen faults,
a disk, and what can be read from it without the agent's help."""
import atexit
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys

SOURCE = os.environ["PAWL_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests", "lib"))
import check_slot  # noqa: E402

MIB = 1 << 20
BOOT_MIB = 24  # of the image; its partition is larger
DATA_MIB = 64
WATCHDOG = 40  # seconds of Pawl's own watchdog, in the releases that have one
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def command(*words, **more):
    """Runs it; on failure its output is in the exception."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, PATH=PATH), check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


class Publisher:
    """Keys, a repository, and nginx with a certificate for the host as the guest sees it."""

    def __init__(self, folder):
        self.folder = folder
        self.repo = os.path.join(folder, "repo")
        self.server = os.path.join(folder, "server")
        os.makedirs(self.server)
        self.call("--product", "demo", "init")
        self.public = os.path.join(self.repo, "public")
        self.root = os.path.join(self.public, "metadata", "1.root.json")
        self.make_certificate()
        said = command("bash", "-c", ". tests/lib/server.sh && server_start \"$0\" \"$1\" >&2 && "
                       "echo \"$SERVER_URL\"", self.server, self.public, cwd=SOURCE)
        atexit.register(self.stop)
        self.port = re.search(r"127\.0\.0\.1:(\d+)", said).group(1)

    def stop(self):
        """nginx removes its file itself, a moment later."""
        try:
            with open(os.path.join(self.server, "nginx.pid"), encoding="ascii") as f:
                pid = f.read().strip()
        except FileNotFoundError:
            return
        subprocess.run(["kill", pid], stderr=subprocess.DEVNULL, check=False)

    def call(self, *words):
        return command(os.environ["PAWL_REPO"], "--repo", self.repo, *words)

    def make_certificate(self):
        """The certificate of tests/lib/server.sh, for 10.0.2.2."""
        d = self.server
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command("openssl", "req", "-x509", *curve, "-days", "30", "-subj", "/CN=Pawl test CA",
                "-keyout", f"{d}/ca.key", "-out", f"{d}/ca.pem")
        command("openssl", "req", *curve, "-subj", "/CN=10.0.2.2", "-keyout", f"{d}/server.key",
                "-out", f"{d}/server.csr")
        with open(f"{d}/ext", "w", encoding="ascii") as f:
            f.write("subjectAltName=IP:10.0.2.2\n")
        command("openssl", "x509", "-req", "-in", f"{d}/server.csr", "-CA", f"{d}/ca.pem",
                "-CAkey", f"{d}/ca.key", "-CAcreateserial", "-days", "30", "-extfile",
                f"{d}/ext", "-out", f"{d}/server.pem")

    def release(self, images, number, fault=None, publish=True):
        backstop = os.path.join(self.folder, f"backstop-{number}.json")
        self.call("allot", "--out", backstop)
        made = images.make(self, number, backstop, fault)
        self.call("--quiet", "release", "--release", str(number), "--version", f"{number}.0.0",
                  "--compatible", images.compatible, "--class", "functional", "--level", "1",
                  "--support-end", "2036-12-31",
                  *[word for name in made for word in ("--image", f"{name}={made[name]}")])
        if publish:
            self.call("--quiet", "publish")
        return made


# A kernel that hangs at its first instruction: the header that U-Boot looks at, and `b .`.
def hanging_kernel():
    code = struct.pack("<II", 0x14000000, 0)
    return (code + struct.pack("<QQQQQQ", 0, 65536, 0xA, 0, 0, 0) + b"ARM\x64" +
            struct.pack("<I", 0)).ljust(65536, b"\0")


class Images:
    """Root file systems, alike but for what a fault changes."""

    # A line that runs in the middle of the boot, before `pawl boot`.
    SPOILERS = {
        "panic": "echo c >/proc/sysrq-trigger",
        # A system whose watchdog is not fed any more and that does nothing else.
        "silent": "kill -9 $(cat /run/watchdog.pid); sleep 100000",
    }
    # The same, between `pawl boot` and `pawl health`.
    LATE_SPOILERS = {
        "watchdog-hang": "sleep 100000",
        # A panic that does not restart: the processor turns in a circle, interrupts off.
        "watchdog-crash": "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger",
    }

    def __init__(self, folder, prepared, layout, settings):
        self.folder = folder
        self.base = os.path.join(prepared, "tree")
        with open(os.path.join(prepared, "rootfs-mib"), encoding="ascii") as f:
            self.rootfs_mib = int(f.read())
        # A boot partition of each slot, where the layout has one.
        self.boot = os.path.join(prepared, "boot-tree")
        self.settings = settings
        with open(os.path.join(SOURCE, "partitions/layouts", layout, "pawl.conf"),
                  encoding="utf-8") as f:
            self.config = f.read()
        self.compatible = re.search(r"^compatible = (.*)$", self.config, re.M).group(1)

    def configure(self, publisher, fault):
        text = re.sub(r"^url = .*$", f"url = https://10.0.2.2:{publisher.port}/\n"
                      "ca-file = /etc/pawl/ca.pem", self.config, flags=re.M)
        text = text.replace("[boot]\n", f"[boot]\ntries = {self.settings['tries']}\n")
        text += "\n[policy]\nauto = all\n\n[health]\ndeadline = 20\n"
        if (fault or "").startswith("watchdog"):
            text += "hook-timeout = 20\n\n[watchdog]\ndevice = /dev/watchdog0\n"
            text += f"timeout = {WATCHDOG}\n"
        return text

    def make(self, publisher, number, backstop, fault):
        tree = os.path.join(self.folder, f"tree-{number}")
        command("cp", "-a", self.base, tree)
        shutil.copy(publisher.root, f"{tree}/usr/share/pawl/root.json")
        shutil.copy(backstop, f"{tree}/usr/share/pawl/backstop.json")
        shutil.copy(f"{publisher.server}/ca.pem", f"{tree}/etc/pawl/ca.pem")
        write(f"{tree}/etc/pawl/pawl.conf", self.configure(publisher, fault))
        write(f"{tree}/etc/release", f"{number}\n")
        write(f"{tree}/usr/lib/pawl/hooks/health/required.d/10-check",
              f"#!/bin/sh\nexit {1 if fault == 'unhealthy' else 0}\n", 0o755)
        for name, spoilers in (("spoiler", self.SPOILERS), ("late-spoiler", self.LATE_SPOILERS)):
            if fault in spoilers:
                write(f"{tree}/etc/{name}", f"#!/bin/sh\n{spoilers[fault]}\n", 0o755)
        if (fault or "").startswith("watchdog"):
            write(f"{tree}/etc/no-feeder", "the watchdog is Pawl's\n")
        if fault == "emergency":
            write(f"{tree}/etc/fstab", "/dev/mmcblk0p9 /data ext4 x-systemd.device-timeout=10 0 0\n"
                  "/data /var/lib/pawl none bind 0 0\n")
        if fault == "hang":
            with open(f"{tree}/boot/Image", "wb") as f:
                f.write(hanging_kernel())
        made = {"rootfs": os.path.join(self.folder, f"rootfs-{number}.ext4")}
        command("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^orphan_file", "-E",
                "root_owner=0:0", "-d", tree, made["rootfs"], f"{self.rootfs_mib}M")
        shutil.rmtree(tree)
        if fault == "truncated":
            size = os.path.getsize(made["rootfs"])
            os.truncate(made["rootfs"], size // 2)
            os.truncate(made["rootfs"], size)
        if os.path.isdir(self.boot):
            made["boot"] = os.path.join(self.folder, f"boot-{number}.vfat")
            self.make_boot(made["boot"])
        return made

    def make_boot(self, image):
        """The boot partition, as the README of the layout says."""
        command("mkfs.vfat", "-C", image, str(BOOT_MIB << 10))
        command("mcopy", "-i", image, *[os.path.join(self.boot, f)
                                        for f in sorted(os.listdir(self.boot))], "::/")


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class Disk:
    """The device's disk, as an outsider reads it."""

    MBR = {  # which has no names
        "raspberrypi-uboot": ("boot", "rootfs-a", "rootfs-b", "data"),
        "raspberrypi-tryboot": ("autoboot", "boot-a", "boot-b", "", "rootfs-a", "rootfs-b", "data"),
    }

    def __init__(self, path, layout, rootfs_mib):
        self.path = path
        table = json.loads(command("sfdisk", "--json", path))["partitiontable"]
        rows = table["partitions"]
        names = self.MBR.get(layout) or [p["name"] for p in rows]
        self.parts = {name: p["start"] * 512 for p, name in zip(rows, names)}
        self.autoboot_at = 0
        self.images = {"rootfs": rootfs_mib, **({"boot": BOOT_MIB} if "boot-a" in names else {})}
        # What decides the boot: (offset, size) of each copy of the environment, or of the file
        # system with autoboot.txt.
        if "autoboot" in names:
            self.copies = [(self.parts["autoboot"], rows[0]["size"] * 512)]
            return
        with open(os.path.join(SOURCE, "partitions/layouts", layout, "fw_env.config"),
                  encoding="ascii") as f:
            lines = [line.split() for line in f if line.strip() and line[0] != "#"]
        self.copies = [(int(r[1], 16), int(r[2], 16)) for r in lines]

    def read(self, offset, size):
        with open(self.path, "rb") as f:
            f.seek(offset)
            return f.read(size)

    def environment(self):
        """Digests of it: the same when nothing was written."""
        return [hashlib.sha256(self.read(*c)).hexdigest() for c in self.copies]

    def sector(self):
        """Where autoboot.txt lies: the layout's file system has one place for it."""
        if not self.autoboot_at:
            at = self.read(*self.copies[0]).find(b"[all]\ntryboot_a_b")
            self.autoboot_at = self.copies[0][0] + at
        return self.autoboot_at

    def autoboot(self):
        return self.read(self.sector(), 512)

    def write_autoboot(self, text):
        with open(self.path, "r+b") as f:
            f.seek(self.sector())
            f.write(text)

    def release_in(self, slot, publisher):
        """The release whose signed leaves are all in the slot; None when there is none."""
        parts = {name: f"{self.path}.{name}" for name in self.images}
        for name, mib in self.images.items():
            with open(parts[name], "wb") as f:
                f.write(self.read(self.parts[f"{name}-{slot.lower()}"], mib * MIB))
        releases = check_slot.load_releases(publisher.public, "demo")
        number, _ = check_slot.release_of(releases, parts)
        for part in parts.values():
            os.unlink(part)
        return number

    def journal(self):
        """Milestones on the data partition, after the file system's own recovery."""
        part = self.path + ".data"
        with open(part, "wb") as f:
            f.write(self.read(self.parts["data"], DATA_MIB * MIB))
        subprocess.run(["e2fsck", "-fy", part], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=dict(os.environ, PATH=PATH), check=False)
        out = self.path + ".journal"
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        command("debugfs", "-R", f"rdump /journal {out}", part)
        records = []
        for name in sorted(os.listdir(f"{out}/journal")):
            if name.startswith("m-"):
                with open(f"{out}/journal/{name}", "rb") as f:
                    lines = f.read().rstrip(b"\0").splitlines()
                records += [json.loads(line) for line in lines[1:]]
        os.unlink(part)
        return records
