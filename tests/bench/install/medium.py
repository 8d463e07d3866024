# SPDX-License-Identifier: Apache-2.0
"""A block device to install into: a loop device with direct I/O, as fast as the disk below or
throttled, and what it did, seen from outside."""
import os
import pathlib
import subprocess
import threading
import time

SECTOR = 512
ROOT_THROTTLE = pathlib.Path("/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device")


class Medium:
    def __init__(self, file, size):
        with file.open("wb") as f:
            f.truncate(size)
        self.size = size
        self.path = pathlib.Path(subprocess.run(
            ["losetup", "--find", "--show", "--direct-io=on", file],
            capture_output=True, text=True, check=True,
        ).stdout.strip())  # fmt: skip
        number = os.stat(self.path).st_rdev
        self.number = f"{os.major(number)}:{os.minor(number)}"
        self.stat = pathlib.Path(f"/sys/block/{self.path.name}/stat")

    def close(self):
        self.throttle(0)
        for _ in range(20):  # while something still looks at it, it is only marked to go
            subprocess.run(["losetup", "-d", self.path], check=False, capture_output=True)
            if not (self.stat.parent / "loop/backing_file").exists():
                break
            time.sleep(0.2)

    def throttle(self, bytes_per_second):
        """0: not at all. For all processes, and for the kernel's own write-back."""
        if ROOT_THROTTLE.exists():
            ROOT_THROTTLE.write_text(f"{self.number} {bytes_per_second}\n")
        elif bytes_per_second:
            raise OSError("cgroup v1's blkio controller is not there")

    def fill(self):
        """Other content, as the slot of an old release holds."""
        with open("/dev/urandom", "rb") as source:
            subprocess.run(
                ["dd", f"of={self.path}", "bs=1M", f"count={self.size >> 20}",
                 "iflag=fullblock", "oflag=direct", "conv=fsync", "status=none"],
                stdin=source, check=True,
            )  # fmt: skip

    def counters(self):
        """(bytes read, bytes written) since the device is there."""
        fields = self.stat.read_text().split()
        return int(fields[2]) * SECTOR, int(fields[6]) * SECTOR

    def flush(self):
        with self.path.open("rb+") as f:
            os.fsync(f.fileno())


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


class PhaseWatch:
    """Finds out from the device's counters when writing was over and reading back began: the
    first read after all but `last` bytes had been written. Pawl's flush lies before it."""

    def __init__(self, medium, size, last, now):
        self.written_at = None
        self._medium, self._need, self._now = medium, size - last, now
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        began = self._medium.counters()[1]
        reads = None
        while not self._stop.wait(0.002):
            read, written = self._medium.counters()
            if written - began < self._need:
                continue
            if reads is None:
                reads = read
            elif read > reads and self.written_at is None:
                self.written_at = self._now()

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.written_at
