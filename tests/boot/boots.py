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
import sys
import time
import traceback

from device import BOOT, TRIES, Device
from fleet import WATCHDOG
from machine import Stuck


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


# --- Scenarios: each leaves the device in a committed slot, on release `d.committed` -----------

def other(slot):
    return "B" if slot == "A" else "A"


class Watch:
    """What happened to the machine between two points."""

    def __init__(self, d):
        self.machine = d.machine
        self.resets = len(d.machine.resets)
        self.watchdogs = d.machine.watchdogs
        self.harness = len(d.machine.by_harness)

    def check(self, t, name, resets, watchdogs=0, by_harness=()):
        m = self.machine
        t.equal((m.resets[self.resets:], m.watchdogs - self.watchdogs,
                 tuple(m.by_harness[self.harness:])),
                (["guest-reset"] * resets, watchdogs, tuple(by_harness)),
                f"{name}: {resets} resets by the guest, {watchdogs} of them by the watchdog")


def good(d, t):
    """A whole update; then a boot that writes nothing."""
    old, new = d.slot, other(d.slot)
    watch = Watch(d)
    release = d.publish()
    d.poll()
    state = d.wait_ready(new, 3 * BOOT)
    t.equal((state["committed"], state["on_trial"]), (new, False),
            f"good: release {release} is committed in slot {new}")
    watch.check(t, "good", 1)
    t.equal(d.disk.release_in(new, d.publisher), release, "good: every leaf of it is the signed one")
    t.equal(d.disk.release_in(old, d.publisher), d.committed, "good: the old slot is whole")
    d.slot, d.committed = new, release
    before = d.disk.environment()
    d.machine.type("reboot")
    d.wait_ready(new)
    t.equal(d.disk.environment(), before, "good: the next boot writes no byte of the environment")
    watch.check(t, "good", 2)


def lost_tries(d):
    """Resets of a release that takes the machine down in every try. The firmware of a Pi goes
    back after each, and the agent restarts into the next."""
    return 2 * TRIES if d.pi else TRIES + 1


def come_back(d, t, fault, resets, watchdogs, codes):
    """A bad release: the device comes back by itself, says why, and does not try it again."""
    watch = Watch(d)
    release = d.publish(fault)
    d.poll()
    d.wait_trial(other(d.slot), 3 * BOOT)
    state = d.wait_ready(d.slot, 5 * BOOT)
    t.equal((state["committed"], state["on_trial"]), (d.slot, False),
            f"{fault}: back in the committed slot")
    watch.check(t, fault, resets, watchdogs)
    t.equal(d.disk.release_in(d.slot, d.publisher), d.committed, f"{fault}: which is whole")
    reasons = d.reasons(release)
    t.check(reasons and set(reasons) <= set(codes), f"{fault}: the journal says why", reasons)
    before = d.disk.environment()
    _, said = d.machine.run("pawl poll --now")
    t.equal(d.disk.environment(), before, f"{fault}: it is not tried again")
    t.equal([f["release"] for f in d.state()["failed"]].count(release), 1,
            f"{fault}: status names it")
    t.check(d.disk.release_in(other(d.slot), d.publisher) is None,
            f"{fault}: what failed cannot boot any more", said)


def panic(d, t):
    """The kernel panics in every boot of the trial; panic=5 restarts it."""
    come_back(d, t, "panic", lost_tries(d), 0, ["E_BOOT", "E_HEALTH"])


def hang(d, t):
    """The kernel hangs at its first instruction; the watchdog that U-Boot started resets."""
    come_back(d, t, "hang", lost_tries(d), TRIES, ["E_BOOT", "E_HEALTH"])


def silent(d, t):
    """The system stops in the middle of its boot and feeds no watchdog."""
    come_back(d, t, "silent", lost_tries(d), TRIES, ["E_BOOT", "E_HEALTH"])


def watchdog(d, t):
    """Pawl's own watchdog guards a good release: fed, stopped at the commit, and silent then."""
    new = other(d.slot)
    watch = Watch(d)
    release = d.publish("watchdog")
    d.poll()
    d.wait_trial(new, 3 * BOOT)
    d.machine.expect(f"watchdog-armed device=/dev/watchdog0 seconds={WATCHDOG}$", BOOT)
    d.machine.expect("watchdog-finished .*after-commit=close$", BOOT)
    state = d.wait_ready(new)
    t.equal((state["committed"], state["on_trial"]), (new, False),
            f"watchdog: release {release} is committed")
    d.machine.run(f"sleep {WATCHDOG + 15}", 10 * BOOT)
    watch.check(t, "watchdog: nothing wakes it later", 1)
    d.slot, d.committed = new, release


def watchdog_hang(d, t):
    """The system stops between `pawl boot` and `pawl health`; the watchdog that `pawl boot`
    started resets."""
    come_back(d, t, "watchdog-hang", lost_tries(d), TRIES, ["E_BOOT", "E_HEALTH"])


def watchdog_crash(d, t):
    """The same, but the kernel stops: it panics and does not restart, interrupts off."""
    come_back(d, t, "watchdog-crash", lost_tries(d), TRIES, ["E_BOOT", "E_HEALTH"])


def unhealthy(d, t):
    """The health check says no until its deadline."""
    come_back(d, t, "unhealthy", 2, 0, ["E_HEALTH"])


def truncated(d, t):
    """Half of the root file system is missing, in what was signed."""
    come_back(d, t, "truncated", lost_tries(d), 0, ["E_BOOT", "E_HEALTH"])


def power_cut(d, t):
    """The user pulls the plug in the first boot of a good release."""
    new = other(d.slot)
    watch = Watch(d)
    release = d.publish()
    d.poll()
    d.wait_trial(new, 3 * BOOT)
    d.machine.expect("^GUEST rc", BOOT)
    d.machine.power_cut()
    d.machine.start()
    state = d.wait_ready(new)
    t.equal((state["committed"], state["on_trial"]), (new, False),
            f"power cut: release {release} is not lost but committed")
    # The flag of a Pi is gone: the agent asks for it again.
    watch.check(t, "power cut", 2 if d.pi else 1, 0, ["power-cut"])
    t.equal(d.disk.release_in(new, d.publisher), release, "power cut: and whole")
    d.slot, d.committed = new, release


def power_cut_tries(d, t):
    """The plug is pulled in every boot of the trial: the committed slot comes back, and a higher
    release can be had afterwards."""
    new = other(d.slot)
    watch = Watch(d)
    release = d.publish()
    d.poll()
    for _ in range(TRIES):
        d.wait_trial(new, 3 * BOOT)
        d.machine.expect("^Starting kernel", BOOT)
        d.machine.power_cut()
        d.machine.start()
    d.wait_ready(d.slot)
    watch.check(t, "power cut in every try", 1, 0, ["power-cut"] * TRIES)
    t.equal(d.reasons(release)[:1], ["E_BOOT"], "power cut in every try: the journal says why")


def power_cut_install(d, t):
    """The plug is pulled in the middle of the writing."""
    watch = Watch(d)
    release = d.publish()
    d.poll()
    d.machine.expect("offer release", BOOT)
    time.sleep(4)
    d.machine.power_cut()
    t.equal(d.disk.release_in(other(d.slot), d.publisher), None,
            "power cut while writing: the target is not whole")
    d.machine.start()
    d.wait_ready(d.slot)
    t.equal(d.disk.release_in(d.slot, d.publisher), d.committed,
            "power cut while writing: the committed slot is")
    d.poll()
    d.slot, d.committed = other(d.slot), release
    d.wait_ready(d.slot, 3 * BOOT)
    t.equal(d.disk.release_in(d.slot, d.publisher), release, "the next poll completes it")
    watch.check(t, "power cut while writing", 1, 0, ["power-cut"])


def reset_button(d, t):
    """A reset in the first boot of a good release."""
    new = other(d.slot)
    watch = Watch(d)
    release = d.publish()
    d.poll()
    d.wait_trial(new, 3 * BOOT)
    d.machine.expect("^Starting kernel", BOOT)
    d.machine.reset_button()
    state = d.wait_ready(new)
    t.equal(state["committed"], new, "reset button: the release is not lost but committed")
    t.equal((d.machine.resets[watch.resets:], d.machine.by_harness[watch.harness:]),
            (["guest-reset", "host-qmp-system-reset"], ["reset-button"]),
            "reset button: and nothing else reset the machine")
    d.slot, d.committed = new, release


def env_one_bad(d, t):
    """One copy of the environment is bad: boots go on, and the next update repairs it."""
    bad = d.spoil_environment([0])
    d.machine.start()
    d.wait_ready(d.slot)
    good(d, t)
    t.check(d.disk.environment()[0] != bad[0] and d.environment_valid() == [True, True],
            "one bad copy: both are good again after an update")


def env_lost(d, t):
    """Both copies are lost: U-Boot's built-in environment starts a whole slot, and the agent
    touches nothing before somebody repairs it."""
    kept = [d.disk.read(*c) for c in d.disk.copies]
    d.spoil_environment([0, 1])
    d.machine.start()
    d.machine.expect("^GUEST ready", BOOT)
    before = d.disk.environment()
    status, said = d.machine.run("pawl poll --now")
    t.check(status != 0 and "E_BOOTENV" in said, "lost environment: the agent refuses", said)
    t.equal(d.disk.environment(), before, "lost environment: and leaves it alone")
    d.machine.power_cut()
    d.write_environment(kept)
    d.machine.start()
    d.wait_ready(d.slot)


def cycles(d, t):
    """Updates, one after the other, with nobody at the device."""
    count = int(os.environ.get("PAWL_CYCLES", "50"))
    watch = Watch(d)
    done = 0
    began = time.monotonic()
    for _ in range(count):
        new = other(d.slot)
        release = d.publish()
        d.poll()
        state = d.wait_ready(new, 3 * BOOT)
        if state["committed"] != new or d.disk.release_in(new, d.publisher) != release:
            break
        d.slot, d.committed = new, release
        done += 1
    seconds = time.monotonic() - began
    t.equal(done, count, f"{count} updates with nobody at the device")
    watch.check(t, "cycles", count)
    print(f"#: {done} of {count} update cycles in {seconds:.0f} s")


SCENARIOS = {f.__name__: f for f in (
    good, panic, hang, silent, watchdog, watchdog_hang, watchdog_crash, unhealthy, truncated, power_cut, power_cut_tries, power_cut_install,
    reset_button, env_one_bad, env_lost, cycles)}


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
    layout, prepared, folder = sys.argv[1:4]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    t = Report()
    run_device(layout, prepared, os.path.join(folder, "device"), sys.argv[4:], t)
    print(f"1..{t.count}")
    sys.exit(t.bad > 0)


if __name__ == "__main__":
    main()
