#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make bench-delta: what an update costs on the wire, beside others, on images out of Debian
packages. See docs/benchmarks.md for the method, settings.py for what can be set.

usage: main.py          everything, then the tables
       main.py report   the tables again, from the results of the last run
"""
import json
import shutil
import sys

import content
import debian
import images
import pawl
import peers
import report
import server
from settings import EXT4_MIB, FORMATS, KEEP, LEVEL, PEERS, PLAIN_FORMATS, SHORT, WORK, say


def contents_of(fmt, contents):
    """Plain formats are measured for the pairs only."""
    if fmt in PLAIN_FORMATS:
        return [c for c in contents if c.name in ("r5", "r6", "small")]
    return contents


def make_images(contents, packages):
    """{format: {content's name: image}}; those that are there are taken again."""
    recipe = json.dumps([contents, EXT4_MIB], sort_keys=True)
    stamp = WORK / "images/recipe"
    if not stamp.exists() or stamp.read_text() != recipe:
        shutil.rmtree(WORK / "images", ignore_errors=True)
        (WORK / "images").mkdir(parents=True)
        stamp.write_text(recipe)
    made = {
        fmt: {c.name: WORK / "images" / fmt / c.name for c in contents_of(fmt, contents)}
        for fmt in FORMATS
    }
    for c in contents:
        missing = [f for f in FORMATS if c.name in made[f] and not made[f][c.name].exists()]
        if not missing:
            continue
        say(f"  images of {c.name}: {' '.join(missing)}")
        tree = content.tree_of(c)
        content.make_tree(c, packages, tree)
        for fmt in missing:
            part = made[fmt][c.name].with_suffix(".part")
            images.make_image(fmt, tree, part)
            part.rename(made[fmt][c.name])
        shutil.rmtree(tree)
    return made


class Run:
    """All measurements of one format."""

    def __init__(self, fmt, made, rows):
        self.fmt, self.images, self.rows = fmt, made, rows
        self.word = images.image_format(fmt)
        self.devices = {}  # {release: device that runs it}

    def publish(self, workspace, number, image, patch_from=None):
        done = workspace.release(number, image, self.word, patch_from)
        sizes = workspace.sizes(number)
        say(f"  {self.fmt} {image.name}: released in {done.wall:.0f} s, {sizes}")
        self.rows.append({"table": "publisher", "format": self.fmt, "to": image.name,
                          "wall": done.wall, "cpu": done.cpu, "rss": done.rss,
                          "sizes": sizes})  # fmt: skip

    def measure(self, workspace, start, image, situation, prepare=None):
        """A copy of the device polls; the copy is given back."""
        device = start.copy(pawl.folder("device"))
        if prepare:
            prepare(device)
        with server.Server(workspace.public) as s:
            row = device.poll(workspace, s, image)
        say(f"  {self.fmt} {situation} -> {image.name}: {row}")
        self.rows.append({"table": "pawl", "format": self.fmt, "to": image.name,
                          "situation": situation, **row})  # fmt: skip
        return device

    def go_on(self, device, name):
        """The device boots what it installed, and is kept under the name of its release."""
        device.boot()
        self.devices[name] = device.copy(pawl.folder("devices", name))

    def history(self, workspace, names):
        """Publishes the releases; one device goes along from the factory's."""
        for number, name in enumerate(names, 1):
            self.publish(workspace, number, self.images[name])
            if number == 1:
                mib = pawl.slot_mib(self.images.values())
                for kept, release in (("bare", None), (name, 1)):
                    self.devices[kept] = pawl.Device.new(
                        pawl.folder("devices", kept), workspace, self.images[name], mib, release
                    )
            else:
                before = self.devices[names[number - 2]]
                device = self.measure(workspace, before, self.images[name], "history")
                self.go_on(device, name)

    def run(self, names):
        workspace = pawl.Workspace.new(pawl.folder("repo"))
        self.history(workspace, names)
        base, number = self.devices[names[-1]], len(names) + 1

        # Each in a copy of the workspace: another next release of the same history.
        for change, patch_from in (("small", None), ("small", number - 1), ("r6", number - 1)):
            copy = workspace.copy(pawl.folder("pair"))
            self.publish(copy, number, self.images[change], patch_from)
            self.measure(copy, base, self.images[change], "patch" if patch_from else "N-1")
        self.extremes(copy, base, "r6", ", with patch")

        self.publish(workspace, number, self.images["r6"])
        self.go_on(self.measure(workspace, base, self.images["r6"], "N-1"), "r6")
        self.extremes(workspace, base, "r6")
        if "r7" not in self.images:
            return
        for back in range(2, 5):
            start = self.devices[names[-back]]
            self.measure(workspace, start, self.images["r6"], f"N-{back}")
        self.measure(workspace, self.devices["r1"], self.images["r6"], "N-5, factory")
        self.measure(workspace, self.devices["bare"], self.images["r6"],
                     "N-5, factory without files")  # fmt: skip
        self.publish(workspace, number + 1, self.images["r7"])
        for back, name in enumerate(["r6", "r5", "r4", "r3"], 1):
            self.measure(workspace, self.devices[name], self.images["r7"], f"N-{back}")

    def extremes(self, workspace, base, change, note=""):
        image = self.images[change]
        self.measure(workspace, base, image, f"N-1 damaged{note}", lambda d: d.damage())
        self.measure(
            workspace, base, image, f"target has it{note}", lambda d: d.put_in_target(image)
        )

    def peers(self):
        old = self.images["r5"]
        for change in ("small", "r6"):
            new = self.images[change]
            ways = {
                "rauc": lambda: peers.rauc(new, [old]),
                "rauc-default": lambda: peers.rauc_default(new, [old]),
                "zchunk": lambda: peers.zchunk(new, old, server.Server),
                "casync": lambda: peers.casync(new, old),
                "xdelta3": lambda: peers.xdelta3(new, old),
                "full": lambda: peers.full(new),
            }
            for name, way in ways.items():
                if name.split("-")[0] not in PEERS:
                    continue
                row = way()
                if row:
                    say(f"  {self.fmt} {name} -> {change}: {row}")
                    self.rows.append({"table": "peer", "format": self.fmt, "peer": name,
                                      "to": change, **row})  # fmt: skip


def rows_before(results, about):
    """What an earlier run measured on the same contents, so that formats may be run one by one."""
    if not results.exists():
        return []
    before = json.loads(results.read_text())
    return before["rows"] if before["about"] == about else []


def main():
    results = WORK / "results.json"
    if sys.argv[1:] == ["report"]:
        report.write(json.loads(results.read_text()))
        return
    WORK.mkdir(parents=True, exist_ok=True)
    say("packages")
    packages = debian.find_packages()
    debian.download(packages)
    history, upgrade = debian.split_updates(packages)
    contents = content.make_history(packages, history, upgrade)
    names = ["r4", "r5"] if SHORT else ["r1", "r2", "r3", "r4", "r5"]
    if SHORT:
        contents = [c for c in contents if c.name in (*names, "r6", "small")]
    about = {
        "packages": len(packages), "history": [p.name for p in history],
        "upgrade": [[p.name, p.old, p.new] for p in upgrade],
        "programs": contents[-1].programs, "level": LEVEL, "releases": names,
    }  # fmt: skip
    say(f"{len(packages)} packages, {len(upgrade)} in the upgrade, {len(history)} in the history")
    made = make_images(contents, packages)
    about = json.loads(json.dumps(about))  # tuples become lists, as in the file
    rows = rows_before(results, about)
    for fmt in FORMATS:
        # Without BENCH_PEERS those of an earlier run stay.
        rows = [r for r in rows if r["format"] != fmt or (r["table"] == "peer" and not PEERS)]
        sizes = {name: path.stat().st_size for name, path in made[fmt].items()}
        rows.append({"table": "image", "format": fmt, "sizes": sizes,
                     "nonzero": report.nonzero_bytes(made[fmt]["r6"])})  # fmt: skip
        run = Run(fmt, made[fmt], rows)
        say(fmt)
        run.peers()
        run.run([n for n in names if n in made[fmt]])
        results.write_text(json.dumps({"about": about, "rows": rows}, indent=1))
        if not KEEP:
            shutil.rmtree(pawl.folder(), ignore_errors=True)
    report.write({"about": about, "rows": rows})


main()
