#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Power cuts at every instant of an update; see matrix.py. Needs root, loop devices and FUSE.
set -u

skip() {
	printf 'ok 1 - power cuts # SKIP %s\n1..1\n' "$1"
	exit 0
}

[ "$(id -u)" -eq 0 ] || skip "needs root, for loop devices and mounts"
[ -e /dev/loop-control ] || skip "this kernel has no loop devices"
[ -e /dev/fuse ] || skip "this kernel has no FUSE"
for need in qemu-storage-daemon:qemu-system-common mke2fs:e2fsprogs sfdisk:fdisk mcopy:mtools \
	mkfs.vfat:dosfstools mkimage:u-boot-tools; do
	PATH=$PATH:/usr/sbin:/sbin command -v "${need%:*}" >/dev/null ||
		skip "needs the package ${need#*:}"
done
[ -x "${PAWL_BOOT_OUT:-}/sandbox/u-boot" ] ||
	skip "needs U-Boot's sandbox, which make check-power builds"
# Mounts end with the test, however it ends.
exec unshare --mount python3 -B "$(dirname "$0")/matrix.py" "$@"
