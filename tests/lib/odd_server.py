#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web server for tests that can misbehave in many ways. Python 3 only.

usage: odd_server.py --root DIR [--bind ADDRESS] [--port N] [--tls CERT.pem KEY.pem]
                     [--client-ca CA.pem] [--rate BYTES] [--log FILE] [--proxy] [--good]
       odd_server.py --make-certs DIR

Prints "PORT <n>" when it listens on 127.0.0.1 (or --bind), and ends when its standard input
ends (so it never outlives the test that started it) or by a signal.

A path is served as a file below DIR, with a strong ETag and single ranges.
Leading segments "~NAME[,ARG...]" make the answer odd and may be chained:
"/~cut,1000/~no-etag/objects/aa/..." Arguments are percent-encoded.

  no-range            200 with everything, whatever was asked
  wrong-range         206 of a range that begins one byte later
  lie-range           206 with a right head and the bytes of another place
  short-range,N       206 of a range that is N bytes shorter than asked
  wrong-total,N       206 whose total is N more than the file has
  no-content-range    206 without Content-Range
  no-etag, weak-etag  without ETag; with a weak one
  etag-flaps          another ETag each time, the same bytes
  changed,K           from the Kth request of the path on, other bytes and ETag
  ignore-if-range     answers the range although the ETag is another one
  wrong-length,N      Content-Length is N more (or less) than what is sent
  endless             a body without an end
  chunked[,EXTRA]     no Content-Length, chunked, EXTRA further bytes
  close               no Content-Length, the end of the connection is the end
  gzip                Content-Encoding: gzip, compressed
  te-gzip             Transfer-Encoding: gzip, chunked
  bomb                Content-Encoding: gzip, 64 MiB of zeros in 64 KiB
  slow,N              N bytes a second
  late,N              the answer begins N milliseconds after the request
  stall,N             N bytes of the body, then nothing
  silence             takes the request and says nothing
  cut,N[,K]           N bytes of the body, then a reset; only the first K times
  die,N               N bytes of the body, then the whole server is gone
  header,NAME,VALUE   one further header
  headers,N           N bytes of further headers
  status,N[,RETRY]    status N with a HTML page; with Retry-After
  status-after,K,N    status N from the Kth request of the path on
  status-once,K,N     status N for the Kth request of the path alone
  force-part          206 with a Content-Range of all to a request without Range
  html                200 with a HTML page
  redirect,URL        302; the rest of the path is added to URL
  location,BYTES      302 with exactly these bytes (CR, LF, anything)
  loop                302 to itself, 20 times: who has no limit shall not hang for ever
  only,TEXT           the other words count only where the rest of the path has TEXT

GET /log gives a JSON list of all requests: method, path, headers of interest,
status, bytes of body sent, whether a client certificate came. DELETE /log
empties it. --log appends each finished request as a line of JSON. --good passes over
the words in a path.
"""
import argparse
import gzip
import hashlib
import http.server
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

CHUNK = 16384
LOGGED = ("range", "if-range", "if-none-match", "authorization", "accept-encoding",
          "user-agent", "cookie")


class Log:
    """Requests in the order in which they came."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.entries = []
        self.seen = {}
        self.path = path

    def start(self, entry):
        with self.lock:
            self.entries.append(entry)
            n = self.seen.get(entry["path"], 0) + 1
            self.seen[entry["path"]] = n
        return n

    def finish(self, entry):
        if self.path:
            with self.lock, open(self.path, "a") as f:
                f.write(json.dumps(entry) + "\n")

    def clear(self):
        with self.lock:
            self.entries.clear()
            self.seen.clear()

    def dump(self):
        with self.lock:
            return json.dumps(self.entries).encode()


class Cut(Exception):
    """The connection is to be reset now."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "odd"
    sys_version = ""

    def log_message(self, *args):
        pass

    # --- One request -----------------------------------------------------------
    def setup(self):
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self):
        self.odd = {}
        rest = self.path
        while rest.startswith("/~"):
            word, _, rest = rest[2:].partition("/")
            rest = "/" + rest
            name, *args = [urllib.parse.unquote(a) for a in word.split(",")]
            self.odd[name] = args
        if self.odd.get("only", [""])[0] not in rest or self.server.is_good:
            self.odd = {}
        self.rest = rest
        self.entry = {"method": self.command, "path": self.path, "status": 0, "sent": 0,
                      "cert": self.has_cert(), "connection": self.client_address[1]}
        for name in LOGGED:
            if self.headers.get(name) is not None:
                self.entry[name] = self.headers[name]
        self.count = self.server.log.start(self.entry)

    def has_cert(self):
        peer = getattr(self.connection, "getpeercert", lambda: None)()
        return bool(peer)

    def number(self, name, index=0, standard=0):
        args = self.odd.get(name, [])
        return int(args[index]) if len(args) > index else standard

    def do_DELETE(self):
        if self.path == "/log":
            self.server.log.clear()
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        if self.path == "/log":
            self.odd, self.count, self.entry = {}, 1, {"status": 0, "sent": 0}
            return self.reply(200, self.server.log.dump(), {})
        self.begin()
        try:
            self.answer()
        except Cut:
            # A reset, not an orderly end: as when a network goes away.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.close_connection = True
            raw = self.connection
            if isinstance(raw, ssl.SSLSocket):
                raw = socket.socket(fileno=raw.detach())
            raw.close()
        except OSError:
            self.close_connection = True
        finally:
            self.server.log.finish(self.entry)

    do_HEAD = do_GET

    def answer(self):
        odd = self.odd
        if "late" in odd:
            time.sleep(self.number("late") / 1000)
        if "silence" in odd:
            self.wait(60)
            raise Cut()
        if "loop" in odd and self.count <= 20:
            return self.redirect(self.path)
        if "redirect" in odd:
            return self.redirect(odd["redirect"][0] + self.rest)
        if "location" in odd:
            return self.redirect(odd["location"][0])
        if "status" in odd:
            return self.fail(self.number("status"), odd["status"][1:])
        if "status-after" in odd and self.count >= self.number("status-after"):
            return self.fail(self.number("status-after", 1), [])
        if "status-once" in odd and self.count == self.number("status-once"):
            return self.fail(self.number("status-once", 1), [])
        if "html" in odd:
            return self.reply(200, b"<html>please log in</html>", {"Content-Type": "text/html"})
        if "endless" in odd:
            return self.endless()
        self.serve_file()

    def redirect(self, where):
        self.reply(302, b"moved", {"Location": where})

    def fail(self, status, retry):
        headers = {"Content-Type": "text/html"}
        if retry:
            headers["Retry-After"] = retry[0]
        self.reply(status, b"<html><h1>%d</h1></html>" % status, headers)

    # --- Sending ---------------------------------------------------------------
    def head(self, status, headers):
        self.entry["status"] = status
        out = ["HTTP/1.1 %d Odd" % status, "Date: " + self.date_time_string()]
        out += ["%s: %s" % h for h in headers.items()]
        if "header" in self.odd:
            out.append("%s: %s" % tuple(self.odd["header"]))
        for i in range(self.number("headers") // 1000 + (1 if "headers" in self.odd else 0)):
            out.append("X-Odd-%d: %s" % (i, "x" * 980))
        self.wfile.write(("\r\n".join(out) + "\r\n\r\n").encode("latin-1"))

    def reply(self, status, body, headers):
        headers = dict(headers)
        headers["Content-Length"] = str(len(body))
        self.head(status, headers)
        if status != 304:
            self.send(body)

    def wait(self, seconds):
        """Sleeps, but not longer than the client stays."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.connection], [], [], 0.1)
            if ready:
                raise Cut()

    def send(self, body):
        rate = self.number("slow") or self.server.rate
        step = max(1, min(CHUNK, rate // 10)) if rate else CHUNK
        if "slow" in self.odd:
            step = max(1, rate // 10)
        stop = len(body)
        for name in ("cut", "stall", "die"):
            if name in self.odd and self.count <= self.number(name, 1, 1 << 60):
                stop = min(stop, self.number(name))
        view = memoryview(body)
        for at in range(0, stop, step):
            part = view[at:min(at + step, stop)]
            self.entry["sent"] += len(part)  # before it: a test may look right after
            self.wfile.write(part)
            if rate:
                time.sleep(len(part) / rate)
        if stop < len(body):
            if "die" in self.odd:
                time.sleep(0.02)
                self.server.log.finish(self.entry)
                os._exit(0)
            if "stall" in self.odd:
                self.wait(60)
            else:
                time.sleep(0.02)  # let what was sent arrive before the reset
            raise Cut()

    def send_chunked(self, body):
        for at in range(0, len(body), CHUNK):
            part = body[at:at + CHUNK]
            self.entry["sent"] += len(part)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def endless(self):
        self.head(200, {"Transfer-Encoding": "chunked"})
        while True:
            self.wfile.write(b"%x\r\n%s\r\n" % (CHUNK, b"e" * CHUNK))
            self.entry["sent"] += CHUNK

    # --- Files, ranges, ETags --------------------------------------------------
    def read_file(self):
        name = urllib.parse.unquote(self.rest.split("?")[0]).lstrip("/")
        path = os.path.realpath(os.path.join(self.server.root, name))
        if not path.startswith(self.server.root + os.sep) or not os.path.isfile(path):
            return None, None
        with open(path, "rb") as f:
            data = f.read()
        if "changed" in self.odd and self.count >= self.number("changed", 0, 2):
            data = bytes(b ^ 0xff for b in data)
        etag = '"%s"' % hashlib.sha256(data).hexdigest()[:16]
        if "etag-flaps" in self.odd:
            etag = '"flap-%d"' % self.count
        if "weak-etag" in self.odd:
            etag = "W/" + etag
        return data, etag

    def wanted_range(self, size, etag):
        """First and last byte, None for all, or "bad"."""
        text = self.headers.get("Range", "")
        if not text.startswith("bytes=") or "," in text or "no-range" in self.odd:
            return None
        condition = self.headers.get("If-Range")
        if condition and condition != etag and "ignore-if-range" not in self.odd:
            return None
        first, _, last = text[6:].partition("-")
        if not first.isdigit() or int(first) >= size:
            return "bad"
        return int(first), min(int(last), size - 1) if last.isdigit() else size - 1

    def serve_file(self):
        data, etag = self.read_file()
        if data is None:
            return self.fail(404, [])
        headers = {} if "no-etag" in self.odd else {"ETag": etag, "Accept-Ranges": "bytes"}
        if self.headers.get("If-None-Match") == etag and "no-etag" not in self.odd:
            return self.reply(304, b"", headers)
        part = self.wanted_range(len(data), etag)
        if "force-part" in self.odd:
            part = 0, len(data) - 1
        if part == "bad":
            headers["Content-Range"] = "bytes */%d" % len(data)
            return self.reply(416, b"", headers)
        if part is None:
            return self.serve_body(200, data, headers)
        self.serve_part(data, part[0], part[1], headers)

    def serve_part(self, data, first, last, headers):
        odd = self.odd
        if "wrong-range" in odd:
            first, last = first + 1, min(last + 1, len(data) - 1)
        if "short-range" in odd:
            last = max(first, last - self.number("short-range"))
        body = data[first:last + 1]
        if "lie-range" in odd:
            body = (data[first + 1:] + data)[:last + 1 - first]
        if "no-content-range" not in odd:
            headers["Content-Range"] = "bytes %d-%d/%d" % (
                first, last, len(data) + self.number("wrong-total"))
        self.serve_body(206, body, headers)

    def serve_body(self, status, body, headers):
        odd = self.odd
        if "bomb" in odd:
            body = gzip.compress(bytes(64 << 20), 9)
            headers["Content-Encoding"] = "gzip"
        if "gzip" in odd:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        if "te-gzip" in odd:
            headers["Transfer-Encoding"] = "gzip, chunked"
            self.head(status, headers)
            return self.send_chunked(gzip.compress(body))
        if "chunked" in odd:
            headers["Transfer-Encoding"] = "chunked"
            self.head(status, headers)
            return self.send_chunked(body + b"x" * self.number("chunked"))
        if "close" in odd:
            headers["Connection"] = "close"
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(body) + self.number("wrong-length"))
        if "wrong-length" in odd:
            self.close_connection = True
        self.head(status, headers)
        self.send(body)

    # --- As a proxy --------------------------------------------------------------
    def do_CONNECT(self):
        self.begin()
        host, _, port = self.path.partition(":")
        if not self.server.is_proxy:
            return self.fail(405, [])
        far = socket.create_connection((host, int(port)), 5)
        self.entry["status"] = 200
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        self.close_connection = True
        pair = [self.connection, far]
        while True:
            ready, _, _ = select.select(pair, [], [], 30)
            if not ready:
                break
            for s in ready:
                data = s.recv(CHUNK)
                if not data:
                    far.close()
                    return
                (far if s is self.connection else self.connection).sendall(data)
        far.close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass  # broken handshakes are what tests provoke


# --- Certificates ----------------------------------------------------------------
CA_CONF = """[ca]
default_ca = d
[d]
dir = {dir}
database = {dir}/index.txt
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = p
unique_subject = no
email_in_dn = no
[p]
commonName = supplied
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[here]
subjectAltName = DNS:localhost,IP:127.0.0.1
[elsewhere]
subjectAltName = DNS:elsewhere.invalid
[client]
extendedKeyUsage = clientAuth
"""
YEAR = 365 * 86400
# name: extensions, first second and last second relative to now
CERTS = {
    "server": ("here", -86400, YEAR),
    "expired": ("here", -2 * YEAR, -YEAR),
    "future": ("here", YEAR, 2 * YEAR),
    "elsewhere": ("elsewhere", -86400, YEAR),
    "client": ("client", -86400, YEAR),
}


def make_certs(folder):
    """ca.pem; NAME.pem and NAME.key for CERTS; selfsigned.pem and .key."""
    os.makedirs(folder, exist_ok=True)
    conf = os.path.join(folder, "ca.cnf")
    now = time.time()

    def path(name):
        return os.path.join(folder, name)

    def stamp(seconds):
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + seconds))

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def request(name):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", path(name + ".key"), "-out", path(name + ".csr"),
                "-subj", "/CN=" + name)

    with open(conf, "w") as f:
        f.write(CA_CONF.format(dir=folder))
    open(path("index.txt"), "w").close()
    with open(path("serial"), "w") as f:
        f.write("01\n")
    for name in ("ca", "selfsigned"):
        request(name)
        openssl("ca", "-batch", "-config", conf, "-selfsign", "-keyfile", path(name + ".key"),
                "-in", path(name + ".csr"), "-out", path(name + ".pem"), "-notext",
                "-startdate", stamp(-5 * YEAR), "-enddate", stamp(5 * YEAR),
                "-extensions", "root" if name == "ca" else "here")
    for name, (extensions, first, last) in CERTS.items():
        request(name)
        openssl("ca", "-batch", "-config", conf, "-cert", path("ca.pem"),
                "-keyfile", path("ca.key"), "-in", path(name + ".csr"),
                "-out", path(name + ".pem"), "-notext", "-startdate", stamp(first),
                "-enddate", stamp(last), "-extensions", extensions)


def serve(args):
    if ":" in args.bind:
        Server.address_family = socket.AF_INET6
    server = Server((args.bind, args.port), Handler)
    server.root = os.path.realpath(args.root)
    server.rate = args.rate
    server.is_proxy = args.proxy
    server.is_good = args.good
    server.log = Log(args.log)
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
        if args.client_ca:
            context.load_verify_locations(args.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        # The handshake happens in the thread of the request, or one bad client blocks all.
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    print("PORT %d" % server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        while sys.stdin.buffer.read(4096):
            pass
    except KeyboardInterrupt:
        pass


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--root")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    p.add_argument("--client-ca")
    p.add_argument("--rate", type=int, default=0)
    p.add_argument("--log")
    p.add_argument("--proxy", action="store_true")
    p.add_argument("--bind", default="127.0.0.1")
    p.add_argument("--good", action="store_true")
    p.add_argument("--make-certs", metavar="DIR")
    args = p.parse_args()
    if args.make_certs:
        make_certs(os.path.realpath(args.make_certs))
    elif args.root:
        serve(args)
    else:
        p.error("--root or --make-certs is needed")


if __name__ == "__main__":
    main()
