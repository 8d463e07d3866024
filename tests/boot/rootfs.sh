# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A small root file system for arm64: Debian's kernel, busybox as init, pawl with the libraries
# that it is linked to. Sourced after fetch.sh; needs PAWL_ARM64 (pawl built for arm64).
#
# busybox and not systemd: on an emulated processor systemd takes half a minute for each boot, and
# there are some thirty. etc/rc below calls what the shipped units call, in their order.

# shellcheck disable=SC2154 # boot_cache is fetch.sh's

arm64_libs=/usr/lib/aarch64-linux-gnu

# rootfs_libs TREE PROGRAM: copies the libraries that a program needs, and what those need
rootfs_libs() {
	local tree=$1 todo=("$2") file lib seen=' '
	mkdir -p "$tree/lib"
	while [ "${#todo[@]}" -gt 0 ]; do
		file=${todo[0]}
		todo=("${todo[@]:1}")
		for lib in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
			case $seen in *" $lib "*) continue ;; esac
			seen="$seen$lib "
			[ -e "$arm64_libs/$lib" ] || [ ! -e "/lib/$lib" ] || {
				cp -L "/lib/$lib" "$tree/lib/$lib"
				continue
			}
			cp -L "$arm64_libs/$lib" "$tree/lib/$lib" || return 1
			todo+=("$tree/lib/$lib")
		done
	done
	cp -L /lib/ld-linux-aarch64.so.1 "$tree/lib/"
	rootfs_no_icu "$tree/lib"
}

# libarchive is linked to libxml2, which is linked to 31 MB of tables for the world's scripts. No
# code of ours comes there, and an emulated processor would hash them for every update.
rootfs_no_icu() {
	local lib
	for lib in "$1"/libicudata.so.*; do
		[ -e "$lib" ] || continue
		lib=$(basename "$lib")
		echo "const char icudt${lib##*.}_dat[16] = {0};" |
			aarch64-linux-gnu-gcc -shared -Wl,-soname,"$lib" -o "$1/$lib" -x c - || return 1
	done
}

# rootfs_modules FOLDER NAME...: the modules and what they need, and FOLDER/order to load them in
rootfs_modules() {
	local folder=$1 base=$boot_cache/linux version
	shift
	version=$(basename "$base"/lib/modules/*)
	[ -e "$base/lib/modules/$version/modules.dep.bin" ] || depmod -b "$base" "$version"
	mkdir -p "$folder"
	local name
	for name in "$@"; do
		modprobe -d "$base" -S "$version" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++' | while read -r file; do
		cp "$file" "$folder/"
		basename "$file"
	done >"$folder/order"
}

# rootfs_initrd OUTPUT MODULE...: busybox, modules, and an init that mounts the slot
rootfs_initrd() {
	local out=$1 tree
	shift
	tree=$(mktemp -d)
	mkdir -p "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/slot"
	cp "$boot_cache/busybox-static/bin/busybox" "$tree/bin/"
	ln -s busybox "$tree/bin/sh"
	rootfs_modules "$tree/lib" "$@"
	cp "$PAWL_SOURCE/tests/boot/guest/init" "$tree/init"
	chmod 755 "$tree/init"
	(cd "$tree" && find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --reproducible --quiet) |
		gzip -1n >"$out"
	rm -rf "$tree"
}

# rootfs_make TREE LAYOUT: everything but what differs between releases
rootfs_make() {
	local tree=$1 layout=$2 name
	mkdir -p "$tree"/{bin,sbin,boot,dev,proc,sys,run,tmp,data,lib,usr/bin,usr/share/pawl,etc/pawl} \
		"$tree/var/lib/pawl" "$tree/usr/lib/pawl/hooks/health/required.d"
	cp "$boot_cache/busybox-static/bin/busybox" "$tree/bin/"
	for name in sh mount umount insmod ifconfig route cat echo sleep reboot poweroff init sync \
		watchdog stty dd kill ps date ls ln mkdir; do
		ln -sf /bin/busybox "$tree/bin/$name"
	done
	ln -sf /bin/busybox "$tree/sbin/init"
	ln -sf /bin/busybox "$tree/sbin/reboot"
	ln -sf /run "$tree/var/run"
	ln -sf /run/lock "$tree/var/lock"
	cp "$PAWL_ARM64" "$tree/usr/bin/pawl"
	"${STRIP_ARM64:-aarch64-linux-gnu-strip}" "$tree/usr/bin/pawl"
	rootfs_libs "$tree" "$PAWL_ARM64" || return 1
	[ ! -e "$PAWL_SOURCE/partitions/layouts/$layout/fw_env.config" ] ||
		cp "$PAWL_SOURCE/partitions/layouts/$layout/fw_env.config" "$tree/etc/"
	# As the README of the layout says; it repairs a lost environment.
	[ ! -e "$PAWL_SOURCE/partitions/layouts/$layout/env.txt" ] ||
		cp "$PAWL_SOURCE/partitions/layouts/$layout/env.txt" "$tree/etc/u-boot-initial-env"
	cp "$PAWL_SOURCE/tests/boot/guest/rc" "$PAWL_SOURCE/tests/boot/guest/inittab" "$tree/etc/"
	cp "$PAWL_SOURCE/tests/boot/guest/console" "$tree/sbin/console"
	printf 'root:x:0:0:root:/:/bin/sh\n' >"$tree/etc/passwd"
	printf 'root:x:0:\n' >"$tree/etc/group"
	printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
	chmod 755 "$tree/etc/rc" "$tree/sbin/console"
}
