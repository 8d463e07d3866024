#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets system calls of the agent go wrong, at each place where it reads, writes, opens, flushes or
names a file of the device: errors once and from then on, a full and a read-only data partition,
short reads and writes, wrong bits, slots that vanish or shrink. Looks at what it did and said; then
the fault goes away, and the device must finish its update without help. What must hold stands in
`check_outcome`, `check_left_behind` and `check_after`.

With PAWL_LONG=1 every call goes wrong (PAWL_FAULTS_EVERY=N: each Nth), else a sample, the same each
time. PAWL_FAULTS=FILE keeps one line of JSON for each fault.
usage: faults.py [PROGRAM...]
"""
import collections
import concurrent.futures
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from device import (CHANGES, DATA, SINGLE, Device, Fault,  # noqa: E402
                    Publisher, area_of)
from world import BAD, Server, Wrong, must  # noqa: E402
from agent_killed import check_state, events, settle  # noqa: E402

LONG = os.environ.get("PAWL_LONG") == "1"
EVERY = int(os.environ.get("PAWL_FAULTS_EVERY", "1"))
SAMPLE = 2  # short run: faults for each row of the matrix, and for each program
WORKERS = 4 * os.cpu_count() if LONG else os.cpu_count()
ALL_THE_WAY = 5  # of the updates that went well all the same, one in so many is restarted, too

# What a failure may be called, by what failed. The journal never makes anything fail.
CODES = {
    "slot A": {"E_IO", "E_SLOT", "E_READBACK"},
    "slot B": {"E_IO", "E_SLOT", "E_READBACK"},
    "environment": {"E_BOOTENV"},
    "state": {"E_IO", "E_STATE"},
    "journal": set(),
    "cache": {"E_IO"},
    "leaves": {"E_IO"},
    "metadata": {"E_IO"},
    "settings": {"E_CONFIG", "E_BOOTENV", "E_IO", "E_STATE", "E_TRUST", "E_HOOK"},
    "bundle": {"E_IO"},
    "data partition": {"E_IO", "E_STATE"},
}
# Where the agent can still write its record, and knows that something is to be recorded.
RECORDED = ("slot A", "slot B", "environment", "cache", "leaves", "metadata", "bundle")
# Failures that say themselves that a trial may stand: only the restart does not come, or the
# environment can neither be read back nor put back.
OPEN_ENDS = ("no restart yet", "it is not sure what the environment holds now")
# What a journal may say of itself when it, or all around it, failed.
OF_ITSELF = {"journal.recovered", "journal.degraded", "journal.gap", "journal.truncated"}


@dataclass
class Program:
    """A program whose calls go wrong, and what the device must come to afterwards."""
    name: str
    device: Device  # as it stands before the program runs
    verb: list
    settles: set  # releases that may run in the end
    new: int = 0  # the release that it puts on trial when all is well
    starts: set = frozenset()  # what the boot loader may start right after it
    go_on: tuple = ("poll", "--now")


@dataclass
class Result:
    fault: Fault
    at: int
    outcome: object = None
    wrong: str = ""


def make_matrix():
    """All rows: what goes wrong, and where. Each is tried at each call that it may hit."""
    for area in SINGLE:
        yield Fault(area)
        yield Fault(area, sticky=True)
        yield Fault(area, what="short", calls="read,write", sticky=True)
        yield Fault(area, what="flip", calls="write")
    for area in DATA:
        yield Fault(area, error="ENOSPC", calls=CHANGES)
    for error in ("ENOSPC", "EROFS"):
        yield Fault("data partition", error=error, calls=CHANGES, sticky=True)
    yield Fault("data partition", sticky=True)
    for slot in ("slot A", "slot B"):
        yield Fault(slot, error="ENODEV", sticky=True)
        yield Fault(slot, what="shrink=300000", calls="read,write", sticky=True)


# --- What must hold ----------------------------------------------------------------------------

def allowed_codes(fault):
    codes = CODES[fault.area]
    if fault.error == "ENOSPC":
        return {"E_SPACE"} if codes else set()
    if fault.what == "short":
        return set()
    return codes | {"E_SPACE"} if fault.what.startswith("shrink") else codes


def names_of(kind, path):
    """Words of which a message has one, when it says where."""
    folder, name = os.path.split(path)
    if kind == "sync" and os.path.isdir(path):
        return {"folder of "}
    name = name.removeprefix(".").removesuffix(".new")
    return {name, os.path.basename(folder) + "/" + name, os.path.basename(folder)} - {"", "pawl"}


def check_outcome(p, fault, o):
    """What the program said: the code fits, and the message names what failed."""
    must(o.status < 99, f"it ended with {o.status}")
    must((o.status == 0) == (o.code == "E_OK"), f"status {o.status}, but {o.code}")
    if o.status == 0 or (p.name == "unhealthy" and o.code == "E_HEALTH"):
        return
    must(o.code in allowed_codes(fault), f"{o.code} does not fit")
    said = [line for line in o.text.splitlines() if line.startswith(f"pawl: {o.code}: ")][-1]
    said = said.removeprefix(f"pawl: {o.code}: ")
    words = set().union(*(names_of(kind, path) for kind, _, path in o.injected)) | {"var/lib/pawl/"}
    must(any(w in said for w in words), f"nobody knows where: {said}")


def may_be_damaged(fault):
    return fault.what == "flip" and fault.area == "journal"


def check_journal(d, fault, before):
    """The journal verifies, no milestone is gone; or it says in which line it is damaged."""
    r = d.pawl("journal", "verify")
    if may_be_damaged(fault) and r.returncode == 55:
        must("line" in r.stderr, f"the damage has no place: {r.stderr}")
        return []
    must(r.returncode == 0, f"the journal does not verify: {r.stderr}")
    records = d.records()
    must(records[:len(before)] == before, "milestones that were recorded are gone")
    own = {e for e, _, _ in events(records)} & OF_ITSELF
    must(not own or fault.area in ("journal", "data partition"), f"the journal says {own}")
    return records


def check_recorded(d, fault, o):
    if o.status == 0 or fault.area not in RECORDED:
        return
    text = d.pawl("journal", "show", "--json", "--details", check=True).stdout
    codes = [json.loads(line)["rc"] for line in text.splitlines()]
    must(o.code in codes[-12:], f"{o.code} is not in the journal: {codes[-12:]}")


def check_left_behind(p, d, fault, o, before):
    """Right after the program: what would boot is whole, and is what the program said."""
    slot, release = d.would_start()
    if p.new:
        must(d.content("A") == before.content_a, "the running slot was written to")
        must(not o.status or o.open_end or release == 1,
             f"it says that it failed, and slot {slot} is on trial")
        must(o.status or release == p.new, f"it says that all is well, and {release} starts")
    if p.name == "health" and not o.open_end:
        committed = d.status()["committed"]
        must((committed == "B") == (o.status == 0),
             f"it ends with {o.code}, and slot {committed} is committed")
    must(release in p.starts, f"the boot loader would start release {release}")
    check_recorded(d, fault, o)
    return check_journal(d, fault, before.records)


def check_after(p, d, fault, o, before):
    """The fault has gone: the next run finishes what this one began."""
    if p.new:
        if not d.reboot_asked():
            d.pawl(*p.go_on)
        must(d.would_start()[1] == p.new, "the next run does not finish the update")
    elif p.verb == ["boot"]:
        d.pawl("health")
    else:
        d.pawl("health", "--expired")
    settle(d, list(p.go_on))
    slot, release = d.would_start()
    must(release in p.settles, f"settled on release {release}")
    check_journal(d, fault, before.records)
    check_state(d, before.state)
    undone = any(name == "unlinkat" for _, name, _ in o.injected)
    for folder, _, files in os.walk(d.path("var/lib/pawl")):
        for name in files:
            must(undone or not name.endswith(".new"), f"{folder}/{name} is left behind")


# --- Runs ----------------------------------------------------------------------------------------

@dataclass
class Before:
    content_a: bytes
    records: list
    state: dict


def run_fault(p, fault, at, folder):
    result = Result(fault, at)
    d = p.device.copy(folder)
    before = Before(d.content("A"), d.records(), d.state())
    if fault.area in ("state", "data partition"):
        before.state = {}  # it may be lost: then the image's own floors hold
    try:
        result.outcome = o = d.fail(fault, at, p.verb)
        if not o.injected:
            shutil.rmtree(folder)
            return result
        o.open_end = any(words in o.text for words in OPEN_ENDS)
        check_outcome(p, fault, o)
        check_left_behind(p, d, fault, o, before)
        if not p.new or o.status or at % ALL_THE_WAY == 0:
            check_after(p, d, fault, o, before)
        shutil.rmtree(folder)
    except Wrong as e:
        result.wrong = str(e)
    except Exception:  # a broken test must not look like a green one
        result.wrong = traceback.format_exc()
    return result


def hits(fault, calls):
    """How many of a program's calls the fault may hit."""
    kinds = fault.calls.split(",")
    areas = DATA if fault.area == "data partition" else [fault.area]
    return sum(kind in kinds and area in areas for kind, area in calls)


def behind_the_store(runs):
    """What comes behind the store of the environment is always tried: from there on a failure must
    not be told of what stands. Indexes of the last calls but so many, of a poll and a health."""
    behind = {str(Fault("state")): (3, 9), str(Fault("environment")): (1,),
              str(Fault("data partition", error="ENOSPC", calls=CHANGES, sticky=True)): (20,)}
    last = {}
    for i, (p, fault, _) in enumerate(runs):
        last[p.name, str(fault)] = i
    return [i - k for (name, fault), i in last.items() if name in ("poll", "health")
            for k in behind.get(fault, ())]


def plan(programs):
    """[(program, fault, number of the call)]: all of them, or a sample that has each row of the
    matrix and each program."""
    runs = [(p, fault, at) for p, calls in programs for fault in make_matrix()
            for at in range(1, hits(fault, calls) + 1)]
    if LONG:
        return runs[::EVERY]
    chosen = set()
    groups = collections.defaultdict(list)
    for i, (p, fault, _) in enumerate(runs):
        groups[str(fault)].append(i)
        groups[p.name].append(i)
    chosen.update(behind_the_store(runs))
    for name, members in sorted(groups.items()):
        chosen.update(random.Random(name).sample(members, min(SAMPLE, len(members))))
    return [runs[i] for i in sorted(chosen)]


def make_programs(folder, publisher, url):
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

    new = Device.make(os.path.join(folder, "new"), publisher, url + "/p1")
    one = step(new, "one", "provision", "restart", "boot", "health", "poll")
    offered = step(one, "offered", tree="p2")
    trial = step(offered, "trial", "poll", "restart")
    noted = step(trial, "noted", "boot")
    two = step(noted, "two", "health")
    bad = step(two, "bad", "poll", "restart", "boot", tree="p3")
    left = step(bad, "left", "health", "restart")
    back = step(left, "back", "boot")
    install = ("install", publisher.bundle)
    yield Program("poll", offered, ["poll"], {2}, 2, {1, 2})
    yield Program("full", step(one, "full", tree="p5"), ["poll"], {5}, 5, {1, 5})
    yield Program("install", one, list(install), {2}, 2, {1, 2}, go_on=install)
    yield Program("boot", trial, ["boot"], {1, 2}, starts={2})
    yield Program("health", noted, ["health"], {1, 2}, starts={1, 2})
    yield Program("unhealthy", bad, ["health"], {2}, starts={2, BAD})
    yield Program("boot-back", left, ["boot"], {2}, starts={2})
    yield Program("health-back", back, ["health"], {2}, starts={2})


def count_calls(p, folder):
    """[(kind, area)] of the program's calls on files of the device."""
    found = []
    for kind, path in p.device.copy(os.path.join(folder, p.name + "-count")).calls(p.verb):
        area = area_of(path)
        must(area, f"{p.name}: {kind} of {path}, which is in no area of device.py")
        found.append((kind, area))
    must(found, f"{p.name}: no call was seen")
    return found


def report(number, p, calls, results):
    done = [r for r in results if r.outcome and r.outcome.injected]
    wrong = [r for r in results if r.wrong]
    codes = collections.Counter(r.outcome.code for r in done)
    good = done and not wrong
    print(f"{'ok' if good else 'not ok'} {number} - {p.name}: calls seen = "
          f"{len(calls)}, faults = {len(done)}: " +
          ", ".join(f"{code} {n}" for code, n in sorted(codes.items())), flush=True)
    for r in wrong[:8]:
        hit = r.outcome.injected[0] if r.outcome and r.outcome.injected else ""
        print(f"# {r.fault}, at call {r.at} {hit}: " + r.wrong.replace("\n", "\n# "))
    return len(done), codes


def keep_results(results):
    path = os.environ.get("PAWL_FAULTS")
    if not path:
        return
    with open(path, "w", encoding="utf-8") as f:
        for p, r in results:
            o = r.outcome
            row = {"program": p.name, "fault": str(r.fault), "at": r.at, "wrong": r.wrong}
            if o:
                row |= {"status": o.status, "code": o.code, "text": o.text,
                        "injected": o.injected[:5]}
            f.write(json.dumps(row) + "\n")


def run_all(folder, publisher, url):
    """True when every test is good."""
    programs = [(p, count_calls(p, folder)) for p in make_programs(folder, publisher, url)
                if not sys.argv[1:] or p.name in sys.argv[1:]]
    # Asking about each call is waiting, most of the time.
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        jobs = [(p, pool.submit(run_fault, p, fault, at, os.path.join(folder, f"run-{i}")))
                for i, (p, fault, at) in enumerate(plan(programs))]
        results = [(p, job.result()) for p, job in jobs]
    keep_results(results)
    done, codes = 0, collections.Counter()
    for i, (p, calls) in enumerate(programs):
        n, c = report(i + 1, p, calls, [r for q, r in results if q is p])
        done, codes = done + n, codes + c
    print(f"1..{len(programs)}")
    print(f"#: calls seen = {sum(len(c) for _, c in programs)}, faults = {done}"
          f"{'' if LONG and EVERY == 1 else ' (a sample)'}: " +
          ", ".join(f"{code} {n}" for code, n in sorted(codes.items())))
    return not any(r.wrong for _, r in results)


def main():
    where = "/dev/shm"  # what was written is there either way, and a fsync costs nothing
    folder = tempfile.mkdtemp(prefix="pawl-faults-",
                              dir=where if os.access(where, os.W_OK | os.X_OK) else None)
    good = False
    try:
        publisher = Publisher(folder)
        server = Server(folder)
        good = run_all(folder, publisher, server.url)
        server.close()
    finally:
        if good or not LONG:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"# kept: {folder}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
