# SPDX-License-Identifier: Apache-2.0
"""What a device with the Raspberry Pi firmware's own A/B must survive, beside scenarios.py: power
cuts around the one sector of autoboot.txt that a commit writes."""
import time

from device import BOOT
from machine import Stuck
from scenarios import Watch, good, other


def cut_after_sector(d):
    """An update whose power is cut as soon as its commit wrote the sector. Returns the release,
    the text before and the text after."""
    before = d.disk.autoboot()
    release = d.publish()
    d.poll()
    d.wait_trial(other(d.slot), 3 * BOOT)
    end = time.monotonic() + BOOT
    # QEMU writes into the image as the guest writes to its card.
    while d.disk.autoboot() == before:
        if time.monotonic() > end:
            raise Stuck("the sector of autoboot.txt was not written")
        time.sleep(0.001)
    d.machine.power_cut()
    return release, before, d.disk.autoboot()


def sector_cut(d, t):
    """Right after the sector, before anything else that a commit writes."""
    new = other(d.slot)
    watch = Watch(d)
    release, _, _ = cut_after_sector(d)
    d.machine.start()
    state = d.wait_ready(new)
    t.equal((state["committed"], state["on_trial"], state["release_floor"], state["transaction"]),
            (new, False, release, None), "cut after the sector: the commit is finished")
    watch.check(t, "cut after the sector", 1, 0, ["power-cut"])
    d.slot, d.committed = new, release


def tear(d, before, after, first):
    """A sector of which only one of its two numbers came: the first or the second."""
    at = [i for i, (a, b) in enumerate(zip(before, after)) if a != b]
    torn = bytearray(before)
    i = at[0] if first else at[-1]
    torn[i] = after[i]
    d.disk.write_autoboot(bytes(torn))
    return len(at) == 2


def check_two_minds(d, t, name):
    """Nothing is installed in this state; doctor repairs it."""
    d.publish()
    before = d.disk.environment()
    status, said = d.machine.run("pawl poll --now")
    t.check(status != 0 and "two minds" in said, f"{name}: the agent installs nothing", said)
    t.equal(d.disk.environment(), before, f"{name}: and leaves it alone")
    _, said = d.machine.run("pawl doctor --repair")
    t.check("autoboot.txt boots slot" in said, f"{name}: doctor repairs it", said)


def sector_torn_first(d, t):
    """Only [all] names the new slot: it runs, committed, and cannot be left for the other."""
    new = other(d.slot)
    release, before, after = cut_after_sector(d)
    t.check(tear(d, before, after, True), "torn sector: a commit changes two bytes of it")
    d.machine.start()
    state = d.wait_ready(new)
    t.equal((state["committed"], state["release_floor"]), (new, release),
            "torn sector, first number: the new release is committed")
    d.slot, d.committed = new, release
    check_two_minds(d, t, "torn sector, first number")
    good(d, t)


def sector_torn_second(d, t):
    """Only [tryboot] changed: the old slot runs, and the trial cannot be asked for."""
    old, new = d.slot, other(d.slot)
    release, before, after = cut_after_sector(d)
    tear(d, before, after, False)
    d.machine.start()
    state = d.wait_ready(old)
    t.equal(state["committed"], old, "torn sector, second number: the old slot is committed")
    t.equal(d.disk.release_in(old, d.publisher), d.committed, "torn sector, second number: whole")
    _, said = d.machine.run("pawl doctor --repair")
    t.check("autoboot.txt boots slot" in said, "torn sector, second number: doctor repairs it",
            said)
    d.machine.type("pawl reboot --if-due")
    state = d.wait_ready(new)
    t.equal((state["committed"], d.disk.release_in(new, d.publisher)), (new, release),
            "torn sector, second number: then the trial goes on, and is committed")
    d.slot, d.committed = new, release


ALL = (sector_cut, sector_torn_first, sector_torn_second)
