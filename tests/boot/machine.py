# SPDX-License-Identifier: Apache-2.0
"""A QEMU machine: its console, its events, and what resets it.

Nothing here resets the machine but reset_button() and power_cut(), and each says so in
`by_harness`; every other reset came from the guest or from the watchdog, and `resets` has it.
"""
import atexit
import json
import os
import re
import socket
import subprocess
import threading
import time


class Stuck(Exception):
    """The machine did not do in time what it must."""


class Machine:
    """One QEMU process after the other on the same disk."""

    def __init__(self, folder, arguments):
        self.folder = folder
        self.arguments = arguments
        self.process = None
        self.resets = []  # reasons as QEMU gives them, in order
        self.shutdown = None  # the reason, when the machine ended by itself
        self.watchdogs = 0
        self.by_harness = []
        self.text = ""
        self.seen = 0  # of text, by expect()
        self.changed = threading.Condition()
        self.log = open(os.path.join(folder, "console.log"), "a", encoding="utf-8")
        atexit.register(self.kill)

    # --- power ----------------------------------------------------------------
    def start(self):
        path = os.path.join(self.folder, "qmp")
        if os.path.exists(path):
            os.unlink(path)
        self.process = subprocess.Popen(
            self.arguments + ["-display", "none", "-qmp", f"unix:{path},server=on,wait=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(os.path.join(self.folder, "qemu.err"), "a"), cwd=self.folder)
        self.console = threading.Thread(target=self.read_console, args=(self.process.stdout,),
                                        daemon=True)
        self.console.start()
        self.connect(path)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def power_cut(self):
        """The plug is pulled: what the guest had not written is gone."""
        self.by_harness.append("power-cut")
        self.kill()
        with self.changed:
            self.seen = len(self.text)

    def reset_button(self):
        self.by_harness.append("reset-button")
        self.qmp("system_reset")

    # --- console --------------------------------------------------------------
    def read_console(self, stream):
        while True:
            data = stream.read1(65536)
            if not data:
                break
            self.say(data.decode("utf-8", "replace").replace("\r", ""))

    def say(self, text):
        self.log.write(text)
        self.log.flush()
        with self.changed:
            self.text += text
            self.changed.notify_all()

    def expect(self, pattern, seconds):
        """Waits for a pattern after what was seen before; returns the match."""
        wanted = re.compile(pattern, re.M)
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                found = wanted.search(self.text, self.seen)
                if found:
                    self.seen = found.end()
                    return found
                left = end - time.monotonic()
                if left <= 0 or self.process is None:
                    raise Stuck(f"no {pattern!r} on the console within {seconds} s; it ends with\n"
                                + self.text[-1500:])
                self.changed.wait(min(left, 1))

    def run(self, command, seconds=120):
        """Runs a line in the guest's console; returns (exit status, what it said)."""
        begin = self.seen
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        found = self.expect(r"^GUEST status (\d+)\n", seconds)
        return int(found.group(1)), self.text[begin:found.start()]

    def type(self, command):
        """A line whose end is not waited for."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    # --- events ---------------------------------------------------------------
    def connect(self, path):
        for _ in range(100):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        stream = self.socket.makefile("r", encoding="utf-8")
        stream.readline()
        self.qmp("qmp_capabilities")
        self.events = threading.Thread(target=self.read_events, args=(stream,), daemon=True)
        self.events.start()

    def qmp(self, command):
        self.socket.sendall((json.dumps({"execute": command}) + "\n").encode())

    def read_events(self, stream):
        try:
            for line in stream:
                event = json.loads(line)
                if event.get("event") == "RESET":
                    self.resets.append(event["data"]["reason"])
                elif event.get("event") == "SHUTDOWN":
                    self.shutdown = event["data"]["reason"]
                elif event.get("event") == "WATCHDOG":
                    self.watchdogs += 1
        except (OSError, ValueError):
            pass  # the machine is gone
