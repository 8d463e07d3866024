# SPDX-License-Identifier: Apache-2.0
"""nginx on loopback, and what its log says."""
import re
import socket
import subprocess
import time
from collections import namedtuple

from settings import SOURCE, WORK

Entry = namedtuple("Entry", "path status length")
LINE = re.compile(r'"GET (\S+) [^"]*" (\d+) (\d+)')

CONFIG = """pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
	access_log {dir}/access.log;
	client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
	uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
	server {{ listen 127.0.0.1:{port} {tls}; root {folder}; {certificate} }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """with Server(folder): HTTPS with HTTP/2, or plain for programs that know no own CA."""

    def __init__(self, folder, tls=True):
        self.dir = WORK / ("server-tls" if tls else "server-plain")
        self.folder, self.tls = folder, tls

    def __enter__(self):
        (self.dir / "tmp").mkdir(parents=True, exist_ok=True)
        if self.tls and not (self.dir / "ca.pem").exists():
            library = SOURCE / "tests/lib/server.sh"
            subprocess.run(
                ["bash", "-c", '. "$1" && server_make_ca "$2"', "-", library, self.dir], check=True
            )
        port = free_port()
        certificate = f"ssl_certificate {self.dir}/server.pem; " \
            f"ssl_certificate_key {self.dir}/server.key;"  # fmt: skip
        (self.dir / "access.log").unlink(missing_ok=True)
        (self.dir / "nginx.conf").write_text(CONFIG.format(
            dir=self.dir, folder=self.folder, port=port, user=worker_user(),
            tls="ssl http2" if self.tls else "", certificate=certificate if self.tls else "",
        ))  # fmt: skip
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}/"
        self.ca = self.dir / "ca.pem"
        # Its output would keep pipes of this program open: it goes to a file.
        with (self.dir / "start.log").open("ab") as out:
            subprocess.run(
                [nginx(), "-e", f"{self.dir}/error.log", "-p", self.dir, "-c",
                 self.dir / "nginx.conf"], check=True, stdout=out, stderr=out,
            )  # fmt: skip
        return self

    def __exit__(self, *_):
        pid = int((self.dir / "nginx.pid").read_text())
        subprocess.run(["kill", str(pid)], check=True)
        while (self.dir / "nginx.pid").exists():
            time.sleep(0.02)

    def log(self):
        """All requests since the start (or clear_log). nginx writes a line when it has sent
        everything, which is just after the client has it."""
        time.sleep(0.3)
        path = self.dir / "access.log"
        text = path.read_text() if path.exists() else ""
        return [Entry(m[1], int(m[2]), int(m[3])) for m in LINE.finditer(text)]

    def clear_log(self):
        time.sleep(0.3)
        with (self.dir / "access.log").open("r+") as f:
            f.truncate()


def nginx():
    return "/usr/sbin/nginx"


def worker_user():
    # nginx's worker drops root: it must be able to reach what it serves.
    whoami = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout
    return "user root;" if whoami.strip() == "0" else ""
