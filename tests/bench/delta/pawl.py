# SPDX-License-Identifier: Apache-2.0
"""Pawl as it is used: a workspace of pawl-repo, and a device out of files that polls over HTTPS."""
import json
import random
import shutil
import subprocess
from collections import defaultdict

import measure
from settings import EXT4_MIB, LEVEL, MIB, PAWL, PAWL_REPO, SOURCE, WORK

LIBRARY = SOURCE / "tests/lib/device.sh"
PATH_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PAWL": PAWL, "PAWL_REPO": PAWL_REPO}  # fmt: skip
BLOCK = 4096
DAMAGED_BLOCKS = 20


def call(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Workspace:
    def __init__(self, path):
        self.path = path

    @classmethod
    def new(cls, path):
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        call(PAWL_REPO, "--repo", path, "--product", "demo", "init")
        return cls(path)

    def copy(self, path):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path, symlinks=True)
        return Workspace(path)

    def release(self, number, image, fmt, patch_from=None):
        """Makes and publishes; measured, because the publisher's time and memory count, too."""
        command = [PAWL_REPO, "--repo", self.path, "--quiet", "release", "--release", number,
                   "--version", f"{number}.0.0", "--compatible", "demo-board", "--class",
                   "functional", "--support-end", "2036-12-31", "--image",
                   f"rootfs={image}:{fmt}"]  # fmt: skip
        if LEVEL:
            command += ["--level", LEVEL]
        if patch_from:
            command += ["--patch-from", patch_from]
        made = measure.run(command)
        if made.status:
            raise SystemExit(f"pawl-repo release failed:\n{made.output}")
        call(PAWL_REPO, "--repo", self.path, "--quiet", "publish")
        return made

    @property
    def public(self):
        return self.path / "public"

    def kinds(self):
        """{name of an object: what it is}, from the manifests."""
        kinds = {}
        for path in (self.public / "targets").rglob("*.json"):
            for image in json.loads(path.read_text()).get("images", []):
                add_kinds(image, kinds)
        return kinds

    def sizes(self, number):
        """{what: bytes} of one release's image on the server."""
        for path in (self.public / "targets").rglob(f"releases/*.{number}.json"):
            kinds, sizes = {}, {}
            add_kinds(json.loads(path.read_text())["images"][0], kinds, sizes)
            return sizes
        return {}


def add_kinds(image, kinds, sizes=None):
    parts = {
        "leaves": image["leaves"],
        "full": image["full"],
        "pieces": image["full"]["pieces"],
        "index": image.get("index"),
        "data": image.get("data"),
        "frames": image.get("data", {}).get("frames"),
    }
    for i, patch in enumerate(image.get("patches", [])):
        parts[f"patch {i}"] = patch
        parts[f"patch table {i}"] = patch["table"]
    for table in ("leaves", "index"):
        for i, part in enumerate(image.get(table, {}).get("from", [])):
            parts[f"difference {table} {i}"] = part
    for what, part in parts.items():
        if part:
            kinds[part["sha256"]] = what
            if sizes is not None:
                sizes[what] = part["length"]


PAYLOAD = ("full", "data", "patch ")  # and "patch table" is a table


def count_fetched(log, kinds):
    """Bytes and requests of each kind. data: content; tables: leaves, index, frames, ...;
    metadata: TUF metadata and manifests. Bodies only, as the server counts them."""
    bytes_of, requests_of, ways = defaultdict(int), defaultdict(int), set()
    for entry in log:
        name = entry.path.rsplit("/", 1)[-1]
        what = kinds.get(name)
        if what is None:
            group = "metadata"
        elif what.startswith("patch table") or not what.startswith(PAYLOAD):
            group = "tables"
        else:
            group = "data"
            ways.add(what.split()[0])
        bytes_of[group] += entry.length
        requests_of[group] += 1
    return {
        "data": bytes_of["data"], "tables": bytes_of["tables"], "metadata": bytes_of["metadata"],
        "data_requests": requests_of["data"], "requests": sum(requests_of.values()),
        "way": "+".join(sorted(ways)) or "-",
    }  # fmt: skip


class Device:
    def __init__(self, path):
        self.path = path

    @classmethod
    def new(cls, path, workspace, image, slot_mib, release=None):
        """Flashed in a factory with image in slot A, never updated; B is empty. With the number
        of the release its data partition has what `pawl-repo factory` makes."""
        device = cls(path)
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        device._library("device_make", path, "https://127.0.0.1:1/", slot_mib)
        device._library("device_add", path, "repository", "ca-file = /etc/ca.pem")
        shutil.copy(workspace.path / "root.json", path / "usr/share/pawl/root.json")
        device._library("device_flash", path, "a", image)
        if release:
            call(PAWL_REPO, "--repo", workspace.path, "factory", release, "--output",
                 path / "var/lib/pawl")  # fmt: skip
        call(PAWL, "--root", path, "sim", "boot")
        call(PAWL, "--root", path, "provision")
        device.boot()
        return device

    def _library(self, *words):
        return subprocess.run(
            ["bash", "-c", '. "$0"; "$@"', LIBRARY, *map(str, words)],
            env=PATH_ENV, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def copy(self, path):
        shutil.rmtree(path, ignore_errors=True)
        call("cp", "-a", "--sparse=always", "--reflink=auto", self.path, path)
        for name in ("etc/fw_env.config", "proc/cmdline"):  # what names the device's own files
            call("sed", "-i", f"s|{self.path}/|{path}/|g", path / name)
        return Device(path)

    def boot(self):
        """Boots, and proves itself healthy where a new release is on trial."""
        call(PAWL, "--root", self.path, "sim", "boot")
        call(PAWL, "--root", self.path, "boot")
        call(PAWL, "--root", self.path, "health")

    def status(self):
        return json.loads(call(PAWL, "--root", self.path, "status", "--json"))

    def slot(self, running):
        booted = self.status()["booted"]
        letter = booted if running else {"A": "B", "B": "A"}[booted]
        return self.path / f"dev/slot-{letter.lower()}-rootfs"

    def damage(self):
        """Flips all bits of some blocks of the running slot's content."""
        dice = random.Random(20)
        with self.slot(running=True).open("r+b") as f:
            data = f.read()
            used = [i for i in range(len(data) // BLOCK)
                    if any(data[i * BLOCK : i * BLOCK + BLOCK])]  # fmt: skip
            for i in dice.sample(used, DAMAGED_BLOCKS):
                f.seek(i * BLOCK)
                f.write(bytes(b ^ 0xFF for b in data[i * BLOCK : i * BLOCK + BLOCK]))

    def put_in_target(self, image):
        call("dd", f"if={image}", f"of={self.slot(running=False)}", "bs=1M", "conv=notrunc,fsync",
             "status=none")  # fmt: skip

    def poll(self, workspace, server, image):
        """One real poll that installs; what it fetched, by the server's log."""
        self._library("device_set", self.path, "url", server.url)
        shutil.copy(server.ca, self.path / "etc/ca.pem")
        target = self.slot(running=False)
        server.clear_log()
        done = measure.run([PAWL, "--root", self.path, "--quiet", "poll", "--now"])
        row = count_fetched(server.log(), workspace.kinds())
        row["ok"] = done.status == 0 and same_content(image, target)
        if not row["ok"]:
            print(f"FAILED ({done.status}): {done.output}")
        row.update(wall=done.wall, cpu=done.cpu, rss=done.rss, anonymous=done.anonymous,
                   written=done.written)  # fmt: skip
        return row


def same_content(image, slot):
    size = image.stat().st_size
    return subprocess.run(["cmp", "-s", "-n", str(size), image, slot], check=False).returncode == 0


def slot_mib(images):
    return max([EXT4_MIB] + [-(-i.stat().st_size // MIB) for i in images]) + 16


def folder(*names):
    return WORK.joinpath("run", *names)
