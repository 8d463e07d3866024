#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make bench-install: how long a full installation takes, beside others; docs/benchmarks.md has
the method. Needs root (loop devices, cold caches).

BENCH_INSTALL_MIB=512 BENCH_ROUNDS=3 BENCH_RATES="20 40 100" (MB/s; empty: none) BENCH_LEVEL=
"""
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "delta"))

import measure  # noqa: E402
import pawl  # noqa: E402
import report  # noqa: E402
from medium import Medium, PhaseWatch, drop_caches  # noqa: E402
from rivals import Rauc, Swupdate, make_key  # noqa: E402
from settings import PAWL, PAWL_REPO, WORK, say  # noqa: E402

IMAGE_MIB = int(os.environ.get("BENCH_INSTALL_MIB", "512"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
RATES = [int(r) for r in os.environ.get("BENCH_RATES", "20 40 100").split()]
LEAF = 256 * 1024
DIR = WORK / "install"
BEGIN = "<!-- bench-install: begin (made by `make bench-install`) -->"
END = "<!-- bench-install: end -->"


def make_image(path):
    """ext4, full of this machine's files."""
    tree = DIR / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    room = IMAGE_MIB * 0.9 * 1024
    names = []
    for top in ("/usr/bin", "/usr/lib", "/usr/share", "/usr/sbin"):
        for folder, _, files in sorted(os.walk(top)):
            for name in sorted(files):
                file = pathlib.Path(folder, name)
                kib = 0 if file.is_symlink() else file.stat().st_size // 1024 + 5
                if 8 < kib < 4096 and room > kib:
                    room -= kib
                    names.append(str(file))
    for name in names:
        to = tree / name.lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, to)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-d", tree,
                    path, f"{IMAGE_MIB}M"], check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    shutil.rmtree(tree)


def make_bundle(image):
    """A published release of the image, as a bundle."""
    workspace = pawl.Workspace.new(DIR / "repo")
    workspace.release(1, image, "ext4")
    bundle = DIR / "update.pawl"
    bundle.unlink(missing_ok=True)
    pawl.call(PAWL_REPO, "--repo", workspace.path, "--quiet", "bundle", "1", "--out", bundle)
    return workspace, bundle


def make_device(workspace, image, medium):
    """A device out of files, but for its slot B, which is the medium."""
    small = DIR / "small.img"
    small.write_bytes(b"a system" * (1 << 17))
    device = pawl.Device.new(DIR / "device", workspace, small, IMAGE_MIB)
    slot = device.path / "dev/slot-b-rootfs"
    slot.unlink()
    os.mknod(slot, 0o600 | 0o060000, os.stat(medium.path).st_rdev)
    return device


class Bench:
    def __init__(self):
        self.image, self.compressed = DIR / "image", DIR / "image.zst"
        say(f"image of {IMAGE_MIB} MiB")
        make_image(self.image)
        self.size = self.image.stat().st_size
        self.sha256 = hashlib.sha256(self.image.read_bytes()).hexdigest()
        subprocess.run(["zstd", "-q", "-f", "-T0", f"-{os.environ.get('BENCH_LEVEL') or 19}",
                        self.image, "-o", self.compressed], check=True)  # fmt: skip
        self.medium = Medium(DIR / "disk", self.size)
        self.workspace, self.bundle = make_bundle(self.image)
        device = make_device(self.workspace, self.image, self.medium)
        self.fresh = DIR / "device.kept"
        shutil.rmtree(self.fresh, ignore_errors=True)
        pawl.call("cp", "-a", "--sparse=always", device.path, self.fresh)
        make_key(DIR)
        self.rauc = Rauc(DIR, self.image, self.medium.path)
        self.swupdate = Swupdate(DIR, self.compressed, self.medium.path)

    def shell(self, text):
        return ["bash", "-c", f"set -o pipefail; {text}"]

    def timed(self, command, watch=False, also=(), **how):
        """Cold, until the medium has everything. {"seconds", "rss", ...}"""
        drop_caches()
        began = time.monotonic()
        phases = watch and PhaseWatch(self.medium, self.size, LEAF, time.monotonic)
        done = measure.run(command, also=also, **how)
        self.medium.flush()
        seconds = time.monotonic() - began
        written_at = phases.stop() if phases else None
        if done.status:
            raise SystemExit(f"{command[0]} failed ({done.status}):\n{done.output}")
        row = {"seconds": seconds, "cpu": done.cpu, "rss": done.rss, "anonymous": done.anonymous}
        if written_at:
            row["seconds"], row["readback"] = written_at - began, began + seconds - written_at
        return row

    def install(self, command, watch=False, **how):
        """... into the medium; then everybody's content is read back and compared."""
        row = self.timed(command, watch, **how)
        drop_caches()
        began = time.monotonic()
        got = subprocess.run(["dd", f"if={self.medium.path}", "bs=1M", "iflag=direct",
                              "status=none"], capture_output=True, check=True)  # fmt: skip
        if hashlib.sha256(got.stdout).hexdigest() != self.sha256:
            raise SystemExit(f"{command[0]}: the medium does not hold the image")
        row.setdefault("readback", time.monotonic() - began)
        return row

    def run_pawl(self):
        device = DIR / "device"
        shutil.rmtree(device)
        pawl.call("cp", "-a", "--sparse=always", self.fresh, device)
        return self.install([PAWL, "--root", device, "--quiet", "install", self.bundle], True)

    def run_rauc(self):
        self.rauc.start()
        try:
            return self.install(self.rauc.command(), env=self.rauc.env, also=self.rauc.helpers())
        finally:
            self.rauc.stop()

    def run_swupdate(self):
        return self.install(self.swupdate.command())

    def run_zstd_dd(self):
        return self.install(self.shell(
            f"zstd -dc {self.compressed} | dd of={self.medium.path} bs=1M iflag=fullblock "
            "oflag=direct conv=fsync status=none"))  # fmt: skip

    def run_dd(self):
        return self.install(self.shell(
            f"dd if={self.image} of={self.medium.path} bs=1M oflag=direct conv=fsync status=none"
        ))

    def run_decode(self):
        """Decompress and hash alone: nothing is written."""
        return self.timed(self.shell(f"zstd -dc {self.compressed} | sha256sum"))

    def rounds(self, names, count):
        """In turn, so that a busy moment of the machine hits all: {name: [row, ...]}."""
        rows = {name: [] for name in names}
        for i in range(count):
            for name in names:
                self.medium.throttle(0)
                self.medium.fill()
                if self.rate:
                    self.medium.throttle(self.rate)
                row = getattr(self, f"run_{name}")()
                rows[name].append(row)
                say(f"  {i + 1}/{count} {name}: {row}")
        self.medium.throttle(0)
        return rows

    def run(self):
        results = {"mib": IMAGE_MIB, "stored": self.compressed.stat().st_size, "rounds": ROUNDS}
        self.rate = 0
        results["load"] = os.getloadavg()[0]
        results["free"] = self.rounds(
            ["decode", "dd", "zstd_dd", "pawl", "rauc", "swupdate"], ROUNDS
        )
        results["throttled"] = {}
        for rate in RATES:
            self.rate = rate * 1000000
            try:
                self.medium.throttle(self.rate)
            except OSError as error:
                say(f"  no throttled runs: {error}")
                results["not_throttled"] = str(error)
                break
            say(f"  throttled to {rate} MB/s")
            results["throttled"][rate] = self.rounds(["zstd_dd", "pawl", "rauc", "swupdate"], 1)
        return results


def median(rows, key):
    values = [row[key] for row in rows if key in row]
    return statistics.median(values) if values else None


NAMES = {"decode": "`zstd -d \\| sha256sum` (no medium)", "dd": "`dd oflag=direct`",
         "zstd_dd": "`zstd -d \\| dd oflag=direct`", "pawl": "`pawl install`",
         "rauc": "`rauc install`", "swupdate": "`swupdate -i`"}  # fmt: skip


def make_text(results):
    free = results["free"]
    mine = median(free["pawl"], "seconds")
    head = ["", "seconds", "beside Pawl", "read-back", "CPU s", "RSS MiB", "anonymous MiB"]
    rows = []
    for name, runs in free.items():
        seconds, readback = median(runs, "seconds"), median(runs, "readback")
        rows.append([
            NAMES[name], f"{seconds:.2f}", f"{seconds / mine:.2f}",
            "–" if readback is None else f"{readback:.2f}", f"{median(runs, 'cpu'):.2f}",
            f"{median(runs, 'rss') / 1024:.1f}", f"{median(runs, 'anonymous') / 1024:.1f}",
        ])  # fmt: skip
    lines = [
        f"ext4 image of {results['mib']} MiB, {results['stored'] / (1 << 20):.0f} MiB as one zstd "
        f"stream; medians of {results['rounds']} rounds; load before: {results['load']:.1f}.", "",
        *report.table(head, rows),
    ]  # fmt: skip
    head = ["medium", "ideal s", *(NAMES[n] for n in ("zstd_dd", "pawl", "rauc", "swupdate")),
            "ideal / Pawl"]  # fmt: skip
    rows = []
    for rate, runs in results["throttled"].items():
        ideal = results["mib"] * (1 << 20) / (int(rate) * 1000000)
        rows.append([
            f"{rate} MB/s", f"{ideal:.1f}",
            *(f"{median(runs[n], 'seconds'):.1f}" for n in ("zstd_dd", "pawl", "rauc", "swupdate")),
            f"{ideal / median(runs['pawl'], 'seconds'):.2f}",
        ])  # fmt: skip
    if rows:
        lines += ["Throttled media, one round, seconds until fsync:", "", *report.table(head, rows)]
    else:
        lines += [f"No throttled runs: {results.get('not_throttled', 'none asked for')}.", ""]
    return "\n".join(lines)


def write(results):
    text = make_text(results)
    page = report.PAGE.read_text()
    if BEGIN in page and END in page:
        before, rest = page.split(BEGIN, 1)
        report.PAGE.write_text(before + BEGIN + "\n" + text + END + rest.split(END, 1)[1])
    say(text)


def main():
    if os.geteuid() != 0:
        raise SystemExit("bench-install: needs root for loop devices and cold caches")
    shutil.rmtree(DIR, ignore_errors=True)
    DIR.mkdir(parents=True)
    bench = Bench()
    try:
        results = bench.run()
    finally:
        bench.medium.close()
    (WORK / "install.json").write_text(json.dumps(results, indent=1))
    write(results)
    shutil.rmtree(DIR, ignore_errors=True)


if __name__ == "__main__":
    main()
