#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Slots and environments that are not what the configuration says (remote-os 68, HAOS 2521,
# rauc 639 and 1675, Mender hub 2167, fwup 1.10.1): refused before the first write.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
# shellcheck disable=SC2119 # no options
hostile_begin

A=$D/dev/slot-a-rootfs
B=$D/dev/slot-b-rootfs

# refuse NAME CODE WORD [OPTIONS]: by a poll and from a bundle
refuse() {
	local name=$1 code=$2 word=$3
	shift 3
	hostile_bundle "$name" "$code" --time --word "$word" "$@"
}

# no_file NAME [WORD]: for targets that refuse.py cannot compare: no files, or the running slot
no_file() {
	tap_refuse "$1" 40 "${2:-slot-b-rootfs}" timeout 10 "$PAWL" --root "$D" install "$T/now/2.pawl"
	tap_check "$1: the environment is untouched" cmp "$T/kept/dev/dev/env-0" "$D/dev/env-0"
	tap_check "$1: it is recorded" eval \
		'p journal show --json --details | jq -se "any(.rc == \"E_SLOT\")" >/dev/null'
}

# --- The target -----------------------------------------------------------------------
# Refusals of txn_write come behind its journal record: the transaction is counted.
hostile_case
rm "$B"
refuse "the target is missing" E_SLOT slot-b-rootfs --wrote
hostile_case
truncate -s 1044480 "$B"
refuse "the target is one block too small" E_COMPAT 1044480
hostile_case
truncate -s 0 "$B"
refuse "the target has no byte" E_SLOT "too small" --wrote
hostile_case
rm "$B"
ln "$A" "$B"
refuse "the target is the running slot under another name" E_SLOT slot-a-rootfs --wrote
hostile_case
rm "$B"
ln -s slot-a-rootfs "$B"
refuse "the target is a link to the running slot" E_SLOT slot-a-rootfs --wrote
hostile_case
rm "$B"
mkdir "$B"
no_file "the target is a folder"
hostile_case
rm "$B"
mkfifo "$B"
no_file "the target is a FIFO"
hostile_case
exec {hold}<>"$B"
flock "$hold"
refuse "another agent fills the target" E_BUSY slot-b-rootfs --wrote
exec {hold}>&-
hostile_take "when it has gone, the release is taken" 2 p install "$T/now/2.pawl"
if [ "$(id -u)" -ne 0 ]; then
	hostile_case
	chmod 444 "$B"
	refuse "the target is read-only" E_SLOT slot-b-rootfs --wrote
fi

# It shrinks while it is judged: a hook between policy and writing plays the other hand.
hostile_case
printf '#!/bin/sh\ntruncate -s 500000 "%s"\n' "$B" >"$D/etc/pawl/hooks/pre-write.d/60-shrink"
chmod 755 "$D/etc/pawl/hooks/pre-write.d/60-shrink"
refuse "the target shrinks before it is opened" E_SLOT slot-b-rootfs --wrote
hostile_case
printf '#!/bin/sh\nrm "%s"\nln "%s" "%s"\n' "$B" "$A" "$B" \
	>"$D/etc/pawl/hooks/pre-write.d/60-swap"
chmod 755 "$D/etc/pawl/hooks/pre-write.d/60-swap"
no_file "the target becomes the running slot" slot-a-rootfs
tap_check "the running slot is untouched" cmp "$T/kept/dev/dev/slot-a-rootfs" "$A"

# --- What runs ---------------------------------------------------------------------------
hostile_case
device_set "$D" rootfs /dev/slot-a-rootfs
tap_refuse "both slots are one device" 10 "named twice" p install "$T/now/2.pawl"
hostile_case
sed -i 's|^rootfs = /dev/slot-a|rootfs = /dev/slot-X|; s|^rootfs = /dev/slot-b|rootfs = /dev/slot-a|; s|slot-X|slot-b|' \
	"$D/etc/pawl/pawl.conf"
refuse "the configuration swaps A and B" E_BOOT slot-b-rootfs --broken
hostile_case
sed -i 's|root=[^ ]*|root=/dev/mmcblk9p9|' "$D/proc/cmdline"
refuse "the root device is not a slot" E_BOOT mmcblk9p9 --broken
hostile_case
sed -i 's|root=[^ ]* ||' "$D/proc/cmdline"
refuse "the root device is unknown" E_BOOT root= --broken
hostile_case
sed -i 's|pawl.slot=A||' "$D/proc/cmdline"
refuse "the slot is unknown" E_BOOT pawl.slot --broken
hostile_case
sed -i 's|pawl.slot=A|pawl.slot=C|' "$D/proc/cmdline"
refuse "a slot that does not exist" E_BOOTENV pawl.slot --broken
hostile_case
sed -i 's|pawl.slot=A|pawl.slot=B|' "$D/proc/cmdline"
refuse "the boot loader says B, the root is A's" E_BOOT slot-a-rootfs --broken
hostile_case
rm "$A"
refuse "the running slot's device has gone" E_SLOT slot-a-rootfs --wrote

# --- The environment -----------------------------------------------------------------------
wipe() {
	head -c 16384 /dev/zero >"$D/dev/env-$1"
}
hostile_case
sed -i 's|pawl.id=[0-9a-f]*|pawl.id=00000000000000000000000000000000|' "$D/proc/cmdline"
refuse "boot loader and Linux use different environments" E_BOOTENV fw_env.config --broken
hostile_case
sed -i 's| pawl.id=[0-9a-f]*||' "$D/proc/cmdline"
refuse "the boot loader passed no identity" E_BOOTENV boot.cmd --broken
hostile_case
wipe 0
wipe 1
refuse "both copies are blank" E_BOOTENV provision --broken
tap_refuse "provision needs the board's default environment, and names the command" 44 \
	"fw_setenv -f" p provision
# What that command does, on files.
printf 'pawl_slot=A\nbootdelay=0\n' | mkenvimage -r -s 0x4000 -o "$D/dev/env-0" -
cp "$D/dev/env-0" "$D/dev/env-1"
tap_check "with it the repair works" eval \
	'p provision && device_boot "$D" && p boot && p health'
hostile_take "then the release is taken" 2 p install "$T/now/2.pawl"

# spoil newest|oldest: one byte of that copy
spoil() {
	local copy
	copy=$(python3 - "$D/dev" "$1" <<-'PY'
		import sys
		flags = [open(f"{sys.argv[1]}/env-{i}", "rb").read()[4] for i in (0, 1)]
		newest = flags.index(max(flags))
		print(newest if sys.argv[2] == "newest" else 1 - newest)
	PY
	)
	printf X | dd of="$D/dev/env-$copy" bs=1 seek=40 conv=notrunc status=none
}
hostile_case
spoil oldest
hostile_take "the older copy is damaged: the other one counts" 2 p install "$T/now/2.pawl"
# provision wrote both copies: either one carries the identity.
hostile_case
spoil newest
hostile_take "the newer copy is damaged: the other one counts" 2 p install "$T/now/2.pawl"
# Somebody put the factory's environment back.
hostile_case
printf 'pawl_slot=A\n' | mkenvimage -r -s 0x4000 -o "$D/dev/env-0" -
cp "$D/dev/env-0" "$D/dev/env-1"
refuse "the identity is gone" E_BOOTENV provision --broken
tap_check "its repair works, too" eval 'p provision && device_boot "$D" && p boot && p health'
hostile_take "and then the release is taken" 2 p install "$T/now/2.pawl"
hostile_case
rm "$D/dev/env-1"
refuse "a copy is missing" E_BOOTENV env-1 --broken
hostile_case
sed -i 2d "$D/etc/fw_env.config"
printf 'pawl_slot=A\npawl_id=%s\n' "$(grep -o 'pawl.id=[0-9a-f]*' "$D/proc/cmdline" | cut -d= -f2)" |
	mkenvimage -s 0x4000 -o "$D/dev/env-0" -
rm -r "$D/etc/pawl/hooks/check.d" # they are asked before
refuse "a single copy" E_BOOTENV allow-single-env --broken
hostile_case
rm "$D/etc/fw_env.config"
refuse "no fw_env.config" E_CONFIG fw_env.config --broken
hostile_case
echo "garbage" >"$D/etc/fw_env.config"
refuse "garbage in fw_env.config" E_CONFIG fw_env.config --broken

# The counter of copies wraps: 255, then 0. The one with 0 is newer.
hostile_case
python3 - "$D/dev" <<-'PY'
	import sys
	newest = max((0, 1), key=lambda i: open(f"{sys.argv[1]}/env-{i}", "rb").read()[4])
	for i in (0, 1):
	    with open(f"{sys.argv[1]}/env-{i}", "r+b") as f:
	        f.seek(4)
	        f.write(bytes([255 if i == newest else 254]))
PY
hostile_take "the counter wraps from 255 to 0" 2 p install "$T/now/2.pawl"
tap_check "the trial is what boots" eval '[ "$(device_boot "$D")" = B ]'

# --- Block devices (root and loop devices only) ----------------------------------------------
LOOPS=
detach() {
	local loop
	for loop in $LOOPS; do losetup -d "$loop"; done
	LOOPS=
}
# loop_case: slot B is a loop device
loop_case() {
	detach
	hostile_case
	LOOP=$(losetup --show -f "$@" "$B" 2>/dev/null) || return
	LOOPS=$LOOP
	ln -s "$LOOP" "$D/dev/loop-b"
	sed -i 's|^rootfs = /dev/slot-b-rootfs|rootfs = /dev/loop-b|' "$D/etc/pawl/pawl.conf"
}
if [ "$(id -u)" -eq 0 ] && [ -w /dev/loop-control ] && loop_case; then
	hostile_take "a loop device as target" 2 p install "$T/now/2.pawl"
	loop_case -r
	refuse "a read-only block device" E_SLOT read-only --wrote
	loop_case
	mkdir "$T/now/mnt"
	cp "$T/image.ext4" "$B"
	if mount -o ro "$LOOP" "$T/now/mnt" 2>/dev/null; then
		refuse "a mounted target" E_SLOT mount --wrote
		umount "$T/now/mnt"
		hostile_take "after umount it is taken" 2 p install "$T/now/2.pawl"
	else
		tap_skip "a mounted target" "mount is not allowed here"
	fi
	loop_case
	second=$(losetup --show -f "$A")
	LOOPS="$LOOPS $second"
	ln -sf "$second" "$D/dev/loop-b"
	refuse "a loop device on the running slot's file" E_SLOT slot-a-rootfs --wrote
	detach
else
	tap_skip "loop devices as slots" "needs root and loop devices"
fi

tap_end
