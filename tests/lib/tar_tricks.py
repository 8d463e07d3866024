#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a bundle that plays one trick out of a good one.

usage: tar_tricks.py GOOD.pawl DIR

Writes DIR/TRICK for each, and prints "TRICK<tab>what it is", one a line.
The trick "honest" writes the same members again with the same code and must be accepted: what
is refused is the trick, not the way of writing. Python 3 only.
"""
import gzip
import io
import os
import sys
import tarfile
import zipfile

BLOCK = 512
END = bytes(2 * BLOCK)


def field(text, size):
    data = text if isinstance(text, bytes) else text.encode()
    return data[:size].ljust(size, b"\0")


def header(name, size, kind=b"0", link="", prefix="", magic=b"ustar\00000", size_field=None,
           sum_field=None):
    """One ustar header; `size_field` and `sum_field` are raw bytes instead of the right ones."""
    block = bytearray(BLOCK)
    block[0:100] = field(name, 100)
    block[100:124] = b"0000644\0" + b"0000000\0" + b"0000000\0"
    block[124:136] = size_field or b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[157:257] = field(link, 100)
    block[257:265] = magic
    block[329:345] = b"0000000\0" * 2
    block[345:500] = field(prefix, 155)
    block[148:156] = sum_field or b"%06o\0 " % sum(block)
    return bytes(block)


def member(name, data=b"", size=None, **how):
    pad = bytes(-len(data) % BLOCK)
    return header(name, len(data) if size is None else size, **how) + data + pad


def load(path):
    with tarfile.open(path) as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]


def join(parts, end=END):
    return b"".join(parts) + end


def pax(record):
    """A pax header that says `record` of the next member."""
    line = b" " + record + b"\n"
    length = len(line) + 1
    while len(b"%d" % length) + len(line) != length:
        length += 1
    return member("././@PaxHeader", b"%d" % length + line, kind=b"x")


def add(m, *extra):
    """The good members, then others."""
    return join([member(n, d) for n, d in m] + list(extra))


def instead(m, index, block):
    """Another block in the place of one member."""
    parts = [member(n, d) for n, d in m]
    parts[index] = block
    return join(parts)


def before(m, index, block):
    parts = [member(n, d) for n, d in m]
    parts.insert(index, block)
    return join(parts)


def archive_of(m, how):
    out = io.BytesIO()
    if how == "zip":
        with zipfile.ZipFile(out, "w") as z:
            for n, d in m:
                z.writestr(n, d)
    elif how == "gzip":
        out.write(gzip.compress(add(m)))
    else:
        with tarfile.open(fileobj=out, mode="w", format=how) as tar:
            for n, d in m:
                info = tarfile.TarInfo(n)
                info.size = len(d)
                if how == tarfile.PAX_FORMAT:
                    info.pax_headers = {"comment": "hello"}
                tar.addfile(info, io.BytesIO(d))
    return out.getvalue()


def second_release(target):
    folder, base = target.rsplit("/", 1)
    return f"{folder}/{'0' * 64}.{base.split('.')[1]}.json"


OBJECT = "objects/aa/" + "aa" + "0" * 62
LAST = -1  # the image itself
HUGE = b"77777777777\0"


def tricks(m):
    name, data = m[LAST]
    first, first_data = m[0]
    objects = [i for i, (n, _) in enumerate(m) if n.startswith("objects/")]
    target = next(n for n, _ in m if n.startswith("targets/"))
    small, small_data = m[objects[0]]
    short = instead(m, LAST, header(name, len(data)) + data[:1000])
    return {
        "honest": ("the same again", add(m)),
        "parent": ("a member ../etc/passwd", add(m, member("../etc/passwd", b"x"))),
        "parent-inside": ("objects/../../etc/passwd",
                          add(m, member("objects/../../etc/passwd", b"x"))),
        "absolute": ("/etc/passwd", add(m, member("/etc/passwd", b"x"))),
        "prefix": ("a name that its prefix moves", add(m, member(OBJECT, b"x", prefix="/etc"))),
        "dot": ("./ before a good name", instead(m, LAST, member("./" + name, data))),
        "double-slash": ("// in a name",
                         instead(m, LAST, member(name.replace("/", "//", 1), data))),
        "symlink": ("a symbolic link", add(m, member(OBJECT, kind=b"2", link="/etc/passwd"))),
        "symlink-image": ("the image as a link",
                          instead(m, LAST, member(name, kind=b"2", link=small))),
        "hardlink": ("a hard link with data", add(m, member(OBJECT, b"x" * 512, kind=b"1",
                                                            link="/etc/passwd"))),
        "file-with-link": ("a file with a link's target",
                           instead(m, LAST, member(name, data, link="/etc/passwd"))),
        "character": ("a character device", add(m, member(OBJECT, kind=b"3"))),
        "block": ("a block device", add(m, member(OBJECT, kind=b"4"))),
        "folder": ("a folder", before(m, 0, member("metadata/", kind=b"5"))),
        "fifo": ("a FIFO", add(m, member(OBJECT, kind=b"6"))),
        "contiguous": ("a contiguous file", instead(m, LAST, member(name, data, kind=b"7"))),
        "old-file": ("type NUL", instead(m, LAST, member(name, data, kind=b"\0"))),
        "sparse": ("GNU sparse", instead(m, LAST, member(name, data, kind=b"S"))),
        "dump": ("a GNU dump folder", add(m, member(OBJECT, b"Nx\0\0", kind=b"D"))),
        "volume": ("a GNU volume label", before(m, 0, member("label", kind=b"V"))),
        "multi": ("a part of another volume", add(m, member(OBJECT, b"x", kind=b"M"))),
        "pax-path": ("a pax header that gives another name",
                     before(m, len(m) - 1, pax(b"path=../../etc/passwd"))),
        "pax-size": ("a pax header that gives another size",
                     before(m, len(m) - 1, pax(b"size=1"))),
        "pax-global": ("a global pax header",
                       before(m, 0, member("g", b"19 comment=whatever\n", kind=b"g"))),
        "pax-format": ("all of it as pax", archive_of(m, tarfile.PAX_FORMAT)),
        "gnu-format": ("all of it as GNU tar", archive_of(m, tarfile.GNU_FORMAT)),
        "long-name": ("a GNU long name",
                      before(m, len(m) - 1,
                             member("././@LongLink", b"../etc/passwd\0", kind=b"L"))),
        "long-link": ("a GNU long link",
                      before(m, len(m) - 1,
                             member("././@LongLink", b"/etc/passwd\0", kind=b"K"))),
        "name-with-rest": ("bytes behind the end of a name",
                           instead(m, LAST, member(field(name, 90) + b"\0../../etc", data))),
        "duplicate": ("an object twice", add(m, member(name, data))),
        "duplicate-other": ("a role twice, with other content",
                            before(m, 1, member(first, b"{}"))),
        "early-object": ("an object before the metadata",
                         join([member(*m[objects[0]])] +
                              [member(n, d) for i, (n, d) in enumerate(m) if i != objects[0]])),
        "late-metadata": ("metadata behind the objects",
                          join([member(n, d) for n, d in m[1:]] + [member(first, first_data)])),
        "second-release": ("a second release",
                           before(m, objects[0], member(second_release(target), b"{}"))),
        "no-release": ("no release", join([member(n, d) for n, d in m if n != target])),
        "extra": ("a file that does not belong there", add(m, member("README", b"hello"))),
        "hidden": ("a hidden file", before(m, 0, member("metadata/.x.json", b"{}"))),
        "shell": ("a hook inside", add(m, member("hooks/pre-write.d/10-x", b"#!/bin/sh\n"))),
        "upper-case": ("an upper-case hash",
                       instead(m, LAST, member(name[:11] + name[11:].upper(), data))),
        "wrong-folder": ("an object in another's folder", add(m, member("objects/bb/" + "aa" +
                                                                        "0" * 62, b"x"))),
        "zero-version": ("a version with a leading zero",
                         instead(m, 0, member("metadata/01.root.json", first_data))),
        "negative": ("a negative size",
                     instead(m, LAST, member(name, data, size_field=b"\xff" * 12))),
        "negative-text": ("a size with a minus",
                          instead(m, LAST, member(name, data, size_field=b"-0000000001\0"))),
        "huge": ("a size of 8 GiB", instead(m, LAST, member(name, data, size_field=HUGE))),
        "huge-binary": ("a binary size of 2^63 and more",
                        instead(m, LAST, member(name, data,
                                                size_field=b"\x80" + b"\xff" * 11))),
        "huge-metadata": ("metadata of 8 GiB",
                          instead(m, 0, member(first, first_data, size_field=HUGE))),
        "size-text": ("a size that is no number",
                      instead(m, LAST, member(name, data, size_field=b"0000000000z\0"))),
        "size-spaces": ("a size that begins with spaces",
                        instead(m, LAST, member(name, data,
                                                size_field=b"%11o\0" % len(data)))),
        "size-long": ("an object that reaches over the next one",
                      instead(m, objects[0], member(small, small_data,
                                                    size=len(small_data) + 5000))),
        "checksum": ("a wrong checksum",
                     instead(m, LAST, member(name, data, sum_field=b"000000\0 "))),
        "magic": ("no magic", instead(m, LAST, member(name, data, magic=b"\0" * 8))),
        "truncated": ("it ends in the image", short[:-len(END)]),
        "no-end": ("no end", add(m)[:-len(END)]),
        "half-end": ("half an end", add(m)[:-BLOCK]),
        "behind": ("content behind the end", add(m) + member("objects/x", b"x")),
        "behind-far": ("much behind the end", add(m) + bytes(64 * 1024) + b"x"),
        "odd-length": ("one byte behind the end", add(m) + b"x"),
        "end-inside": ("an end in the middle",
                       join([member(n, d) for n, d in m[:3]]) +
                       join([member(n, d) for n, d in m[3:]])),
        "many": ("more members than allowed",
                 add(m, *[member("objects/%02x/%02x%060x00" % (i % 256, i % 256, i), b"")
                          for i in range(6000)])),
        "zip": ("a zip", archive_of(m, "zip")),
        "gzip": ("a compressed tar", archive_of(m, "gzip")),
        "seven": ("a 7z head", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(600)),
        "rar": ("a rar head", b"Rar!\x1a\x07\x01\0" + bytes(600)),
        "cpio": ("a cpio head", b"070701" + b"0" * 104 + bytes(600)),
        "zip-behind": ("a zip behind the end, whose readers start there",
                       add(m) + archive_of(m, "zip")),
        "zeros": ("zeros", bytes(1 << 20)),
        "text": ("a web page", b"<html>" + b"please log in " * 1000),
        "only-end": ("nothing but an end", END),
    }


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, (what, data) in tricks(load(sys.argv[1])).items():
        with open(os.path.join(sys.argv[2], name), "wb") as f:
            f.write(data)
        print(f"{name}\t{what}")


if __name__ == "__main__":
    main()
