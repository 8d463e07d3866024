#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A well-signed release that is not for this device (MEN-9027), or that asks for what it does not
# have: refused before anything is written or run.
# shellcheck source=tests/lib/hostile.sh
. "${PAWL_SOURCE:?}/tests/lib/hostile.sh"
hostile_begin

# wrong NAME CODE WORD STATEMENTS: the manifest (m, its first image i) changed, by poll and bundle.
wrong() {
	hostile_case
	forge <<-PY
		m = r.manifest(2)
		i = m["images"][0]
		$4
		r.put_manifest(2, m)
		r.pack("$T/now/2.pawl", 2)
	PY
	hostile_poll "$1" "$2" --word "$3" --stored '*'
}

# The same from a bundle, from which roots alone are kept.
wrong_bundle() {
	wrong "$@"
	cp "$T/now/2.pawl" "$T/forged.pawl"
	hostile_case
	cp "$T/forged.pawl" "$T/now/2.pawl"
	hostile_bundle "$1, bundle" "$2" --word "$3" --time
}

wrong_bundle "another product" E_POLICY "product other" 'm["product"] = "other"'
wrong "another channel" E_POLICY "channel stable" 'm["channels"] = ["beta"]'
wrong_bundle "other hardware" E_COMPAT "demo-board" 'm["compatible"] = ["other-board"]'
wrong "hardware that begins alike" E_COMPAT "demo-board" 'm["compatible"] = ["demo-board-2", "demo"]'
wrong "hardware in capitals" E_COMPAT "demo-board" 'm["compatible"] = ["Demo-Board"]'
wrong_bundle "an image called ../x" E_META "../x" 'i["name"] = "../x"'
wrong "an image called /dev/sda" E_META "/dev/sda" 'i["name"] = "/dev/sda"'
wrong "an image with an empty name" E_META "name" 'i["name"] = ""'
wrong "an image that the device has no place for" E_COMPAT "bootfs" 'i["name"] = "bootfs"'
wrong "one image more than the device has places" E_COMPAT "bootfs" \
	'm["images"].append(dict(i, name="bootfs"))'
wrong "one image twice" E_META "twice" 'm["images"].append(i)'
wrong "no image" E_META "images" 'm["images"] = []'
wrong_bundle "an image larger than the slot" E_COMPAT "its place" \
	'i["size"] = 4 << 20; i["leaves"]["length"] = 512; i["full"]["pieces"]["length"] = 56'
wrong "a size that is no whole block" E_META "4096" 'i["size"] += 1'
wrong "a size of 2^53" E_META "size" 'i["size"] = 1 << 53'
wrong "a negative size" E_META "size" 'i["size"] = -4096'
wrong "a size of 0" E_META "size" 'i["size"] = 0'
wrong "leaves that do not fit the size" E_META "leaves" 'i["leaves"]["length"] += 32'
wrong "pieces that do not fit the size" E_META "pieces" 'i["full"]["pieces"]["length"] += 36'
wrong "more in full than its pieces can hold" E_META "full" 'i["full"]["length"] = 5 << 20'
wrong "an unknown format" E_COMPAT "format" 'i["format"] = "tar"'
wrong "an unknown encoding" E_COMPAT "encoding" 'i["full"]["encoding"] = "xz"'
wrong "an unknown leaf hash" E_COMPAT "leaf_hash" 'i["leaf_hash"] = "md5"'
wrong_bundle "an unknown requires" E_COMPAT "dance" 'm["requires"] = ["dance"]'
wrong "requires that is no list" E_META "requires" 'm["requires"] = "dance"'
wrong "another schema" E_COMPAT "schema" 'm["schema"] = 2'
wrong "no schema" E_META "schema" 'del m["schema"]'
wrong_bundle "min_from above what is installed" E_COMPAT "release 5" 'm["min_from"] = 5'
wrong "no class" E_META "class" 'del m["class"]'
wrong "mixed without a reason" E_META "inseparable_reason" 'm["class"] = "mixed"'
wrong "release 0" E_META "release" 'm["release"] = 0'
wrong "a version that steers the terminal" E_META "version" 'm["version"] = "1\x1b[2J"'
wrong "a version that turns the writing round" E_META "version" 'm["version"] = "1\u202e2"'
wrong "a wave of 101 %" E_META "wave" \
	'm["rollout"] = {"start": m["issued"], "salt": "s", "waves": [[101, 0]]}'
wrong "waves that fall" E_META "wave" \
	'm["rollout"] = {"start": m["issued"], "salt": "s", "waves": [[50, 9], [10, 10]]}'

# A release for two images on a device with one, and the other way round.
hostile_case
truncate -s 1M "$D/dev/slot-a-bootfs" "$D/dev/slot-b-bootfs"
device_add "$D" "slot A" "bootfs = /dev/slot-a-bootfs"
device_add "$D" "slot B" "bootfs = /dev/slot-b-bootfs"
hostile_poll "a release that leaves one of the device's images out" E_COMPAT --word bootfs \
	--stored '*'

hostile_case
truncate -s 512K "$D/dev/slot-b-rootfs"
hostile_poll "a slot that has shrunk" E_COMPAT --word "its place" --stored '*'

# For no channel of this device, but a person brings it.
hostile_case
forge <<PY
r.edit_manifest(2, channels=["beta"])
r.pack("$T/now/2.pawl", 2)
PY
hostile_take "another channel's release may be installed from a file" 2 p install "$T/now/2.pawl"
tap_end
