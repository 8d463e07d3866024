# SPDX-License-Identifier: Apache-2.0
"""Disks of the power cut tests: loop devices, mounts, and one log of every write and flush of a
disk, made by qemu-storage-daemon's blklogwrites behind a FUSE export.

A loop device over the export is opened without direct I/O, which loses data on FUSE; the export
itself keeps nothing back, so each write is in the log before it is finished, in order."""
import ctypes
import fcntl
import os
import struct
import subprocess
import time

SECTOR = 512
LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_CLR_FD = 0x4C82, 0x4C0A, 0x4C01
LOOP_MAJOR = 7
MS_NOATIME = 1024
CLONE_NEWNS = 0x20000
LIBC = ctypes.CDLL(None, use_errno=True)
LOG_MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


def failed(what):
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


class Loop:
    """A part of a file as a block device with its node at `node`."""

    def __init__(self, node, path, offset, size):
        self.node = node
        backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        info = struct.pack("<QQQQQIIII64s64s32sQQ", 0, 0, 0, offset, size, 0, 0, 0, 0, b"", b"",
                           b"", 0, 0)
        config = struct.pack("<II", backing, SECTOR) + info + bytes(64)
        try:
            self.take(config)
        finally:
            os.close(backing)

    def take(self, config):
        for _ in range(20):
            with open("/dev/loop-control", "rb", buffering=0) as control:
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            if os.path.exists(self.node):
                os.unlink(self.node)
            os.mknod(self.node, 0o600 | 0o060000, os.makedev(LOOP_MAJOR, number))
            with open(self.node, "r+b", buffering=0) as loop:
                try:
                    fcntl.ioctl(loop, LOOP_CONFIGURE, config)
                    return
                except OSError:  # somebody else was faster
                    time.sleep(0.05)
        raise OSError(f"no loop device for {self.node}")

    def close(self):
        with open(self.node, "rb", buffering=0) as loop:
            fcntl.ioctl(loop, LOOP_CLR_FD)
        os.unlink(self.node)


def mount(source, target, kind="ext4", flags=MS_NOATIME, options=""):
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
        failed(f"mount {source}")


def unmount(target):
    if LIBC.umount2(target.encode(), 0):
        failed(f"umount {target}")


def own_locks():
    """Mounts of this process alone, and its own lock of the boot environment: all devices of this
    machine would wait for the same one."""
    if LIBC.unshare(CLONE_NEWNS):
        failed("unshare")
    mount("tmpfs", os.path.realpath("/var/lock"), "tmpfs", 0)


class Recorder:
    """A disk behind a FUSE export: what is written to `export` is in the log."""

    def __init__(self, disk, folder):
        self.disk = disk
        self.export = os.path.join(folder, "export.img")
        self.log = os.path.join(folder, "writes.log")
        for path, size in ((self.export, 0), (self.log, 1 << 30)):
            with open(path, "wb") as f:
                f.truncate(size)
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon",
             "--blockdev", f"driver=file,node-name=f,filename={disk}",
             "--blockdev", "driver=raw,node-name=r,file=f",
             "--blockdev", f"driver=file,node-name=l,filename={self.log}",
             "--blockdev", "driver=blklogwrites,node-name=w,file=r,log=l,log-sector-size=512,"
             "log-super-update-interval=1",
             "--export", f"type=fuse,id=e,node-name=w,mountpoint={self.export},writable=on"])
        size = os.path.getsize(disk)
        for _ in range(200):
            if os.path.getsize(self.export) == size:
                return
            time.sleep(0.05)
        raise OSError("qemu-storage-daemon does not export the disk")

    def count(self):
        """How many entries the log has."""
        with open(self.log, "rb") as f:
            magic, _, count, sector = struct.unpack("<QQQI", f.read(28))
        if count and (magic != LOG_MAGIC or sector != SECTOR):
            raise OSError(f"{self.log} is not a log of writes")
        return count

    def write(self, offset, data):
        """As a boot loader: written, and finished."""
        fd = os.open(self.export, os.O_RDWR)
        try:
            if os.pwrite(fd, data, offset) != len(data):
                raise OSError("short write")
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self):
        LIBC.umount2(self.export.encode(), 0)
        self.daemon.terminate()
        self.daemon.wait()


def read_log(path, count):
    """[(sector, data) of a write | None for a flush], as many entries as there were."""
    entries = []
    with open(path, "rb") as f:
        at = SECTOR
        for _ in range(count):
            f.seek(at)
            sector, sectors, flags, length = struct.unpack("<QQQQ", f.read(32))
            at += SECTOR
            if flags & DISCARD:
                raise ValueError("the log has a discard, which is not played back")
            if sectors:
                f.seek(at)
                entries.append((sector, f.read(sectors * SECTOR)))
                at += sectors * SECTOR
            if flags & (FLUSH | FUA):
                # FUA is taken for a flush of everything: the kernel's loop device sends none.
                entries.append(None)
    return entries
