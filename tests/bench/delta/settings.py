# SPDX-License-Identifier: Apache-2.0
"""What a run may be told by environment variables; the defaults are what users get."""
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ.get("PAWL_SOURCE", HERE.parents[2]))
BUILD = pathlib.Path(os.environ.get("PAWL_BUILD", SOURCE / "build"))
PAWL = os.environ.get("PAWL", str(BUILD / "pawl"))
PAWL_REPO = os.environ.get("PAWL_REPO", str(BUILD / "pawl-repo"))
WORK = pathlib.Path(os.environ.get("BENCH_DIR", BUILD / "bench")).resolve()

# A file with one package name a line; another set is another file.
PACKAGES = pathlib.Path(os.environ.get("BENCH_PACKAGES", HERE / "packages.txt"))
ARCH = os.environ.get("BENCH_ARCH") or subprocess.run(
    ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
).stdout.strip()
SUITE = os.environ.get("BENCH_SUITE", "bookworm")
MIRROR = os.environ.get("BENCH_MIRROR", "http://deb.debian.org")
UPDATES = int(os.environ.get("BENCH_UPDATES", "26"))  # packages that "upgrade" replaces, at least

# Left out of all images, as small systems do (dpkg's path-exclude).
EXCLUDE = os.environ.get(
    "BENCH_EXCLUDE", "usr/share/doc usr/share/man usr/share/info usr/share/locale"
).split()

EXT4_MIB = int(os.environ.get("BENCH_MIB", "384"))
ALL_FORMATS = ["ext4", "erofs", "erofs-lz4hc", "squashfs-zstd", "squashfs-xz", "squashfs-gzip"]
# As the tools make them without care: every inode's times are others, tails are inlined.
PLAIN_FORMATS = ["ext4-plain", "erofs-plain"]
FORMATS = os.environ.get("BENCH_FORMATS", " ".join(ALL_FORMATS + PLAIN_FORMATS)).split()
# Empty: the default of pawl-repo. Lower ones are for trying the benchmark out, not for figures.
LEVEL = os.environ.get("BENCH_LEVEL", "")
PEERS = os.environ.get("BENCH_PEERS", "rauc zchunk casync xdelta3 full").split()
# 1: two releases before the pairs instead of five; for trying out.
SHORT = os.environ.get("BENCH_SHORT", "") == "1"
KEEP = os.environ.get("BENCH_KEEP", "") == "1"  # keep workspaces and devices to look into

MIB = 1 << 20


def say(text):
    print(text, flush=True)
