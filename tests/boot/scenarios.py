# SPDX-License-Identifier: Apache-2.0
"""What a device must survive. Each scenario leaves it in a committed slot, on release
`d.committed`; `t` is the report."""
import os
import re
import time

from device import BOOT, TRIES
from fleet import WATCHDOG

KERNEL = "Booting Linux on physical CPU"  # its first line


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
    d.machine.type("/sbin/reboot")
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


def emergency(d, t):
    """The data partition cannot be mounted: systemd's emergency mode, out of which
    pawl-emergency.service restarts."""
    come_back(d, t, "emergency", lost_tries(d), 0, ["E_BOOT", "E_HEALTH"])


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
        d.machine.expect(KERNEL, BOOT)
        d.machine.power_cut()
        d.machine.start()
    d.wait_ready(d.slot)
    watch.check(t, "power cut in every try", TRIES if d.pi else 1, 0, ["power-cut"] * TRIES)
    t.equal(d.reasons(release)[:1], ["E_BOOT"], "power cut in every try: the journal says why")


def power_cut_install(d, t):
    """The plug is pulled in the middle of the writing."""
    watch = Watch(d)
    release = d.publish()
    d.poll()
    d.machine.expect("rootfs: writing +[0-9]", BOOT)
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
    d.machine.expect(KERNEL, BOOT)
    d.machine.reset_button()
    state = d.wait_ready(new)
    t.equal(state["committed"], new, "reset button: the release is not lost but committed")
    t.equal((d.machine.resets[watch.resets:], d.machine.by_harness[watch.harness:]),
            (["guest-reset", "host-qmp-system-reset"] + ["guest-reset"] * d.pi, ["reset-button"]),
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
    """Both copies are lost: U-Boot's built-in environment starts a whole slot, the agent touches
    nothing before somebody repairs it, and doctor does, with the layout's env.txt."""
    d.spoil_environment([0, 1])
    d.machine.start()
    d.machine.expect("^GUEST ready", BOOT)
    before = d.disk.environment()
    status, said = d.machine.run("pawl poll --now")
    t.check(status != 0 and "E_BOOTENV" in said, "lost environment: the agent refuses", said)
    t.equal(d.disk.environment(), before, "lost environment: and leaves it alone")
    status, said = d.machine.run("pawl doctor --repair")
    found = re.search("slot ([AB]) is committed", said)
    t.check(found, "lost environment: doctor repairs it", said)
    t.equal(d.environment_valid(), [True, True], "lost environment: in both copies")
    d.slot = found.group(1)
    d.committed = d.disk.release_in(d.slot, d.publisher)
    d.machine.type("/sbin/reboot")
    d.wait_ready(d.slot)
    t.check(d.committed, "lost environment: what runs is whole")
    good(d, t)


def cycles(d, t):
    """Updates, one after the other, with nobody at the device."""
    count = int(os.environ.get("PAWL_CYCLES", "50"))
    watch = Watch(d)
    took = []
    for number in range(1, count + 1):
        new = other(d.slot)
        began = time.monotonic()
        release = d.publish()
        d.poll()
        state = d.wait_ready(new, 3 * BOOT)
        took.append(time.monotonic() - began)
        t.equal((state["committed"], state["on_trial"], d.disk.release_in(new, d.publisher)),
                (new, False, release), f"cycle {number}: release {release} is committed in {new}")
        d.slot, d.committed = new, release
    watch.check(t, "cycles", count)
    took.sort()
    print(f"#: {len(took)} cycles in {sum(took):.0f} s ({took[0]:.0f} to {took[-1]:.0f}, half of "
          f"them within {took[len(took) // 2]:.0f}), {len(d.machine.resets) - watch.resets} resets "
          f"by the guest, {d.machine.watchdogs - watch.watchdogs} by the watchdog, "
          f"{len(d.machine.by_harness) - watch.harness} by the harness")


ALL = (good, panic, hang, silent, watchdog, watchdog_hang, watchdog_crash, unhealthy, truncated, emergency,
       power_cut, power_cut_tries, power_cut_install, reset_button, env_one_bad, env_lost, cycles)
