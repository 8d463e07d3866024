#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one command of pawl that must be refused, and looks at everything that must hold then.

usage: refuse.py --device DIR --code E_NAME [OPTIONS] -- COMMAND...

  --word TEXT    the message must say this, too (file, field); may be repeated
  --stored A,B   files of var/lib/pawl/tuf that may change (patterns; default: none)
  --wrote        the refusal comes after the first write: the target may have changed, but
                 must not boot
  --time         what was signed may raise the floor of time
  --put-back     state.json was changed by hand before: the command may raise it again
  --broken       the device cannot tell which slot runs: status is not asked
  --rc E_NAME    code of the journal record, where it is not --code; "none" = none is added
  --rss KIB      peak of resident memory, default 24576 (0 = not measured)
  --seconds N    time limit, default 60

Exit status 0 and no output: all of it holds. Needs PAWL and PAWL_SOURCE.
"""
import argparse
import fnmatch
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import zlib

PAWL = os.environ["PAWL"]
STATE_MAX = 1 << 20  # not more: what a child uses is counted from what its parent used
HEAD = 4096  # what the agent zeroes of an image before it writes


def exit_statuses():
    """Code -> exit status, from the one table."""
    with open(os.path.join(os.environ["PAWL_SOURCE"], "agent/base/err.h")) as f:
        return {n: int(s) for n, s in re.findall(r"X\((E_\w+), (\d+),", f.read())}


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def tree(folder):
    """Relative path -> digest of everything below."""
    out = {}
    for base, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(base, name)
            out[os.path.relpath(path, folder)] = digest(path)
    return out


def environment(paths):
    """Variables of the copy of a redundant U-Boot environment that counts: CRC-32, a counter, text."""
    best, best_count = b"", None
    for path in paths:
        with open(path, "rb") as f:
            raw = f.read()
        crc, count = int.from_bytes(raw[:4], "little"), raw[4]
        newer = best_count is None or 0 < (count - best_count) % 256 < 128
        if zlib.crc32(raw[5:]) == crc and newer:
            best, best_count = raw[5:], count
    pairs = best.split(b"\0\0", 1)[0].split(b"\0")
    return dict(p.split(b"=", 1) for p in pairs if b"=" in p)


class Device:
    def __init__(self, folder):
        self.dir = folder
        self.data = os.path.join(folder, "var/lib/pawl")

    def path(self, name):
        return os.path.join(self.dir, name)

    def pawl(self, *words):
        return subprocess.run([PAWL, "--root", self.dir, *words], capture_output=True, text=True,
                              errors="replace")

    def state(self):
        try:
            with open(os.path.join(self.data, "state.json")) as f:
                return json.loads(f.read(STATE_MAX))
        except (OSError, ValueError):
            return {}

    def records(self):
        """What pawl.journal holds; the device may have none yet."""
        out = self.pawl("journal", "show", "--json", "--details").stdout
        return [json.loads(line) for line in out.splitlines() if line]

    def running(self):
        """The slot that the kernel command line names."""
        with open(self.path("proc/cmdline")) as f:
            words = dict(w.split("=", 1) for w in f.read().split() if "=" in w)
        return words.get("pawl.slot", "A").lower()

    def slots(self):
        names = [n for n in os.listdir(self.path("dev")) if n.startswith("slot-")]
        return {n: digest(self.path("dev/" + n)) for n in names}

    def look(self):
        envs = [n for n in os.listdir(self.path("dev")) if n.startswith("env-")]
        return {
            "slots": self.slots(),
            "env": {n: digest(self.path("dev/" + n)) for n in envs},
            "values": environment([self.path("dev/" + n) for n in sorted(envs)]),
            "state": self.state(),
            "tuf": tree(os.path.join(self.data, "tuf")),
            "records": self.records(),
        }


class Judge:
    def __init__(self, args, device):
        self.args = args
        self.device = device
        self.problems = []

    def must(self, holds, text):
        if not holds:
            self.problems.append(text)

    def answer(self, status, text):
        a = self.args
        want = exit_statuses()[a.code]
        self.must(status == want, f"exit status {status}, not {want} ({a.code})")
        self.must(f"pawl: {a.code}: " in text, f"the message does not say {a.code}")
        for word in a.word:
            self.must(word in text, f'the message does not say "{word}"')

    def slots(self, before, after):
        running = self.device.running()
        for name, was in before["slots"].items():
            if f"slot-{running}-" in name:
                self.must(after["slots"].get(name) == was, f"{name} runs, and was changed")
            elif after["slots"].get(name) != was:
                self.must(self.args.wrote, f"{name}, the target, was changed")
                with open(self.device.path("dev/" + name), "rb") as f:
                    self.must(not any(f.read(HEAD)), f"{name} is half-written, but can boot")

    def environment(self, before, after):
        if not self.args.wrote:
            self.must(before["env"] == after["env"], "the boot environment was changed")
        was, now = before["values"], after["values"]
        self.must(was.get(b"pawl_slot") == now.get(b"pawl_slot"), "another slot was committed")
        self.must(not now.get(b"pawl_trial"), "a trial was set")

    def state(self, before, after):
        was, now = before["state"], after["state"]
        if not was or self.args.put_back:
            return
        running = "slot_" + self.device.running()
        other = "slot_b" if running == "slot_a" else "slot_a"
        names = [running, "release_floor", "epoch_floor", "failed"]
        names += [] if self.args.wrote else [other, "txn"]
        names += [] if self.args.time or self.may_store("targets.json") else ["time_floor"]
        for name in names:
            self.must(was.get(name) == now.get(name),
                      f"state.json: {name} changed: {was.get(name)} -> {now.get(name)}")
        for row in was.get("revoked", []):
            self.must(row in now.get("revoked", []), "state.json: a withdrawal was forgotten")
        self.must(now.get("txn", {}).get("phase") in (None, "none"), "a transaction is left over")

    def may_store(self, name):
        return any(fnmatch.fnmatchcase(name, p) for p in self.args.stored.split(","))

    def store(self, before, after):
        for name in sorted(before["tuf"].keys() | after["tuf"].keys()):
            if before["tuf"].get(name) != after["tuf"].get(name):
                self.must(self.may_store(name), f"tuf/{name} was stored")

    def journal(self, before, after):
        seen = {(r["cat"], r["seq"], r["h"]) for r in before["records"]}
        new = [r for r in after["records"] if (r["cat"], r["seq"], r["h"]) not in seen]
        codes = [r["rc"] for r in new]
        want = self.args.rc or self.args.code
        if want == "none":
            self.must(not new, f"records were added: {codes}")
        else:
            self.must(want in codes, f"no journal record with {want} was added, only {codes}")
        r = self.device.pawl("journal", "verify")
        self.must(r.returncode == 0, "journal verify: " + r.stderr.strip())

    def status(self):
        if self.args.broken:
            return
        r = self.device.pawl("status", "--json")
        try:
            status = json.loads(r.stdout)
        except ValueError:
            self.must(False, "status says nothing: " + r.stderr.strip())
            return
        self.must(status.get("trial_waits") is False,
                  f"trial_waits is {status.get('trial_waits')}: {status.get('problem')}")

    def memory(self, kib):
        with open(PAWL, "rb") as f:
            sanitized = b"__asan_init" in f.read()
        if self.args.rss and not sanitized:
            self.must(kib <= self.args.rss, f"{kib} KiB of memory, {self.args.rss} are allowed")

    def hooks(self):
        ran = self.device.path("hook-ran")
        self.must(self.args.wrote or not os.path.exists(ran), "a hook ran")


def run(args, judge):
    try:
        r = subprocess.run(args.command, capture_output=True, text=True, errors="replace",
                           timeout=args.seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        judge.must(False, f"did not end within {args.seconds} s")
        return ""
    # The highest of all children so far; those before it only read the device's own files.
    judge.memory(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    judge.answer(r.returncode, r.stdout + r.stderr)
    return r.stdout + r.stderr


def options():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", required=True)
    p.add_argument("--code", required=True)
    p.add_argument("--word", action="append", default=[])
    p.add_argument("--stored", default="")
    p.add_argument("--wrote", action="store_true")
    p.add_argument("--time", action="store_true")
    p.add_argument("--put-back", action="store_true")
    p.add_argument("--broken", action="store_true")
    p.add_argument("--rc")
    p.add_argument("--rss", type=int, default=24576)
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("command", nargs="+")
    return p


def main():
    args = options().parse_args()
    device = Device(args.device)
    judge = Judge(args, device)
    before = device.look()
    text = run(args, judge)
    after = device.look()
    for check in (judge.slots, judge.environment, judge.state, judge.store, judge.journal):
        check(before, after)
    judge.status()
    judge.hooks()
    if judge.problems:
        print("\n".join(judge.problems + ["it said: " + text.strip()]))
        sys.exit(1)


if __name__ == "__main__":
    main()
