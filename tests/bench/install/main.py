#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make bench-install: how long a full installation takes, beside others; docs/benchmarks.md has
the method. Needs root (loop devices, cold caches).

BENCH_INSTALL_MIB=512 BENCH_ROUNDS=3 BENCH_LEVEL=
BENCH_RATES="20 40 100": throttled media, MB/s; empty: none. Those below 40 get an image of
    BENCH_SLOW_MIB=128, as they would take minutes.
BENCH_FAST_RATES="200 400 800": only Pawl beside the pipe that verifies nothing
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
FAST_RATES = [int(r) for r in os.environ.get("BENCH_FAST_RATES", "200 400 800").split()]
SLOW_MIB = int(os.environ.get("BENCH_SLOW_MIB", "128"))
SLOW_BELOW = 40
LEAF = 256 * 1024
DIR = WORK / "install"
BEGIN = "<!-- bench-install: begin (made by `make bench-install`) -->"
END = "<!-- bench-install: end -->"


def make_image(path, mib):
    """ext4, full of this machine's files."""
    tree = DIR / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    room = mib * 0.9 * 1024
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
                    path, f"{mib}M"], check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    shutil.rmtree(tree)


def make_bundle(image):
    """A published release of the image, as a bundle."""
    workspace = pawl.Workspace.new(image.parent / "repo")
    workspace.release(1, image, "ext4")
    bundle = image.parent / "update.pawl"
    pawl.call(PAWL_REPO, "--repo", workspace.path, "--quiet", "bundle", "1", "--out", bundle)
    return workspace, bundle


def make_device(folder, workspace, medium):
    """A device out of files, but for its slot B, which is the medium."""
    small = folder / "small.img"
    small.write_bytes(b"a system" * (1 << 17))
    device = pawl.Device.new(folder / "device", workspace, small, medium.size >> 20)
    slot = device.path / "dev/slot-b-rootfs"
    slot.unlink()
    os.mknod(slot, 0o600 | 0o060000, os.stat(medium.path).st_rdev)
    return device


class Bench:
    """One image, for everybody, and the medium that it goes to."""

    def __init__(self, mib):
        self.mib, self.rate, self.dir = mib, 0, DIR / str(mib)
        self.dir.mkdir(parents=True)
        self.image, self.compressed = self.dir / "image", self.dir / "image.zst"
        say(f"image of {mib} MiB")
        make_image(self.image, mib)
        self.size = self.image.stat().st_size
        self.sha256 = hashlib.sha256(self.image.read_bytes()).hexdigest()
        subprocess.run(["zstd", "-q", "-f", "-T0", f"-{os.environ.get('BENCH_LEVEL') or 19}",
                        self.image, "-o", self.compressed], check=True)  # fmt: skip
        self.medium = Medium(self.dir / "disk", self.size)
        self.workspace, self.bundle = make_bundle(self.image)
        device = make_device(self.dir, self.workspace, self.medium)
        self.fresh = self.dir / "device.kept"
        pawl.call("cp", "-a", "--sparse=always", device.path, self.fresh)
        make_key(self.dir)
        self.rauc = Rauc(self.dir, self.image, self.medium.path)
        self.swupdate = Swupdate(self.dir, self.compressed, self.medium.path)

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
        device = self.dir / "device"
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

    def throttled(self, rate, names, count):
        say(f"  throttled to {rate} MB/s")
        self.rate = rate * 1000000
        try:
            return self.rounds(names, count)
        finally:
            self.rate = 0
            self.medium.throttle(0)


def run(bench):
    """bench(mib): the Bench of an image of that size."""
    full = bench(IMAGE_MIB)
    results = {"mib": IMAGE_MIB, "stored": full.compressed.stat().st_size, "rounds": ROUNDS,
               "throttled": {}, "fast": {}, "load": os.getloadavg()[0]}  # fmt: skip
    results["free"] = full.rounds(["decode", "dd", "zstd_dd", "pawl", "rauc", "swupdate"], ROUNDS)
    try:
        for rate in FAST_RATES:
            results["fast"][rate] = full.throttled(rate, PAIR, ROUNDS)
        for rate in RATES:
            b = bench(SLOW_MIB) if rate < SLOW_BELOW else full
            rows = b.throttled(rate, ["zstd_dd", "pawl", "rauc", "swupdate"], 1)
            results["throttled"][rate] = {"mib": b.mib, "rows": rows}
    except OSError as error:
        say(f"  no throttled runs: {error}")
        results["not_throttled"] = str(error)
    return results


def median(rows, key):
    values = [row[key] for row in rows if key in row]
    return statistics.median(values) if values else None


PAIR = ["zstd_dd", "pawl"]
NAMES = {"decode": "`zstd -d \\| sha256sum` (no medium)", "dd": "`dd oflag=direct`",
         "zstd_dd": "`zstd -d \\| dd oflag=direct`", "pawl": "`pawl install`",
         "rauc": "`rauc install`", "swupdate": "`swupdate -i`"}  # fmt: skip


def free_text(results):
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
    return [
        f"ext4 image of {results['mib']} MiB, {results['stored'] / (1 << 20):.0f} MiB as one zstd "
        f"stream; medians of {results['rounds']} rounds; load before: {results['load']:.1f}.", "",
        *report.table(head, rows),
    ]  # fmt: skip


def ideal(mib, rate):
    return mib * (1 << 20) / (int(rate) * 1000000)


def fast_text(results):
    """Ratios are medians of those within one round, as both meet the same load then."""
    head = ["medium", "ideal s", *(NAMES[n] for n in PAIR), "pipe / Pawl"]
    rows = []
    for rate, runs in results["fast"].items():
        pairs = zip(runs["zstd_dd"], runs["pawl"])
        rows.append([
            f"{rate} MB/s", f"{ideal(results['mib'], rate):.2f}",
            *(f"{median(runs[n], 'seconds'):.2f}" for n in PAIR),
            f"{statistics.median(a['seconds'] / b['seconds'] for a, b in pairs):.2f}",
        ])  # fmt: skip
    return ["Faster media, medians, seconds until fsync:", "", *report.table(head, rows)]


def throttled_text(results):
    names = [*PAIR, "rauc", "swupdate"]
    head = ["medium", "MiB", "ideal s", *(NAMES[n] for n in names), "ideal / Pawl"]
    rows = []
    for rate, run in results["throttled"].items():
        least, runs = ideal(run["mib"], rate), run["rows"]
        rows.append([
            f"{rate} MB/s", str(run["mib"]), f"{least:.1f}",
            *(f"{median(runs[n], 'seconds'):.1f}" for n in names),
            f"{least / median(runs['pawl'], 'seconds'):.2f}",
        ])  # fmt: skip
    return ["Throttled media, one round, seconds until fsync:", "", *report.table(head, rows)]


def make_text(results):
    lines = free_text(results)
    if results["fast"]:
        lines += fast_text(results)
    if results["throttled"]:
        lines += throttled_text(results)
    if "not_throttled" in results:
        lines += [f"No throttled runs: {results['not_throttled']}.", ""]
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
    made = {}

    def bench(mib):
        if mib not in made:
            made[mib] = Bench(mib)
        return made[mib]

    try:
        results = run(bench)
    finally:
        for b in made.values():
            b.medium.close()
    (WORK / "install.json").write_text(json.dumps(results, indent=1))
    write(results)
    shutil.rmtree(DIR, ignore_errors=True)


if __name__ == "__main__":
    main()
