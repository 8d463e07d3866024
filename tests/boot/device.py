# SPDX-License-Identifier: Apache-2.0
"""The device of a real boot: QEMU, a disk made from a layout, release 1 in slot A, provisioned."""
import json
import os
import shutil
import zlib

import fleet
import pi
from machine import Machine, Stuck

TRIES = 2
BOOT = 300  # seconds for a boot on a busy machine; seven on an idle one

# A card behind PCI, the network, a watchdog.
VIRT = pi.MACHINE + [
    "-serial", "stdio", "-drive", "if=none,id=d,format=raw,file=disk.img",
    "-device", "sdhci-pci", "-device", "sd-card,drive=d",
    "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=",
    "-device", "i6300esb,addr=0x5", "-action", "watchdog=reset",
    # The guest's time goes by its instructions, so that its watchdog and deadlines mean the
    # same on a busy host.
    "-icount", "shift=3"]

QEMU = {
    "qemu-arm64": VIRT + ["-bios", "{prepared}/u-boot.bin"],
    # No firmware and no watchdog that counts down; -kernel does what config.txt asks for.
    "raspberrypi-uboot": [
        "-M", "raspi3b", "-accel", "tcg,thread=single", "-serial", "null", "-serial", "stdio",
        "-kernel", "{prepared}/u-boot.bin", "-dtb", "{prepared}/board.dtb",
        "-drive", "if=sd,format=raw,file=disk.img", "-netdev", "user,id=n",
        "-device", "usb-net,netdev=n"],
    # Kernel and device tree come from the firmware, which is pi.py.
    "raspberrypi-tryboot": VIRT,
}


class Device:
    """A machine and its publisher."""

    def __init__(self, layout, prepared, folder):
        os.makedirs(folder)
        self.layout = layout
        self.folder = folder
        self.pi = layout == "raspberrypi-tryboot"
        self.publisher = fleet.Publisher(folder)
        self.images = fleet.Images(folder, prepared, layout, {"tries": TRIES})
        self.number = 1
        self.slot, self.committed = "A", 1
        self.make_disk(prepared, self.publisher.release(self.images, 1))
        self.machine = (pi.PiMachine if self.pi else Machine)(
            folder, ["qemu-system-aarch64"] + [w.format(prepared=prepared) for w in QEMU[layout]])
        self.disk = fleet.Disk(os.path.join(folder, "disk.img"), layout,
                               self.images.rootfs_mib)

    def make_disk(self, prepared, images):
        """As an integrator does it: genimage with the layout's own file."""
        inputs = os.path.join(self.folder, "input")
        os.makedirs(inputs)
        layout = os.path.join(fleet.SOURCE, "partitions/layouts", self.layout)
        for name, image in images.items():
            os.rename(image, f"{inputs}/{name}{os.path.splitext(image)[1]}")
        # What the first partition holds, but for firmware that nothing here runs.
        os.makedirs(f"{self.folder}/root/boot")
        if self.pi:
            shutil.copy(f"{layout}/autoboot.txt", inputs)
        else:
            self.make_environment(layout, inputs)
            shutil.copy(os.path.join(prepared, "boot.scr"), inputs)
            for file in ("u-boot.bin", "boot.scr"):
                shutil.copy(os.path.join(prepared, file), f"{self.folder}/root/boot")
        fleet.command("mke2fs", "-q", "-t", "ext4", "-O", "^orphan_file", f"{inputs}/data.ext4",
                      f"{fleet.DATA_MIB}M")
        fleet.command("genimage", "--config", f"{layout}/genimage.cfg", "--inputpath", inputs,
                      "--outputpath", self.folder, "--tmppath", f"{self.folder}/tmp",
                      "--rootpath", f"{self.folder}/root")
        # QEMU takes SD cards of a power of two only.
        disk = f"{self.folder}/disk.img"
        os.truncate(disk, 1 << (os.path.getsize(disk) - 1).bit_length())
        shutil.rmtree(inputs)

    @staticmethod
    def make_environment(layout, inputs):
        with open(f"{layout}/env.txt", encoding="ascii") as f:
            text = f.read().replace("pawl_ticks=7800", "pawl_ticks=2800")
        fleet.write(f"{inputs}/env.txt", text)
        fleet.command("mkenvimage", "-r", "-s", "0x10000", "-o", f"{inputs}/env.bin",
                      f"{inputs}/env.txt")

    def make_ready(self):
        """First boot in the factory."""
        self.machine.start()
        self.machine.expect("^GUEST ready", BOOT)
        self.machine.type("pawl provision && /sbin/reboot")
        return self.wait_ready("A")

    # --- steps ---------------------------------------------------------------
    def wait_ready(self, slot, seconds=BOOT):
        """The guest is up, in this slot, and what pawl health did is over."""
        self.machine.expect(r"^GUEST ready", seconds)
        found = self.state()
        if found["booted"] != slot:
            raise Stuck(f"slot {found['booted']} runs, not {slot}")
        return found

    def wait_trial(self, slot, seconds=BOOT):
        """The boot loader starts this slot on trial."""
        self.machine.expect(f"^Pi: partition {' AB'.index(slot) + 1}, tryboot 1" if self.pi else
                            f"trial {slot}, order", seconds)

    def state(self):
        _, said = self.machine.run("pawl status --json")
        return json.loads(said[said.index("{"):])

    def publish(self, fault=None):
        self.number += 1
        for image in self.publisher.release(self.images, self.number, fault).values():
            os.unlink(image)
        return self.number

    def poll(self):
        """Polls; the agent restarts the machine when it installed something."""
        self.machine.type("pawl poll --now")

    # --- what decides the boot, behind the agent's back: the machine is off ---------
    def write_environment(self, contents):
        with open(self.disk.path, "r+b") as f:
            for (offset, _), data in zip(self.disk.copies, contents):
                f.seek(offset)
                f.write(data)

    def spoil_environment(self, which):
        self.machine.power_cut()
        contents = [self.disk.read(*c) for c in self.disk.copies]
        for i in which:
            contents[i] = contents[i][:100] + bytes(400) + contents[i][500:]
        self.write_environment(contents)
        return self.disk.environment()

    def environment_valid(self):
        return [zlib.crc32(data[5:]) == int.from_bytes(data[:4], "little")
                for data in (self.disk.read(*c) for c in self.disk.copies)]

    def reasons(self, release):
        """Why the journal says that this release was left."""
        return [r["rc"] for r in self.disk.journal()
                if r["evt"] == "update.rolledback" and r["data"].get("release") == release]
