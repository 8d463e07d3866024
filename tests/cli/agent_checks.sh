#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks of the agent itself that belong to no one forged file: which slot really runs, what was
# fetched, what waits for its reboot, what may be gone back to.
# shellcheck disable=SC2016 # eval expands what stands in single quotes
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

holds() {
	p status --json | jq -e "$1" >/dev/null || {
		p status
		return 1
	}
}

go_on() {
	device_boot "$D" >/dev/null && p boot >/dev/null && p health
}

# --- Which slot runs: three witnesses ----------------------------------------------------
hostile_case
sed -i 's,root=/[^ ]*,root=/dev/sdz9,' "$D/proc/cmdline"
hostile_poll "the kernel's root is another device" E_BOOT --word /dev/sdz9 --word slot-a-rootfs --broken
hostile_poll "the same again" E_BOOT --word /dev/sdz9 --broken --rc none
hostile_case
sed -i 's,pawl.slot=A,pawl.slot=B,' "$D/proc/cmdline"
hostile_poll "the boot loader's word and the kernel's root differ" E_BOOT --word slot-b-rootfs --broken
hostile_case
sed -i 's,rootfs = /dev/slot-a,rootfs = /dev/slot-x,; s,rootfs = /dev/slot-b,rootfs = /dev/slot-a,
	s,rootfs = /dev/slot-x,rootfs = /dev/slot-b,' "$D/etc/pawl/pawl.conf"
hostile_poll "the configuration swaps the slots" E_BOOT --word slot-a-rootfs --broken
hostile_case
sed -i 's,pawl.id=[^ ]*,pawl.id=0123456789abcdef0123456789abcdef,' "$D/proc/cmdline"
hostile_poll "boot loader and Linux use different environments" E_BOOTENV --word fw_env.config \
	--word 0123456789abcdef0123456789abcdef --broken

# --- What is fetched before the images -----------------------------------------------------
# object FIELD: the path of that object of release 2.
object() {
	local hex
	hex=$(jq -r ".images[0].$1.sha256" "$P"/targets/demo/releases/*.2.json)
	echo "$P/objects/${hex:0:2}/$hex"
}

# damage FIELD: the object has other bytes, and as many.
damage() {
	local file
	file=$(object "$1")
	chmod u+w "$file" && printf '\252\125' | dd of="$file" bs=1 seek=24 conv=notrunc status=none
}

# whole_only: release 2 has no index and data, so that `full` is the only way.
whole_only() {
	forge <<'PY'
m = r.manifest(2)
for key in "index", "data":
    m["images"][0].pop(key, None)
r.put_manifest(2, m)
PY
}

for field in leaves full.pieces; do
	hostile_case
	damage "$field"
	whole_only
	hostile_poll "$field with other bytes" E_HASH --word "differs from its signed hash" --wrote --stored '*'
	hostile_case
	damage "$field"
	whole_only
	repo bundle 2 --out "$T/now/2.pawl" >/dev/null 2>&1 || forge <<<"r.pack('$T/now/2.pawl', 2)"
	hostile_bundle "$field with other bytes, bundle" E_HASH --word "differs from its signed hash" --wrote --time
done

hostile_case
damage full.pieces
hostile_take "a delta does not ask for the pieces of full" 2 p poll --now

# --- A bundle from the network may not be older than what was seen -------------------------
hostile_case
mv "$T/now/2.pawl" "$P/2.pawl"
hostile_release 3 && repo publish
tap_check "the device sees release 3" p check
hostile_refuse "a bundle by URL that is older than what was seen" E_ROLLBACK --word older -- \
	"$PAWL" --root "$D" install "${URL}2.pawl"
hostile_take "the same bundle as a file" 2 p install "$P/2.pawl"

# --- On hold or withdrawn while it waits for its reboot --------------------------------------
# cancelled NAME: the trial that waited is gone, and the record says so.
cancelled() {
	tap_check "$1: the poll cancels the trial" eval 'p poll --now && holds ".trial_waits == false"'
	tap_check "$1: it is recorded" eval 'p journal show --json | jq -e -s \
		"any(.evt == \"update.held\" and .out == \"ok\" and .rc == \"E_HELD\")" >/dev/null'
	tap_check "$1: the next boot is the old system" test "$(device_boot "$D")" = A
}

hostile_case
device_add "$D" policy "reboot = never"
hostile_take "release 2 waits for its reboot" 2 p poll --now
repo hold 2
cancelled "on hold"

hostile_case
device_add "$D" policy "reboot = never"
hostile_take "release 2 waits again" 2 p poll --now
repo withdraw 2
cancelled "withdrawn"

# The server is away; what it said last still counts at the reboot.
hostile_case
device_add "$D" policy "reboot = never"
hostile_take "release 2 waits once more" 2 p poll --now
repo hold 2
tap_refuse "check tells of the hold" 25 E_HELD p check
mv "$P" "$P.away"
tap_refuse "reboot does not start what is on hold" 25 E_HELD p reboot
tap_check "the trial is cancelled" holds '.trial_waits == false'
mv "$P.away" "$P"

# --- Health: is it the image that was meant? ----------------------------------------------------
hostile_case
repo allot --out "$T/backstop.json" >/dev/null
jq -c '.release = 9' "$T/backstop.json" >"$T/wrong" && rm -rf "$T/tree"
tree_make "$T/tree" "$W/root.json" "$T/wrong" 0
image_make "$T/tree" "$T/wrong.ext4" ext4 1
repo release --release 3 --version 3.0.0 --compatible demo-board --class functional \
	--encoding none --image "rootfs=$T/wrong.ext4" 2>/dev/null && repo publish
hostile_take "release 3 holds the image of release 9" 3 p poll --now
tap_refuse "its trial fails" 50 "release 9" go_on
device_boot "$D" >/dev/null
tap_check "the device is back, and remembers why" eval \
	'p boot >/dev/null && holds ".booted == \"A\" and .failed[0].code == \"E_HEALTH\""'

# A read-only image is hashed once more; the list that it is compared with may have been changed
# together with the slot.
hostile_case
forge <<'PY'
m = r.manifest(2)
m["images"][0]["format"] = "squashfs" # read-only, as far as the agent knows
r.put_manifest(2, m)
PY
hostile_take "a read-only release" 2 p poll --now
device_boot "$D" >/dev/null
printf 'X' | dd of="$D/dev/slot-b-rootfs" bs=1 seek=900000 conv=notrunc status=none
python3 - "$D" <<'PY'
import glob, hashlib, sys
with open(sys.argv[1] + "/dev/slot-b-rootfs", "rb") as f:
    image = f.read(1 << 20)
leaves = b"".join(hashlib.sha256(image[i:i + 262144]).digest() for i in range(0, 1 << 20, 262144))
for path in glob.glob(sys.argv[1] + "/var/lib/pawl/leaves/*"):
    with open(path, "wb") as f:
        f.write(leaves)
PY
tap_refuse "slot and leaf list changed together" 18 "not those of the release" p health

hostile_case
forge <<'PY'
m = r.manifest(2)
m["images"][0]["format"] = "squashfs"
r.put_manifest(2, m)
PY
hostile_take "a read-only release again" 2 p poll --now
device_boot "$D" >/dev/null
printf 'X' | dd of="$D/dev/slot-b-rootfs" bs=1 seek=900000 conv=notrunc status=none
tap_refuse "a slot that changed between write and trial" 18 slot-b-rootfs p health

# --- Back by hand ------------------------------------------------------------------------------
hostile_case
HOSTILE_EPOCH=1 hostile_release 3 && repo publish
tap_check "release 3 (epoch 1) is committed" eval \
	'p poll --now 2>/dev/null && go_on && holds ".committed == \"B\" and .epoch_floor == 1"'
rm -f "$D/hook-ran"
hostile_refuse "rollback to a slot under the epoch floor" E_ROLLBACK --word epoch -- \
	"$PAWL" --root "$D" rollback

hostile_case
tap_check "release 2 is committed" eval 'p poll --now 2>/dev/null && go_on && holds ".committed == \"B\""'
hostile_release 3 && repo publish
tap_check "release 3 is committed in A" eval \
	'p poll --now 2>/dev/null && go_on && holds ".committed == \"A\""'
repo withdraw 2
tap_check "the device learns that release 2 is withdrawn" p poll --now
rm -f "$D/hook-ran"
hostile_refuse "rollback to a withdrawn release" E_HELD --word "withdrawn" -- \
	"$PAWL" --root "$D" rollback
tap_end
