# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A device out of files, for the demo and for tests: two slots, a redundant U-Boot
# environment, a data folder, and the simulated boot loader. Sourced by bash scripts.
# Needs PAWL and PAWL_REPO (paths of the programs). Needs no root.

# device_make DIR URL [SLOT_MIB]: an empty device whose configuration names the repository URL.
device_make() {
	local dir=$1 url=$2 mib=${3:-16} slot
	mkdir -p "$dir/dev" "$dir/etc/pawl" "$dir/usr/share/pawl" "$dir/usr/lib/pawl" \
		"$dir/proc" "$dir/run" "$dir/var/lib/pawl"
	for slot in a b; do
		truncate -s "${mib}M" "$dir/dev/slot-$slot-rootfs"
	done
	# What genimage puts into a flashed image: both copies hold the layout's default environment.
	printf 'pawl_slot=A\nbootdelay=0\n' | mkenvimage -r -s 0x4000 -o "$dir/dev/env-0" -
	cp "$dir/dev/env-0" "$dir/dev/env-1"
	printf '%s 0x0 0x4000\n%s 0x0 0x4000\n' "$(realpath "$dir")/dev/env-0" \
		"$(realpath "$dir")/dev/env-1" >"$dir/etc/fw_env.config"
	cat >"$dir/etc/pawl/pawl.conf" <<-CONF
		[device]
		product = demo
		compatible = demo-board
		channel = stable

		[repository]
		url = $url

		[policy]
		auto = all

		[boot]
		loader = sim

		[health]
		deadline = 10

		[slot A]
		rootfs = /dev/slot-a-rootfs

		[slot B]
		rootfs = /dev/slot-b-rootfs
	CONF
}

# device_set DIR KEY VALUE: changes one line "KEY = ..." of pawl.conf (section headers stay).
device_set() {
	sed -i "s|^$2 = .*|$2 = $3|" "$1/etc/pawl/pawl.conf"
}

# device_add DIR SECTION LINE: adds a line to a section of pawl.conf.
device_add() {
	sed -i "s|^\[$2\]\$|[$2]\n$3|" "$1/etc/pawl/pawl.conf"
}

# device_flash DIR SLOT IMAGE: what a factory does: puts an image into a slot.
device_flash() {
	dd if="$3" of="$1/dev/slot-$2-rootfs" bs=1M conv=notrunc status=none
}

# image_extract IMAGE PATH DEST: copies a folder out of an ext4 or squashfs image, without mounting.
image_extract() {
	local image=$1 path=$2 dest=$3
	if [ "$(head -c 4 "$image" | tr -d "\0")" = hsqs ]; then
		unsquashfs -quiet -no-progress -no-xattrs -f -d "$dest.sq" "$image" "$path" >/dev/null 2>&1
		if [ -d "$dest.sq/$path" ]; then
			cp -R "$dest.sq/$path/." "$dest/"
		fi
		rm -rf "$dest.sq"
	else
		rm -rf "$dest.rd"
		mkdir -p "$dest.rd"
		debugfs -R "rdump $path $dest.rd" "$image" >/dev/null 2>&1
		if [ -d "$dest.rd/$(basename "$path")" ]; then
			cp -R "$dest.rd/$(basename "$path")/." "$dest/"
		fi
		rm -rf "$dest.rd"
	fi
}

# device_boot DIR: one boot of the simulated loader. What "runs" afterwards (hooks, trusted root,
# backstop) comes out of the slot that was started. Prints the slot.
device_boot() {
	local dir=$1 slot image
	slot=$("$PAWL" --root "$dir" sim boot) || return 1
	image=$dir/dev/slot-$(echo "$slot" | tr AB ab)-rootfs
	rm -rf "$dir/usr/share/pawl" "$dir/usr/lib/pawl"
	mkdir -p "$dir/usr/share/pawl" "$dir/usr/lib/pawl"
	image_extract "$image" /usr/share/pawl "$dir/usr/share/pawl"
	image_extract "$image" /usr/lib/pawl "$dir/usr/lib/pawl"
	echo "$slot"
}

# device_reboot_asked DIR: did the agent ask for a reboot since the last boot?
device_reboot_asked() {
	[ -e "$1/run/pawl-reboot" ]
}

# tree_make TREE ROOT_JSON BACKSTOP_JSON HEALTH_EXIT: a small root file system for tests.
tree_make() {
	local tree=$1
	mkdir -p "$tree/usr/share/pawl" "$tree/usr/lib/pawl/hooks/health/required.d" "$tree/etc"
	cp "$2" "$tree/usr/share/pawl/root.json"
	[ -z "$3" ] || cp "$3" "$tree/usr/share/pawl/backstop.json"
	printf '#!/bin/sh\necho "check of the new system"\nexit %s\n' "$4" \
		>"$tree/usr/lib/pawl/hooks/health/required.d/10-check"
	chmod 755 "$tree/usr/lib/pawl/hooks/health/required.d/10-check"
}

# image_make TREE FILE FORMAT MIB: ext4 or squashfs from a folder, the same bytes for the same input.
image_make() {
	local tree=$1 file=$2 format=$3 mib=${4:-8}
	rm -f "$file"
	case $format in
	ext4)
		mke2fs -q -t ext4 -O '^has_journal' \
			-E root_owner=0:0,hash_seed=0a0a0a0a-0b0b-4c0c-8d0d-0e0e0e0e0e0e \
			-U 01234567-89ab-4def-8123-456789abcdef -d "$tree" "$file" "${mib}M" 2>&1 |
			grep -v '^Creating' || true
		;;
	squashfs)
		env -u SOURCE_DATE_EPOCH mksquashfs "$tree" "$file" -quiet -no-progress -all-root -noappend -comp zstd \
			-mkfs-time 1700000000 -all-time 1700000000 >/dev/null
		;;
	esac
}

# device_factory DIR WORKSPACE RELEASE: what a factory puts onto the data partition beside the flashed
# slot, for that published release.
device_factory() {
	"$PAWL_REPO" --repo "$2" --quiet factory --output "$1/var/lib/pawl" "$3"
}
