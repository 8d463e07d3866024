# SPDX-License-Identifier: Apache-2.0
"""A device whose environment, slots and data partition are parts of one disk, and the publisher of
its releases. The programs that run on it, and how one follows the other, are those of the shipped
units: `pawl boot`, `pawl health`, `pawl poll`, and a reboot when the agent asks for one."""
import glob
import hashlib
import json
import os
import random
import shutil
import sys
import uuid

SOURCE = os.environ["PAWL_SOURCE"]
for folder in ("tests/crash", "tests/boot", "tests/lib"):
    sys.path.insert(0, os.path.join(SOURCE, folder))
import check_slot  # noqa: E402
import media  # noqa: E402
import world  # noqa: E402
from world import Wrong, must, run, write  # noqa: E402

MIB = 1 << 20
BAD = 3  # the release whose health check fails
ENV_SIZE = 0x10000
ENV_AT = (0x100000, 0x180000)
# What the sandbox's disk has (tests/boot/sandbox_states.py), and a data partition behind it.
PARTS = {"env": (1 * MIB, MIB), "mmcblk0p1": (3 * MIB, MIB), "slot-a-rootfs": (4 * MIB, 2 * MIB),
         "slot-b-rootfs": (6 * MIB, 2 * MIB), "data": (8 * MIB, 16 * MIB)}
DISK_SIZE = 25 * MIB
SLOT_SIZE = 2 * MIB
DATA_AT, DATA_SIZE = PARTS["data"]
BLOCK, GROUP = 4096, 1024  # of its file system: bytes, blocks
ROUNDS = 6  # of boots until nothing moves any more
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
UUID = "01234567-89ab-4def-8123-456789abcdef"

CONFIG = """[device]
product = demo
compatible = demo-board
channel = stable
[repository]
url = {url}
allow-http = yes
[policy]
auto = all
[boot]
loader = {loader}
reboot-command = /reboot
{more}
[health]
deadline = 1
[slot A]
rootfs = /dev/slot-a-rootfs
[slot B]
rootfs = /dev/slot-b-rootfs
"""


def command(*words):
    run("env", f"PATH={PATH}", *words)


class Publisher:
    """Trees p1, p1-rotated, p2, p3 below `folder`, each a later state of one repository."""

    def __init__(self, folder):
        self.folder = folder
        self.workspace = os.path.join(folder, "workspace")
        self.repo("--product", "demo", "init")
        self.root_json = os.path.join(folder, "root.json")
        shutil.copy(os.path.join(self.workspace, "public/metadata/1.root.json"), self.root_json)
        self.publish(1)
        for key in (["root", "1"], ["online"]):
            self.repo("rotate", *key)
        self.keep("p1-rotated")
        self.publish(2)
        self.publish(BAD)
        self.releases = check_slot.load_releases(os.path.join(folder, "p3"), "demo")

    def repo(self, *words):
        run(world.PAWL_REPO, "--quiet", "--repo", self.workspace, *words)

    def image(self, release):
        return os.path.join(self.folder, f"image-{release}")

    def tree(self, release):
        return os.path.join(self.folder, f"tree-{release}")

    def keep(self, name):
        shutil.copytree(os.path.join(self.workspace, "public"), os.path.join(self.folder, name))

    def publish(self, release):
        tree = self.tree(release)
        os.makedirs(os.path.join(tree, "share"))
        self.repo("allot", "--out", os.path.join(tree, "share/backstop.json"))
        shutil.copy(self.root_json, os.path.join(tree, "share"))
        write(os.path.join(tree, "lib/hooks/health/required.d/10-check"),
              f"#!/bin/sh\nexit {1 if release == BAD else 0}\n", 0o755)
        self.make_image(release)
        self.repo("release", "--release", str(release), "--version", f"{release}.0",
                  "--compatible", "demo-board", "--class", "functional", "--support-end",
                  "2099-12-31", "--level", "1", "--image", f"rootfs={self.image(release)}:ext4")
        self.repo("publish")
        self.keep(f"p{release}")

    def make_image(self, release):
        """A file system that U-Boot can load from; half of it is the same in all releases."""
        files = os.path.join(self.folder, "files")
        os.makedirs(f"{files}/boot", exist_ok=True)
        for name, of in (("boot/Image", release), ("boot/initrd", release), ("same", 0)):
            size = 600 * 1024 if name == "same" else 200 * 1024
            with open(f"{files}/{name}", "wb") as f:
                f.write(random.Random(f"{name} {of}").randbytes(size))
        command("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^orphan_file",
                "-E", "root_owner=0:0,hash_seed=0a0a0a0a-0b0b-4c0c-8d0d-0e0e0e0e0e0e", "-U", UUID,
                "-d", files, self.image(release), f"{SLOT_SIZE // 1024}k")


class Device:
    """The root below `folder`; its devices are loops over a file once `attach` was called."""

    def __init__(self, folder, publisher, loader, url, tree):
        self.folder = folder
        self.publisher = publisher
        self.loader = loader
        self.url = url
        self.loops = []
        self.slot = None
        self.fscks = 0
        self.mount_options = ""
        self.settled = False
        for name in ("dev", "etc/pawl", "proc/sys/kernel/random", "run", "usr", "var/lib/pawl"):
            os.makedirs(self.path(name), exist_ok=True)
        write(self.path("reboot"), "#!/bin/sh\n" + loader.reboot_words +
              ": >\"${0%/*}/run/pawl-reboot\"\n", 0o755)
        write(self.path("etc/fw_env.config"), "".join(
            f"{self.path('dev/env')} {at - PARTS['env'][0]:#x} {ENV_SIZE:#x}\n" for at in ENV_AT))
        loader.prepare(self)
        self.follow(tree)

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def data(self):
        return self.path("var/lib/pawl")

    def follow(self, tree):
        write(self.path("etc/pawl/pawl.conf"), CONFIG.format(
            url=f"{self.url}/{tree}", loader=self.loader.name, more=self.loader.config))

    def attach(self, disk, backing, store):
        """`disk`: the file with the bytes; loops go over `backing`, which may be the same; `store`
        writes as a boot loader does."""
        self.disk = disk
        self.store = store
        self.loops = [media.Loop(self.path(f"dev/{name}"), backing, at, size)
                      for name, (at, size) in PARTS.items()]

    def detach(self):
        if os.path.ismount(self.data):
            self.unmount()
        for loop in self.loops:
            loop.close()
        self.loops = []

    def mount(self):
        """The journal of the file system is played back here, by the kernel. `noauto_da_alloc`: a
        file system that does not forgive a missing fsync before a rename."""
        node = self.path("dev/data")
        options = "noauto_da_alloc,errors=remount-ro" + self.mount_options
        try:
            media.mount(node, self.data, options=options)
        except OSError:
            # A torn superblock, which ext4 does not survive; e2fsck takes a copy of it. In a file
            # system of the usual size it finds that by itself.
            self.fscks += 1
            words = ["e2fsck", "-y", "-b", str(GROUP), "-B", str(BLOCK), node]
            done = run("env", f"PATH={PATH}", *words, check=False)
            must(done.returncode in (0, 1), f"e2fsck gives up: {done.stdout} {done.stderr}")
            media.mount(node, self.data, options=options)

    def unmount(self):
        media.unmount(self.data)

    def pawl(self, *words, check=False):
        return run(world.PAWL, "--root", self.folder, *words, check=check)

    # --- What boots ---------------------------------------------------------------------------
    def release_in(self, slot):
        return check_slot.release_of(
            self.publisher.releases, {"rootfs": self.path(f"dev/slot-{slot.lower()}-rootfs")})

    def start(self, cut):
        """The boot loader chooses; what it starts must be whole. The data partition is not mounted
        here. `cut`: the power was cut, so nothing that the machine remembers is left."""
        slot, words = self.loader.boot(self, cut)
        must(slot, "the boot loader starts nothing")
        release, wrong = self.release_in(slot)
        must(release, f"the boot loader starts slot {slot}, which is not whole: {wrong}")
        self.slot = slot
        shutil.rmtree(self.path("run"))
        os.makedirs(self.path("run"))
        write(self.path("proc/cmdline"),
              f"root={self.path(f'dev/slot-{slot.lower()}-rootfs')} {words}\n")
        write(self.path("proc/sys/kernel/random/boot_id"), f"{uuid.uuid4()}\n")
        for part in ("share", "lib"):
            to = self.path(f"usr/{part}/pawl")
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(os.path.join(self.publisher.tree(release), part), to)
        return release

    def reboot_asked(self):
        return os.path.exists(self.path("run/pawl-reboot"))

    def status(self):
        return json.loads(self.pawl("status", "--json", check=True).stdout)

    def is_settled(self):
        status = self.status()
        return ("problem" not in status and status["booted"] == status["committed"] and
                not status["trial_waits"] and not status["on_trial"] and
                self.state()["txn"]["phase"] == "none")

    # --- What the device says of itself -------------------------------------------------------
    def state(self):
        try:
            with open(os.path.join(self.data, "state.json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return None
        except ValueError as e:
            raise Wrong(f"state.json cannot be read: {e}") from e

    def records(self):
        return self.pawl("journal", "show", "--json", check=True).stdout.splitlines()

    def milestones(self):
        """Whole lines of the milestones' files, without the heads of segments."""
        found = []
        for name in sorted(glob.glob(os.path.join(self.data, "journal/m-*.jsonl"))):
            with open(name, "rb") as f:
                lines = f.read().split(b"\n")[:-1]
            found += [line for line in lines if is_record(line)]
        return found

    def data_hash(self):
        """Of everything on the data partition: names, modes, bytes."""
        total = hashlib.sha256()
        for folder, folders, files in os.walk(self.data):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    content = hashlib.sha256(f.read()).hexdigest()
                mode = os.stat(path).st_mode
                total.update(f"{path[len(self.data):]} {mode} {content}\n".encode())
            total.update(f"{folder[len(self.data):]} {folders}\n".encode())
        return total.hexdigest()


def is_record(line):
    """A line of a journal whose own hash is right (docs/journal.md)."""
    try:
        record = json.loads(line)
    except ValueError:
        return False
    text = line[:line.rfind(b',"h":"')]
    return "evt" in record and hashlib.sha256(text).hexdigest() == record.get("h")


def make_disk(path, publisher, loader):
    """The disk as the factory ships it: release 1 in slot A, nothing in B, no data."""
    with open(path, "wb") as f:
        f.truncate(DISK_SIZE)
    loader.write_factory(path)
    data = path + ".data"
    with open(data, "wb") as f:
        f.truncate(DATA_SIZE)
    command("mke2fs", "-q", "-t", "ext4", "-b", str(BLOCK), "-g", str(GROUP), "-N", "512",
            "-m", "0", "-J", "size=4", "-O", "^orphan_file",
            "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", data)
    with open(path, "r+b") as disk:
        for at, part in ((PARTS["slot-a-rootfs"][0], publisher.image(1)), (DATA_AT, data)):
            with open(part, "rb") as f:
                disk.seek(at)
                disk.write(f.read())
    os.unlink(data)
