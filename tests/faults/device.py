# SPDX-License-Identifier: Apache-2.0
"""Devices whose files fail: what the test of faults adds to the world of the crash tests."""
import fnmatch
import os
import re
import subprocess
import sys
from dataclasses import dataclass

SOURCE = os.environ["PAWL_SOURCE"]
sys.path.insert(0, os.path.join(SOURCE, "tests/crash"))
import world  # noqa: E402
from world import SIZES, Wrong, must  # noqa: E402

FAIL_AT = os.path.join(os.environ["PAWL_BUILD"], "tests/faults/fail_at")
HANG = 120  # seconds; no program here takes two on an idle machine

# Everything that an agent opens on its device, by what would fail together. fnmatch: * takes /.
AREAS = {
    "slot A": ["dev/slot-a-*"],
    "slot B": ["dev/slot-b-*"],
    "environment": ["dev/env-*"],
    "state": ["var/lib/pawl", "var/lib/pawl/state.json", "var/lib/pawl/.state.json.new",
              "var/lib/pawl/lock", "var/lib/pawl/factory.json"],
    "journal": ["var/lib/pawl/journal", "var/lib/pawl/journal/*"],
    "cache": ["var/lib/pawl/cache", "var/lib/pawl/cache/*"],
    "leaves": ["var/lib/pawl/leaves", "var/lib/pawl/leaves/*"],
    "metadata": ["var/lib/pawl/tuf", "var/lib/pawl/tuf/*"],
    "settings": ["etc/*", "usr/*", "proc/*", "run", "run/*"],
    "bundle": ["*.pawl"],
    "folders": ["var", "var/lib"],
}
DATA = ["state", "journal", "cache", "leaves", "metadata"]
AREAS["data partition"] = [g for name in DATA for g in AREAS[name]]
SINGLE = [name for name in AREAS if name not in ("data partition", "folders")]
CHANGES = "write,sync,make,name,size"
ALL = "read,open," + CHANGES


def area_of(path):
    """The area of a path below the device's folder; None: nobody thought of it."""
    for name in [*SINGLE, "folders"]:
        if any(fnmatch.fnmatchcase(path, g) for g in AREAS[name]):
            return name
    return None


@dataclass(frozen=True)
class Fault:
    """One row of the matrix: what goes wrong, where, and for how long."""
    area: str
    what: str = "fail"
    error: str = "EIO"
    calls: str = ALL
    sticky: bool = False

    def __str__(self):
        what = {"fail": self.error, "flip": "a wrong bit"}.get(self.what, self.what)
        return f"{self.area}: {what} {'from then on' if self.sticky else 'once'}"


@dataclass
class Outcome:
    """How a program ended in which calls went wrong."""
    status: int
    code: str  # E_OK when it succeeded
    text: str
    injected: list  # (kind, name, path) of the calls that went wrong
    open_end: bool = False  # it says that a trial may stand


class Device(world.Device):
    def copy(self, folder):
        d = super().copy(folder)
        d.__class__ = Device
        return d

    def globs(self, area):
        return [g if g.startswith("*") else self.path(g) for g in AREAS[area]]

    def _fail_at(self, options, words):
        report = self.folder + ".report"
        argv = [FAIL_AT, report, *options, "--", world.PAWL, "--root", self.folder, *words]
        try:
            r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                               timeout=HANG, errors="replace")
        except subprocess.TimeoutExpired as e:
            raise Wrong(f"it hangs: {e.stderr}") from e
        must(r.returncode != 99, r.stderr)
        with open(report, encoding="utf-8") as f:
            return r, [line.rstrip("\n") for line in f]

    def calls(self, words):
        """(kind, path below the folder) of all calls that a run on this device makes."""
        globs = ["--path", self.path("*"), "--path", "*.pawl"]
        r, lines = self._fail_at(globs, words)
        must(r.returncode in (0, 50), f"{words} ends with {r.returncode}: {r.stderr}")
        found = []
        for line in lines:
            kind, _, path = line.split(" ", 2)
            found.append((kind, path.removeprefix(self.folder + "/")))
        return found

    def fail(self, fault, at, words):
        options = ["--at", str(at), "--what", fault.what, "--error", fault.error,
                   "--calls", fault.calls]
        for g in self.globs(fault.area):
            options += ["--path", g]
        if fault.sticky:
            options.append("--sticky")
        r, lines = self._fail_at(options, words)
        code = re.findall(r"^pawl: (E_[A-Z]+): ", r.stderr, re.M)
        wrong = [tuple(line[:-2].split(" ", 2)) for line in lines if line.endswith(" !")]
        return Outcome(r.returncode, code[-1] if code else "E_OK", r.stderr, wrong)

    def content(self, slot):
        found = b""
        for name in SIZES:
            with open(self.part(slot, name), "rb") as f:
                found += f.read()
        return found


class Publisher(world.Publisher):
    """Beside the others, release 5, which devices fetch whole."""

    def __init__(self, folder):
        super().__init__(folder)
        self.publish(5, "p5", "--no-delta")
        self.releases = world.check_slot.load_releases(os.path.join(folder, "p5"), world.PRODUCT)
