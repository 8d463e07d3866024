#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which release does a slot hold, whole? Shares no code with the agent.

usage: check_slot.py PUBLIC PRODUCT IMAGE=FILE...

Reads manifests out of the public folder (each checked against the hash that the
signed releases.json names), their lists of leaves (checked against the
manifest), and hashes every leaf of the files. Prints the number of the release
whose every leaf of every image is right; ends with 1 and says what is wrong
with which release when there is none.

Signatures are another tool's business: tuf_check.py checks those of PUBLIC.
"""
import glob
import hashlib
import json
import os
import sys

LEAF = 256 * 1024
DIGESTS = {"sha256": "sha256", "sha512-256": "sha512_256"}


def newest(folder, role):
    files = glob.glob(os.path.join(folder, "metadata", f"*.{role}.json"))
    return max(files, key=lambda f: int(os.path.basename(f).split(".")[0]))


def read_object(folder, entry):
    name = entry["sha256"]
    with open(os.path.join(folder, "objects", name[:2], name), "rb") as f:
        data = f.read()
    if hashlib.sha256(data).hexdigest() != name or len(data) != entry["length"]:
        raise ValueError(f"object {name} is not what its name says")
    return data


class Image:
    """One image of a release: its size and the signed hash of each leaf."""

    def __init__(self, folder, entry):
        leaves = read_object(folder, entry["leaves"])
        self.name = entry["name"]
        self.size = entry["size"]
        self.digest = DIGESTS[entry["leaf_hash"]]
        self.leaves = [leaves[i:i + 32] for i in range(0, len(leaves), 32)]
        if len(self.leaves) != -(-self.size // LEAF):
            raise ValueError(f"{self.name}: the list of leaves does not fit the size")

    def wrong_leaf(self, data):
        """None, or the number of the first leaf that is not the signed one."""
        if len(data) < self.size:
            return len(data) // LEAF
        for i, want in enumerate(self.leaves):
            end = min((i + 1) * LEAF, self.size)
            if hashlib.new(self.digest, data[i * LEAF:end]).digest() != want:
                return i
        return None


def load_releases(folder, product):
    """{number: [Image]} of everything that releases.json lists."""
    with open(newest(folder, "releases"), encoding="utf-8") as f:
        listed = json.load(f)["signed"]["targets"]
    found = {}
    for path, target in listed.items():
        head, tail = os.path.split(path)
        if head != f"{product}/releases":
            continue
        digest = target["hashes"]["sha256"]
        with open(os.path.join(folder, "targets", head, f"{digest}.{tail}"), "rb") as f:
            data = f.read()
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"manifest {path} is not the signed one")
        manifest = json.loads(data)
        found[manifest["release"]] = [Image(folder, i) for i in manifest["images"]]
    return found


def release_of(releases, parts):
    """(number or None, what is wrong with each release); parts: {image name: file}."""
    content = {}
    wrong = []
    for name, path in parts.items():
        with open(path, "rb") as f:
            content[name] = f.read()
    for number, images in sorted(releases.items()):
        bad = [(i.name, i.wrong_leaf(content.get(i.name, b""))) for i in images]
        bad = [b for b in bad if b[1] is not None]
        if not bad:
            return number, []
        wrong.append(f"release {number}: {bad[0][0]} leaf {bad[0][1]}")
    return None, wrong


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    parts = dict(a.split("=", 1) for a in sys.argv[3:])
    number, wrong = release_of(load_releases(sys.argv[1], sys.argv[2]), parts)
    if number is None:
        sys.exit("no whole release: " + "; ".join(wrong))
    print(number)


if __name__ == "__main__":
    main()
