#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of real boots share: U-Boot built from Debian's source with the layout's
# fragment, Debian's kernel, a small root file system with pawl, the boot script.
# usage: prepare.sh LAYOUT FOLDER   (needs PAWL_ARM64, PAWL_SOURCE)
set -euo pipefail
[ $# -eq 2 ] || {
	echo "usage: $0 LAYOUT FOLDER" >&2
	exit 2
}
layout=$1 out=$2
here=$PAWL_SOURCE/tests/boot
# shellcheck source=tests/boot/fetch.sh
. "$here/fetch.sh"
# shellcheck source=tests/boot/rootfs.sh
. "$here/rootfs.sh"

mkdir -p "$out"
boot_package linux busybox-static
bash "$here/uboot.sh" "$layout" "$out"
sh "$PAWL_SOURCE/partitions/layouts/make-boot-scr.sh" "$PAWL_SOURCE/partitions/layouts/$layout" \
	"$out/boot.scr" >/dev/null

rm -rf "$out/tree"
rootfs_make "$out/tree" "$layout"
kernel=$(echo "$boot_cache"/linux/boot/vmlinuz-*)
case $layout in
qemu-arm64)
	# U-Boot reads this card at a few MB a second.
	[ -e "$boot_cache/Image.gz" ] || gzip -9nc "$kernel" >"$boot_cache/Image.gz"
	cp "$boot_cache/Image.gz" "$out/tree/boot/Image"
	rootfs_initrd "$out/tree/boot/initrd" sdhci_pci ext4 virtio_pci virtio_net
	rootfs_modules "$out/watchdog" i6300esb
	mkdir -p "$out/tree/lib/modules"
	cp "$out/watchdog/i6300esb.ko" "$out/tree/lib/modules/"
	echo /dev/mmcblk0p5 >"$out/tree/etc/data-device"
	cat >"$out/tree/etc/network" <<-'SH'
		#!/bin/sh
		ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
	SH
	;;
esac
chmod 755 "$out/tree/etc/network"
