#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the agent (SIGKILL) on entry of every system call that changes something, for each program
of an update and of the way back, then lets the device go on as devices do: the program runs again,
or the machine restarts first. This is a crash of the agent, not a cut of power: what was written is
there. What must hold each time stands in `check_killed` and `check_settled`.

With PAWL_LONG=1 every call is killed, and goes on in each way; else a sample, the same each time.
usage: agent_killed.py [SEQUENCE...]
"""
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from world import (BAD, LEAF, SIZES, Device, Publisher, Server, Wrong,  # noqa: E402
                   check_slot, must, write)

LONG = os.environ.get("PAWL_LONG") == "1"
SAMPLE, GAP = 12, 12  # short run: so many kills of each program, and no more calls between two
GO_ON_EVERY = 20 if LONG else 4  # of the killed runs, one in so many also installs release 4
ROUNDS = 6  # of poll and reboot, until nothing moves any more
AGAIN, REBOOT = "the program runs again", "the machine restarts"
TWICE = "the program runs again and is killed again"
WAYS = (AGAIN, REBOOT, TWICE)
SEGMENT, RECORD_MAX = 64 * 1024, 1024  # of the journal
NEVER = ("journal.truncated", "journal.gap", "journal.degraded", "state.lost")


@dataclass
class Sequence:
    """One program that is killed, and what the device must come to afterwards."""
    name: str
    device: Device  # as it stands before the program runs
    verb: list
    settles: dict  # for each of WAYS: the releases that may run in the end
    starts: set = field(default_factory=set)  # what the boot loader may start after the kill
    failed: int = 0  # a release that must be remembered as failed
    go_on: list = field(default_factory=lambda: ["poll", "--now"])
    factory: bool = False  # somebody stands there, runs the program again and restarts


def events(records):
    return [(r["evt"], r["out"], r.get("data", {}).get("release", 0))
            for r in map(json.loads, records)]


def check_record(device, before):
    """The journal verifies, nothing that was in it is gone, and it complains of nothing."""
    r = device.pawl("journal", "verify")
    must(r.returncode == 0 or not before, f"the journal does not verify: {r.stderr.strip()}")
    records = device.records() if r.returncode == 0 else []
    must(records[:len(before)] == before, "milestones that were recorded are gone")
    for event, _, _ in events(records):
        must(event not in NEVER, f"the journal says {event}")
    return records


def check_state(device, before):
    """state.json can be read, no floor is lower than it was, and a slot is what its record says."""
    if not before and not os.path.exists(device.path("var/lib/pawl/state.json")):
        return {}
    state = device.state()
    for floor in ("release_floor", "epoch_floor", "time_floor"):
        must(state[floor] >= before.get(floor, 0), f"{floor} went down")
    for slot in "AB":
        record = state["slot_" + slot.lower()]
        if record["status"] in ("written", "committed"):
            must(device.release_in(slot)[0] == record["release"],
                 f"slot {slot} is recorded as whole, and is not: {device.release_in(slot)[1]}")
    return state


def check_killed(q, device, before):
    """Right after the kill, nothing was run since."""
    slot, release = device.would_start()
    must(release in q.starts, f"the boot loader would start slot {slot} with release {release}")
    records = check_record(device, before[0])
    return records, check_state(device, before[1])


def is_settled(device):
    s = device.status()
    return (not device.reboot_asked() and "problem" not in s and
            s["booted"] == s["committed"] and not s["trial_waits"] and
            device.state()["txn"]["phase"] == "none")


def settle(device, go_on):
    """A timer polls, and the machine restarts when the agent asks for it; nobody else helps."""
    for _ in range(ROUNDS):
        if device.reboot_asked():
            device.reboot()
        last = device.pawl(*go_on)
        if is_settled(device):
            return
    s = device.status()
    words = {k: s.get(k) for k in ("problem", "booted", "committed", "trial_waits", "transaction")}
    raise Wrong(f"stuck: {words}: {last.stderr.strip()}")


def check_settled(q, device, way, before):
    slot, release = device.would_start()
    status = device.status()
    must(release in q.settles[way], f"settled on release {release}")
    must(status["booted"] == status["committed"] == slot, f"slot {slot} starts: {status}")
    must(status["slots"][slot]["release"] == release, f"status is wrong: {status['slots']}")
    records = check_record(device, before[0])
    state = check_state(device, before[1])
    seen = events(records)
    must(release == 1 or ("update.committed", "ok", release) in seen,
         f"release {release} runs, but its commit is not in the journal")
    must(state["release_floor"] >= release, "the floor does not follow the commit")
    committed = [r for e, out, r in seen if e == "update.committed" and out == "ok"]
    must(state["release_floor"] <= max(committed + [1]), "a floor that nothing committed set")
    if q.failed and release != q.failed:
        must(("update.rolledback", "ok", q.failed) in seen, "the way back is not in the journal")
        must(q.failed in [f["release"] for f in state["failed"]], "the failure is forgotten")
        must(("update.committed", "ok", q.failed) not in seen, "what failed was committed")
    return records, state


def check_goes_on(device):
    """The device is not stuck: it takes the next release."""
    device.follow("p4")
    settle(device, ["poll", "--now"])
    must(device.would_start()[1] == 4, f"release 4 is not taken: {device.status()}")


def kill_again(q, number, device, before):
    """The run that was to repair is killed as well, somewhere. What is there then."""
    where = random.Random(f"{q.name} {number}").randint(1, max(number, 20))
    _, call = device.killed(where, *q.verb)
    return check_killed(q, device, before) if call else before


def kill_once(q, number, way, folder, goes_on):
    """Name of the killed call, or None: the program ended before its call `number`."""
    device = q.device.copy(folder)
    before = device.records(), device.state() if device.records() else {}
    _, call = device.killed(number, *q.verb)
    if not call:
        return None
    try:
        before = check_killed(q, device, before)
        if way == TWICE:
            before = kill_again(q, number, device, before)
        if way == REBOOT:
            device.reboot()
        else:
            device.pawl(*q.verb)
            if q.verb == ["boot"]:
                device.pawl("health")
        if q.factory:
            device.pawl(*q.verb)
            device.reboot()
        settle(device, q.go_on)
        check_settled(q, device, way, before)
        if goes_on:
            check_goes_on(device)
    except Wrong as e:
        raise Wrong(f"killed at call {number} ({call}), then {way}: {e}") from e
    shutil.rmtree(folder)
    return call


def plan(count):
    """(number of the call, way) for each run."""
    stride = 1 if LONG else min(GAP, -(-count // SAMPLE))
    for i in range(1, count + 1):
        if i % stride == 0:
            for way in WAYS if LONG else (WAYS[i // stride % len(WAYS)],):
                yield i, way


def run_sequence(q, folder, pool):
    """(calls seen, calls killed, what went wrong)"""
    whole = q.device.copy(os.path.join(folder, "count"))
    count, _ = whole.killed(0, *q.verb)
    runs = list(plan(count))
    jobs = {}
    for k, (number, way) in enumerate(runs):
        at = os.path.join(folder, f"{q.name}-{number}-{WAYS.index(way)}")
        jobs[pool.submit(kill_once, q, number, way, at, k % GO_ON_EVERY == 0)] = number
    killed, wrong = set(), []
    for job in concurrent.futures.as_completed(jobs):
        try:
            if job.result():
                killed.add(jobs[job])
        except Wrong as e:
            killed.add(jobs[job])
            wrong.append(str(e))
        except Exception:  # a broken test must not look like a green one
            wrong.append(traceback.format_exc())
    return count, len(killed), len({n for n, _ in runs}), wrong


def lines_of(path):
    with open(path, "rb") as f:
        return f.read().rstrip(b"\0").splitlines()


def fill_journal(device):
    """Repeats the last milestone, in the format of docs/journal.md, up to the segment's end."""
    path = device.path("var/lib/pawl/journal/m-00000001.jsonl")
    old = lines_of(path)
    detail = lines_of(device.path("var/lib/pawl/journal/d-00000001.jsonl"))[-1]
    record = json.loads(old[-1])
    record["seq"] = max(record["seq"], json.loads(detail)["seq"])
    record["dseq"] = json.loads(detail)["seq"]
    record["det"] = hashlib.sha256(detail).hexdigest()
    del record["h"]
    new = old[:]
    while sum(len(line) + 1 for line in new) <= SEGMENT - RECORD_MAX:
        record["seq"] += 1
        record["prev"] = hashlib.sha256(new[-1]).hexdigest()
        text = json.dumps(record, separators=(",", ":"))[:-1].encode()
        new.append(text + b',"h":"' + hashlib.sha256(text).hexdigest().encode() + b'"}')
    with open(path, "r+b") as f:
        f.write(b"\n".join(new) + b"\n")
    check_record(device, [line.decode() for line in old[1:]])


def make_sequences(folder, publisher, url):
    """Devices on the way from release 1 to 2, and back from 3; each a copy of the one before."""
    def step(device, name, *words, tree=None):
        d = device.copy(os.path.join(folder, name))
        if tree:
            d.follow(tree)
        for w in words:
            if w == "restart":
                d.reboot(notes=False)
            else:
                d.pawl(*w.split())
        return d

    def same(*releases):
        return either(set(releases), set(releases))

    def either(again, restart):
        return {AGAIN: again, REBOOT: restart, TWICE: again}

    new = Device.make(os.path.join(folder, "new"), publisher, url + "/p1")
    one = step(new, "one", "provision", "restart", "boot", "health", "poll")
    offered = step(one, "offered", tree="p2")
    waits = step(offered, "waits", "poll")
    trial = step(waits, "trial", "restart")
    noted = step(trial, "noted", "boot")
    two = step(noted, "two", "health")
    bad = step(two, "bad", "poll", "restart", "boot", tree="p3")
    left = step(bad, "left", "health", "restart")
    back = step(left, "back", "boot")
    sick = step(back, "sick", tree="p4")
    write(sick.path("etc/pawl/hooks/health/required.d/10-check"),
          '#!/bin/sh\n[ "$PAWL_RELEASE" = 4 ]\n', 0o755)
    lost = step(two, "lost", "poll", *["restart"] * 4, tree="p3")
    full = step(offered, "full")
    fill_journal(full)
    must(os.path.exists(step(full, "next", "check").path("var/lib/pawl/journal/m-00000002.jsonl")),
         "a full segment is not followed by a new one")
    install = ["install", publisher.bundle]

    yield Sequence("provision", new, ["provision"], same(1), {1}, factory=True)
    yield Sequence("poll", offered, ["poll"], same(2), {1, 2})
    yield Sequence("install", one, install, same(2), {1, 2}, go_on=install)
    yield Sequence("poll-again", step(two, "poll-again", tree="p4"), ["poll"], same(4), {2, 4})
    yield Sequence("replace", step(waits, "replace", tree="p4"), ["poll"], same(4), {1, 2, 4})
    yield Sequence("hold", step(waits, "hold", tree="p2-held"), ["poll"],
                   either({1}, {1, 2}), {1, 2})
    yield Sequence("boot", trial, ["boot"], same(2), {2})
    yield Sequence("health", noted, ["health"], same(2), {2})
    yield Sequence("expire", noted, ["health", "--expired"],
                   either({1}, {1, 2}), {1, 2}, failed=2)
    yield Sequence("unhealthy", bad, ["health"], same(2), {2, BAD}, failed=BAD)
    yield Sequence("boot-back", left, ["boot"], same(2), {2}, failed=BAD)
    yield Sequence("health-back", back, ["health"], same(2), {2}, failed=BAD)
    yield Sequence("sick", sick, ["poll"], same(4), {2, 4}, failed=BAD)
    yield Sequence("boot-lost", lost, ["boot"], same(2), {2}, failed=BAD)
    yield Sequence("rollback", two, ["rollback"], either({1}, {1, 2}), {1, 2})
    yield Sequence("new-segment", full, ["check"], same(2), {1})


def check_the_checker(publisher, folder):
    """Each leaf counts: one changed byte, and the slot holds no release."""
    files = {n: os.path.join(folder, n) for n in SIZES}
    for name, size in SIZES.items():
        for at in [*range(LEAF - 1, size, LEAF), size - 1]:
            for n in SIZES:
                shutil.copy(publisher.image(1, n), files[n])
            must(check_slot.release_of(publisher.releases, files)[0] == 1, "release 1 is not seen")
            with open(files[name], "r+b") as f:
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1]))
            must(check_slot.release_of(publisher.releases, files)[0] is None,
                 f"{name}: byte {at} is not looked at")


def report(number, q, result):
    count, killed, planned, wrong = result
    good = not wrong and killed == planned and count > 0
    what = "every one" if LONG else "a sample"
    print(f"{'ok' if good else 'not ok'} {number} - {q.name}: calls seen = {count}, "
          f"kills done = {killed} ({what})", flush=True)
    for w in wrong[:5]:
        print("# " + w.replace("\n", "\n# "))
    return good


def make_folder():
    """In memory where that can be had: what a killed program wrote is there either way, and a
    fsync that costs nothing allows for more kills."""
    where = "/dev/shm"
    return tempfile.mkdtemp(prefix="pawl-crash-",
                            dir=where if os.access(where, os.W_OK | os.X_OK) else None)


def run_all(folder, publisher, url):
    """(every test is good, how many there were)"""
    check_the_checker(publisher, folder)
    print("ok 1 - the checker of slots sees one changed byte in each leaf", flush=True)
    seen = done = 0
    number = 1
    good = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for q in make_sequences(folder, publisher, url):
            if sys.argv[1:] and q.name not in sys.argv[1:]:
                continue
            number += 1
            result = run_sequence(q, folder, pool)
            seen, done = seen + result[0], done + result[1]
            good = report(number, q, result) and good
    print(f"#: calls seen = {seen}, kills done = {done}{'' if LONG else ' (a sample)'}")
    return good, number


def main():
    folder = make_folder()
    keep = False
    try:
        publisher = Publisher(folder)
        server = Server(folder)
        good, number = run_all(folder, publisher, server.url)
        server.close()
        print(f"1..{number}")
        keep = not good
        if keep:
            print(f"# kept: {folder}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
