# SPDX-License-Identifier: Apache-2.0
"""Installers beside Pawl, as their users set them up: RAUC with its service on a private bus and a
signed bundle, SWUpdate with a signed .swu that streams a zstd image into the device."""
import hashlib
import os
import subprocess
import time

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/></policy></busconfig>
"""
SYSTEM = """[system]
compatible=bench
bootloader=noop
statusfile={dir}/status
mountprefix={dir}/mnt

[keyring]
path={dir}/cert.pem

[slot.rootfs.0]
device={dir}/other-slot
type=raw
bootname=A

[slot.rootfs.1]
device={device}
type=raw
bootname=B
"""
MANIFEST = """[update]
compatible=bench
version=1

[bundle]
format=plain

[image.rootfs]
filename=rootfs.img
"""
SW_DESCRIPTION = """software = {{
	version = "1.0.0";
	hardware-compatibility: [ "1.0" ];
	images: ( {{ filename = "{name}"; device = "{device}"; type = "raw"; compressed = "zstd";
		installed-directly = true; sha256 = "{sha256}"; }} );
}}
"""


def quiet(*command, **how):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          **how)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_key(folder):
    quiet("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
          "/CN=bench", "-addext", "extendedKeyUsage=emailProtection,codeSigning", "-keyout",
          folder / "key.pem", "-out", folder / "cert.pem")  # fmt: skip


class Rauc:
    """A plain bundle (a verity one needs the device mapper), compressed by zstd."""

    def __init__(self, folder, image, device):
        self.dir, self.bundle = folder, folder / "bundle.raucb"
        content = folder / "content"
        content.mkdir(exist_ok=True)
        (folder / "mnt").mkdir(exist_ok=True)
        (content / "manifest.raucm").write_text(MANIFEST)
        os.link(image, content / "rootfs.img")
        self.bundle.unlink(missing_ok=True)
        quiet("rauc", "--cert", folder / "cert.pem", "--key", folder / "key.pem",
              "--mksquashfs-args=-comp zstd", "bundle", content, self.bundle)  # fmt: skip
        (folder / "system.conf").write_text(SYSTEM.format(dir=folder, device=device))
        (folder / "bus.conf").write_text(BUS.format(bus=folder / "bus"))
        self.env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={folder}/bus")
        self.running = []

    def start(self):
        """The service is there before the clock runs, as on a device."""
        (self.dir / "bus").unlink(missing_ok=True)
        with (self.dir / "service.log").open("ab") as log:
            for command in (
                ["dbus-daemon", f"--config-file={self.dir}/bus.conf", "--nofork"],
                ["rauc", f"--conf={self.dir}/system.conf", "service", "--override-boot-slot=A"],
            ):
                self.running.append(
                    subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
                )  # fmt: skip
                time.sleep(1)

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
            process.wait()
        self.running = []

    def command(self):
        return ["rauc", f"--conf={self.dir}/system.conf", "install", self.bundle]

    def helpers(self):
        """The service does the work; the bus belongs to the system."""
        return [self.running[1].pid]


class Swupdate:
    def __init__(self, folder, compressed, device):
        self.dir, self.swu = folder, folder / "update.swu"
        name = compressed.name
        (folder / "sw-description").write_text(SW_DESCRIPTION.format(
            name=name, device=device,
            sha256=hashlib.sha256(compressed.read_bytes()).hexdigest(),
        ))  # fmt: skip
        quiet("openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig",
              "-signer", "cert.pem", "-inkey", "key.pem", "-outform", "DER", "-nosmimecap",
              "-binary", cwd=folder)  # fmt: skip
        if compressed.parent != folder:
            raise SystemExit("the compressed image must be in the folder of the key")
        names = f"sw-description\nsw-description.sig\n{name}\n"
        with self.swu.open("wb") as out:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "crc"], input=names.encode(),
                           stdout=out, cwd=folder, check=True)  # fmt: skip

    def command(self):
        return ["swupdate", "-k", self.dir / "cert.pem", "-H", "bench:1.0", "-i", self.swu]
