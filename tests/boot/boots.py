#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real boots on QEMU: a layout, U-Boot built from Debian's source with its fragment, Debian's
kernel, pawl. Prints TAP.

usage: boots.py LAYOUT PREPARED-FOLDER WORK-FOLDER SCENARIO...

Every reset comes from the guest or its watchdog; the exceptions are power cuts, which are named.
Whether a slot is whole is judged by tests/lib/check_slot.py against the signed leaves.
"""
import os
import shutil
import signal
import sys
import time
import traceback

import scenarios
import tryboot
from device import Device
from machine import Stuck

SCENARIOS = {f.__name__: f for f in scenarios.ALL + tryboot.ALL}


class Report:
    """TAP; one number for all devices that run at a time."""

    def __init__(self):
        self.count = 0
        self.bad = 0

    def check(self, good, name, more=""):
        self.count += 1
        self.bad += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}", flush=True)
        if not good and more:
            print("".join(f"# {line}\n" for line in str(more).splitlines()), end="", flush=True)

    def equal(self, got, wanted, name):
        self.check(got == wanted, name, f"got {got!r}, wanted {wanted!r}")


def run_device(layout, prepared, folder, names, t):
    d = Device(layout, prepared, folder)
    began = time.monotonic()
    try:
        d.make_ready()
        print(f"#: {time.monotonic() - began:.0f} s: factory")
        for name in names:
            began = time.monotonic()
            SCENARIOS[name](d, t)
            print(f"#: {time.monotonic() - began:.0f} s: {name}", flush=True)
        milestones = d.disk.journal()
        t.check(milestones, f"{len(milestones)} milestones in the journal")
        status, said = d.machine.run("pawl journal verify")
        t.check(status == 0, "the journal verifies", said)
    except (Stuck, RuntimeError, OSError, KeyError, ValueError):
        t.check(False, f"{os.path.basename(folder)} goes through", traceback.format_exc())
    finally:
        d.machine.kill()
        d.publisher.stop()


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    # A time limit must not leave machines and servers behind; they end with this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    layout, prepared, folder = sys.argv[1], *map(os.path.abspath, sys.argv[2:4])
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    t = Report()
    run_device(layout, prepared, os.path.join(folder, "device"), sys.argv[4:], t)
    print(f"1..{t.count}")
    sys.exit(t.bad > 0)


if __name__ == "__main__":
    main()
