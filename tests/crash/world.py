# SPDX-License-Identifier: Apache-2.0
"""What the crash tests stand on: a publisher with four releases, a web server, and devices out of
files that can be copied, booted, killed and looked at. Images are small: two of a few leaves."""
import glob
import json
import os
import random
import shutil
import subprocess
import sys

SOURCE = os.environ["PAWL_SOURCE"]
PAWL = os.environ["PAWL"]
PAWL_REPO = os.environ["PAWL_REPO"]
KILL_AT = os.path.join(os.environ["PAWL_BUILD"], "tests/crash/kill_at")
sys.path.insert(0, os.path.join(SOURCE, "tests/lib"))
import check_slot  # noqa: E402

PRODUCT = "demo"
LEAF = check_slot.LEAF
SIZES = {"rootfs": 4 * LEAF + 8192, "boot": 2 * LEAF}
FORMATS = {"rootfs": "raw", "boot": "squashfs"}  # a read-only one is hashed again on trial
BAD = 3  # the release whose health check fails
LIMIT = 60  # seconds for one command; nothing here takes one


class Wrong(Exception):
    """Something that must hold does not."""


def must(condition, text):
    if not condition:
        raise Wrong(text)


def run(*argv, check=True):
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=LIMIT)
    if check and r.returncode != 0:
        raise Wrong(f"{' '.join(argv)} ended with {r.returncode}: {r.stderr.strip()}")
    return r


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class Publisher:
    """Trees p1, p2, p2-held, p3, p4 below `folder`, each a later state of one repository."""

    def __init__(self, folder):
        self.folder = folder
        self.workspace = os.path.join(folder, "workspace")
        self.repo("--product", PRODUCT, "init")
        self.root_json = os.path.join(folder, "root.json")
        shutil.copy(os.path.join(self.workspace, "public/metadata/1.root.json"), self.root_json)
        self.publish(1, "p1")
        self.repo("rotate", "online")  # devices meet a new root in the poll for release 2
        self.publish(2, "p2")
        self.bundle = os.path.join(folder, "2.pawl")
        self.repo("bundle", "2", "--out", self.bundle)
        self.repo("hold", "2")
        self.keep("p2-held")
        self.repo("unhold", "2")
        self.publish(BAD, "p3")
        self.publish(4, "p4")
        self.releases = check_slot.load_releases(os.path.join(folder, "p4"), PRODUCT)
        run("python3", os.path.join(SOURCE, "tests/lib/tuf_check.py"),
            os.path.join(folder, "p4"))

    def repo(self, *words):
        run(PAWL_REPO, "--quiet", "--repo", self.workspace, *words)

    def image(self, release, name):
        return os.path.join(self.folder, f"{name}-{release}")

    def tree(self, release):
        return os.path.join(self.folder, f"tree-{release}")

    def keep(self, name):
        shutil.copytree(os.path.join(self.workspace, "public"), os.path.join(self.folder, name))

    def publish(self, release, name, *options):
        tree = self.tree(release)
        os.makedirs(os.path.join(tree, "share"))
        self.repo("allot", "--out", os.path.join(tree, "share/backstop.json"))
        shutil.copy(self.root_json, os.path.join(tree, "share"))
        write(os.path.join(tree, "lib/hooks/health/required.d/10-check"),
              f"#!/bin/sh\nexit {1 if release == BAD else 0}\n", 0o755)
        images = []
        for image, size in SIZES.items():
            self.make_image(self.image(release, image), image, release, size)
            images += ["--image", f"{image}={self.image(release, image)}:{FORMATS[image]}"]
        self.repo("release", "--release", str(release), "--version", f"{release}.0",
                  "--compatible", "demo-board", "--class", "functional", "--support-end",
                  "2099-12-31", "--level", "1", *images, *options)
        self.repo("publish")
        self.keep(name)

    def make_image(self, path, name, release, size):
        """Odd leaves are the same in all releases, so that some are kept and some written."""
        with open(path, "wb") as f:
            for leaf in range(0, size, LEAF):
                of = 0 if leaf // LEAF % 2 else release
                r = random.Random(f"{name} {leaf} {of}")
                f.write(r.randbytes(min(LEAF, size - leaf)))


class Server:
    def __init__(self, folder):
        script = os.path.join(SOURCE, "tests/lib/odd_server.py")
        self.process = subprocess.Popen(["python3", script, "--root", folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().split()[1]}"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Device:
    """A device out of files in a folder; `copy` makes another one of it."""

    def __init__(self, folder, publisher):
        self.folder = folder
        self.publisher = publisher

    @classmethod
    def make(cls, folder, publisher, url):
        d = cls(folder, publisher)
        add = "device_add {} 'slot {}' 'boot = /dev/slot-{}-boot'"
        run("bash", "-euc", "PATH=$PATH:/usr/sbin:/sbin\n"
            f". {SOURCE}/tests/lib/device.sh\ndevice_make {folder} {url} 2\n"
            f"device_add {folder} repository 'allow-http = yes'\n"
            f"device_set {folder} deadline 1\n" +
            "\n".join(add.format(folder, s.upper(), s) for s in "ab"))
        for slot in "AB":
            with open(d.part(slot, "boot"), "wb") as f:
                f.truncate(1024 * 1024)
        for name in SIZES:
            with open(d.part("A", name), "r+b") as f, \
                    open(publisher.image(1, name), "rb") as image:
                f.write(image.read())
        d.reboot(notes=False)
        return d

    def copy(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        d = Device(folder, self.publisher)
        write(d.path("etc/fw_env.config"), "".join(
            f"{d.path('dev/env-' + n)} 0x0 0x4000\n" for n in "01"))
        with open(d.path("proc/cmdline"), encoding="utf-8") as f:
            line = f.read()
        write(d.path("proc/cmdline"), line.replace(self.folder + "/", folder + "/"))
        return d

    def path(self, name):
        return os.path.join(self.folder, name)

    def part(self, slot, image):
        return self.path(f"dev/slot-{slot.lower()}-{image}")

    def follow(self, tree):
        """From now on the device polls this tree of the publisher."""
        conf = self.path("etc/pawl/pawl.conf")
        with open(conf, encoding="utf-8") as f:
            lines = f.read().splitlines()
        lines = [l.rsplit("/", 1)[0] + "/" + tree if l.startswith("url = ") else l
                 for l in lines]
        write(conf, "\n".join(lines) + "\n")

    def pawl(self, *words, check=False):
        return run(PAWL, "--root", self.folder, *words, check=check)

    def killed(self, number, *words):
        """Runs the agent until its call `number`; (calls seen, name of the killed call)."""
        report = self.folder + ".report"
        run(KILL_AT, report, str(number), PAWL, "--root", self.folder, *words, check=False)
        with open(report, encoding="utf-8") as f:
            words = f.read().split()
        return int(words[1]), None if words[3] == "-" else words[3]

    # What the boot loader does.

    def release_in(self, slot):
        return check_slot.release_of(self.publisher.releases,
                                     {n: self.part(slot, n) for n in SIZES})

    def start(self):
        """The boot loader's choice; the slot that it starts must be whole."""
        slot = self.pawl("sim", "boot", check=True).stdout.strip()
        release, wrong = self.release_in(slot)
        must(release, f"the boot loader starts slot {slot}, which is not whole: {wrong}")
        return slot, release

    def would_start(self):
        """The same, and everything is as before afterwards."""
        files = [self.path(n) for n in ("dev/env-0", "dev/env-1", "run/pawl-reboot",
                                        "proc/cmdline", "proc/sys/kernel/random/boot_id")]
        before = {}
        for name in files:
            if os.path.exists(name):
                with open(name, "rb") as f:
                    before[name] = f.read()
        found = self.start()
        for name, content in before.items():
            with open(name, "wb") as f:
                f.write(content)
        return found

    def reboot(self, notes=True):
        """One boot: what runs comes out of the slot; then the early and the health service."""
        _, release = self.start()
        for part in ("share", "lib"):
            to = self.path(f"usr/{part}/pawl")
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(os.path.join(self.publisher.tree(release), part), to)
        if notes:
            self.pawl("boot")
            self.pawl("health")

    def reboot_asked(self):
        return os.path.exists(self.path("run/pawl-reboot"))

    # What the device says of itself.

    def state(self):
        with open(self.path("var/lib/pawl/state.json"), encoding="utf-8") as f:
            return json.load(f)

    def status(self):
        return json.loads(self.pawl("status", "--json", check=True).stdout)

    def records(self):
        """Milestones as they are stored."""
        if not glob.glob(self.path("var/lib/pawl/journal/m-*")):
            return []
        return self.pawl("journal", "show", "--json", check=True).stdout.splitlines()
