# SPDX-License-Identifier: Apache-2.0
"""File system images out of a folder: the same bytes for the same files, as a maker makes them.
One set of options for each format, whatever the pair."""
import os
import subprocess

from settings import BUILD, EXT4_MIB

TIME = "1700000000"
UUID = "01234567-89ab-4def-8123-456789abcdef"
HASH_SEED = "0a0a0a0a-0b0b-4c0c-8d0d-0e0e0e0e0e0e"
TOOLS = "/usr/sbin:/sbin"

SQUASHFS = ["-quiet", "-no-progress", "-all-root", "-noappend", "-mkfs-time", TIME,
            "-all-time", TIME]  # fmt: skip
EROFS = ["--quiet", f"-T{TIME}", f"-U{UUID}", "--all-root"]


def command_of(fmt, tree, image):
    if fmt in ("ext4", "ext4-plain"):
        return ["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-U", UUID,
                "-E", f"root_owner=0:0,hash_seed={HASH_SEED}", "-d", tree, image,
                f"{EXT4_MIB}M"]  # fmt: skip
    if fmt == "erofs":
        return ["mkfs.erofs", *EROFS, "-Enoinline_data", image, tree]
    if fmt == "erofs-plain":
        return ["mkfs.erofs", *EROFS, image, tree]
    if fmt == "erofs-lz4hc":
        return ["mkfs.erofs", *EROFS, "-Enoinline_data", "-zlz4hc", image, tree]
    if fmt.startswith("squashfs-"):
        return ["mksquashfs", tree, image, *SQUASHFS, "-comp", fmt.split("-")[1]]
    raise SystemExit(f"no format is called {fmt}")


def image_format(fmt):
    """The word for pawl-repo."""
    return fmt.split("-")[0]


def make_image(fmt, tree, image):
    env = dict(os.environ, PATH=os.environ["PATH"] + ":" + TOOLS, E2FSPROGS_FAKE_TIME=TIME)
    env.pop("SOURCE_DATE_EPOCH", None)  # mksquashfs refuses it beside -mkfs-time
    if fmt == "ext4":
        env["LD_PRELOAD"] = str(BUILD / "tests/bench/delta/fixed_times.so")
    image.parent.mkdir(parents=True, exist_ok=True)
    image.unlink(missing_ok=True)
    out = subprocess.run(
        [str(a) for a in command_of(fmt, tree, image)],
        env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if out.returncode:
        raise SystemExit(f"{image} cannot be made:\n{out.stdout}")
    pad = -image.stat().st_size % 4096
    with image.open("ab") as f:
        f.write(bytes(pad))
