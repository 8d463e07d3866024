#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of real boots share: U-Boot built from Debian's source with the layout's
# fragment, Debian's kernel, a small root file system with pawl, the boot script.
# usage: prepare.sh LAYOUT[+systemd] FOLDER   (needs PAWL_ARM64, PAWL_SOURCE, PAWL_BUILD)
set -euo pipefail
[ $# -eq 2 ] || {
	echo "usage: $0 LAYOUT[+systemd] FOLDER" >&2
	exit 2
}
layout=${1%+systemd} flavour=$1 out=$2
here=$PAWL_SOURCE/tests/boot
# shellcheck source=tests/boot/fetch.sh
. "$here/fetch.sh"
# shellcheck source=tests/boot/rootfs.sh
. "$here/rootfs.sh"
# shellcheck source=tests/boot/systemd.sh
. "$here/systemd.sh"

mkdir -p "$out"
boot_alone apt boot_package linux busybox-static
if [ "$layout" != raspberrypi-tryboot ]; then
	bash "$here/uboot.sh" "$layout" "$out"
	sh "$PAWL_SOURCE/partitions/layouts/make-boot-scr.sh" "$PAWL_SOURCE/partitions/layouts/$layout" \
		"$out/boot.scr" >/dev/null
fi

rm -rf "$out/tree" "$out/boot-tree"
rootfs_make "$out/tree" "$layout"
kernel=$(echo "$boot_cache"/linux/boot/vmlinuz-*)
# U-Boot reads these cards at a few MB a second.
[ "$boot_cache/Image.gz" -nt "$kernel" ] || {
	gzip -6nc "$kernel" >"$boot_cache/Image.gz.$$"
	mv "$boot_cache/Image.gz.$$" "$boot_cache/Image.gz"
}
cp "$boot_cache/Image.gz" "$out/tree/boot/Image"

# virt_rootfs DATA-DEVICE: what QEMU's machine `virt` needs
virt_rootfs() {
	local modules=(sdhci_pci ext4 virtio_pci virtio_net)
	# systemd opens its watchdog before it starts anything.
	[ "$layout" = "$flavour" ] || modules+=(i6300esb)
	rootfs_initrd "$out/tree/boot/initrd" "${modules[@]}"
	rootfs_modules "$out/watchdog" i6300esb
	mkdir -p "$out/tree/lib/modules"
	cp "$out/watchdog/i6300esb.ko" "$out/tree/lib/modules/"
	echo "$1" >"$out/tree/etc/data-device"
}

case $layout in
qemu-arm64)
	virt_rootfs /dev/mmcblk0p5
	;;
raspberrypi-tryboot)
	virt_rootfs /dev/mmcblk0p7
	mkdir "$out/boot-tree"
	mv "$out/tree/boot/Image" "$out/boot-tree/kernel8.img"
	mv "$out/tree/boot/initrd" "$out/boot-tree/initramfs8"
	cp "$PAWL_SOURCE/partitions/layouts/$layout/config.txt" "$out/boot-tree/"
	# This machine has no screen.
	for slot in a b; do
		sed 's/ console=tty1//' "$PAWL_SOURCE/partitions/layouts/$layout/cmdline-$slot.txt" \
			>"$out/boot-tree/cmdline-$slot.txt"
	done
	# By this device Pawl knows the kernel of Raspberry Pi, which hands the argument of a reboot to
	# the firmware. Here the kernel says it on its console, and pi.py listens.
	cat >"$out/tree/etc/devices" <<-'SH'
		#!/bin/sh
		: >/dev/vcio
	SH
	chmod 755 "$out/tree/etc/devices"
	;;
raspberrypi-uboot)
	rootfs_initrd "$out/tree/boot/initrd" bcm2835_wdt bcm2835 sdhci_iproc ext4 phy_generic dwc2 \
		cdc_ether rndis_host
	cp "$boot_cache"/linux/usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb "$out/board.dtb"
	echo /dev/mmcblk0p4 >"$out/tree/etc/data-device"
	# What udev makes on a device.
	cat >"$out/tree/etc/devices" <<-'SH'
		#!/bin/sh
		mkdir -p /dev/disk/by-partuuid
		for n in 2 3; do ln -sf /dev/mmcblk0p$n /dev/disk/by-partuuid/5041574c-0$n; done
	SH
	chmod 755 "$out/tree/etc/devices"
	;;
esac
cat >"$out/tree/etc/network" <<-'SH'
	#!/bin/sh
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		for path in /sys/class/net/*; do
			[ "${path##*/}" = lo ] || { ifconfig "${path##*/}" 10.0.2.15 netmask 255.255.255.0 up && exit; }
		done
		sleep 1
	done
SH
chmod 755 "$out/tree/etc/network"

echo 48 >"$out/rootfs-mib"
if [ "$layout" != "$flavour" ]; then
	boot_alone apt systemd_fetch
	systemd_make "$out/tree"
	echo 112 >"$out/rootfs-mib"
fi
