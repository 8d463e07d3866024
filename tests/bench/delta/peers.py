# SPDX-License-Identifier: Apache-2.0
"""What others would fetch for the same image. Each function gives a dict of bytes (data, tables)
and requests, and says with "how" what was really run and what was computed."""
import ctypes
import ctypes.util
import hashlib
import os
import re
import shutil
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor

from settings import WORK

BLOCK = 4096
GROUP = 64 * 1024
CHUNK_OF_CASYNC = 16384


def cost(data, tables, requests, how, **more):
    return {"data": data, "tables": tables, "requests": requests, "how": how, **more}


# --- RAUC: adaptive=block-hash-index, computed ------------------------------------------------
def block_hashes(image):
    with open(image, "rb") as f:
        return [hashlib.sha256(b).digest() for b in iter(lambda: f.read(BLOCK), b"")]


def zstd_size(data, level=15):  # mksquashfs' default level
    lib = ctypes.CDLL(ctypes.util.find_library("zstd"))
    lib.ZSTD_compressBound.restype = lib.ZSTD_compress.restype = ctypes.c_size_t
    lib.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    lib.ZSTD_compress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p,
                                  ctypes.c_size_t, ctypes.c_int]  # fmt: skip
    room = lib.ZSTD_compressBound(len(data))
    out = ctypes.create_string_buffer(room)
    return min(len(data), lib.ZSTD_compress(out, room, data, len(data), level))


def gzip_size(data):  # mksquashfs' default level
    return min(len(data), len(zlib.compress(data, 9)))


def rauc_cost(new, seeds, group, size_of):
    """Bytes of an installation from an HTTPS stream, by RAUC's documented method: the index (32
    bytes a block of 4 KiB) is fetched; blocks that no slot has are read from the image in the
    bundle, which is a squashfs, so a whole squashfs block (group) is fetched for each. Favourable
    to RAUC: no dm-verity tree, no read-ahead, no headers, adjacent groups in one request."""
    have = set()
    for seed in seeds:
        have.update(block_hashes(seed))
    wanted = block_hashes(new)
    per_group = group // BLOCK
    groups = sorted({i // per_group for i, h in enumerate(wanted) if h not in have})
    zero = bytes(group)

    def size(g):
        with open(new, "rb") as f:
            f.seek(g * group)
            data = f.read(group)
        return 0 if data == zero[: len(data)] else size_of(data)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = list(pool.map(size, groups))
    runs = sum(1 for i, g in enumerate(groups) if i == 0 or groups[i - 1] != g - 1)
    return sum(sizes), 32 * len(wanted), runs + 1


def rauc(new, seeds):
    """Best case: zstd and the 64 KiB blocks that RAUC's documentation advises."""
    data, tables, requests = rauc_cost(new, seeds, GROUP, zstd_size)
    return cost(data, tables, requests, "computed; bundle as mksquashfs -comp zstd -b 64k")


def rauc_default(new, seeds):
    data, tables, requests = rauc_cost(new, seeds, 128 * 1024, gzip_size)
    return cost(data, tables, requests, "computed; bundle as rauc makes it (gzip, 128 KiB)")


# --- zchunk: really run -----------------------------------------------------------------------
def zck_of(image):
    path = WORK / "peers" / f"{image.parent.name}-{image.name}.zck"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        # -u: SWUpdate's delta handler needs the checksums of what is not compressed
        subprocess.run(["zck", "-u", "-o", temporary, image], check=True)
        temporary.rename(path)
    return path


def zchunk(new, old, serve):
    """zckdl fetches new with old at hand; bytes and requests are the web server's."""
    new_zck, old_zck = zck_of(new), zck_of(old)
    header = header_size(new_zck)
    into = WORK / "zckdl"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    with serve(new_zck.parent, tls=False) as server:
        url = f"{server.url}{new_zck.name}"
        subprocess.run(["zckdl", "-q", "-q", "-s", old_zck, url], cwd=into, check=True)
        log = server.log()
    whole = (into / new_zck.name).stat().st_size == new_zck.stat().st_size
    shutil.rmtree(into)
    if not whole:
        raise SystemExit(f"zckdl did not fetch {new_zck}")
    total = sum(entry.length for entry in log)
    return cost(total - header, header, len(log), "really run: zck -u, zckdl from nginx")


def header_size(path):
    """Of a zchunk file: the list of its chunks, which is always fetched."""
    said = subprocess.run(["zck_read_header", path], capture_output=True, text=True, check=True)
    return sum(int(n) for n in re.findall(r"^(?:Lead|Header) size: *(\d+)", said.stdout, re.M))


# --- casync: really run -----------------------------------------------------------------------
def casync_index(image):
    """(index file, store) of an image."""
    base = WORK / "peers" / f"{image.parent.name}-{image.name}"
    index, store = base.with_suffix(".caibx"), base.with_suffix(".castr")
    if not index.exists():
        shutil.rmtree(store, ignore_errors=True)
        base.parent.mkdir(parents=True, exist_ok=True)
        part = base.with_suffix(".part.caibx")
        subprocess.run(
            ["casync", "make", f"--chunk-size={CHUNK_OF_CASYNC}", f"--store={store}",
             "--compression=zstd", part, image],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        part.rename(index)
    return index, store


def chunks_of(store):
    return {f.name: f.stat().st_size for f in store.rglob("*.cacnk")}


def casync(new, old):
    """Chunks that the new store has and the old one has not, one request each."""
    index, store = casync_index(new)
    _, old_store = casync_index(old)
    have, wanted = chunks_of(old_store), chunks_of(store)
    missing = [size for name, size in wanted.items() if name not in have]
    return cost(sum(missing), index.stat().st_size, len(missing) + 1,
                "really run: casync make (16 KiB, zstd), difference of the stores")  # fmt: skip


# --- One pair only, and everything ------------------------------------------------------------
def xdelta3(new, old):
    """With the best of its secondary compressions, and windows that take the whole image in."""
    out = WORK / "peers" / "delta.xdelta"
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["xdelta3", "-e", "-f", "-9", "-S", "lzma", "-B", str(1 << 30), "-W", str(1 << 23),
         "-s", old, new, out],
        check=True, capture_output=True,
    )  # fmt: skip
    size = out.stat().st_size
    out.unlink()
    return cost(size, 0, 1, "really run: xdelta3 -9 -S lzma -B 1 GiB -W 8 MiB")


def full(new):
    """The whole image as one zstd stream."""
    with subprocess.Popen(["zstd", "-19", "-T0", "-q", "-c", new], stdout=subprocess.PIPE) as z:
        size = sum(len(block) for block in iter(lambda: z.stdout.read(1 << 20), b""))
    return cost(size, 0, 1, "really run: zstd -19")
