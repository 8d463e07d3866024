#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a published tree with nothing of ours: Python's json, and openssl for signatures.

usage: tuf_check.py PUBLIC_DIR
Prints "ok" or the first thing that is wrong (exit status 1). It knows OLPC canonical
JSON as securesystemslib writes it, key ids, thresholds, and consistent snapshots.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile


def canonical(value) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is True or value is False or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(v) for v in value) + "]"
    items = sorted(value.items())
    return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in items) + "}"


def must(condition, text):
    if not condition:
        sys.exit(text)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def verifies(pem: str, data: bytes, sig: bytes) -> bool:
    with tempfile.TemporaryDirectory() as d:
        for name, content in (("k", pem.encode()), ("d", data), ("s", sig)):
            with open(os.path.join(d, name), "wb") as f:
                f.write(content)
        cmd = ["openssl", "dgst", "-sha256", "-verify", "k", "-signature", "s", "d"]
        return subprocess.run(cmd, cwd=d, capture_output=True).returncode == 0


class Tree:
    def __init__(self, public: str):
        self.public = public

    def read(self, path: str) -> bytes:
        with open(os.path.join(self.public, path), "rb") as f:
            return f.read()

    def metadata(self, name: str, entry=None):
        raw = self.read("metadata/" + name)
        if entry:
            must(len(raw) == entry["length"], f"{name}: length")
            must(sha256(raw) == entry["hashes"]["sha256"], f"{name}: hash")
        return json.loads(raw)


def check_signed(name, file, keys, role):
    data = canonical(file["signed"]).encode()
    good = set()
    for s in file["signatures"]:
        if s["keyid"] not in role["keyids"]:
            continue
        key = keys[s["keyid"]]
        must(sha256(canonical(key).encode()) == s["keyid"], f"{name}: key id")
        if verifies(key["keyval"]["public"], data, bytes.fromhex(s["sig"])):
            good.add(s["keyid"])
    must(len(good) >= role["threshold"], f"{name}: {len(good)} good signatures")
    must(file["signed"]["spec_version"].startswith("1.0."), f"{name}: spec_version")


def check_roots(tree):
    before = None
    n = 1
    while os.path.exists(os.path.join(tree.public, f"metadata/{n}.root.json")):
        root = tree.metadata(f"{n}.root.json")
        signed = root["signed"]
        must(signed["version"] == n and signed["consistent_snapshot"] is True, f"root {n}")
        check_signed(f"root {n}", root, signed["keys"], signed["roles"]["root"])
        if before:
            check_signed(f"root {n} (by old)", root, before["keys"], before["roles"]["root"])
        before = signed
        n += 1
    must(before, "no root")
    return before


def check_targets(tree, signed):
    for path, t in signed["targets"].items():
        folder, base = path.rsplit("/", 1)
        raw = tree.read(f"targets/{folder}/{t['hashes']['sha256']}.{base}")
        must(len(raw) == t["length"], f"{path}: length")
        must(sha256(raw) == t["hashes"]["sha256"], f"{path}: hash")


def main():
    tree = Tree(sys.argv[1])
    root = check_roots(tree)
    keys, roles = root["keys"], root["roles"]

    timestamp = tree.metadata("timestamp.json")
    check_signed("timestamp", timestamp, keys, roles["timestamp"])
    entry = timestamp["signed"]["meta"]["snapshot.json"]
    snapshot = tree.metadata(f"{entry['version']}.snapshot.json", entry)
    check_signed("snapshot", snapshot, keys, roles["snapshot"])
    meta = snapshot["signed"]["meta"]
    entry = meta["targets.json"]
    targets = tree.metadata(f"{entry['version']}.targets.json", entry)
    check_signed("targets", targets, keys, roles["targets"])
    delegations = targets["signed"]["delegations"]
    entry = meta["releases.json"]
    releases = tree.metadata(f"{entry['version']}.releases.json", entry)
    check_signed("releases", releases, delegations["keys"], delegations["roles"][0])
    check_targets(tree, targets["signed"])
    check_targets(tree, releases["signed"])
    print("ok")


main()
