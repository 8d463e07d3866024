# SPDX-License-Identifier: Apache-2.0
"""Downloads that are cut at random places, of three kinds: the connection closes, the server goes
away, the agent is killed. After each cut the target slot and the spool are looked at, and the
server's own log of the next run is judged by them: no frame or piece that was there, whole, is
asked for again; after a connection's end the next request goes on where the last one ended. In the
end the slot holds the release (check_slot.py, which shares no code with the agent).

PAWL_LONG=1: 200 cuts, else a few. CUTS=n SEED=n for others."""
import hashlib
import http.server
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import world
from world import must, run, Wrong, LEAF

sys.path.insert(0, os.path.join(world.SOURCE, "tests/lib"))
import check_slot  # noqa: E402

MIB = 1024 * 1024
SIZE = 24 * MIB
BLOCK = 4096
PIECE = 4 * MIB
GAP = 16 * 1024  # ranges that are closer may share a request (docs/network.md)
LIMIT = 60


# --- A server that can be cut ---------------------------------------------------

class Cut:
    """What happens after `left` more bytes of objects were sent."""

    def __init__(self, kind, left):
        self.kind = kind
        self.left = left


class Server:
    """Static files with ranges; logs what was asked for and what was sent."""

    def __init__(self, folder):
        self.folder = folder
        self.cut = None
        self.log = []  # [path, first, last asked for, bytes sent]
        self.lock = threading.Lock()
        self.agent = None
        self.port = 0
        self.http = None
        self.stopped = threading.Event()
        self.start()

    def start(self):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                server.answer(self)

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass

        self.is_cut = False
        self.refusals = 0  # requests to refuse before the agent is killed
        self.http = Threads(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02},
                         daemon=True).start()

    def stop(self):
        """Frees the port; from then on `http` is None until `start`."""
        http_server, self.http = self.http, None
        if http_server:
            http_server.shutdown()
            http_server.server_close()
        self.stopped.set()

    @staticmethod
    def end(handler):
        """Ends a connection in order: what was sent arrives."""
        handler.close_connection = True
        try:
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def allowed(self, wanted):
        """How many of these bytes may still be sent; fires the cut when it is due."""
        with self.lock:
            cut = self.cut
            if not cut:
                return wanted, None
            if cut.left > wanted:
                cut.left -= wanted
                return wanted, None
            self.cut = None
            return cut.left, cut.kind

    def answer(self, handler):
        path = os.path.join(self.folder, handler.path.lstrip("/"))
        if self.refusals:
            self.refusals -= 1
            if not self.refusals:
                self.agent.kill()
        if self.is_cut or self.refusals:
            self.end(handler)
            return
        if not os.path.isfile(path):
            handler.send_error(404)
            return
        size = os.path.getsize(path)
        tag = '"' + os.path.basename(path)[:32] + str(os.stat(path).st_mtime_ns) + '"'
        first, last, status = 0, size - 1, 200
        asked = handler.headers.get("Range", "")
        if asked:
            a, b = asked.removeprefix("bytes=").split("-")
            first, last, status = int(a), min(int(b), size - 1), 206
        handler.send_response(status)
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(last - first + 1))
        if status == 206:
            handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        handler.end_headers()
        self.send(handler, path, first, last)

    def send(self, handler, path, first, last):
        is_object = "/objects/" in path
        entry = [os.path.basename(path), first, last, 0]
        if is_object:
            self.log.append(entry)
        with open(path, "rb") as f:
            f.seek(first)
            at = first
            while at <= last:
                n = min(16384, last + 1 - at)
                kind = None
                if is_object:
                    n, kind = self.allowed(n)
                try:
                    handler.wfile.write(f.read(n))
                    handler.wfile.flush()
                except OSError:
                    return
                entry[3] += n
                at += n
                if kind == "connection":
                    self.end(handler)
                    return
                if kind == "agent" and self.agent:
                    self.agent.kill()
                    return
                if kind == "waiting agent":
                    self.refusals = 2
                    self.end(handler)
                    return
                if kind == "server":
                    self.stopped.clear()
                    self.is_cut = True
                    threading.Thread(target=self.stop).start()
                    self.end(handler)
                    return


# --- Tables, read by their documentation ----------------------------------------

def read_object(folder, name):
    with open(os.path.join(folder, "objects", name[:2], name), "rb") as f:
        return f.read()


def read_frames(folder, image):
    """[(offset, stored length, hash)] of the frames of `data`."""
    table = read_object(folder, image["data"]["frames"]["sha256"])
    must(table[:4] == b"PWLF", "a table of frames begins with its magic")
    count, = struct.unpack_from("<I", table, 16)
    frames, offset = [], 0
    for i in range(count):
        _, stored, _, digest = struct.unpack_from("<BII32s", table, 20 + 41 * i)
        frames.append((offset, stored, digest))
        offset += stored
    return frames


def read_pieces(folder, image):
    table = read_object(folder, image["full"]["pieces"]["sha256"])
    count, = struct.unpack_from("<I", table, 16)
    pieces, offset = [], 0
    for i in range(count):
        stored, _ = struct.unpack_from("<I32s", table, 20 + 36 * i)
        pieces.append((offset, stored))
        offset += stored
    return pieces


# --- A publisher: five releases, content comes and goes -------------------------

class Publisher:
    def __init__(self, folder):
        self.folder = folder
        self.workspace = os.path.join(folder, "workspace")
        self.public = os.path.join(self.workspace, "public")
        self.repo("--product", "demo", "init")
        self.root_json = os.path.join(folder, "root.json")
        shutil.copy(os.path.join(self.public, "metadata/1.root.json"), self.root_json)
        blocks = [self.block(f"0 {i}") for i in range(SIZE // BLOCK)]
        for release in range(1, 6):
            if release > 1:
                # A fifth of the image, in runs of up to 1 MiB, so that leaves mix what is old and new.
                r = random.Random(f"release {release}")
                for _ in range(20):
                    start, length = r.randrange(len(blocks)), r.randrange(1, 120)
                    for i in range(start, min(start + length, len(blocks))):
                        blocks[i] = self.block(f"{release} {i}")
            with open(self.image(release), "wb") as f:
                f.write(b"".join(blocks))
            self.repo("release", "--release", str(release), "--version", f"{release}.0",
                      "--compatible", "demo-board", "--class", "functional", "--support-end",
                      "2099-12-31", "--level", "1", "--image",
                      f"rootfs={self.image(release)}:raw")
            self.repo("publish")
        self.releases = check_slot.load_releases(self.public, "demo")

    @staticmethod
    def block(name):
        """Half of it compresses, as that of programs does."""
        r = random.Random(name)
        return r.randbytes(BLOCK // 2) + bytes([r.randrange(256)]) * (BLOCK // 2)

    def image(self, release):
        return os.path.join(self.folder, f"image-{release}")

    def repo(self, *words):
        run(world.PAWL_REPO, "--quiet", "--repo", self.workspace, *words)

    def manifest(self, release):
        folder = os.path.join(self.public, "targets/demo/releases")
        for name in os.listdir(folder):
            if name.endswith(f".{release}.json"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    return json.load(f)
        raise Wrong(f"release {release} is not published")


# --- One device that is cut ------------------------------------------------------

class Case:
    """A device on one release, and everything that is known of the newest one."""
    kept_frames = 0  # of all devices: what was there before a run
    kept_leaves = 0

    def __init__(self, folder, publisher, server, start):
        self.folder = folder
        self.publisher = publisher
        self.server = server
        self.image = publisher.manifest(5)["images"][0]
        self.frames = read_frames(publisher.public, self.image)
        self.pieces = read_pieces(publisher.public, self.image)
        leaves = read_object(publisher.public, self.image["leaves"]["sha256"])
        self.leaves = [leaves[i:i + 32] for i in range(0, len(leaves), 32)]
        shutil.rmtree(folder, ignore_errors=True)
        run("bash", "-euc", "PATH=$PATH:/usr/sbin:/sbin\n"
            f". {world.SOURCE}/tests/lib/device.sh\n"
            f"device_make {folder} http://127.0.0.1:{server.port} {SIZE // MIB}\n"
            f"device_add {folder} repository 'allow-http = yes'\n"
            f"device_add {folder} policy 'install-attempts = 100'\n")
        share = self.path("usr/share/pawl")
        shutil.copy(publisher.root_json, os.path.join(share, "root.json"))
        with open(self.part("a"), "r+b") as part:
            if start:
                with open(publisher.image(start), "rb") as f:
                    part.write(f.read())
            else:
                part.write(random.Random("foreign").randbytes(SIZE))
        for words in (["sim", "boot"], ["provision"], ["sim", "boot"]):
            run(world.PAWL, "--root", folder, *words)

    def path(self, name):
        return os.path.join(self.folder, name)

    def part(self, slot):
        return self.path(f"dev/slot-{slot}-rootfs")

    def right_leaves(self):
        """Leaf 0 is withheld to the end, so it never counts."""
        found = set()
        with open(self.part("b"), "rb") as f:
            for i, want in enumerate(self.leaves):
                data = f.read(min(LEAF, self.image["size"] - i * LEAF))
                if i and hashlib.sha256(data).digest() == want:
                    found.add(i)
        return found

    def whole_frames(self):
        """Frames that the spool holds, whole."""
        part = self.path(f"var/lib/pawl/cache/{self.image['data']['sha256']}.part")
        found = set()
        if not os.path.exists(part):
            return found
        with open(part, "rb") as f:
            data = f.read()
        for i, (offset, stored, digest) in enumerate(self.frames):
            if hashlib.sha256(data[offset:offset + stored]).digest() == digest:
                found.add(i)
        return found

    def poll(self, kind, after):
        """One run of the agent, cut after so many bytes of objects; its exit status."""
        self.server.log.clear()
        self.server.cut = Cut(kind, after) if kind else None
        agent = subprocess.Popen(
            [world.PAWL, "--root", self.folder, "poll", "--now"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.server.agent = agent
        _, self.text = agent.communicate(timeout=LIMIT)
        fired = kind is not None and self.server.cut is None
        self.server.cut = None
        if self.server.is_cut:
            must(self.server.stopped.wait(LIMIT), "the server does not stop")
            self.server.start()
        return agent.returncode, fired

    def judge(self, frames, leaves):
        """Nothing that was there before this run was asked for in it."""
        Case.kept_frames += len(frames)
        Case.kept_leaves += len(leaves)
        for name, first, _, sent in self.server.log:
            end = first + sent
            if name == self.image["data"]["sha256"]:
                for i in frames:
                    offset, stored, _ = self.frames[i]
                    must(stored < GAP or not (first <= offset and offset + stored <= end),
                         f"frame {i} was in the spool and is fetched again")
            if name == self.image["full"]["sha256"]:
                for i, (offset, stored) in enumerate(self.pieces):
                    covered = range(i * 16, min(i * 16 + 16, len(self.leaves)))
                    must(any(leaf not in leaves for leaf in covered) or
                         not (first <= offset and offset + stored <= end),
                         f"piece {i} was written and is fetched again")

    def judge_resumption(self):
        """In one run, a request that was cut is followed by one that goes on at its end."""
        last = {}
        for name, first, asked, sent in self.server.log:
            if name in last:
                must(first >= last[name], f"bytes {first} and on of {name} come twice in one run: "
                     f"{last[name]} were sent")
            last[name] = first + sent if sent < asked + 1 - first else 0

    def is_done(self):
        return len(self.right_leaves()) == len(self.leaves) - 1 and not self.failed()

    def failed(self):
        release, _ = check_slot.release_of(self.publisher.releases, {"rootfs": self.part("b")})
        return release != 5


def one_device(folder, publisher, server, start, r, budget):
    """Cuts an update up to `budget` times, then lets it end; the cuts that happened."""
    case = Case(folder, publisher, server, start)
    total = sum(stored for _, stored, _ in case.frames)
    cuts = 0
    # A device without the right old image fetches all, one with it some: cuts at any place of it.
    reach = {0: total, 1: total // 2, 4: total // 8}[start]
    while cuts < budget:
        frames, leaves = case.whole_frames(), case.right_leaves()
        if cuts:
            kind, place = r.choice(["connection", "server", "agent"]), r.randrange(1, reach)
        else:
            # Killed while it waits for more, late, the agent has stored what came before: the
            # next run certainly has something that it must not fetch again.
            kind, place = "waiting agent", reach * 3 // 4
        status, fired = case.poll(kind, place)
        case.judge(frames, leaves)
        if kind == "connection":
            case.judge_resumption()
        cuts += fired
        if status == 0:
            break
        must(fired, f"the agent fails without a cut: {case.text}")
    if case.failed():
        frames, leaves = case.whole_frames(), case.right_leaves()
        status, _ = case.poll(None, 0)
        must(status == 0, f"the update does not end: {case.text}")
        case.judge(frames, leaves)
    must(not case.failed(), "the slot does not hold release 5")
    run(world.PAWL, "--root", folder, "journal", "verify")
    return cuts


def main():
    long = os.environ.get("PAWL_LONG") == "1"
    wanted = int(os.environ.get("CUTS", "200" if long else "6"))
    seed = os.environ.get("SEED", "1")
    r = random.Random(f"cuts {seed}")
    folder = tempfile.mkdtemp(prefix="pawl-cuts-")
    failed, cuts, devices = 0, 0, 0
    try:
        publisher = Publisher(folder)
        server = Server(publisher.public)
        each = max(2, min(6, wanted // 3))
        while (cuts < wanted or devices < 3) and not failed:
            start = (4, 1, 0)[devices % 3]
            devices += 1
            try:
                cuts += one_device(os.path.join(folder, "device"), publisher, server, start, r,
                                   each)
            except Wrong as e:
                print(f"not ok {devices} - device {devices} from release {start}: {e}")
                failed = 1
            else:
                print(f"ok {devices} - device {devices} from release {start or 'nothing'}: whole")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"# {cuts} cuts of {devices} devices, seed {seed}; before later runs {Case.kept_frames} "
          f"frames and {Case.kept_leaves} leaves were there")
    # A test that never found anything there could not find it fetched again either.
    good = Case.kept_frames > 0 and Case.kept_leaves > 0
    print(f"{'ok' if good else 'not ok'} {devices + 1} - cuts left frames and leaves behind")
    print(f"1..{devices + 1}")
    return failed or not good


sys.exit(main())
