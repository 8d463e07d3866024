# SPDX-License-Identifier: Apache-2.0
"""For programs of forge.py: images whose objects lie, signed as if they were right.

  import forge_image as image
  image.offer(r, encoding="zlib", pieces=[...])    publishes it as the one image of release 2

What is not given is made to fit: so only the lie is wrong. The formats are those of
docs/formats.md. Needs the zstd program for zstd.
"""
import hashlib
import os
import struct
import subprocess
import zlib

LEAF = 262144
PIECE = 4 * 1024 * 1024


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def digests(data):
    """The leaf list of an image."""
    return b"".join(hashlib.sha256(data[i:i + LEAF]).digest() for i in range(0, len(data), LEAF))


def table(size, pieces, magic=b"PWLP", version=1, flags=0, count=None, lengths=None,
          hashes=None, extra=b""):
    """The piece table of `full`, with any of its fields set otherwise."""
    out = struct.pack("<4sHHQI", magic, version, flags, size,
                      len(pieces) if count is None else count)
    for i, piece in enumerate(pieces):
        length = lengths[i] if lengths else len(piece)
        digest = hashes[i] if hashes else hashlib.sha256(piece).digest()
        out += struct.pack("<I32s", length, digest)
    return out + extra


def zstd(data, *options):
    """A frame as a stream makes it: without its size in the head."""
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def sized_zstd(data, *options):
    return zstd(data, f"--stream-size={len(data)}", *options)


def pack(data):
    return zlib.compress(data, 9)


def current(r, release=2):
    """The image that is published now (stored plain)."""
    full = r.manifest(release)["images"][0]["full"]["sha256"]
    return r.read(f"objects/{full[:2]}/{full}")


def put(r, data):
    """Publishes an object; returns what a manifest says of it."""
    digest = sha256(data)
    r.write(f"objects/{digest[:2]}/{digest}", data)
    return {"sha256": digest, "length": len(data)}


def offer(r, release=2, size=None, image=None, encoding="none", pieces=None, leaves=None,
          tab=None, full=None, **fields):
    """`fields` go into the manifest's image (a whole value each), or with full_ into its full."""
    image = current(r, release) if image is None else image
    size = len(image) if size is None else size
    pieces = [image] if pieces is None else pieces
    tab = table(size, pieces) if tab is None else tab
    full = b"".join(pieces) if full is None else full
    entry = {"name": "rootfs", "format": "ext4", "size": size, "leaf_hash": "sha256",
             "leaves": put(r, digests(image) if leaves is None else leaves),
             "full": {**put(r, full), "encoding": encoding, "pieces": put(r, tab)}}
    for key, value in fields.items():
        if key.startswith("full_"):
            entry["full"][key[5:]] = value
        else:
            entry[key] = value
    r.edit_manifest(release, images=[entry])


def swap(r, digest, data):
    """Other bytes under the name of an object."""
    path = f"objects/{digest[:2]}/{digest}"
    os.unlink(r.path(path))
    with open(r.path(path), "wb") as f:
        f.write(data)
